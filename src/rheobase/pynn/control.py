"""Setting up, running and asking: the functions of PyNN's interface."""

from __future__ import annotations

from typing import Any

from pyNN import common
from pyNN.common.control import DEFAULT_MAX_DELAY, DEFAULT_MIN_DELAY, DEFAULT_TIMESTEP
from pyNN.connectors import FixedProbabilityConnector
from pyNN.recording import get_io

from . import simulator
from .populations import Population
from .projections import Projection
from .synapses import StaticSynapse

#: Arguments of our Simulator that `setup` takes besides PyNN's own.
_OPTIONS = ("backend", "precision", "threads")


def setup(
    timestep: float = DEFAULT_TIMESTEP, min_delay: Any = DEFAULT_MIN_DELAY, **extra_params: Any
) -> int:  # fmt: skip
    """Begin anew: forget everything, and set the step.

    Parameters
    ----------
    timestep : float
        Length of a step in ms.
    min_delay : float or "auto"
        Delay of synapses that name none, in ms; one step if "auto".
    **extra_params
        `max_delay`, which changes nothing; `rng_seed`, a whole number that keys all noise; `backend`,
        `threads` and `precision`, as `rheobase.Simulator` takes them. What is meant for other
        simulators (`quit_on_end`, `spike_precision` ...) is left aside.

    Returns
    -------
    int
        0, the rank of the only process.
    """
    common.setup(timestep, min_delay, **extra_params)
    state = simulator.state
    state.clear()
    state.dt = float(timestep)
    state.min_delay = min_delay
    state.max_delay = extra_params.get("max_delay", DEFAULT_MAX_DELAY)
    state.seed = int(extra_params.get("rng_seed", 0))
    state.options = {name: extra_params[name] for name in _OPTIONS if extra_params.get(name) is not None}
    return state.mpi_rank


def end(compatible_output: bool = True) -> None:
    """Write what was to be written at the end."""
    for population, variables, filename in simulator.state.write_on_end:
        population.write_data(get_io(filename), variables)
    simulator.state.write_on_end = []


run, run_until = common.build_run(simulator)
run_for = run
reset = common.build_reset(simulator)
initialize = common.initialize
(
    get_current_time, get_time_step, get_min_delay, get_max_delay, num_processes, rank
) = common.build_state_queries(simulator)  # fmt: skip
create = common.build_create(Population)
connect = common.build_connect(Projection, FixedProbabilityConnector, StaticSynapse)
record = common.build_record(simulator)


def record_v(source: Any, filename: Any) -> None:
    """Record the membrane potential to a file."""
    record(["v"], source, filename)


def record_gsyn(source: Any, filename: Any) -> None:
    """Record the synaptic conductances to a file."""
    record(["gsyn_exc", "gsyn_inh"], source, filename)
