"""The compiled backend delivers images in three ways: which one is taken when, and that nobody can tell."""

import math

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


def scratch(sim, part=0):
    """Return what a part notes of a step: events before each pixel, and the image of all inputs."""
    kept = sim._machine.binder._blocks[0, part, "deliver k"].kept
    return kept["before"], kept["image"]


def way(sim, x):
    """Run one step and say how its events were delivered."""
    before, drawn = scratch(sim)
    before[:] = drawn[:] = 0
    sim.run(1e-3, inputs={"pre": x})
    return "evaluated" if drawn.any() else "gathered" if before.any() else "scattered"


def test_the_number_of_events_says_how_they_are_delivered():
    some, busy = (math.ceil(share) for share in (bind_conv.EVENTS_A_PIXEL * 77, bind_conv.BUSY_SHARE * N))
    sim, _ = image(threads=1)
    for count, expected in [
        (1, "scattered"), (some - 1, "scattered"), (some, "gathered"), (busy - 1, "gathered"),
        (busy, "evaluated"), (N, "evaluated"), (some, "gathered"), (1, "scattered"), (busy, "evaluated"),
    ]:  # fmt: skip
        assert way(sim, raster(count)) == expected
    assert np.count_nonzero(scratch(sim)[1]) == busy


def test_the_events_of_all_parts_count_together_and_each_part_draws_what_it_looks_at():
    sim, _ = image(threads=2)
    x = np.zeros((1, *SHAPE), int)
    x[0, :, :9] = 1  # most of them are in one part's half of the source
    sim.run(1e-3, inputs={"pre": x})
    first, second = (np.count_nonzero(scratch(sim, part)[1]) for part in range(2))
    row = SHAPE[0] * SHAPE[2]
    assert first > second
    assert first + second == (9 + 3) * row  # the row in which they meet and one on either side


@pytest.mark.parametrize("often", [1, 3])
@pytest.mark.parametrize("precision", [None, "float64", "fixed"])
@pytest.mark.parametrize("threads", [1, 3])
def test_every_way_gives_the_same_bits_at_any_activity(monkeypatch, often, precision, threads):
    x = raster(0, 1, N // 10, N // 3, N // 2, N - 3, N, often=often)
    x[4] *= np.arange(1, 8)  # neurons that fire different numbers of times
    weight = np.random.default_rng(1).integers(-32, 33, (CHANNELS, 5, 3, 3)) / 32
    results = []
    for some, share in ((0.0, 0.0), (0.0, 2.0), (1e9, 2.0), (0.2, 0.5)):
        monkeypatch.setattr(bind_conv, "EVENTS_A_PIXEL", some)
        monkeypatch.setattr(bind_conv, "BUSY_SHARE", share)
        sim, probe = image(weight if precision == "fixed" else None, precision=precision, threads=threads)
        results.append(sim.run(len(x) * 1e-3, inputs={"pre": x})[probe].values)
    assert results[0].any()
    assert len({values.tobytes() for values in results}) == 1


def test_images_are_never_evaluated_where_channels_fill_no_vector_or_a_weight_is_infinite():
    said = str(image()[0])
    assert f"for steps of {math.ceil(bind_conv.BUSY_SHARE * N)} events or more" in said
    weight = np.ones((CHANNELS, 5, 3, 3))
    weight[0, 0, 0, 0] = 1e39
    with np.errstate(over="ignore"):
        unbounded = image(weight)[0]
    for sim in (unbounded, image(1.0, rb.pool2d(2))[0]):
        assert "events or more" not in str(sim)
