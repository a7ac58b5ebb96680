"""What cannot run without a grid is refused by name, and files that lie are refused too."""

from __future__ import annotations

import numpy as np
import pytest

import rheobase as rb
from rheobase.engine.archive import read_archive, write_archive


def _net(*parts, **projection):
    net = rb.Network(seed=0)
    source = net.add(rb.SpikeSource(2, times=[0.01], ids=[0], name="source"))
    cells = net.add(rb.Population(2, rb.LIF(20e-3), name="cells"))
    net.add(rb.Projection(source, cells, rb.one_to_one(), **{"delay": 1e-3, "name": "p", **projection}))
    for part in parts:
        net.add(part(cells) if callable(part) else part)
    return net


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (rb.Population(2, rb.Leaky(0.9), name="x"), "x: cannot run without a grid: Leaky has no exact flow"),
        (
            rb.Population(2, rb.IF(drive=0.1), name="x"),
            "x: IF cannot run .*drive is added in every step; use LIF",
        ),
        (rb.Population(2, rb.LIF(1e-2, reset_delay=True), name="x"), "x: LIF cannot .*use reset_delay=False"),
        (
            rb.Population(2, rb.LIF(1e-2, reset="none"), name="x"),
            "x: LIF cannot .*use reset='hard' or 'soft'",
        ),
        (rb.Population(2, rb.LIF(1e-2, resistance=2.0), name="x"), "x: LIF cannot .*held over a step"),
        (rb.Population(2, rb.LI(1e-2, integration="euler"), name="x"), "x: LI cannot .*makes steps"),
        (rb.Population(2, rb.LIF(1e-2, noise=0.1), name="x"), "x: cannot .*LIF draws numbers in every step"),
        (
            rb.CurrentSource(2, values=[1.0, 2.0], name="x"),
            "x: .*a CurrentSource sends in every step; use .*drive",
        ),
        (rb.FrameSource(2, name="x"), "x: cannot run without a grid: a FrameSource"),
        (lambda cells: rb.Operator("softmax", cells, name="x"), "x: cannot .*an Operator"),
        (lambda cells: rb.Probe(cells, "v", name="x"), "x.every: left out"),
    ],
)
def test_parts_that_need_steps_are_refused_by_name(part, message):
    with pytest.raises((rb.SpecError, rb.PlanError), match=message):
        rb.Simulator(_net(part), method="event")


def test_rules_and_delays_that_need_steps_are_refused_by_name():
    rule = rb.STDP(20e-3, 20e-3, a_pre=0.1, a_post=-0.1, w_max=2.0)
    with pytest.raises(rb.PlanError, match="p: cannot run without a grid: STDP learns"):
        rb.Simulator(_net(rule=rule), method="event")
    with pytest.raises(rb.SpecError, match=r"p\.delay: left out, which means one step"):
        rb.Simulator(_net(delay=None), method="event")
    assert rb.Simulator(_net(delay=None), 1e-3, method="event").plan.projections["p"].delays == (10**12,)


def test_a_clocked_run_needs_steps_and_a_backend_without_events_is_named():
    with pytest.raises(rb.SpecError, match=r"Simulator\.dt: got None"):
        rb.Simulator(_net())
    with pytest.raises(rb.SpecError, match=r"Simulator.backend: got 'reference'.*'numba'"):
        rb.Simulator(_net(), method="event", backend="reference")
    with pytest.raises(rb.PlanError, match="projections with zero delay form a cycle"):
        rb.Simulator(
            _net(lambda cells: rb.Projection(cells, cells, rb.all_to_all(), delay=0.0)), method="event"
        )


def test_what_has_been_foreseen_cannot_be_changed():
    with pytest.raises(rb.SpecError, match=r"Simulator\.set: .*use method='clocked'"):
        rb.Simulator(_net(), method="event").set("cells", tau=10e-3)


def test_a_run_that_is_too_long_and_counts_as_inputs_are_refused():
    net = rb.Network(seed=0)
    source = net.add(rb.SpikeSource(2, name="source"))
    net.add(rb.Probe(source))
    sim = rb.Simulator(net, method="event")
    with pytest.raises(rb.SpecError, match=r"Simulator.run.duration: got 10000.0 s"):
        sim.run(1e4)
    with pytest.raises(rb.SpecError, match="without a grid allowed is"):
        sim.run(0.1, inputs={"source": np.zeros((100, 2), int)})
    with pytest.raises(rb.SpecError, match="times count from the beginning of this run"):
        sim.run(0.1, inputs={"source": (np.array([0.1]), np.array([0]))})


def test_a_state_that_is_not_a_number_is_named():
    net = _net(weight=1e308)
    net.add(rb.Projection(net["source"], net["cells"], rb.one_to_one(), weight=-1e308, delay=1e-3))
    sim = rb.Simulator(net, method="event", precision="float64")
    sim._machine._trials[0].states["cells"]["v"][0] = np.nan
    with pytest.raises(rb.RunError, match=r"cells: the state of neuron 0 became NaN at 0.011 s"):
        sim.run(0.1)
    with pytest.raises(rb.RunError, match="call reset"):
        sim.run(0.1)


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("times", lambda x: x - 10**14),
        ("codes", lambda x: x + (7 << 32)),
        ("codes", lambda x: x + (5 << 48)),
        ("codes", lambda x: x + 1000),
        ("codes", lambda x: -x),
        ("codes", lambda x: x + (1 << 52)),
        ("extras", lambda x: x + 10**6),
        ("extras", lambda x: x - 10**6),
        ("trials", lambda x: x + 1),
        ("trials", lambda x: x[:-1]),
    ],
)
def test_a_checkpoint_with_events_that_cannot_be_is_refused(tmp_path, key, change):
    net = _net()
    net.add(rb.PoissonSource(3, rate=100.0, name="noise"))
    net.add(
        rb.Projection(net["noise"], net["cells"], rb.all_to_all(), weight=0.1, delay=rb.uniform(0.01, 0.02))
    )
    sim = rb.Simulator(net, method="event")
    sim.run(0.05)
    sim.checkpoint(tmp_path / "c.npz")
    rb.Simulator.resume(tmp_path / "c.npz").run(0.01)
    content, arrays = read_archive(tmp_path / "c.npz", "rheobase checkpoint")
    arrays = {**arrays, f"state/queue/{key}": change(arrays[f"state/queue/{key}"])}
    write_archive(tmp_path / "d.npz", "rheobase checkpoint", content, arrays)
    with pytest.raises(rb.FormatError, match=r"d\.npz: (its pending events|does not hold)"):
        rb.Simulator.resume(tmp_path / "d.npz")


def test_figures_for_each_step_are_left_out_or_refused(tmp_path):
    result = rb.Simulator(_net(), method="event").run(0.05)
    assert result.counts.dense_events is None
    assert (result.counts + result.counts).projections[0].dense_events is None
    result.save(tmp_path / "r.npz")
    assert rb.Result.load(tmp_path / "r.npz").counts == result.counts
    totals = rb.hardware.counts(result)
    assert totals["synaptic_events"] == 1
    assert not {"dense_events", "activation_sparsity"} & set(totals)
    assert rb.hardware.counts(result, "spikingjelly") == {"synops": 1}
    for dialect in ("neurobench", "syops"):
        with pytest.raises(rb.SpecError, match=f"method='event', and dialect '{dialect}' .*use 'rheobase'"):
            rb.hardware.counts(result, dialect)
    stepping = "neurram"
    with pytest.raises(rb.SpecError, match=f"{stepping} passes .*in every step.*give passes"):
        rb.energy(result, stepping)
    # Three passes over 2 synapses and 2 neurons, however many femtoseconds there were.
    three = rb.energy(result, stepping, passes=3)
    assert three.count("mac") == 6
    shown = {one.chip.name for one in rb.compare_chips(result).energies}
    assert stepping not in shown
    assert "loihi" in shown
