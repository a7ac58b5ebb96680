"""How the reference updates neurons and operators: the rules themselves, run on NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from ...neurons import vocabulary
from ...neurons.specialise import Variant
from ..operation import Gather, operation_of
from ..operators import Units
from ..parts import Operator, Population
from ..plan import Plan
from ..planned import GroupPlan
from .literals import FLOAT32, as_float32
from .reference_deliver import Events
from .reference_sources import Draws
from .row_source import Row, row_of


class Neurons:
    """One population's rules, bound to NumPy."""

    def __init__(self, plan: Plan, group: GroupPlan) -> None:
        self.model = plan.population(group.name).model
        self.draws = Draws(plan, group)
        self._real = plan.real.type
        words: dict[str, Any] = {word: getattr(vocabulary, word) for word in vocabulary.WORDS}
        words |= {word: getattr(self.draws, word) for word in vocabulary.DRAWS}
        # Left alone, NumPy would compute in float64 wherever whole numbers meet others.
        words[FLOAT32] = lambda x: np.asarray(x, dtype=plan.real)[()]
        self._constants = {
            name: _constant(value, plan.real, group) for name, value in self.model.constants(plan.dt).items()
        }
        rules = self.model.rules
        whole = {"now"} | {state.name for state in self.model.used_states if state.kind == "integer"}
        whole |= {name for name, value in self._constants.items() if np.asarray(value).dtype.kind == "i"}
        self._rules = [
            (rule, _narrow(rule, frozenset(whole)).bind(words))
            for rule in (rules.flow, rules.jump, rules.fire)
        ]
        self._places = np.arange(group.n)

    def update(
        self, state: dict[str, np.ndarray], inputs: dict[str, np.ndarray], trial: int, now: int
    ) -> Events:
        """Change a trial's state by one step and return what the neurons send."""
        self.draws.begin(trial, now)
        sent: Any = 0.0
        for rule, function in self._rules:
            sent = self._call(rule, function, {**state, **inputs, **self._constants, "now": now}, state)
        sent = np.broadcast_to(sent, self._places.shape)
        places = np.flatnonzero(sent)
        kind = self.model.payload
        if kind == "real":
            return places, sent[places].astype(self._real)
        return places, sent[places].astype(np.int32) if kind == "integer" else np.ones(places.size, np.int32)

    def _call(
        self, rule: Variant, function: Callable[..., Any], known: dict[str, Any], state: dict[str, np.ndarray]
    ) -> Any:
        """Run one rule, write what it returns into the state, and return what else it returned."""
        returned = function(*(known[name] for name in rule.arguments))
        values = list(returned) if rule.n_returned > 1 else [returned]
        sent = values.pop(0) if rule is self.model.rules.fire else 0.0
        for name, value in zip(self.model.written(rule), values, strict=True):
            state[name][:] = value
        return sent


@lru_cache(maxsize=256)
def _narrow(rule: Variant, whole: frozenset[str]) -> Variant:
    """Return a rule whose whole numbers become the plan's type where they meet others."""
    tree = as_float32(rule.tree, [name for name in rule.arguments if name in whole])
    return Variant(rule.name, tree, rule.arguments, rule.n_returned, rule.words)


def _constant(value: Any, real: np.dtype, group: GroupPlan) -> Any:
    dtype = np.dtype(np.int32) if np.asarray(value).dtype.kind in "iu" and _is_numpy(value) else real
    array = np.asarray(value).astype(dtype)
    return group.stored(array) if array.ndim else array[()]


def _is_numpy(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic)


class OperatorRows:
    """One operator of one trial: its units are computed anew where something they read has changed."""

    def __init__(self, plan: Plan, operator: Operator) -> None:
        self._operation = operation_of(plan, operator.label)
        self._row = row_of(operator)
        self._reads = [_Reading(plan, gather) for gather in self._operation.gathers]
        self._tells = operator.output is None
        self.value = np.zeros(operator.n, plan.real)
        self.last = np.full(self._operation.size, np.nan, plan.real)
        self.recomputed = 0
        self.changes = np.zeros(len(self._reads), np.int64)

    def update(self, states: Mapping[str, Mapping[str, np.ndarray]], now: int) -> Events:
        """Compute what has changed and return the changes of the output, if it tells them."""
        x = self.last.copy()
        for gather, read in zip(self._operation.gathers, self._reads, strict=True):
            x[gather.into()] = read(states[gather.group], now)
        moved = x != self.last
        counted = moved & ~(np.isnan(self.last) & (x == 0))
        for k, gather in enumerate(self._operation.gathers):
            self.changes[k] += counted[gather.into()].sum()
        self.last = x
        starts, units = self._operation.starts, self._operation.units
        changed = np.zeros(units.n, bool)
        for k, (width, share) in enumerate(zip(units.widths, units.shares, strict=True)):
            stretch = slice(starts[k], starts[k + 1])
            changed |= np.repeat(moved[stretch].reshape(-1, width).any(axis=1), share)
        self.recomputed += int(changed.sum())
        fresh = self.value[self._operation.places].reshape(units.n, units.out)
        fresh[changed] = compute_units(
            self._row, units, [*np.split(x, starts[1:-1])], np.flatnonzero(changed)
        )
        value = fresh.reshape(-1)[self._operation.elements]
        change, self.value = value - self.value, value
        places = np.flatnonzero(change) if self._tells else np.zeros(0, np.int64)
        return places, change[places]


class _Reading:
    """What an operator reads of one group, in the shape in which it is seen."""

    def __init__(self, plan: Plan, gather: Gather) -> None:
        group = plan.groups[gather.group]
        whole = {"now"}
        if isinstance(group.part, Population):
            whole |= {state.name for state in group.part.model.used_states if state.kind == "integer"}
        self._index, self._real = gather.index, plan.real
        self._constants = {
            name: _constant(value, plan.real, group) for name, value in gather.constants.items()
        }
        self._arguments = gather.rule.arguments
        words: dict[str, Any] = {word: getattr(vocabulary, word) for word in vocabulary.WORDS}
        words[FLOAT32] = lambda x: np.asarray(x, dtype=plan.real)[()]
        self._rule = _narrow(gather.rule, frozenset(whole)).bind(words)

    def __call__(self, states: Mapping[str, np.ndarray], now: int) -> np.ndarray:
        known = {**states, **self._constants, "now": now}
        values = np.asarray(self._rule(*(known[name] for name in self._arguments)), self._real)
        return np.asarray(np.where(self._index < 0, self._real.type(0), values[np.maximum(self._index, 0)]))


def compute_units(row: Row, units: Units, arguments: list[np.ndarray], chosen: np.ndarray) -> np.ndarray:
    """Return what a row function makes of some units of whole arguments, (units, out), all at a time."""
    real = arguments[0].dtype
    words: dict[str, Any] = {word: getattr(vocabulary, word) for word in vocabulary.WORDS}
    words[FLOAT32] = lambda x: np.asarray(x, dtype=real)[()]
    arrays = {
        name: argument.reshape(-1, width)[chosen // share].T
        for name, argument, width, share in zip(
            row.arguments, arguments, units.widths, units.shares, strict=True
        )
    }
    y = np.zeros((units.out, chosen.size), real)
    row.bind(words)(*row.given({**arrays, "y": y}))
    return y.T
