"""What users are told where there is no card, no CuPy, or not enough memory."""

from __future__ import annotations

import importlib
import sys
from types import SimpleNamespace

import pytest

import rheobase as rb
from rheobase.engine.backends.cuda import card
from rheobase.engine.backends.cuda.capacity import estimate_bytes, refuse_if_too_big
from rheobase.engine.backends.registry import BACKENDS
from rheobase.engine.planning import make_plan
from rheobase.models.microcircuit import microcircuit


@pytest.fixture
def real(monkeypatch):
    """Do as if everything were installed, and no simulator asked for."""
    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)
    found = {"numba_cuda", "cupy"}
    usual = importlib.util.find_spec
    monkeypatch.setattr(card.importlib.util, "find_spec", lambda name: True if name in found else usual(name))
    return found


def refused(error):
    with pytest.raises(error) as met:
        rb.Simulator(rb.Network(), 1e-3, backend="cuda")
    assert not BACKENDS["cuda"].available
    return str(met.value)


@pytest.mark.parametrize(("package", "shown"), [("cupy", "'cupy'"), ("numba_cuda", "'numba-cuda'")])
def test_a_missing_package_is_named_with_the_extra(real, monkeypatch, package, shown):
    monkeypatch.setattr(card.importlib.util, "find_spec", lambda name: None if name == package else True)
    text = refused(rb.MissingExtra)
    assert shown in text
    assert "rheobase[gpu]" in text


class NoDriver(RuntimeError):
    """What CuPy raises."""


@pytest.mark.parametrize("count", [0, NoDriver("cudaErrorInsufficientDriver")])
def test_without_a_device_the_error_says_what_to_do(real, monkeypatch, count):
    def get_device_count():
        if isinstance(count, Exception):
            raise count
        return count

    runtime = SimpleNamespace(getDeviceCount=get_device_count, CUDARuntimeError=NoDriver)
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=SimpleNamespace(runtime=runtime)))
    text = refused(rb.RunError)
    assert "CUDA device" in text
    assert "backend='numba'" in text
    assert "NUMBA_ENABLE_CUDASIM=1" in text


def test_cupy_that_cannot_be_loaded_is_no_surprise(real, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert "CuPy" in refused(rb.RunError)


def test_a_network_larger_than_the_card_is_refused_with_the_estimate():
    plan = make_plan(microcircuit(scale=0.1), 1e-4)
    needed = estimate_bytes(plan)
    # 3 million synapses of 8 bytes each, and some more.
    assert 24e6 < needed - 256e6 < 60e6
    small = SimpleNamespace(name="a small card", free_bytes=lambda: needed - 1)
    with pytest.raises(rb.PlanError, match=r"0\.\d+ GB of the card.* a small card.*largest projection"):
        refuse_if_too_big(plan, small)
    refuse_if_too_big(plan, SimpleNamespace(name="a large card", free_bytes=lambda: needed + 1))
