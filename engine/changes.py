"""What can be changed between runs: parameters, state variables, rates and weights, and how.

A change of a parameter, rate or static weight is a change of the description: the simulator goes on as one of
the changed network would, from the state that it has. A change of a state variable or of a plastic weight
is one of the state alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..learning.rules.rule import PlasticityRule
from ..learning.rules.short_term import ShortTermRule
from ..neurons.errors import SpecError, nearest
from ..neurons.model import NeuronModel, State
from .checks import check_array, numbers
from .connections import with_own_weights
from .distributions import Distribution
from .groups import Group, Part, Slice, ids_of
from .parts import Operator, Population, Projection
from .profiles import ByDistance
from .relays import relay_name
from .sources import CurrentSource, FrameSource, PoissonSource, RateSource, Source

#: Fields of sources that can be changed; spikes and values of other sources are given to `run`.
_OF_SOURCES: dict[type[Source], tuple[str, ...]] = {
    PoissonSource: ("rate",), RateSource: ("times", "rates"), CurrentSource: ("values",),
    FrameSource: ("values",),
}  # fmt: skip
_FIXED = "it is fixed when a simulator is made: change the network and make a new one"


@dataclass
class Change:
    """What one call changes.

    Attributes
    ----------
    part : Part, or None
        What takes the place of a part in the network; None where the description stays.
    states : dict
        (group, variable) -> new values, (trials, k), of some neurons of the group, and which these are.
    weights : array, or None
        New weights of a plastic projection.
    """

    part: Part | None = None
    states: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    weights: np.ndarray | None = None


def change_of(
    part: Part, end: Group | Slice | None, values: Mapping[str, Any], seed: int, trials: int
) -> Change:
    """Return what new values of a part mean.

    Parameters
    ----------
    part
        The part of the network that is to change.
    end
        The group, or the slice of it, that the values are for; None for a projection.
    values
        Name -> new value.
    seed
        The network's.
    trials
        Trials that a state variable may have values for.

    Raises
    ------
    SpecError
        If a name is unknown or cannot be changed, or a value is not allowed.
    """
    if not values:
        raise SpecError(f"Simulator.set: no values for {part.label}; name what is to change, such as v=0.0")
    if isinstance(part, Population):
        assert end is not None
        return _of_population(part, ids_of(end), values, trials)
    if isinstance(part, Source):
        assert end is not None
        return Change(part=_of_source(part, ids_of(end), values))
    if isinstance(part, Projection):
        return _of_projection(part, values, seed, trials)
    what = "is computed from its inputs" if isinstance(part, Operator) else "holds no parameters"
    raise SpecError(f"Simulator.set: {part.label} {what}; allowed are populations, sources and projections")


def _of_population(part: Population, ids: np.ndarray, values: Mapping[str, Any], trials: int) -> Change:
    change, fields = Change(), {}
    variables = {state.name: state for state in part.model.used_states}
    for name, value in values.items():
        if name in variables:
            change.states[part.label, name] = (_state(part, variables[name], value, ids.size, trials), ids)
        else:
            _check_parameter(part, part.model, name, [*variables])
            fields[name] = _in_slice(f"{part.label}.{name}", getattr(part.model, name), value, ids, part.n)
    if fields:
        model = replace(part.model, **fields)
        if model.used_states != part.model.used_states:
            raise SpecError(
                f"{part.label}: with {', '.join(fields)} so changed its state variables would be "
                f"{[s.name for s in model.used_states]} instead of {[*variables]}; {_FIXED}"
            )
        change.part = replace(part, model=model)
    return change


def _check_parameter(
    part: Part, described: NeuronModel | PlasticityRule, name: str, others: list[str]
) -> None:
    """Raise SpecError unless a model or rule has a parameter of this name that can be changed."""
    declared = {f.name: f.metadata.get("limits") for f in dataclasses.fields(described)}
    free = [key for key, limits in declared.items() if limits is not None and limits.choices is None]
    if name in free:
        return
    if name in declared:
        raise SpecError(f"{part.label}.{name}: is an option of {type(described).__name__}; {_FIXED}")
    known = [*others, *free]
    raise SpecError(
        f"{part.label}: {type(described).__name__} has no {name!r}{nearest(name, known)}; "
        f"there are {', '.join(known)}"
    )


def _in_slice(where: str, old: Any, value: Any, ids: np.ndarray, n: int) -> Any:
    """Return a parameter of a whole group, of which one slice has new values."""
    if np.array_equal(ids, np.arange(n)):
        return value
    if old is None or np.ndim(old) > 1:
        raise SpecError(f"{where}: has no value for each neuron; allowed is a new one for all of them")
    given = numbers(where, value, f"a finite number, or an array of shape ({ids.size},)")
    if given.shape not in ((), (ids.size,)):
        raise SpecError(f"{where}: got shape {given.shape}; allowed is a number, or ({ids.size},)")
    whole = np.array(np.broadcast_to(np.asarray(old, dtype=np.float64), n))
    whole[ids] = given
    return whole


def _state(part: Part, state: State, value: Any, n: int, trials: int) -> np.ndarray:
    """Return new values of a state variable, (trials, n), or raise SpecError."""
    where, shapes = f"{part.label}.{state.name}", [(n,), (trials, n)][: min(trials, 2)]
    given = np.asarray(check_array(where, value, *shapes, low=state.low, high=state.high))
    if state.kind == "integer" and np.any((given != np.floor(given)) | (np.abs(given) >= 2**31)):
        raise SpecError(f"{where}: got {value!r}; allowed are whole numbers of 31 bits and a sign")
    return np.broadcast_to(given, (trials, n))


def _of_source(part: Source, ids: np.ndarray, values: Mapping[str, Any]) -> Source:
    known = _OF_SOURCES.get(type(part), ())
    fields = {}
    for name, value in values.items():
        if name not in known or getattr(part, name) is None:
            has = f"has {', '.join(known)} to change" if known else "has nothing to change"
            raise SpecError(
                f"{part.label}.{name}: a {type(part).__name__} {has}; spikes and values of a source "
                "that is left empty are given to each run(inputs=...)"
            )
        if ids.size < part.n and name != "rate":
            raise SpecError(f"{part.label}.{name}: allowed is a new value for the whole source")
        fields[name] = _in_slice(f"{part.label}.{name}", getattr(part, name), value, ids, part.n)
    return replace(part, **fields)


def _of_projection(part: Projection, values: Mapping[str, Any], seed: int, trials: int) -> Change:
    change, fields, rule = Change(), {}, part.rule
    variables = {s.name: s for s in rule.used_states} if isinstance(rule, ShortTermRule) else {}
    for name, value in values.items():
        if name == "weight" and isinstance(rule, PlasticityRule):
            change.weights = numbers(f"{part.label}.weight", value, "numbers")
        elif name == "weight":
            change.part = _weighted(part, value, seed)
        elif name in {f.name for f in dataclasses.fields(part)}:
            raise SpecError(f"{part.label}.{name}: {_FIXED}")
        elif name in variables:
            key, ids = (relay_name(part), name), np.arange(part.pre.n)
            change.states[key] = (_state(part, variables[name], value, ids.size, trials), ids)
        elif rule is None:
            raise SpecError(
                f"{part.label}: has no {name!r}{nearest(name, ['weight'])}; it has a weight, and no rule"
            )
        else:
            _check_parameter(part, rule, name, ["weight", *variables])
            fields[name] = value
    if fields:
        assert rule is not None
        described = change.part if isinstance(change.part, Projection) else part
        change.part = replace(described, rule=replace(rule, **fields))
    return change


def _weighted(part: Projection, value: Any, seed: int) -> Projection:
    """Return a projection with static weights as given: as it describes them, or as they come out."""
    if isinstance(value, Distribution | ByDistance) or np.ndim(value) == 0:
        return replace(part, weight=value)
    given = numbers(f"{part.label}.weight", value, "numbers")
    return with_own_weights(part, seed, given)
