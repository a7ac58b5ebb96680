"""Operators: what receivers hold is the function of the input, recomputed only where it changed."""

import numpy as np
import pytest
from scipy.special import expit, ndtr, softmax

import rheobase as rb


@pytest.fixture
def attention():
    """Give scores of 3 rows of 4, their softmax, and a population that adds up its events."""
    net = rb.Network()
    source = net.add(rb.CurrentSource(12, name="source"))
    scores = net.add(rb.Population((3, 4), rb.IF(threshold=1e9), name="scores"))
    row = net.add(rb.Operator("softmax", scores, name="row"))
    total = net.add(rb.Population((3, 4), rb.IF(threshold=1e9), name="total"))
    net.add(rb.Projection(source, scores, rb.one_to_one(), weight=1.0, delay=0.0))
    net.add(rb.Projection(row, total, rb.one_to_one(), weight=1.0, delay=0.0))
    probes = [net.add(rb.Probe(row, "value")), net.add(rb.Probe(total, "v")), net.add(rb.Probe(scores, "v"))]
    return net, source, probes


@pytest.mark.parametrize(("precision", "error"), [(None, 5e-6), ("float64", 1e-13)])
def test_softmax_of_every_row(simulator, attention, precision, error):
    net, source, probes = attention
    x = np.random.default_rng(0).normal(0.0, 2.0, (20, 12))
    result = simulator(net, 1e-3, precision=precision).run(20e-3, inputs={source: x})
    value, total, scores = (result[probe].values for probe in probes)
    expected = softmax(np.cumsum(x, axis=0).reshape(20, 3, 4), axis=-1).reshape(20, 12)
    np.testing.assert_allclose(value, expected, atol=error)
    np.testing.assert_allclose(total, expected, atol=error)
    np.testing.assert_allclose(scores, np.cumsum(x, axis=0), atol=1e-5)


def test_only_rows_that_changed_are_recomputed(simulator, attention):
    net, source, _ = attention
    x = np.zeros((10, 12))
    x[4, 5] = 1.0  # row 1
    x[7] = 0.5  # every row, by a constant: recomputed, but nothing to tell
    sim = simulator(net, 1e-3)
    result = sim.run(10e-3, inputs={source: x})
    (counts,) = result.counts.operators
    assert counts.rows == 3 + 1 + 3
    assert counts.spikes == 12 + 4
    assert counts.evaluations == {"exp": 28, "add": 56, "divide": 28, "compare": 21}
    assert counts.changes == 13
    assert counts.words == 7 * 8
    assert sim.run(5e-3).counts.operators[0].rows == 0


def test_an_operator_goes_on_from_a_checkpoint(simulator, attention, tmp_path):
    net, source, probes = attention
    x = np.random.default_rng(1).normal(size=(10, 12))
    whole = simulator(net, 1e-3)
    whole.run(5e-3, inputs={source: x[:5]})
    whole.checkpoint(tmp_path / "half.npz")
    resumed = rb.Simulator.resume(tmp_path / "half.npz")
    expected = whole.run(5e-3, inputs={source: x[5:]})
    got = resumed.run(5e-3, inputs={"source": x[5:]})
    for probe in probes:
        np.testing.assert_array_equal(got[probe.name].values, expected[probe].values)
    assert got.counts.operators == expected.counts.operators


KINDS = {
    "softmax": {},
    "normalise": {"eps": 0.01},
    "rms": {"eps": 0.01, "centred": False},
    "max": {},
    "top_k": {"k": 2},
    "gelu": {"function": "gelu"},
    "gated": {"function": "silu"},
    "add": {},
    "matmul": {},
    "forward": {},
    "backward": {"backward": True},
}
NAMED = {"rms": "normalise", "gelu": "map", "gated": "product", "forward": "scan", "backward": "scan"}


def every_kind():
    """Return a network with an operator of every kind over a (2, 3, 4) and b (2, 4, 5), all probed."""
    net = rb.Network()
    source = net.add(rb.CurrentSource(64, name="source"))
    a = net.add(
        rb.Population((2, 3, 4), rb.EventNeuron(0.25, events="graded", bits=8, f="identity"), name="a")
    )
    b = net.add(rb.Population((2, 4, 5), rb.EventNeuron(0.5, events="pow2", bits=6, f="relu"), name="b"))
    net.add(rb.Projection(source[:24], a, rb.one_to_one(), delay=0.0))
    net.add(rb.Projection(source[24:], b, rb.one_to_one(), delay=0.0))
    total, told = rb.Read(a, "total"), rb.Read(a, "told")
    heads = rb.Read(b, "told", np.arange(40).reshape(2, 4, 5)[:, :3, :])
    inputs = {
        "gated": [total, told],
        "add": [total, told],
        "matmul": [told, rb.Read(b, "told")],
        "forward": [total, told, heads, told],
        "backward": [total, told, heads, told],
    }
    for name, options in KINDS.items():
        net.add(rb.Operator(NAMED.get(name, name), inputs.get(name, total), options=options, name=name))
        net.add(rb.Probe(net[name], "value"))
    for name, variable in (("a", "u"), ("a", "n"), ("b", "n")):
        net.add(rb.Probe(net[name], variable))
    return net


def drive(steps=6):
    """Return input in quarters, some of it in every step but the third."""
    x = np.random.default_rng(3).integers(-4, 5, (steps, 64)) / 4
    x[:, np.random.default_rng(4).random(64) < 0.7] = 0.0
    x[0], x[2] = np.random.default_rng(5).integers(-4, 5, 64) / 4, 0.0
    return x


def scanned(q, k, v, a, backward):
    """Return o_t = q_t S_t, S_t = diag(a_t) S_(t-1) + k_t^T v_t, head by head."""
    out = np.zeros((*q.shape[:-1], v.shape[-1]))
    for head in np.ndindex(q.shape[:-2]):
        state = np.zeros((q.shape[-1], v.shape[-1]))
        for t in range(q.shape[-2])[:: -1 if backward else 1]:
            state = a[head][t][:, None] * state + np.outer(k[head][t], v[head][t])
            out[head][t] = q[head][t] @ state
    return out


def largest(x, k):
    """Return the k largest numbers of each row, of equal ones the first, where they are above zero."""
    out = np.zeros_like(x)
    for row in np.ndindex(x.shape[:-1]):
        for i in sorted(range(x.shape[-1]), key=lambda i: (-x[row][i], i))[:k]:
            out[row][i] = max(x[row][i], 0.0)
    return out


def expected(u, a, b):
    """Return what the operators of `every_kind` compute of a's totals and what a and b have told."""
    off = u - u.mean(axis=-1, keepdims=True)
    return {
        "softmax": softmax(u, axis=-1),
        "normalise": off / np.sqrt((off**2).mean(axis=-1, keepdims=True) + 0.01),
        "rms": u / np.sqrt((u**2).mean(axis=-1, keepdims=True) + 0.01),
        "max": u.max(axis=-1),
        "top_k": largest(u, 2),
        "gelu": u * ndtr(u),
        "gated": u * expit(u) * a,
        "add": u + a,
        "matmul": np.einsum("...ik,...kj->...ij", a, b),
        "forward": scanned(u, a, b[..., :3, :], a, False),
        "backward": scanned(u, a, b[..., :3, :], a, True),
    }


def test_every_kind_computes_its_function(simulator):
    net, x = every_kind(), drive()
    result = simulator(net, 1e-3).run(6e-3, inputs={"source": x})
    u = result["u of a"].values.astype(float).reshape(-1, 2, 3, 4)
    a, b = (result[f"n of {name}"].values * theta for name, theta in (("a", 0.25), ("b", 0.5)))
    np.testing.assert_allclose(u[-1].reshape(-1), x[:, :24].sum(axis=0))
    for name, y in expected(u, a.reshape(-1, 2, 3, 4), b.reshape(-1, 2, 4, 5)).items():
        np.testing.assert_allclose(
            result[f"value of {name}"].values, y.reshape(len(y), -1), atol=3e-6, rtol=3e-6, err_msg=name
        )


def test_backends_compute_the_same_bits(compiled):
    results = [
        rb.Simulator(every_kind(), 1e-3, backend=backend, threads=threads).run(
            6e-3, inputs={"source": drive()}
        )
        for backend, threads in (("reference", None), (compiled, 1), (compiled, 2))
    ]
    for name in KINDS:
        for other in results[1:]:
            np.testing.assert_array_equal(
                other[f"value of {name}"].values, results[0][f"value of {name}"].values, err_msg=name
            )
    assert results[0].counts.operators == results[1].counts.operators == results[2].counts.operators


def test_a_product_of_matrices_costs_what_events_of_one_factor_meet_of_the_other(simulator):
    result = simulator(every_kind(), 1e-3).run(6e-3, inputs={"source": drive()})
    counts = {counted.name: counted for counted in result.counts.operators}
    events = {p.name: p.spikes for p in result.counts.populations}
    # What b sends are powers of two: to shift and add is enough.
    assert counts["matmul"].evaluations == {
        "add": events["a"] * 5 + events["b"] * 3,
        "multiply": events["a"] * 5,
    }
    u, n, m = (result[name].values for name in ("u of a", "n of a", "n of b"))
    assert counts["matmul"].changes == events["a"] + events["b"]
    moved = np.diff(np.concatenate([np.full((1, 24), np.nan), u]), axis=0) != 0
    assert counts["softmax"].rows == moved.reshape(-1, 4).any(axis=1).sum() < 6 * 6
    assert counts["gelu"].rows == moved.sum()
    # A row is computed where one of its own factors has changed, or any of the other matrix.
    rows = np.diff(np.concatenate([np.full((1, 24), np.nan), n]), axis=0).reshape(6, 2, 3, 4) != 0
    block = np.diff(np.concatenate([np.full((1, 40), np.nan), m]), axis=0).reshape(6, 2, 1, 20) != 0
    assert counts["matmul"].rows == (rows.any(axis=-1) | block.any(axis=-1)).sum()


@pytest.mark.parametrize("law", ["delta", "rate", "value"])
def test_what_an_operator_writes_is_the_neurons_total(simulator, law):
    net = rb.Network()
    source = net.add(rb.CurrentSource(8, name="source"))
    scores = net.add(rb.Population((2, 4), rb.ReLU(), name="scores"))
    bias = np.linspace(-0.2, 0.2, 8)
    model = rb.EventNeuron(0.125, law=law, events="graded", bits=5, bias=bias)
    neurons = net.add(rb.Population((2, 4), model, name="neurons"))
    net.add(rb.Projection(source, scores, rb.one_to_one(), delay=0.0))
    net.add(rb.Operator("normalise", rb.Read(scores, "told"), output=neurons))
    again = net.add(
        rb.Operator("map", rb.Read(neurons, "total"), options={"function": "identity"}, name="again")
    )
    told = net.add(
        rb.Operator("map", rb.Read(neurons, "told"), options={"function": "identity"}, name="told")
    )
    value, told = net.add(rb.Probe(again, "value")), net.add(rb.Probe(told, "value"))
    own = net.add(rb.Probe(neurons, "v" if law == "value" else "u"))
    n = net.add(rb.Probe(neurons, "n")) if law != "value" else None
    x = np.repeat(np.random.default_rng(1).normal(1.0, 2.0, (3, 8)), 20, axis=0)
    result = simulator(net, 1e-3).run(60e-3, inputs={source: x})
    off = np.maximum(x, 0.0).reshape(-1, 2, 4)
    off = off - off.mean(axis=-1, keepdims=True)
    y = (off / np.sqrt((off**2).mean(axis=-1, keepdims=True) + 1e-5)).reshape(60, 8) + bias
    np.testing.assert_allclose(result[value].values, y, atol=1e-5)
    if law == "value":
        np.testing.assert_allclose(result[own].values, y, atol=1e-5)
        np.testing.assert_allclose(result[told].values, np.maximum(y, 0.0), atol=1e-5)
        return
    steps, sent = np.arange(1, 61)[:, None], result[n].values * 0.125
    if law == "delta":
        np.testing.assert_array_equal(result[own].values, result[value].values)
        units = np.floor(result[own].values / np.float32(0.125) + np.float32(0.5))
        np.testing.assert_array_equal(result[n].values, np.clip(units, 0, 31))
        np.testing.assert_array_equal(result[told].values, sent)
    else:
        np.testing.assert_allclose(result[own].values, y * steps - sent, atol=1e-4)
        np.testing.assert_allclose(result[told].values, sent / steps, atol=1e-6)
        # After 20 steps of the same input it has told its mean but for half a unit.
        assert np.abs(sent[19] / 20 - np.maximum(y[19], 0.0)).max() <= 0.5 * 0.125 / 20 + 1e-6


def test_rows_are_read_in_any_order_across_groups_with_zeros(simulator):
    net = rb.Network()
    source = net.add(rb.CurrentSource(10))
    a, b = (net.add(rb.Population(n, rb.ReLU(), name=name)) for n, name in ((6, "a"), (4, "b")))
    net.add(rb.Projection(source[:6], a, rb.one_to_one(), delay=0.0))
    net.add(rb.Projection(source[6:], b, rb.one_to_one(), delay=0.0))
    left, right = np.array([[5, 0], [3, 3], [-1, 1]]), np.array([[2], [-1], [0]])
    both = (rb.Read(a, index=left), rb.Read(b, "told", index=right))
    total = net.add(rb.Operator("normalise", [both], options={"eps": 1.0, "centred": False}))
    probe = net.add(rb.Probe(total, "value"))
    x = np.arange(1.0, 11.0) * np.array([[1.0], [2.0]])
    value = simulator(net, 1e-3).run(2e-3, inputs={source: x})[probe].values
    rows = np.array([[[6, 1, 9], [4, 4, 0], [0, 2, 7]]]) * np.array([1.0, 2.0]).reshape(2, 1, 1)
    spread = np.sqrt((rows**2).mean(axis=-1, keepdims=True) + 1.0)
    np.testing.assert_allclose(value, (rows / spread).reshape(2, 9), atol=1e-6)


@pytest.mark.parametrize("written", [True, False])
def test_rows_run_over_channels_between_images(simulator, written):
    """Images that convolutions touch are stored channel last; operators see them as users do."""
    net = rb.Network()
    pixels, image = (
        net.add(rb.FrameSource((2, 3, 4))),
        net.add(rb.Population((2, 3, 4), rb.ReLU(), name="image")),
    )
    probability = net.add(rb.Population((2, 3, 4), rb.EventNeuron(law="value"), name="probability"))
    out = net.add(rb.Population((3, 3, 4), rb.ReLU(), name="out"))
    net.add(rb.Projection(pixels, image, rb.conv2d(), weight=np.eye(2).reshape(2, 2, 1, 1), delay=0.0))
    output = probability if written else None
    row = net.add(rb.Operator("softmax", image, axis=0, output=output, name="row"))
    weight = np.random.default_rng(0).normal(size=(3, 2, 1, 1))
    net.add(rb.Projection(probability if written else row, out, rb.conv2d(), weight=weight, delay=0.0))
    value, seen = net.add(rb.Probe(row, "value")), net.add(rb.Probe(out, "v"))
    x = np.random.default_rng(1).normal(size=(1, 2, 3, 4))
    result = simulator(net, 1e-3).run(1e-3, inputs={pixels: x})
    expected = softmax(x[0], axis=0)
    np.testing.assert_allclose(result[value].values[0].reshape(2, 3, 4), expected, atol=1e-6)
    expected = np.einsum("oc,chw->ohw", weight[:, :, 0, 0], expected)
    np.testing.assert_allclose(result[seen].values[0].reshape(3, 3, 4), expected, atol=1e-6)


def test_neurons_at_rest_wake_when_an_operator_writes(simulator):
    """Of 1,100 neurons that have been still for long, those that are written fire in the same step."""
    net = rb.Network()
    source = net.add(rb.CurrentSource(1100))
    held = net.add(rb.Population(1100, rb.IF(threshold=1e9), name="held"))
    told = net.add(rb.Population(1100, rb.EventNeuron(0.5, events="graded", bits=6), name="told"))
    net.add(rb.Projection(source, held, rb.one_to_one(), delay=0.0))
    net.add(rb.Operator("map", held, output=told, options={"function": "square"}))
    spikes = net.add(rb.Probe(told))
    x = np.zeros((85, 1100))
    x[70, [700, 1090]], x[80, 3] = 2.0, 1.0
    sim = simulator(net, 1e-3)
    result = sim.run(85e-3, inputs={source: x})
    assert result[spikes].steps.tolist() == [70, 70, 80]
    assert result[spikes].ids.tolist() == [700, 1090, 3]
    assert sim.state(told)["n"][[3, 700, 1090]].tolist() == [2, 8, 8]
    # What is set between two runs is seen as well.
    sim.set(held[5:], v=1.5)
    sim.run(1e-3)
    assert sim.state(told)["n"][[3, 5, 700, 1090]].tolist() == [2, 5, 5, 5]


def test_what_was_written_goes_on_from_a_checkpoint(simulator, tmp_path):
    net, x = every_kind(), drive()
    output = net.add(rb.Population((2, 3, 4), rb.EventNeuron(0.125, bits=6, f="identity"), name="output"))
    net.add(rb.Operator("add", [rb.Read(net["gelu"]), rb.Read(net["a"], "told")], output=output, name="sum"))
    spikes = net.add(rb.Probe(output, name="spikes"))
    whole = simulator(net, 1e-3)
    whole.run(3e-3, inputs={"source": x[:3]})
    whole.checkpoint(tmp_path / "half.npz")
    resumed = rb.Simulator.resume(tmp_path / "half.npz")
    expected, got = (sim.run(3e-3, inputs={"source": x[3:]}) for sim in (whole, resumed))
    np.testing.assert_array_equal(got["spikes"].ids, expected[spikes].ids)
    for name in KINDS:
        np.testing.assert_array_equal(got[f"value of {name}"].values, expected[f"value of {name}"].values)
    assert got.counts == expected.counts
