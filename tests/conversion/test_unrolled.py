"""Recurrences that were unrolled become scans where a and b are known before, and stay otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from rheobase.conversion.circuits.fuse import fuse
from rheobase.conversion.graphs.forward import forward
from rheobase.conversion.graphs.simplify import simplify
from rheobase.conversion.tracing.compose import added, linear, mapped, multiplied, scaled
from rheobase.conversion.tracing.draft import Draft, Value

TOKENS, WIDTH = 6, 3
RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(size=(3, WIDTH, WIDTH)).astype(np.float32)


def drafted(step, order=range(TOKENS)):
    """Return the graph of all h of a recurrence upon (tokens, width) numbers."""
    draft = Draft()
    x = draft.add("input", [], (1, TOKENS, WIDTH))
    gates, values = mapped(draft, linear(draft, x, WEIGHTS[0]), "sigmoid"), linear(draft, x, WEIGHTS[1])
    h, out = scaled(draft, Value(values.places[:, order[0]]), 0.0), {}
    for t in order:
        h = out[t] = step(draft, h, Value(gates.places[:, t]), Value(values.places[:, t]))
    return draft.finished(Value(np.stack([out[t].places for t in range(TOKENS)], 1)))


def fading(d, h, a, b):
    return added(d, multiplied(d, a, h), b)


def mixing(d, h, a, b):
    """One weight for both: what stays, and what comes."""
    return added(d, multiplied(d, a, h), multiplied(d, scaled(d, a, -1.0, 1.0), b))


def gated_by_itself(d, h, a, b):
    """As in a GRU, what stays depends on what there is."""
    gate = mapped(d, added(d, linear(d, h, WEIGHTS[2]), a), "sigmoid")
    return added(d, multiplied(d, gate, h), b)


def kinds(graph):
    return [node.op for node in graph.nodes.values()]


def fading_in_numpy(x, order):
    a, b = 1 / (1 + np.exp(-x @ WEIGHTS[0].T)), x @ WEIGHTS[1].T
    h, out = np.zeros((len(x), WIDTH)), np.zeros(x.shape)
    for t in order:
        h = out[:, t] = a[:, t] * h + b[:, t]
    return out


@pytest.mark.parametrize("order", [range(TOKENS), range(TOKENS - 1, -1, -1)], ids=["forwards", "backwards"])
def test_a_gated_recurrence_is_one_scan(order):
    small = simplify(drafted(fading, order))
    assert kinds(small).count("scan") == 1
    assert not {"product", "add"}.intersection(kinds(small))
    x = RNG.normal(size=(5, TOKENS, WIDTH)).astype(np.float32)
    np.testing.assert_allclose(forward(small, x), fading_in_numpy(x, order), atol=1e-5)
    assert len(fuse(small).told) < 8


def test_what_comes_may_be_computed_token_by_token():
    graph = drafted(mixing)
    small = simplify(graph)
    assert kinds(small).count("scan") == 1
    x = RNG.normal(size=(5, TOKENS, WIDTH)).astype(np.float32)
    np.testing.assert_allclose(forward(small, x), forward(graph, x), atol=1e-5)


@pytest.mark.parametrize("step", [gated_by_itself, lambda d, h, a, b: added(d, mapped(d, h, "tanh"), b)])
def test_a_recurrence_that_is_not_linear_stays(step):
    graph = drafted(step)
    small = simplify(graph)
    assert "scan" not in kinds(small)
    x = RNG.normal(size=(5, TOKENS, WIDTH)).astype(np.float32)
    np.testing.assert_allclose(forward(small, x), forward(graph, x), atol=1e-5)


def test_short_recurrences_stay():
    draft = Draft()
    x = draft.add("input", [], (1, 4, WIDTH))
    a, b, c, d = (Value(x.places[:, t]) for t in range(4))
    graph = draft.finished(fading(draft, fading(draft, a, b, c), d, a))
    assert kinds(simplify(graph)).count("product") == 2
