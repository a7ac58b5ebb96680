"""What users are told where there is no card, no CuPy, or not enough memory."""

from __future__ import annotations

import importlib
import sys
from types import SimpleNamespace

import numpy as np
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
    assert BACKENDS["cuda"].missing in ("cupy", "numba-cuda", "a device")
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


class FakeStream:
    """A stream that notes what it was told, in one list for all of them."""

    def __init__(self, name, told):
        self.name, self.told, self.ptr = name, told, 7

    def __enter__(self):
        self.told.append(f"in {self.name}")

    def __exit__(self, *_):
        self.told.append(f"out of {self.name}")

    def synchronize(self):
        self.told.append(f"{self.name} done")

    def wait_event(self, event):
        self.told.append(f"{self.name} waits for {event.after}")


class FakeArray(np.ndarray):
    """An array on the card: values come and go by `set` and `get` alone."""

    def set(self, values):
        assert type(values) is np.ndarray
        assert values.dtype == self.dtype
        assert values.flags.c_contiguous
        self[:] = values

    def get(self, stream=None, out=None):
        if out is None:
            return np.array(self)
        out[:] = self
        return out


class FakeEvent:
    def __init__(self, told):
        self.told, self.after = told, None

    def record(self, stream):
        self.after = self.told[-1]


@pytest.fixture
def told():
    """What the card told CuPy and Numba, in order."""
    return []


@pytest.fixture
def fake(told, monkeypatch):
    """A card whose CuPy and Numba are notebooks."""
    names = iter(("working", "copying"))
    runtime = SimpleNamespace(
        getDevice=lambda: 0,
        getDeviceProperties=lambda number: {"name": b"A card"},
        memGetInfo=lambda: (1000, 2000),
    )
    cupy = SimpleNamespace(
        ndarray=FakeArray,
        zeros=lambda size, dtype: np.zeros(size, dtype).view(FakeArray),
        get_default_memory_pool=lambda: SimpleNamespace(free_bytes=lambda: 24),
        cuda=SimpleNamespace(
            runtime=runtime,
            Stream=lambda non_blocking: FakeStream(next(names), told),
            Event=lambda disable_timing: FakeEvent(told),
            get_current_stream=lambda: FakeStream("the user's", told),
            alloc_pinned_memory=lambda n: bytearray(n),
        ),
    )
    numba = SimpleNamespace(
        external_stream=lambda ptr: f"stream {ptr}", as_cuda_array=lambda array, sync: ("taken", array)
    )
    monkeypatch.setattr(card.importlib, "import_module", lambda name: numba)
    return card.CupyCard(cupy)


class FakeKernel:
    """A kernel of which four blocks fit on the card."""

    def __init__(self, told):
        self.told = told

    def compile(self, signature):
        return SimpleNamespace(max_cooperative_grid_blocks=lambda threads: 4)

    def __getitem__(self, configuration):
        return lambda *arguments: self.told.append(f"launch {configuration} {arguments}")


def test_values_come_and_go_in_the_order_of_the_cards_own_stream(fake, told):
    vector = fake.zeros(6, np.dtype(np.int32))
    assert vector.taken[0] == "taken"
    told.clear()
    fake.write(vector, 1, np.arange(6, dtype=np.int64)[::2])
    assert told == ["in working", "out of working", "working done"]
    assert fake.read(vector, 0, 6).tolist() == [0, 0, 2, 4, 0, 0]
    fake.clear(vector, 2, 1)
    assert fake.read(vector, 0, 6).tolist() == [0, 0, 0, 4, 0, 0]
    assert fake.free_bytes() == 1024
    assert fake.name == "A card"


def test_a_users_array_is_waited_for_and_copied_on_the_card(fake, told):
    vector = fake.zeros(3, np.dtype(np.uint8))
    told.clear()
    fake.write(vector, 0, np.array([1, 0, 2], np.uint8).view(FakeArray))
    assert told[0] == "the user's done"
    assert fake.read(vector, 0, 3).tolist() == [1, 0, 2]


def test_records_are_copied_behind_their_launch_while_later_ones_run(fake, told):
    vector = fake.zeros(4, np.dtype(np.int64))
    fake.write(vector, 0, np.arange(4))
    first = fake.launch(FakeKernel(told), 2, 64, 5, 6)
    fake.launch(FakeKernel(told), 2, 64, 6, 7)
    told.clear()
    assert fake.read_behind(first, vector, 3).tolist() == [0, 1, 2]
    assert told == ["copying waits for launch (2, 64, 'stream 7') (5, 6)", "copying done"]


@pytest.mark.parametrize(
    ("wanted", "shape"), [(1, (1, 32)), (33, (1, 64)), (640, (1, 640)), (641, (2, 640)), (10**6, (4, 640))]
)
def test_small_networks_take_one_block_and_large_ones_what_fits(fake, told, wanted, shape):
    assert fake.shape(FakeKernel(told), (), 640, wanted) == shape
