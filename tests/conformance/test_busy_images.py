"""Convolutions of images that are quiet in one step and busy in the next: the reference's bits in each."""

import numpy as np
import pytest

import rheobase as rb

#: Quiet, on either side of half of all inputs, all of them, none, and quiet again.
ACTIVITY = np.array([0.05, 0.4, 0.6, 1.0, 0.0, 0.9, 0.5, 0.1])
STEPS = ACTIVITY.size
GEOMETRIES = [
    # shape of the input, channels of the output, kernel, options
    ((3, 9, 7), 16, (3, 3), {"padding": 1}),
    ((5, 6, 11), 33, (3, 2), {"padding": (0, 1)}),
    ((4, 11, 9), 40, (3, 3), {"stride": (1, 2), "padding": (2, 0), "groups": 2}),
    ((2, 12, 10), 50, (2, 3), {"dilation": (2, 3), "padding": (3, 0)}),
    ((6, 5, 4), 17, (5, 4), {"padding": 3, "stride": 3}),
]


def two_convolutions(source, out_channels, kernel, options, *, exact):
    """Return a network that convolves what an input was given, and the events that neurons make of it."""
    rng = np.random.default_rng(11)
    net = rb.Network(seed=4)
    pre = net.add(source)
    middle = net.add(rb.Population(pre.shape, rb.IF(threshold=1.0), name="middle"))
    net.add(rb.Projection(pre, middle, rb.one_to_one(), weight=1.5, delay=0.0))
    shape = (out_channels, pre.shape[0] // options.get("groups", 1), *kernel)
    size = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(
            pre.shape[1:], kernel, *(
                np.broadcast_to(options.get(name, default), 2)
                for name, default in (("stride", 1), ("padding", 0), ("dilation", 1))
            ), strict=True,
        )
    ]  # fmt: skip
    for name, sender in (("given", pre), ("sent", middle)):
        weight = rng.normal(0.0, 0.2, shape)
        weight = np.round(weight * 32) / 32 if exact else weight
        post = net.add(rb.Population((out_channels, *size), rb.Leaky(0.9), name=name))
        net.add(rb.Projection(sender, post, rb.conv2d(**options), weight=weight, delay=0.0))
        net.add(rb.Probe(post, "v", name=f"v {name}"))
        net.add(rb.Probe(post, name=f"spikes {name}"))
    return net


def inputs(shape, kind):
    rng = np.random.default_rng(12)
    fires = rng.random((STEPS, *shape)) < ACTIVITY[:, None, None, None]
    if kind == "frames":
        return np.where(fires, rng.normal(1.0, 0.5, fires.shape), 0.0)
    return fires * (rng.integers(1, 4, fires.shape) if kind == "counts" else 1)


def run(make, geometry, kind, **options):
    shape, *rest = geometry
    source = (rb.FrameSource if kind == "frames" else rb.SpikeSource)(shape, name="input")
    net = two_convolutions(source, *rest, exact=options.get("precision") == "fixed")
    result = make(net, 1e-3, **options).run(STEPS * 1e-3, inputs={"input": inputs(shape, kind)})
    spikes = [(result[f"spikes {name}"].steps, result[f"spikes {name}"].ids) for name in ("given", "sent")]
    return [result["v given"].values, result["v sent"].values, *spikes[0], *spikes[1]]


@pytest.mark.parametrize(
    ("geometry", "kind", "precision"),
    [(geometry, "counts", None) for geometry in GEOMETRIES]
    + [(GEOMETRIES[2], "counts", "fixed"), (GEOMETRIES[1], "counts", "float64")]
    + [
        (GEOMETRIES[1], "frames", None),
        (GEOMETRIES[2], "frames", "float64"),
        (GEOMETRIES[1], "spikes", None),
    ],
)
def test_busy_and_quiet_steps_have_the_bits_of_the_reference(simulator, geometry, kind, precision):
    expected = run(rb.Simulator, geometry, kind, precision=precision, backend="reference")
    assert all(record.size for record in expected)
    for threads in (1, 2):
        got = run(simulator, geometry, kind, precision=precision, threads=threads)
        for a, b in zip(expected, got, strict=True):
            assert a.tobytes() == b.tobytes()


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_weight_beyond_float32_reaches_only_who_hears_an_event_by_it(simulator):
    # All inputs fire but those of the first channel, which alone has such weights.
    weight = np.ones((16, 8, 1, 1))
    weight[3, 0] = 1e39
    net = rb.Network()
    pre = net.add(rb.SpikeSource((8, 4, 4), name="pre"))
    post = net.add(rb.Population((16, 4, 4), rb.IF(threshold=1e9)))
    net.add(rb.Projection(pre, post, rb.conv2d(), weight=weight, delay=0.0))
    probe = net.add(rb.Probe(post, "v"))
    spikes = np.ones((2, 8, 4, 4), int)
    spikes[:, 0] = 0
    result = simulator(net, 1e-3).run(2e-3, inputs={pre: spikes})
    np.testing.assert_array_equal(result[probe].values, np.full((2, 256), [[7.0], [14.0]]))
