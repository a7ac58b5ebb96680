"""`import rheobase` is light, every public name is there, and a missing extra is named."""

from __future__ import annotations

import json
import subprocess
import sys
import types

import pytest

import rheobase

HEAVY = ("numba", "scipy", "matplotlib", "torch", "snntorch", "tonic", "nir", "tqdm", "cupy", "neo", "h5py")


def in_a_fresh_python(code: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return run.stdout


def test_importing_loads_nothing_heavy():
    loaded = in_a_fresh_python("import json, sys, rheobase; print(json.dumps(sorted(sys.modules)))")
    assert "rheobase" in json.loads(loaded)
    assert not set(HEAVY) & set(json.loads(loaded))


def test_describing_a_neuron_loads_nothing_heavy():
    loaded = in_a_fresh_python(
        "import json, sys, rheobase as rb; rb.LIF(20e-3); print(json.dumps(sorted(sys.modules)))"
    )
    assert not set(HEAVY) & set(json.loads(loaded))


def test_the_engine_and_the_costs_never_load_torch():
    loaded = in_a_fresh_python(
        "import json, sys, rheobase as rb; rb.Simulator, rb.energy, rb.convert, rb.models;"
        "print(json.dumps(sorted(sys.modules)))"
    )
    assert "rheobase.engine.simulator" in json.loads(loaded)
    assert not {"torch", "snntorch", "tonic", "neo", "cupy", "matplotlib"} & set(json.loads(loaded))


@pytest.mark.parametrize("name", rheobase.__all__)
def test_every_public_name_is_there_and_documented(name):
    thing = getattr(rheobase, name)
    if isinstance(thing, type | types.FunctionType | types.ModuleType):
        assert thing.__doc__
        assert thing.__name__.rpartition(".")[2] == name
    else:
        assert isinstance(thing, float | str)
    assert name in dir(rheobase)


def test_no_name_is_public_twice():
    assert len(rheobase.__all__) == len(set(rheobase.__all__))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'LeakyIntegrator'"):
        _ = rheobase.LeakyIntegrator


def test_units_are_multiples_of_si():
    expected = {"ms": 1e-3, "us": 1e-6, "mV": 1e-3, "nS": 1e-9, "pA": 1e-12, "pF": 1e-12}
    assert {name: getattr(rheobase, name) for name in expected} == expected


# What needs an extra: the package to hide, the extra that brings it, and code that asks for it.
NEEDING = [
    ("neo", "analysis", "result().to_neo()"),
    (
        "torch",
        "torch",
        "rb.convert(object(), [[0.0], [1.0]])",
    ),
    ("cupy", "gpu", "from rheobase.bench_device import limits_of_device; limits_of_device()"),
    (
        "numba_cuda",
        "gpu",
        "rb.Simulator(rb.Network(), 1e-3, backend='cuda')",
    ),
]
HIDING = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == {package!r} else find(name, package)
sys.modules[{package!r}] = None
import rheobase as rb
def result():
    net = rb.Network()
    net.add(rb.Population(1, rb.IF()))
    return rb.Simulator(net, dt=1e-3, backend="reference").run(1e-3)
try:
    {code}
except rb.MissingExtra as error:
    print(type(error).__mro__[2].__name__, error.package, error.extra, error)
"""


@pytest.mark.parametrize(("package", "extra", "code"), NEEDING)
def test_a_missing_extra_is_named_with_its_command(package, extra, code):
    said = in_a_fresh_python(HIDING.format(package=package, code=code))
    assert said.split()[2] == extra
    assert f'pip install "rheobase[{extra}]"' in said


def test_extras_that_errors_name_exist(tmp_path):
    import importlib.metadata

    provided = importlib.metadata.metadata("rheobase").get_all("Provides-Extra")
    assert {extra for _, extra, _ in NEEDING} <= set(provided)
