"""PyNN scripts share one simulator: each test begins with a fresh one."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("pyNN")
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def sim():
    import rheobase.pynn as sim

    sim.setup(timestep=0.1, backend="reference")
    yield sim
    sim.setup(timestep=0.1)
