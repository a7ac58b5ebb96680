"""What every test shares: the twins, and a path on which our folders hide nobody else's packages."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from rheobase.engine.backends.registry import BACKENDS

ROOT = Path(__file__).resolve().parents[1]
#: Files whose tests take long, for each of two workers: they come first, so that what is left at the end is
#: short, and those that compile the same kernels are not run side by side.
_LONG = (
    {"test_random_networks.py", "test_cuda_kernels.py", "test_microcircuit.py"},
    {"test_cuda_simulated.py"},
)

# With the root on the path, `import datasets` would find our folder instead of the package of that name.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]


def pytest_addoption(parser):
    parser.addoption("--backend", default=None, help="the one backend to run tests of every backend on")
    parser.addoption("--slow", action="store_true", help="run also tests that are marked slow: they train")


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: it trains for some seconds, and is left out without --slow")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    if not config.getoption("--slow", default=False):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))
    # Each of two workers begins with one half, and takes from the end of the other's when it is done.
    first, second = ([item for item in items if item.path.name in files] for files in _LONG)
    short = [item for item in items if not any(item.path.name in files for files in _LONG)]
    half = max(len(items) // 2 - len(first), 0)
    items[:] = [*first, *short[:half], *second, *short[half:]]


def pytest_generate_tests(metafunc):
    """Run a test that takes `backend` on every one that is here, or on the one that was chosen.

    One that takes `compiled` is compared with the reference, and not run on it.
    """
    marks = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    chosen = metafunc.config.getoption("--backend", default=None)
    here = [chosen] if chosen else [b.name for b in BACKENDS.values() if b.available]
    for argument, names in (("backend", here), ("compiled", [name for name in here if name != "reference"])):
        if argument in metafunc.fixturenames and not any(argument in names for names in marks):
            metafunc.parametrize(argument, names, scope="session")


class Twins:
    """The modules of tests/reference, loaded on first use: `twins.neurons.lif(...)`."""

    def __getattr__(self, name: str) -> ModuleType:
        path = ROOT / "tests" / "reference" / f"{name}.py"
        if not path.exists():
            raise AttributeError(f"tests/reference has no {name}.py")
        spec = importlib.util.spec_from_file_location(f"twins_{name}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        setattr(self, name, module)
        return module


@pytest.fixture(scope="session")
def twins() -> Twins:
    """Slow twins written by hand from the equations, which import nothing of ours."""
    return Twins()
