"""Sweeps until silence: exact in both schedules, stopped input by input, and streams that pay for changes."""

from __future__ import annotations

import numpy as np
import pytest

import rheobase as rb
from rheobase.conversion.circuits.circuit import Cell, Circuit, Code, Term
from rheobase.conversion.spiking.build import build
from rheobase.conversion.spiking.exit import CAUTION, Confident, Stable, shares, tuned
from rheobase.conversion.spiking.inference import Inference
from rheobase.conversion.spiking.sweeps import Sweeps


def sweeps_of(circuit, n, schedule="concurrent", events="pow2", backend="reference"):
    net = build(circuit, events=events, schedule=schedule)
    how = {"law": "delta", "schedule": schedule, "events": events}
    return Sweeps(circuit, net, n, **how, dt=1e-3, backend=backend, threads=None)


@pytest.fixture(scope="module")
def to_silence(circuit, told):
    sweeps = sweeps_of(circuit, 3)
    sweeps.feed(told)
    return sweeps.settle(None, None)


@pytest.mark.parametrize("events", ["pow2", "unit", "graded"])
@pytest.mark.parametrize(
    ("schedule", "backend"), [("depth", "reference"), ("concurrent", "reference"), ("depth", "numba")]
)
def test_silence_leaves_the_answer_of_a_forward_pass(circuit, told, forward_pass, events, schedule, backend):
    sweeps = sweeps_of(circuit, 3, schedule, events, backend)
    sweeps.feed(told)
    found = sweeps.settle(None, None)
    assert found.silent.all()
    np.testing.assert_array_equal(found.outputs, forward_pass[0]["output"])
    np.testing.assert_array_equal(found.over_time[-1], found.outputs)
    if schedule == "depth":
        assert (found.steps == 1).all()
        # The next sweep tells nothing: one was enough.
        assert sweeps.sweep().counts.spikes == 0


def test_operations_are_events_times_fan_out(circuit, told, to_silence):
    counted = 0
    for p in to_silence.result.counts.projections:
        if p.pre not in ("frame", "input"):
            counted += p.events
    assert counted == to_silence.operations.sum()
    # The input tells each pixel that is not zero once, to 4 channels of the pixels around it.
    rows = np.array([2, 3, 3, 3, 3, 2])
    reached = 4 * np.multiply.outer(rows, rows)
    expected = ((told.reshape(3, 2, 6, 6) != 0) * reached).sum(axis=(1, 2, 3))
    np.testing.assert_array_equal(to_silence.first_layer, expected)


def test_depth_costs_no_more_than_sweeps_side_by_side(circuit, told, to_silence):
    sweeps = sweeps_of(circuit, 3, "depth")
    sweeps.feed(told)
    assert sweeps.settle(None, None).operations.sum() < to_silence.operations.sum()


def test_an_input_alone_takes_what_it_takes_in_a_batch(circuit, told, to_silence):
    for i in range(3):
        sweeps = sweeps_of(circuit, 1)
        sweeps.feed(told[i : i + 1])
        alone = sweeps.settle(None, None)
        assert alone.steps[0] == to_silence.steps[i] == len(alone.over_time)
        assert alone.operations[0] == to_silence.operations[i]
        np.testing.assert_array_equal(alone.outputs[0], to_silence.outputs[i])


def test_a_number_of_sweeps_is_kept_also_beyond_silence(circuit, told, to_silence):
    one, many = (sweeps_of(circuit, 3) for _ in range(2))
    one.feed(told)
    many.feed(told)
    short, long = one.settle(1, None), many.settle(9, None)
    np.testing.assert_array_equal(short.outputs, to_silence.over_time[0])
    assert not short.silent.any()
    assert (short.steps == 1).all()
    assert long.over_time.shape == (9, 3, 5)
    assert long.silent.all()
    np.testing.assert_array_equal(long.over_time[-1], to_silence.outputs)
    np.testing.assert_array_equal(long.steps, to_silence.steps)
    np.testing.assert_array_equal(long.operations, to_silence.operations)


@pytest.mark.parametrize("rule", [Stable(0.3), Confident(0.9), Stable(1.0)])
def test_each_input_stops_where_the_rule_holds_first(circuit, told, to_silence, rule):
    sweeps = sweeps_of(circuit, 3)
    sweeps.feed(told)
    found = sweeps.settle(None, rule)
    for i in range(3):
        stop = min(to_silence.steps[i], stops_of(to_silence, rule)[i] + 1)
        assert found.steps[i] == stop
        np.testing.assert_array_equal(found.outputs[i], to_silence.over_time[stop - 1, i])
        assert found.operations[i] == to_silence.operations_over_time[stop - 1, i]


def stops_of(inference, rule):
    """Where a rule stops each input, from 0, by its definition."""
    answers = shares(inference.over_time)
    stops = []
    for i in range(answers.shape[1]):
        for t in range(len(answers)):
            moved = np.abs(answers[t, i] - answers[t - 1, i]).max() if t else np.inf
            if moved <= rule.eta if isinstance(rule, Stable) else answers[t, i].max() >= rule.p:
                break
        stops.append(t)
    return np.array(stops)


def made_up_run(n=60, sweeps=6):
    """Outputs that wander towards a class, and operations that grow."""
    rng = np.random.default_rng(8)
    ends = rng.normal(size=(n, 4)) * 3
    fading = rng.normal(size=(sweeps, n, 4)) * np.geomspace(1.5, 0.05, sweeps)[:, None, None]
    spent = np.cumsum(rng.integers(1, 100, (sweeps, n)), axis=0)
    over_time, nothing = ends + fading, np.zeros(n, np.int64)
    steps = np.full(n, sweeps)
    return Inference(over_time[-1], over_time, steps, steps > 0, spent, nothing, nothing, None)


@pytest.mark.parametrize("kind", [Stable, Confident])
def test_a_rule_is_tuned_to_a_budget(kind):
    run = made_up_run()

    def cost(rule):
        spent = run.operations_over_time[stops_of(run, rule), np.arange(60)]
        return spent.mean() / run.operations_over_time[-1].mean()

    for budget in (0.5, 0.8):
        rule = tuned(run, kind, budget=budget)
        assert cost(rule) <= budget
        careful = Stable(rule.eta * 0.97) if kind is Stable else Confident(1 - (1 - rule.p) * 0.97)
        assert cost(careful) > budget - 0.05
    with pytest.raises(rb.ConversionError, match=r"tune_exit\.budget: got 0\.01; "):
        tuned(run, kind, budget=0.01)


@pytest.mark.parametrize("kind", [Stable, Confident])
def test_a_rule_is_tuned_to_lose_nothing(kind):
    run = made_up_run()
    labels = run.over_time[-1].argmax(-1)
    labels[::7] = (labels[::7] + 1) % 4

    def right(rule):
        return (run.over_time[stops_of(run, rule), np.arange(60)].argmax(-1) == labels).sum()

    rule = tuned(run, kind, labels=labels)
    assert right(rule) >= (run.over_time[-1].argmax(-1) == labels).sum()
    assert stops_of(run, rule).mean() < 4.5


@pytest.mark.parametrize("kind", [Stable, Confident])
def test_a_rule_is_tuned_to_change_no_answer(kind):
    run = made_up_run()

    def changed(rule):
        answers = run.over_time[stops_of(run, rule), np.arange(60)].argmax(-1)
        return (answers != run.over_time[-1].argmax(-1)).sum()

    rule = tuned(run, kind)
    assert changed(rule) == 0 < (run.over_time[1].argmax(-1) != run.over_time[-1].argmax(-1)).sum()
    # It is the boldest that changes none, with some caution.
    doubts = [
        kind.doubt(run.over_time[t - 1] if t else None, run.over_time[t]) for t in range(len(run.over_time))
    ]
    least = CAUTION * (rule.eta if kind is Stable else 1 - rule.p)
    assert changed(kind.at(least + 1e-12)) == 0
    bolder = sorted(d for d in np.unique(doubts) if d > least + 1e-9)
    assert changed(kind.at(bolder[0])) + changed(kind.at(bolder[1])) > 0


def test_the_next_frame_costs_its_change(circuit, told, forward_pass):
    sweeps = sweeps_of(circuit, 3, "depth")
    sweeps.feed(told)
    first = sweeps.settle(None, None)
    sweeps.feed(told)
    again = sweeps.settle(None, None)
    assert again.operations.sum() == again.first_layer.sum() == 0
    np.testing.assert_array_equal(again.outputs, first.outputs)
    changed = told.copy()
    changed[:, 30:33] += 1
    sweeps.feed(changed)
    third = sweeps.settle(None, None)
    fresh = sweeps_of(circuit, 3, "depth")
    fresh.feed(changed)
    np.testing.assert_array_equal(third.outputs, fresh.settle(None, None).outputs)
    assert 0 < third.operations.sum() < 0.3 * first.operations.sum()


def test_shares_add_up_and_survive_large_outputs():
    found = shares(np.array([[1000.0, 0.0], [0.0, 0.0]]))
    np.testing.assert_allclose(found, [[1.0, 0.0], [0.5, 0.5]])


@pytest.mark.parametrize(
    "make", [lambda: Stable(-0.1), lambda: Stable(True), lambda: Confident(1.5), lambda: Confident("x")]
)
def test_rules_refuse_what_is_no_share(make):
    with pytest.raises(rb.ConversionError, match="allowed is a number from 0 to 1"):
        make()


def test_weights_off_the_grid_are_refused():
    rng = np.random.default_rng(0)
    heard = (Term("input", "linear", {"weight": rng.normal(size=(3, 2))}),)
    cells = [Cell("input", (2,), code=Code(np.ones(2), 0, 255)), Cell("output", (3,), heard)]
    with pytest.raises(rb.ConversionError, match=r"output: its weights times the steps .* lie on no grid"):
        sweeps_of(Circuit({cell.name: cell for cell in cells}), 1)
