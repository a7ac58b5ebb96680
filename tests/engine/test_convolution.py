"""The compiled backend delivers images in two ways: which one is taken when, and that nobody can tell."""

import numpy as np
import pytest

import rheobase as rb
from rheobase.engine.backends.numba_cpu import bind_conv

SHAPE, CHANNELS = (5, 11, 7), 37
N = int(np.prod(SHAPE))


def image(weight=None, connectivity=None, **options):
    """Return a simulator of an input and a convolution of it, and the probe of what it adds up."""
    net = rb.Network()
    pre = net.add(rb.SpikeSource(SHAPE, name="pre"))
    out = (5, 5, 3) if connectivity else (CHANNELS, *SHAPE[1:])
    post = net.add(rb.Population(out, rb.IF(threshold=1e9), name="post"))
    weight = np.random.default_rng(1).normal(size=(CHANNELS, 5, 3, 3)) if weight is None else weight
    net.add(
        rb.Projection(pre, post, connectivity or rb.conv2d(padding=1), weight=weight, delay=0.0, name="k")
    )
    probe = net.add(rb.Probe(post, "v"))
    return rb.Simulator(net, 1e-3, **options), probe


def raster(*counts, often=1):
    """Return steps in each of which so many inputs fire, spread at random."""
    rng = np.random.default_rng(2)
    x = np.zeros((len(counts), N), int)
    for step, count in zip(x, counts, strict=True):
        step[rng.permutation(N)[:count]] = often
    return x.reshape(-1, *SHAPE)


def drawn(sim, part=0):
    """Return how many inputs the image shows that the last step evaluated as a whole has left behind."""
    return np.count_nonzero(sim._machine.binder._blocks[0, part, "deliver k"].kept["image"])


def test_an_image_is_drawn_only_from_the_named_share_of_active_inputs_on():
    busy = int(np.ceil(bind_conv.BUSY_SHARE * N))
    sim, _ = image(threads=1)
    for count, expected in ((busy - 1, 0), (busy, busy), (N, N), (busy - 1, N), (0, N), (busy + 1, busy + 1)):
        sim.run(1e-3, inputs={"pre": raster(count)})
        assert drawn(sim) == expected


def test_the_events_of_all_parts_are_counted_together_and_each_part_draws_what_it_looks_at():
    sim, _ = image(threads=2)
    sim.run(1e-3, inputs={"pre": raster(N)})
    row = SHAPE[0] * SHAPE[2]
    for part in range(2):
        assert N // 2 < drawn(sim, part) <= N - 3 * row
    half = np.zeros((1, *SHAPE), int)
    half[0, :, : SHAPE[1] * 2 // 3] = 1  # all in one part's stretch of the source, or nearly
    sim.run(1e-3, inputs={"pre": half})
    assert drawn(sim, 0) > drawn(sim, 1) > 0


@pytest.mark.parametrize("often", [1, 3])
@pytest.mark.parametrize("precision", [None, "float64", "fixed"])
@pytest.mark.parametrize("threads", [1, 3])
def test_either_way_gives_the_same_bits_at_any_activity(monkeypatch, often, precision, threads):
    x = raster(0, 1, N // 10, N // 3, N // 2, N - 3, N, often=often)
    x[4] *= np.arange(1, 8)  # neurons that fire different numbers of times
    weight = np.random.default_rng(1).integers(-32, 33, (CHANNELS, 5, 3, 3)) / 32
    results = []
    for share in (0.0, 0.5, 2.0):
        monkeypatch.setattr(bind_conv, "BUSY_SHARE", share)
        sim, probe = image(weight if precision == "fixed" else None, precision=precision, threads=threads)
        results.append(sim.run(len(x) * 1e-3, inputs={"pre": x})[probe].values)
    assert results[0].any()
    assert len({values.tobytes() for values in results}) == 1


def test_images_are_only_scattered_where_channels_fill_no_vector_or_a_weight_is_infinite():
    said = str(image()[0])
    assert f"for steps of {int(np.ceil(bind_conv.BUSY_SHARE * N))} events or more" in said
    weight = np.ones((CHANNELS, 5, 3, 3))
    weight[0, 0, 0, 0] = 1e39
    with np.errstate(over="ignore"):
        unbounded = image(weight)[0]
    for sim in (unbounded, image(1.0, rb.pool2d(2))[0]):
        assert "events or more" not in str(sim)
