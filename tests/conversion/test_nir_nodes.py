"""Every node of NIR 1.0.8 does here what its docstring says: outputs against equations written by hand."""

from __future__ import annotations

from itertools import pairwise

import nir
import numpy as np
import pytest

import rheobase as rb

DT, STEPS = 1e-3, 60
rng = np.random.default_rng(11)


def params(*sizes, low=0.5, high=1.5):
    return rng.uniform(low, high, sizes)


def graph(*nodes, shape, ends=None):
    """Return a chain of nodes between an Input and an Output; nir's own shapes are not asked."""
    named = {"input": nir.Input(np.array(shape))} | {f"n{k}": node for k, node in enumerate(nodes)}
    named["output"] = nir.Output(np.array(shape if ends is None else ends))
    names = list(named)
    return nir.NIRGraph(named, list(pairwise(names)), type_check=False)


def run(g, x, **options):
    net = rb.read_nir(g, inputs="values", **options)
    sim = rb.Simulator(net, dt=DT, backend="reference", precision="float64")
    return sim.run(len(x) * DT, inputs={"input": x.reshape(len(x), -1)})["output"]


def raster(record, shape):
    out = np.zeros((STEPS, int(np.prod(shape))))
    np.add.at(out, (record.steps, record.ids), 1)
    return out.reshape(STEPS, *shape)


def share(tau, integration):
    return DT / tau if integration == "euler" else 1 - np.exp(-DT / tau)


def fire(v, threshold, v_reset):
    z = v > threshold
    return z, np.where(z, v_reset, v)


@pytest.mark.parametrize("integration", ["euler", "exact"])
@pytest.mark.parametrize("name", ["IF", "LIF", "CubaLIF", "I", "LI", "CubaLI"])
def test_a_neuron_follows_its_equation_with_a_value_per_neuron(name, integration):
    n, fires = 5, name.endswith("F")
    r, leak, reset, threshold, w = (
        params(n),
        params(n, low=-0.1, high=0.1),
        params(n, low=-0.3, high=-0.1),
        params(n),
        params(n),
    )
    tau, tau_syn = params(n, low=4e-3, high=9e-3), params(n, low=2e-3, high=8e-3)
    if name in ("I", "IF"):
        r = r / DT / 4
    fields = {"r": r}
    fields |= {"v_leak": leak} if name not in ("I", "IF") else {}
    fields |= {"v_threshold": threshold, "v_reset": reset} if fires else {}
    fields |= {"tau_mem": tau, "tau_syn": tau_syn, "w_in": w} if "Cuba" in name else {}
    fields |= {"tau": tau} if name in ("LI", "LIF") else {}
    x = rng.normal(0.8, 1.0, (STEPS, n)) * (3 if "Cuba" in name or "L" in name else 1)
    got = run(graph(getattr(nir, name)(**fields), shape=[n]), x, integration=integration)
    i = np.zeros(n)
    v = leak.copy() if "v_leak" in fields else np.zeros(n)
    sent, trace = np.zeros((STEPS, n)), np.zeros((STEPS, n))
    for t in range(STEPS):
        current = x[t]
        if "Cuba" in name:
            i = current = i + share(tau_syn, integration) * (w * x[t] - i)
        if name in ("I", "IF"):
            v = v + DT * r * current
        else:
            v = v + share(tau, integration) * (leak - v + r * current)
        if fires:
            sent[t], v = fire(v, threshold, reset)
        trace[t] = v
    if fires:
        assert sent.sum() > 30
        np.testing.assert_array_equal(raster(got, (n,)), sent)
    else:
        np.testing.assert_allclose(got.values, trace, rtol=1e-12)


@pytest.mark.parametrize("name", ["I", "LI", "CubaLI"])
def test_what_listens_to_an_integrator_hears_its_potential(name):
    fields = {"I": {"r": np.full(2, 3.0 / DT)}, "LI": {"tau": np.full(2, 5e-3)}}.get(
        name, {"tau_mem": np.full(2, 5e-3), "tau_syn": np.full(2, 4e-3)}
    )
    fields = {"r": np.ones(2), **({} if name == "I" else {"v_leak": np.zeros(2)}), **fields}
    x, weight = rng.normal(size=(STEPS, 2)), rng.normal(size=(3, 2))
    alone = run(graph(getattr(nir, name)(**fields), shape=[2]), x)
    read = run(graph(getattr(nir, name)(**fields), nir.Linear(weight), shape=[2], ends=[3]), x)
    np.testing.assert_allclose(read.values, alone.values @ weight.T, rtol=1e-12, atol=1e-12)


def test_threshold_is_the_step_function_of_this_step_alone():
    threshold = params(4, low=-0.5)
    x = rng.normal(size=(STEPS, 4))
    x[3] = threshold  # at the threshold it is silent
    np.testing.assert_array_equal(
        raster(run(graph(nir.Threshold(threshold), shape=[4]), x), (4,)), x > threshold
    )


def test_linear_affine_and_scale_in_a_row():
    a, b, c, s = rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=(2, 4)), rng.normal(size=2)
    x = rng.normal(size=(STEPS, 3))
    got = run(graph(nir.Affine(a, b), nir.Linear(c), nir.Scale(s), shape=[3], ends=[2]), x)
    np.testing.assert_allclose(got.values, (x @ a.T + b) @ c.T * s, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("delays", [[1e-3, 3e-3, 7e-3], [4e-3] * 3, [0.0] * 3, [2e-3, 0.0, 5e-3]])
@pytest.mark.parametrize("linear", [False, True])
def test_delay_waits_for_its_time_neuron_by_neuron(delays, linear):
    x, weight = rng.normal(size=(STEPS, 3)), rng.normal(size=(2, 3))
    nodes = [nir.Delay(np.array(delays))] + (
        [nir.Linear(weight), nir.IF(*np.full((2, 2), 1e9))] if linear else []
    )
    late = np.zeros_like(x)
    for k, delay in enumerate(np.rint(np.array(delays) / DT).astype(int)):
        late[delay:, k] = x[: STEPS - delay, k]
    if linear:
        net = rb.read_nir(graph(*nodes, shape=[3], ends=[2]), inputs="values")
        probe = net.add(rb.Probe(net["n2"], "v"))
        sim = rb.Simulator(net, dt=DT, backend="reference", precision="float64")
        got = sim.run(STEPS * DT, inputs={"input": x})[probe].values / (1e9 * DT)
        np.testing.assert_allclose(got, np.cumsum(late @ weight.T, axis=0), rtol=1e-9, atol=1e-9)
    else:
        np.testing.assert_allclose(run(graph(*nodes, shape=[3]), x).values, late, atol=1e-15)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups", "kernel"),
    [
        (1, 0, 1, 1, (3, 5)),
        ((1, 2), (2, 1), (2, 1), 2, (3, 2)),
        (1, "same", (1, 3), 4, (2, 4)),
        (2, "valid", 1, 1, (2, 3)),
    ],
)
def test_convolution_equals_torch(stride, padding, dilation, groups, kernel):
    torch = pytest.importorskip("torch")
    weight, bias = rng.normal(size=(8, 4 // groups, *kernel)), rng.normal(size=8)
    x = rng.normal(size=(STEPS, 4, 9, 8))
    expected = torch.nn.functional.conv2d(
        *map(torch.tensor, (x, weight, bias)), stride, padding, dilation, groups
    ).numpy()
    node = nir.Conv2d(None, weight, stride, padding, dilation, groups, bias)
    got = run(graph(node, shape=x.shape[1:], ends=expected.shape[1:]), x).values
    np.testing.assert_allclose(got.reshape(expected.shape), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"), [(1, 0, 1, 1), (2, 3, 2, 2), (1, "same", 3, 1)]
)
def test_convolution_of_lines_equals_torch(stride, padding, dilation, groups):
    torch = pytest.importorskip("torch")
    weight, bias = rng.normal(size=(6, 4 // groups, 4)), rng.normal(size=6)
    x = rng.normal(size=(STEPS, 4, 20))
    expected = torch.nn.functional.conv1d(
        *map(torch.tensor, (x, weight, bias)), stride, padding, dilation, groups
    ).numpy()
    node = nir.Conv1d(20, weight, stride, padding, dilation, groups, bias)
    got = run(graph(node, shape=x.shape[1:], ends=expected.shape[1:]), x).values
    np.testing.assert_allclose(got.reshape(expected.shape), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("size", "stride", "padding"), [((2, 2), (2, 2), (0, 0)), ((3, 2), (2, 1), (1, 0))])
@pytest.mark.parametrize("kind", ["SumPool2d", "AvgPool2d"])
def test_pooling_equals_torch_and_flatten_its_order(kind, size, stride, padding):
    torch = pytest.importorskip("torch")
    x = rng.normal(size=(STEPS, 3, 8, 7))
    pooled = torch.nn.functional.avg_pool2d(
        torch.tensor(x), size, stride, padding, divisor_override=1 if kind == "SumPool2d" else None
    ).numpy()
    pool = getattr(nir, kind)(*map(np.array, (size, stride, padding)))
    whole, part = pooled.reshape(STEPS, -1), pooled.reshape(STEPS, 3, -1)
    for dims, expected in (((0, -1), whole), ((1, 2), part)):
        node = nir.Flatten({"input": np.array(pooled.shape[1:])}, *dims)
        got = run(graph(pool, node, shape=x.shape[1:], ends=expected.shape[1:]), x).values
        np.testing.assert_allclose(got, whole, rtol=1e-9, atol=1e-12)


def test_several_edges_into_a_node_add_up_wherever_it_is():
    a, b, c = rng.normal(size=(2, 3)), rng.normal(size=(2, 3)), rng.normal(size=(2, 2))
    nodes = {"a": nir.Linear(a), "b": nir.Affine(b, np.ones(2)), "c": nir.Linear(c)}
    nodes |= {name: nir.Output(np.array([2])) for name in ("output", "twice")}
    nodes["input"] = nir.Input(np.array([3]))
    edges = [
        ("input", "a"),
        ("input", "b"),
        ("a", "c"),
        ("b", "c"),
        ("c", "output"),
        ("a", "twice"),
        ("b", "twice"),
    ]
    net = rb.read_nir(nir.NIRGraph(nodes, edges, type_check=False), inputs="values")
    x = rng.normal(size=(STEPS, 3))
    result = rb.Simulator(net, dt=DT, backend="reference", precision="float64").run(
        STEPS * DT, inputs={"input": x}
    )
    total = x @ a.T + x @ b.T + 1
    np.testing.assert_allclose(result["twice"].values, total, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(result["output"].values, total @ c.T, rtol=1e-10, atol=1e-12)


def recurrent(n):
    inner = nir.NIRGraph(
        {"in": nir.Input(np.array([n])), "lif": nir.LIF(*(np.full(n, v) for v in (5e-3, 5.0, 0.0, 1.0))),
         "w": nir.Linear(rng.normal(0, 0.5, (n, n))), "out": nir.Output(np.array([n]))},
        [("in", "lif"), ("lif", "w"), ("w", "lif"), ("lif", "out")],
    )  # fmt: skip
    nodes = {"input": nir.Input(np.array([n])), "layer": inner, "output": nir.Output(np.array([n]))}
    return nir.NIRGraph(nodes, [("input", "layer"), ("layer", "output")]), inner.nodes["w"].weight


def test_recurrence_in_an_inner_graph_takes_one_step():
    g, w = recurrent(4)
    x = rng.normal(0.5, 1.0, (STEPS, 4))
    got = raster(run(g, x), (4,))
    v, z = np.zeros(4), np.zeros(4)
    for t in range(STEPS):
        z, v = fire(v + DT / 5e-3 * (-v + 5.0 * (x[t] + w @ z)), 1.0, 0.0)
        np.testing.assert_array_equal(got[t], z)
    assert got.sum() > 20


@pytest.mark.parametrize("reset_delay", [False, True])
def test_a_soft_reset_is_asked_for(reset_delay):
    x = rng.normal(0.6, 0.5, (STEPS, 3))
    got = run(
        graph(nir.IF(*np.full((2, 3), [[1 / DT], [1.0]])), shape=[3]),
        x,
        reset="soft",
        reset_delay=reset_delay,
    )
    v = waiting = np.zeros(3)
    for t in range(STEPS):
        v = v + x[t] - waiting
        z = v > 1.0
        waiting, v = (z * 1.0, v) if reset_delay else (np.zeros(3), v - z)
        np.testing.assert_array_equal(raster(got, (3,))[t], z)


def test_a_soft_reset_of_a_node_with_a_reset_potential_is_refused():
    node = nir.IF(np.ones(2), np.ones(2), np.full(2, -0.5))
    with pytest.raises(rb.FormatError, match=r"n0\.v_reset: it is not zero"):
        rb.read_nir(graph(node, shape=[2]), reset="soft")


def test_numbers_stand_for_every_neuron():
    # As norse and snnTorch export them, which nir's own check of types refuses.
    lif = nir.LIF(*(np.array(v) for v in (5e-3, 5.0, 0.0, 1.0)))
    g = graph(nir.Linear(np.eye(3)), lif, shape=[3])
    with pytest.raises(ValueError, match="type mismatch"):
        nir.NIRGraph(g.nodes, g.edges)
    net = rb.read_nir(g)
    assert net["n1"].n == 3
    assert net["n1"].model.tau == 5e-3
