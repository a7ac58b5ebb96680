"""Circuits as networks: each linear map equals torch's, and silence leaves the totals of a forward pass."""

from __future__ import annotations

import numpy as np
import pytest

import rheobase as rb
from rheobase.conversion.circuits.circuit import Cell, Circuit, Code, Term
from rheobase.conversion.circuits.pairs import pairs_of
from rheobase.conversion.spiking.build import build
from rheobase.conversion.spiking.patterns import synapses_of

IMAGE = (4, 7, 6)


def conv_options(**others):
    plain = {
        "image": IMAGE,
        "stride": (1, 1),
        "padding": ((0, 0), (0, 0)),
        "dilation": (1, 1),
        "groups": 1,
    }
    return plain | others


def symmetric(padding):
    return {"padding": tuple((p, p) for p in padding)}


def applied(term, x, n_out):
    pairs = pairs_of(term, x.shape[1])
    out = np.zeros((len(x), n_out))
    for i, sample in enumerate(x):
        np.add.at(out[i], pairs.targets, pairs.weights * sample[pairs.sources])
    return out


@pytest.fixture(scope="module")
def functional():
    return pytest.importorskip("torch").nn.functional


def images(seed=0, n=3):
    return np.random.default_rng(seed).normal(size=(n, np.prod(IMAGE)))


def check(term, expected):
    expected = expected.numpy().reshape(3, -1)
    np.testing.assert_allclose(applied(term, images(), expected.shape[1]), expected, atol=1e-12)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"padding": (1, 2), "stride": (2, 1)},
        {"dilation": (2, 1), "padding": (2, 0)},
        {"groups": 2},
        {"groups": 4},
    ],
)
def test_pairs_of_a_convolution_are_those_of_torch(functional, how):
    import torch

    weight = np.random.default_rng(1).normal(size=(8, 4 // how.get("groups", 1), 3, 2))
    ours = conv_options(**how) | symmetric(how.get("padding", (0, 0)))
    image = torch.from_numpy(images()).reshape(3, *IMAGE)
    check(
        Term("x", "conv", {"weight": weight}, ours),
        functional.conv2d(image, torch.from_numpy(weight), **how),
    )


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"stride": (2, 3), "padding": (1, 0), "output_padding": (1, 2)},
        {"dilation": (1, 2), "padding": (1, 1), "groups": 2},
    ],
)
def test_pairs_of_a_transposed_convolution_are_those_of_torch(functional, how):
    import torch

    weight = np.random.default_rng(2).normal(size=(4, 3, 3, 2))
    ours = conv_options(**{"output_padding": (0, 0)} | how) | symmetric(how.get("padding", (0, 0)))
    image = torch.from_numpy(images()).reshape(3, *IMAGE)
    check(
        Term("x", "conv_transpose", {"weight": weight}, ours),
        functional.conv_transpose2d(image, torch.from_numpy(weight), **how),
    )


@pytest.mark.parametrize("count_padding", [True, False])
@pytest.mark.parametrize("padding", [(0, 0), (1, 1)])
def test_pairs_of_a_mean_over_windows_are_those_of_torch(functional, count_padding, padding):
    import torch

    how = {"image": IMAGE, "size": (3, 2), "stride": (2, 1), "count_padding": count_padding}
    image = torch.from_numpy(images()).reshape(3, *IMAGE)
    expected = functional.avg_pool2d(image, (3, 2), (2, 1), padding, count_include_pad=count_padding)
    check(Term("x", "mean_pool", {}, how | symmetric(padding)), expected)


def test_pairs_of_rows_and_wires_follow_their_index():
    rng = np.random.default_rng(3)
    weight, x = rng.normal(size=(5, 6)), rng.normal(size=(2, 12))
    index = np.array([[3, 1, -1, 7, 7, 0], [11, 10, 9, 8, -1, -1]])
    rows = np.where(index >= 0, x[:, index], 0.0)
    linear = Term("x", "linear", {"weight": weight}, index=index)
    np.testing.assert_allclose(applied(linear, x, 10), (rows @ weight.T).reshape(2, 10))
    np.testing.assert_allclose(applied(Term("x", "wire", index=index), x, 12), rows.reshape(2, 12))


@pytest.mark.parametrize(
    ("index", "rows", "kind"),
    [
        (None, 1, "dense"),
        (np.arange(12)[::-1], 1, "dense"),
        (None, 3, "rows"),
        (np.arange(12).reshape(4, 3).T, 3, "rows"),
        (np.arange(12) // 2, 3, "explicit"),
    ],
)
def test_weights_of_a_linear_map_are_stored_once_where_each_value_is_read_once(index, rows, kind):
    weight = np.random.default_rng(4).normal(size=(5, 12 // rows))
    term, theta = Term("x", "linear", {"weight": weight}, index=index), np.full(12, 0.5)
    pattern, weights = synapses_of(term, Cell("x", (12,)), Cell("y", (rows, 5)), theta)
    assert pattern.kind == kind
    net = rb.Network()
    pre, post = (net.add(rb.Population(n, rb.IF())) for n in (12, 5 * rows))
    p = net.add(rb.Projection(pre, post, pattern, weight=weights))
    pairs, expected = pairs_of(term, 12), np.zeros((5 * rows, 12))
    np.add.at(expected, (pairs.targets, pairs.sources), 0.5 * pairs.weights)
    found = rb.Simulator(net, 1e-3, backend="reference").synapses(p).to_scipy().toarray()
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_weights_that_rows_multiply_by_different_thetas_are_listed():
    term = Term("x", "linear", {"weight": np.ones((2, 4))})
    for theta, kind in ((np.tile([1.0, 2.0, 4.0, 8.0], 3), "rows"), (np.arange(1.0, 13.0), "explicit")):
        assert synapses_of(term, Cell("x", (12,)), Cell("y", (3, 2)), theta)[0].kind == kind


@pytest.mark.parametrize(
    ("backend", "events"), [("reference", "pow2"), ("reference", "unit"), ("numba", "pow2")]
)
def test_at_silence_every_cell_holds_what_a_forward_pass_does(backend, events, circuit, told, forward_pass):
    totals, counts = forward_pass
    net = build(circuit, events=events, schedule="concurrent")
    kinds = {p.name: p.connectivity.kind for p in net.projections}
    assert kinds == {
        "frame->input": "one_to_one", "input->conv": "conv2d", "conv->pool": "conv2d",
        "pool->block": "one_to_one", "pool->block 2": "conv2d", "conv->block": "explicit",
        "block->turned": "explicit", "turned->output": "dense", "block->output": "dense",
    }  # fmt: skip
    simulator = rb.Simulator(net, 1e-3, backend=backend, batch=3, precision="fixed")
    assert all(
        r.grid is None or r.grid.rounding == 0 for g in simulator.plan.groups.values() for r in g.receptors
    )
    first = simulator.run(0.15, inputs={"frame": told[:, None]}).counts
    # One more step, in which nothing is told any more.
    assert simulator.run(1e-3).counts.spikes == 0 < first.spikes
    for name, expected in totals.items():
        state = simulator.state(name)
        np.testing.assert_array_equal(state["u" if "u" in state else "v"], expected)
        if name in counts:
            np.testing.assert_array_equal(state["n"], counts[name])
            assert np.unique(counts[name]).size > 4


def test_a_cell_that_tells_nothing_cannot_be_heard():
    cells = [
        Cell("input", (2,), code=Code(np.ones(2), 0, 1)),
        Cell("sum", (2,), (Term("input", "wire"),)),
        Cell("output", (2,), (Term("sum", "wire"),)),
    ]
    with pytest.raises(rb.ConversionError, match="output: hears sum, which tells nothing"):
        build(Circuit({cell.name: cell for cell in cells}))
