"""`rheobase bench event`: both methods get the same events, at the rates asked for, and take turns."""

from __future__ import annotations

import json

import numpy as np
import pytest

import rheobase as rb
from rheobase import bench, bench_all, bench_event
from rheobase.cli import main
from rheobase.models.paced import paced

SMALL = {"scale": 0.1, "repeats": 1, "seconds": 0.1}
LISTS = {
    "events_per_neuron_hz", "rate_hz", "ratio",
    *(f"clocked_{key}" for key in ("wall_s", "wall_min_s", "wall_max_s", "ns_per_event")),
    *(f"event_{key}" for key in ("wall_s", "wall_min_s", "wall_max_s", "ns_per_event")),
}  # fmt: skip


def spread(model, rate):
    """Return the events per neuron and second, and how far v spreads in neurons that cannot fire."""
    net = paced(scale=0.25, rate=rate, seconds=0.5, model=model)
    mute = rb.Network(seed=0)
    source = mute.add(rb.SpikeSource(1000, times=net["inputs"].times, ids=net["inputs"].ids))
    kind = rb.LI(20e-3) if model == "LIF" else rb.CurrentLI(20e-3, 5e-3)
    cells = mute.add(rb.Population(net["neurons"].n, kind))
    for p in net.projections:
        mine = source[p.pre.chosen.start : p.pre.chosen.stop]
        mute.add(rb.Projection(mine, cells, p.connectivity, weight=p.weight, delay=p.delay))
    trace = mute.add(rb.Probe(cells, "v", every=10e-3))
    result = rb.Simulator(mute, method="event").run(0.5)
    return result.counts.synaptic_events / 1000 / 0.5, result[trace].values[20:].std()


@pytest.mark.parametrize("model", ["LIF", "CurrentLIF"])
def test_potentials_spread_alike_at_any_rate(model):
    for rate in (30.0, 1000.0):
        events, sd = spread(model, rate)
        assert events == pytest.approx(rate, rel=0.15)
        assert sd == pytest.approx(0.4, rel=0.1)


def test_a_line_compares_both_methods_on_the_same_events(capsys):
    flags = [text for key, value in SMALL.items() for text in (f"--{key}", str(value))]
    assert main(["bench", "event", *flags, "--rate", "1000", "--rate", "20", "--json"]) == 0
    line = json.loads(capsys.readouterr().out)
    assert {key for key, value in line.items() if isinstance(value, list)} == LISTS
    assert {len(line[key]) for key in LISTS} == {2}
    assert line["events_per_neuron_hz"] == pytest.approx([20, 1000], rel=0.4)
    net = paced(scale=0.1, rate=1000.0, seconds=0.1)
    exact, clocked = rb.Simulator(net, method="event"), rb.Simulator(net, dt=1e-4)
    events = exact.run(0.1).counts.synaptic_events
    assert line["events_per_neuron_hz"][1] == pytest.approx(events / 400 / 0.1, rel=1e-12)
    # An input that fires twice in a step sends one event of twice the size.
    assert 0.995 < clocked.run(0.1).counts.synaptic_events / events < 1.0
    assert (line["n_neurons"], line["n_synapses"]) == (400, 400 * 40)
    for method in ("clocked", "event"):
        events = np.multiply(line["events_per_neuron_hz"], 400 * 0.1)
        per_event = np.multiply(line[f"{method}_ns_per_event"], 1e-9)
        assert per_event * events == pytest.approx(line[f"{method}_wall_s"])
    assert line["ratio"] == pytest.approx(np.divide(line["clocked_wall_s"], line["event_wall_s"]))
    assert line["crossover_hz"] == bench_event.crossover(line["events_per_neuron_hz"], line["ratio"])
    assert bench_all.summary(line).startswith(
        "event          batch 1   threads 1  clocked over event-driven time "
    )


def test_methods_take_turns(monkeypatch):
    order = []

    class Ours:
        def __init__(self, build, workload, inputs, seconds):
            self.method = build()
            self.result = rb.Simulator(paced(scale=0.01), method="event").run(0.01)

        def run(self):
            order.append(self.method)
            return 3.0 if self.method == "clocked" else 2.0

    monkeypatch.setattr(bench_event, "Ours", Ours)
    monkeypatch.setattr(bench_event, "_simulator", lambda network, workload, method, options: method)
    line = bench.run_benchmark("event", rate=[50.0], scale=0.01, seconds=0.01, repeats=2)
    assert order == ["clocked", "event"] * 2
    assert line["ratio"] == [1.5]
    assert line["crossover_hz"] is None


def test_all_of_them_include_it_on_one_thread_where_it_can_run(monkeypatch):
    monkeypatch.setattr(bench_all, "available_cores", lambda: 8)
    mine = [case for case in bench_all.cases({"rate": [5.0]}) if case["name"] == "event"]
    assert [(case["threads"], case["rate"]) for case in mine] == [(1, [5.0])]
    assert not [case for case in bench_all.cases({"backend": "reference"}) if case["name"] == "event"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rate": []}, r"bench\.rate"),
        ({"rate": [10.0, 0.0]}, r"bench\.rate"),
        ({"rate": [float("inf")]}, r"bench\.rate"),
        ({"model": "IF"}, r"bench\.model"),
        ({"backend": "reference"}, "without a grid"),
        ({"peer": "brian2"}, "not 'event'"),
    ],
)
def test_wrong_settings_are_refused(settings, words):
    with pytest.raises(rb.SpecError, match=words):
        bench.run_benchmark("event", **({"rate": [10.0]} | SMALL | settings))
