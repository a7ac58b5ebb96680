"""Energies against sums made by hand, and the laws they must keep."""

import dataclasses

import numpy as np
import pytest

import rheobase as rb
from rheobase.engine.counts import Counts, OperatorCounts, PopulationCounts

CHIPS = rb.hardware.chips()


@pytest.fixture
def run(make_projection):
    """Ten steps of 1 ms, two trials, every kind of count different from zero."""
    return Counts(
        steps=10,
        trials=2,
        dt=1e-3,
        populations=(
            PopulationCounts(name="in", kind="PoissonSource", n=4, spikes=50),
            PopulationCounts(
                name="exc",
                kind="LIF",
                n=3,
                spikes=7,
                updates=60,
                operations={"add": 2, "exp": 1},
                state_words=5,
            ),
        ),
        projections=(
            make_projection("ff", "in", "exc", 12, 150, steps=10, trials=2, sent=50),
            make_projection("graded", "exc", "exc", 9, 21, "mac", steps=10, trials=2, weight_bits=8, sent=7),
            make_projection(
                "learn",
                "exc",
                "exc",
                9,
                20,
                steps=10,
                trials=2,
                plastic=True,
                weight_updates=6,
                sent=7,
                packets=0,
            ),
        ),
        operators=(
            OperatorCounts(name="soft", kind="softmax", rows=4, spikes=0, evaluations={"multiply": 8}),
        ),
    )


def chip(kind="event", passes=None, operations=None, includes=(), **prices):
    """A chip with the given prices as (value, unit)."""

    def priced(table):
        return {
            name: rb.hardware.Constant(value, unit, "28 nm", f"source of {name}", "measured")
            for name, (value, unit) in table.items()
        }

    return rb.Chip(
        name="toy",
        title="Toy",
        kind=kind,
        passes=passes,
        includes=includes,
        constants=priced(prices),
        operations=priced(operations or {}),
    )


def test_every_term_of_an_event_machine_equals_the_sum_by_hand(run):
    toy = chip(
        ac=(1, "pJ/event"),
        mac=(10, "pJ/event"),
        weight_bit=(1, "fJ/bit"),
        weight_update=(100, "pJ/update"),
        state_bit=(2, "fJ/bit"),
        spike=(1, "nJ/spike"),
        packet=(3, "pJ/packet"),
        static_power=(5, "mW"),
        operations={"add": (1, "pJ/operation"), "multiply": (4, "pJ/operation")},
    )
    found = rb.energy(run, toy)
    expected = {
        "ac": (150 + 20) * 1e-12,
        "mac": 21 * 10e-12,
        "weight_bit": (150 * 32 + 21 * 8 + 20 * 32) * 1e-15,
        "weight_update": 6 * 100e-12,
        "state_bit": 60 * 5 * 32 * 2e-15,
        "spike": 7 * 1e-9,  # the source's 50 spikes are not neurons'
        "packet": (50 + 7) * 3e-12,  # exc reaches exc by two projections: one packet
        "static_power": 10 * 1e-3 * 2 * 5e-3,
        "operation: add": 120 * 1e-12,
        "operation: multiply": 8 * 4e-12,
    }
    assert found.parts == pytest.approx(expected, rel=1e-12)
    assert found.joules == pytest.approx(sum(expected.values()), rel=1e-12)
    assert found.unpriced == {"operation: exp": 60}
    assert found.by_projection["graded"] == pytest.approx(21 * 10e-12 + 21 * 8e-15 + 7 * 3e-12, rel=1e-12)
    assert found.by_operator == pytest.approx({"soft": 32e-12}, rel=1e-12)


def test_a_dense_machine_pays_for_every_synapse_of_a_pass_whatever_the_spikes(run):
    prices = {"mac": (2, "pJ/mac"), "neuron_update": (5, "pJ/update")}
    once = rb.energy(run, chip("dense", "once", **prices))
    assert once.joules == pytest.approx(2 * (30 * 2e-12 + 3 * 5e-12), rel=1e-12)
    each = rb.energy(run, chip("dense", "every step", **prices))
    assert each.joules == pytest.approx(10 * once.joules, rel=1e-12)
    assert rb.energy(run, chip("dense", "once", **prices), passes=4).joules == pytest.approx(4 * once.joules)
    silent = dataclasses.replace(
        run, projections=tuple(dataclasses.replace(p, events=0) for p in run.projections)
    )
    assert rb.energy(silent, chip("dense", "once", **prices)).joules == once.joules


def test_an_event_that_needs_a_multiplication_costs_more_than_an_addition(make_case):
    added = rb.energy(make_case(10, 0, 0, 2560, "ac"), "cmos45").parts
    multiplied = rb.energy(make_case(10, 0, 0, 2560, "mac"), "cmos45").parts
    assert added == pytest.approx({"ac": 2560 * 0.9e-12})
    assert multiplied == pytest.approx({"mac": 2560 * 4.6e-12})


@pytest.mark.parametrize("name", CHIPS)
def test_energies_by_owner_add_up_to_the_total(run, name):
    found = rb.energy(run, name)
    owners = [*found.by_projection.values(), *found.by_population.values(), *found.by_operator.values()]
    static = found.parts.get("static_power", 0.0)
    assert sum(owners) + static == pytest.approx(found.joules, rel=1e-12)
    assert sum(found.parts.values()) == pytest.approx(found.joules, rel=1e-12)
    assert found.joules > 0


@pytest.mark.parametrize("name", [name for name in CHIPS if rb.Chip.load(name).passes != "once"])
def test_two_stretches_of_a_run_cost_the_sum_of_both(run, name):
    longer = dataclasses.replace(run, steps=30, operators=())
    short = dataclasses.replace(run, operators=())
    both = rb.energy(short + longer, name).joules
    assert both == pytest.approx(rb.energy(short, name).joules + rb.energy(longer, name).joules, rel=1e-12)


def test_what_has_no_price_is_listed_and_not_dropped(run):
    found = rb.energy(run, "cmos45")
    assert found.unpriced["neuron_update"] == 60
    assert found.unpriced["weight_update"] == 6
    assert "not priced by this model" in str(found)
    assert "neuron updates (60)" in str(found)
    # TrueNorth's figure is total power over events: updates are inside it, learning is not.
    assert set(rb.energy(run, "truenorth").unpriced) == {"weight_update", "operation: multiply"}


def test_printing_shows_value_unit_evidence_and_source_of_every_price(run):
    text = str(rb.energy(run, "loihi"))
    for shown in ("23.6 pJ/event", "81 pJ/update", "simulated", "14 nm", "Davies et al."):
        assert shown in text


def test_energy_per_item_divides_by_what_the_user_names(run):
    found = rb.energy(run, "loihi")
    assert found.per_inference == found.joules / 2
    assert found.per(5) == found.joules / 5
    with pytest.raises(rb.SpecError, match="n is 0"):
        found.per(0)


def test_a_result_is_as_good_as_its_counts_and_anything_else_is_refused(run):
    class Result:
        counts = run

    assert rb.energy(Result(), "loihi") == rb.energy(run, "loihi")
    with pytest.raises(rb.SpecError, match="got list"):
        rb.energy([1, 2], "loihi")
    with pytest.raises(rb.SpecError, match="passes is 0"):
        rb.energy(run, "gpu", passes=0)


def test_comparison_prints_models_side_by_side_with_the_spread(case_a):
    table = rb.compare_chips(case_a)
    assert len(table) == len(CHIPS) >= 8
    joules = [one.joules for one in table]
    assert joules == sorted(joules)
    assert table.spread == pytest.approx(joules[-1] / joules[0])
    text = str(table)
    assert all(name in text for name in CHIPS)
    assert "Davies et al." in text
    assert "spread" in text
    assert table.to_dict()["energy_j"]["loihi"] == table["loihi"].joules / 8
    with pytest.raises(rb.SpecError, match="abacus"):
        table["abacus"]
    with pytest.raises(rb.SpecError, match="empty"):
        rb.compare_chips(case_a, [])


def test_a_run_without_events_costs_nothing_on_a_chip_that_charges_events_only():
    empty = Counts(steps=0, trials=1, dt=1e-3, populations=(), projections=())
    assert [one.joules for one in rb.compare_chips(empty, ["cmos45", "gpu"])] == [0.0, 0.0]
    assert rb.compare_chips(empty).to_dict()["spread"] is None


def test_bars_have_the_length_of_the_energies(run):
    pytest.importorskip("matplotlib").use("Agg")
    found = rb.energy(run, "loihi")
    ax = found.bars()
    assert sum(bar.get_width() for bar in ax.patches) == pytest.approx(found.joules)
    assert len(rb.compare_chips(run, ["loihi", "gpu"]).bars().patches) == 2


def test_the_original_network_does_not_pay_for_turning_its_input_into_spikes():
    net = rb.Network()
    frame = net.add(rb.FrameSource(6, values=np.full(6, 0.5)))
    encoder = net.add(rb.Population(6, rb.IF(reset="soft"), name="encoder"))
    layer = net.add(rb.Population(3, rb.IF(reset="soft"), name="layer"))
    net.add(rb.Projection(frame, encoder, rb.one_to_one(), delay=0.0))
    net.add(rb.Projection(encoder, layer, rb.dense(), weight=np.ones((3, 6)), delay=0.0))
    result = rb.Simulator(net, 1e-3, backend="reference").run(8e-3)
    prices = {"mac": (1.0, "pJ/mac"), "neuron_update": (100.0, "pJ/update")}
    once = rb.energy(result, chip("dense", "once", **prices))
    assert once.joules == pytest.approx((3 * 6 * 1 + 3 * 100) * 1e-12, rel=1e-12)
    always = rb.energy(result, chip("dense", "every step", **prices))
    assert always.joules == pytest.approx(8 * (3 * 6 + 6 + 9 * 100) * 1e-12, rel=1e-12)
