"""Random graphs of vectors, with recurrence, sums and inner graphs, come back as they were, and run."""

from __future__ import annotations

import contextlib

import nir
import numpy as np
import pytest

import rheobase as rb
from rheobase.conversion.nir.draw import drawn_graph
from rheobase.conversion.nir.graph import graph_of, tree_of
from rheobase.conversion.nir.write import difference

N, DT = 3, 1e-3
DELAYS = (np.full(N, 2 * DT), np.array([1, 2, 3]) * DT, np.array([0, 1, 2]) * DT)


def node(kind, rng, depth):
    """Return a random node on vectors of N."""
    shared = rng.random() < 0.5
    a, b, c, d, e = (
        np.full(N, rng.uniform(0.5, 1.5)) if shared else rng.uniform(0.5, 1.5, N) for _ in range(5)
    )
    return {
        "linear": lambda: nir.Linear(rng.normal(size=(N, N))),
        "affine": lambda: nir.Affine(rng.normal(size=(N, N)), rng.normal(size=N)),
        "scale": lambda: nir.Scale(a),
        "delay": lambda: nir.Delay(DELAYS[rng.integers(len(DELAYS))]),
        "flatten": lambda: nir.Flatten({"input": np.array([N])}, 0, -1),
        "threshold": lambda: nir.Threshold(a),
        "i": lambda: nir.I(a),
        "if": lambda: nir.IF(a, b),
        "li": lambda: nir.LI(a * 1e-2, b, c),
        "lif": lambda: nir.LIF(a * 1e-2, b, c, d, -e),
        "cubali": lambda: nir.CubaLI(a * 1e-2, b * 1e-2, c, d, e),
        "cubalif": lambda: nir.CubaLIF(a * 1e-2, b * 1e-2, c, d, e),
        "graph": lambda: random_graph(rng, depth + 1),
    }[kind]()


KINDS = (
    "linear",
    "affine",
    "scale",
    "delay",
    "flatten",
    "threshold",
    "i",
    "if",
    "li",
    "lif",
    "cubali",
    "cubalif",
    "graph",
)


def random_graph(rng, depth=0):
    """Return a graph in which each node hears one or two earlier ones, some a later one, and outputs too."""
    nodes = {"in": nir.Input(np.array([N]))}
    for k in range(rng.integers(1, 7)):
        kind = str(rng.choice(KINDS[:-1] if depth == 2 else KINDS))
        nodes[f"{kind}{k}"] = node(kind, rng, depth)
    names = list(nodes)
    edges = [
        (names[pre], names[k]) for k in range(1, len(names)) for pre in {*rng.integers(0, k, 2).tolist()}
    ]
    edges += [
        (names[max(pair)], names[min(pair)]) for pair in rng.integers(1, len(names), (rng.integers(3), 2))
    ]
    for output in ("output",) if depth else ("output", "other"):
        nodes[output] = nir.Output(np.array([N]))
        edges += [(names[k], output) for k in {*rng.integers(1, len(names), 2).tolist()}]
    leading = {pre for pre, _ in edges}
    edges += [(name, "output") for name in names if name not in leading]  # else what they are is lost
    return nir.NIRGraph(nodes, list(dict.fromkeys(edges)), type_check=False)


@pytest.mark.parametrize("block", range(4))
def test_random_graphs_come_back_as_they_were(block):
    for seed in range(40 * block, 40 * block + 40):
        graph = random_graph(np.random.default_rng(seed))
        net = rb.read_nir(graph)
        assert difference(graph_of(tree_of(graph)), drawn_graph(net, DT)) == "", seed


def test_random_graphs_run_but_for_cycles_without_a_delay():
    ran = 0
    for seed in range(30):
        net = rb.read_nir(random_graph(np.random.default_rng(seed)))
        with contextlib.suppress(rb.PlanError):
            rb.Simulator(net, dt=DT, backend="reference").run(3 * DT, inputs={"in": np.ones((3, N), int)})
            ran += 1
    assert ran >= 25
