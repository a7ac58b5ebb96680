"""Step a model directly on NumPy, without any engine."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rheobase.neurons import NeuronModel, vocabulary

WORDS = {word: getattr(vocabulary, word) for word in vocabulary.WORDS}


def _constants(model: NeuronModel, dt: float, dtype: type) -> dict[str, Any]:
    return {
        name: np.asarray(value, np.int32 if np.issubdtype(np.asarray(value).dtype, np.integer) else dtype)
        for name, value in model.constants(dt).items()
    }


def step_neurons(
    model: NeuronModel,
    inputs: np.ndarray | dict[str, np.ndarray],
    dt: float = 1e-3,
    dtype: type = np.float64,
    initial: dict[str, Any] | None = None,
) -> SimpleNamespace:
    """Run the rules on input [steps, n] (by receptor, or for the first one); return all traces.

    The result has `sent` [steps, n] and one array [steps, n] per state variable in use.
    """
    fed = inputs if isinstance(inputs, dict) else {model.receptors[0]: inputs}
    steps, n = next(iter(fed.values())).shape
    types = {s.name: np.int32 if s.kind == "integer" else dtype for s in model.used_states}
    start = {**{s.name: s.initial for s in model.used_states}, **model.initial(), **(initial or {})}
    known = _constants(model, dt, dtype)
    known |= {name: np.full(n, start[name], kind) for name, kind in types.items()}
    rules = [(rule, rule.bind(WORDS)) for rule in (model.rules.flow, model.rules.jump, model.rules.fire)]
    traces: dict[str, list[np.ndarray]] = {name: [] for name in ("sent", *types)}
    for step in range(steps):
        known |= {"now": step} | {
            r: fed[r][step].astype(dtype) if r in fed else dtype(0) for r in model.receptors
        }
        for rule, function in rules:
            returned = function(*(known[name] for name in rule.arguments))
            values = list(returned) if rule.n_returned > 1 else [returned]
            if rule is model.rules.fire:
                traces["sent"].append(np.broadcast_to(np.asarray(values.pop(0), dtype), n))
            for name, value in zip(model.written(rule), values, strict=True):
                known[name] = np.broadcast_to(np.asarray(value).astype(types[name]), n)
        for name in types:
            traces[name].append(known[name])
    return SimpleNamespace(**{name: np.array(rows) for name, rows in traces.items()})


@pytest.fixture(scope="session")
def step_alone() -> Callable[..., SimpleNamespace]:
    """Step a model alone: step_alone(model, inputs, dt, dtype, initial)."""
    return step_neurons
