"""How the reference updates neurons and operators: the rules themselves, run on NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ...neurons import vocabulary
from ...neurons.specialise import Variant
from ..operators import kind_of
from ..parts import Operator
from ..plan import GroupPlan, Plan
from .literals import FLOAT32, as_float32
from .reference_deliver import Events
from .reference_sources import Draws


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
    """One operator of one trial: its rows are computed anew where their input has changed."""

    def __init__(self, plan: Plan, operator: Operator) -> None:
        self.value = np.zeros(operator.n, plan.real)
        self.recomputed = 0
        self._row = kind_of(operator).row
        self._length = operator.shape[-1]
        self.last = np.full(operator.n, np.nan, plan.real)

    def update(self, x: np.ndarray) -> Events:
        """Recompute what has changed and return the changes of the output."""
        rows = x.reshape(-1, self._length)
        changed = np.any(rows != self.last.reshape(rows.shape), axis=1)
        self.last = x.copy()
        y = self.value.copy().reshape(rows.shape)
        for i in np.flatnonzero(changed):
            self._row(rows[i], y[i], self._length)
        self.recomputed += int(changed.sum())
        change = y.reshape(-1) - self.value
        self.value = y.reshape(-1)
        places = np.flatnonzero(change)
        return places, change[places]
