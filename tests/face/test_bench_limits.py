"""The machine's own limits: kernels do what they are timed for, and fractions are what they should be."""

import json

import numpy as np
import pytest

import rheobase as rb
from rheobase import bench_limits
from rheobase.engine.counts import Counts, ProjectionCounts
from rheobase.engine.planning import make_plan
from rheobase.models.benchmarks import conv, cuba, mlp

LIMITS = {
    "read_gb_s": 20.0,
    "read_gb_s_one_thread": 12.0,
    "increments_32kb_ns": 0.5,
    "increments_256kb_ns": 1.0,
    "increments_4mb_ns": 2.0,
}


@pytest.mark.parametrize("threads", [1, 2])
def test_every_limit_is_measured_and_goes_into_json(threads, monkeypatch):
    monkeypatch.setattr(bench_limits, "_STREAM_BYTES", 1 << 22)
    limits = bench_limits.measure_limits(threads)
    assert set(limits) == set(LIMITS)
    assert all(0 < value < 1e4 for value in limits.values())
    assert json.loads(json.dumps(limits)) == limits


def test_kernels_read_and_raise_everything():
    stream = np.arange(1000, dtype=np.float32)
    assert bench_limits._read(stream) == stream.sum()
    cells, places = np.zeros(64, np.int32), np.random.default_rng(0).integers(0, 64, 5000, dtype=np.uint32)
    bench_limits._increment(cells, places)
    np.testing.assert_array_equal(cells, np.bincount(places, minlength=64))


def counts_of(net):
    """Counts in which the network's last projection has all events, and which say nothing else."""
    last = net.projections[-1].label
    described = [
        ProjectionCounts(
            name=p.label, pre=p.source.label, post=p.target.label, kind="", senders=1, n_synapses=1,
            n_weights=1, weight_bits=16, sent=0, packets=0, events=int(p.label == last), dense_events=0,
        )
        for p in net.projections
    ]  # fmt: skip
    return Counts(steps=1, trials=1, dt=1e-4, populations=(), projections=tuple(described))


def fraction(net, events, wall_s, threads=1):
    plan = make_plan(net, 1e-3)
    return bench_limits.of_limit(plan, counts_of(net), events, wall_s, threads, LIMITS)


def loop(n):
    net = rb.Network()
    pop = net.add(rb.Population(n, rb.IF()))
    net.add(rb.Projection(pop, pop, rb.one_to_one(), weight=0.1))
    return net


def test_sparse_synapses_are_held_against_random_increments():
    # 200 neurons with two receptors: 1,600 bytes. 10 ns per event, of which 0.5 would do.
    assert fraction(cuba(scale=0.05), 1000, 1e-5) == pytest.approx(0.05)
    # Two threads could do twice as much.
    assert fraction(cuba(scale=0.05), 1000, 1e-5, threads=2) == pytest.approx(0.025)


@pytest.mark.parametrize(
    ("cells", "threads", "expected"),
    [(8192, 1, 0.05), (8193, 1, 0.1), (16384, 2, 0.025), (65536, 1, 0.1), (70000, 1, 0.1)],
)
def test_the_size_holds_a_thread_s_block_of_cells(cells, threads, expected):
    assert fraction(loop(cells), 1000, 1e-5, threads) == pytest.approx(expected)


def test_dense_weights_are_held_against_reading():
    # 4 bytes for each of 10^9 events in half a second are 8 GB/s, of 20.
    assert fraction(mlp(scale=0.05), 10**9, 0.5) == pytest.approx(0.4)


def test_what_neither_limit_fits_has_no_fraction():
    assert fraction(conv(scale=0.05), 1000, 1e-5) is None
    assert fraction(loop(10), 0, 1e-5) is None
