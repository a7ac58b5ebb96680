"""What is recorded is put in order, cheaply where it is in order already, and spooled without piling up."""

import tracemalloc

import numpy as np
import pytest

import rheobase as rb
from rheobase.engine import clocked
from rheobase.engine.backends.base import SpikeChunk
from rheobase.engine.clocked import Collector
from rheobase.engine.planning import make_plan


class Delivers:
    """A machine that has recorded given spikes, with the first of equals in front of the second."""

    def __init__(self, *chunks):
        self.chunks = list(chunks)

    def take_spikes(self, probe):
        return SpikeChunk(*(np.array(column, np.int64) for column in self.chunks.pop(0)))


def collector(shape, trials=1, start=0):
    net = rb.Network()
    pop = net.add(rb.Population(shape, rb.LIF(tau=20e-3), name="pop"))
    if not isinstance(shape, int):
        end = net.add(rb.Population((1, *shape[1:]), rb.IF()))
        net.add(rb.Projection(pop, end, rb.conv2d(), weight=np.ones((1, shape[0], 1, 1))))
    net.add(rb.Probe(pop, name="spikes"))
    plan = make_plan(net, 1e-3, trials=trials)
    return Collector(
        plan, start, start + 100, trials > 1, lambda probe: pytest.fail(f"{probe} samples no synapses")
    )


def collected(collector, *chunks):
    machine = Delivers(*chunks)
    for _ in chunks:
        collector.take(machine)
    record = collector.records(100)["spikes"]
    return list(zip(record.trials.tolist(), record.steps.tolist(), record.ids.tolist(), strict=True))


def never(*args, **options):
    raise AssertionError("sorted what was in order")


def test_one_part_of_one_trial_is_never_sorted(monkeypatch):
    # Equal spikes, of a source that sends several in a step, are in order too.
    chunks = [((0, 0, 1, 1), (3, 7, 2, 2), (0,) * 4), ((2, 5), (9, 0), (0, 0)), ((), (), ())]
    made = collector(10)
    monkeypatch.setattr(clocked.np, "argsort", never)
    assert collected(made, *chunks) == [
        (0, 0, 3), (0, 0, 7), (0, 1, 2), (0, 1, 2), (0, 2, 9), (0, 5, 0),
    ]  # fmt: skip


def test_runs_of_several_parts_are_merged():
    first = ((0, 1, 1, 0, 0, 1), (1, 0, 4, 5, 9, 6), (0,) * 6)
    assert collected(collector(10, start=0), first, ((2, 2), (8, 3), (0, 0))) == [
        (0, 0, 1), (0, 0, 5), (0, 0, 9), (0, 1, 0), (0, 1, 4), (0, 1, 6), (0, 2, 3), (0, 2, 8),
    ]  # fmt: skip


def test_trials_are_put_one_after_the_other():
    chunks = [((0, 3, 0, 2), (5, 5, 1, 1), (1, 1, 0, 0)), ((7, 6), (0, 0), (1, 0))]
    assert collected(collector(10, trials=2), *chunks) == [
        (0, 0, 1), (0, 2, 1), (0, 6, 0), (1, 0, 5), (1, 3, 5), (1, 7, 0),
    ]  # fmt: skip


def test_places_that_are_not_the_user_s_order_are_sorted_by_id():
    made = collector((2, 2, 2))
    group = made.plan.groups["pop"]
    places = np.arange(8)
    assert group.order is not None
    found = collected(made, ((4,) * 8, places, (0,) * 8))
    assert found == [(0, 4, i) for i in range(8)]


@pytest.mark.parametrize(("backend", "threads"), [("reference", 1), ("numba", 1), ("numba", 2)])
def test_memory_stays_flat_where_spikes_are_spooled(backend, threads, monkeypatch, tmp_path):
    net = rb.Network(seed=1)
    pop = net.add(rb.Population(300, rb.LIF(tau=20e-3, drive=3.0), name="pop"))
    net.add(rb.Probe(pop, name="spikes", spool=tmp_path / "spikes.npy"))
    sim = rb.Simulator(net, dt=1e-3, backend=backend, threads=threads)
    # Chunks of one length, whatever the speed: it is they that must not pile up.
    monkeypatch.setattr(clocked, "_next_chunk", lambda chunk, seconds, strip: 64)
    sim.run(0.2)
    peaks, spikes = [], []
    for steps in (200, 3200):
        tracemalloc.start()
        spikes.append(len(sim.run(steps * 1e-3)["spikes"]))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert spikes[1] > 10 * spikes[0] > 10_000
    # A row of the file takes 24 bytes; what is left is garbage that waits for its collector.
    assert peaks[1] - peaks[0] < 24 * spikes[1] / 4
