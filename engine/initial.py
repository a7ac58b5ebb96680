"""Initial values of state variables: numbers, arrays, or draws that every backend makes alike."""

from __future__ import annotations

import numpy as np

from .distributions import TABLE_BITS, Distribution, Values
from .parts import Population
from .plan import Plan
from .planned import GroupPlan
from .random import stream_key, uniform_array


def initial_state(plan: Plan, group: GroupPlan, trial: int) -> dict[str, np.ndarray]:
    """Return the first values of a population's state variables in one trial, (n,), in the order of storage.

    The population's own value comes before the model's, and that before the declared one. Drawn values
    are keyed by (seed, population, variable, trial) and the user's index of the neuron.

    Parameters
    ----------
    plan : Plan
        The plan.
    group : GroupPlan
        The population.
    trial : int
        The trial.

    Examples
    --------
    >>> import rheobase as rb
    >>> from rheobase.engine.planning import make_plan
    >>> net = rb.Network()
    >>> pop = net.add(rb.Population(2, rb.LIF(20e-3), name="a", initial={"v": [0.1, 0.2]}))
    >>> plan = make_plan(net, 1e-3)
    >>> initial_state(plan, plan.groups["a"], 0)["v"].tolist()
    [0.10000000149011612, 0.20000000298023224]
    """
    part = group.part
    assert isinstance(part, Population)
    given = {**part.model.initial(), **part.initial}
    first: dict[str, np.ndarray] = {}
    for state in part.model.used_states:
        dtype = np.dtype(np.int32) if state.kind == "integer" else plan.real
        values = _values(plan, group, state.name, given.get(state.name, state.initial), trial)
        first[state.name] = group.stored(values).astype(dtype)
    return first


def _values(plan: Plan, group: GroupPlan, variable: str, value: Values, trial: int) -> np.ndarray:
    if not isinstance(value, Distribution):
        return np.broadcast_to(np.asarray(value, dtype=np.float64), group.n)
    key = stream_key(plan.network.seed, group.name, f"initial {variable}", trial)
    quantiles = uniform_array(key, group.n) * (1 << TABLE_BITS)
    return np.asarray(value.table()[quantiles.astype(np.int64)])
