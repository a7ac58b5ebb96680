"""Whole numbers that only an event changes are taken out of the firing rule; all others stay in it."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

import rheobase as rb
from rheobase.engine.backends.numba_cpu.latch import split_latches
from rheobase.neurons import LIF, CurrentLIF
from rheobase.neurons.model import State
from rheobase.neurons.specialise import specialise
from rheobase.neurons.vocabulary import spike, uniform, where

_STATES, _CONSTANTS = ("v", "w", "ready", "last"), ("now", "threshold", "silent")


def _split(rule, still=("ready", "last")):
    return split_latches(specialise(rule, {}), _STATES, still, _CONSTANTS)


def two(v, ready, last, now, threshold, silent):
    sent = spike(v - threshold)
    sent = where(now >= ready, sent, 0.0)
    return sent, v - sent, where(sent, now + silent, ready), where(sent, now, last)


def test_variables_that_only_an_event_changes_get_rules_of_their_own():
    fire, last, ready = _split(two)
    assert fire.source().endswith("return (sent, v - sent)")
    assert fire.arguments == ("v", "ready", "now", "threshold")
    assert last.source() == "def latch_last(now):\n    return now"
    assert ready.source() == "def latch_ready(now, silent):\n    return now + silent"


def moves(v, ready, now, threshold):
    sent = spike(v - threshold)
    return sent, v, where(sent, now + v, ready)


def other(v, w, now):
    sent = spike(v - w)
    return sent, v, where(sent, now, v)


def another(v, ready, threshold, now):
    sent = spike(v - threshold)
    return sent, v, where(v > now, now, ready)


def assigned(v, ready, threshold, now):
    sent = spike(v - threshold)
    ready = ready + 1
    return sent, v, where(sent, now, ready)


@pytest.mark.parametrize("rule", [moves, other, another, assigned])
def test_what_could_change_without_an_event_or_depends_on_a_variable_stays(rule):
    (fire,) = _split(rule)
    assert fire.source() == specialise(rule, {}).source()


def test_a_variable_that_is_real_or_that_another_rule_changes_stays():
    fire, last = _split(two, still=("last",))
    assert last.name == "latch_last"
    assert "silent" in fire.arguments


@dataclass(frozen=True, eq=False)
class Drawing(rb.NeuronModel):
    """Fires at random, unless it has just fired: nothing is left that its firing rule takes."""

    states: ClassVar = (State("v"), State("ready", kind="integer"))

    @staticmethod
    def flow(v: Any):
        return v * 0.5

    @staticmethod
    def jump(v: Any, input: Any):
        return v + input

    @staticmethod
    def fire(ready: Any, now: Any):
        sent = uniform(0) < 0.2
        return sent, where(sent, now + 3, ready)


@dataclass(frozen=True, eq=False)
class Bursting(rb.NeuronModel):
    """A real variable that a spike makes NaN, since float32 has no number for 1e39."""

    states: ClassVar = (State("v"), State("x"), State("u"))

    def derive(self, elapsed):
        return {"gain": 1e38}

    @staticmethod
    def flow(v: Any):
        return v * 0.5

    @staticmethod
    def jump(u: Any, v: Any, x: Any, input: Any):
        return u * 0.0 + x, v + input

    @staticmethod
    def fire(v: Any, x: Any, gain: Any):
        sent = spike(v - 1.0)
        return sent, v - sent, where(sent, gain * 10.0 - gain * 10.0, x)


def test_a_firing_rule_that_keeps_nothing_but_a_draw_runs():
    net = rb.Network(seed=1)
    net.add(rb.Population(150, Drawing(), name="p"))
    net.add(rb.Probe(net["p"], name="spikes"))
    expected, got = (rb.Simulator(net, 1e-3, backend=b).run(50e-3)["spikes"] for b in ("reference", "numba"))
    assert expected.steps.size > 1000
    np.testing.assert_array_equal(got.steps, expected.steps)
    np.testing.assert_array_equal(got.ids, expected.ids)


@pytest.mark.parametrize("backend", ["reference", "numba"])
@pytest.mark.filterwarnings("ignore:overflow encountered", "ignore:invalid value")
def test_a_nan_that_an_event_writes_is_named_in_its_step(backend):
    net = rb.Network()
    source = net.add(rb.SpikeSource(1, [0.0], [0]))
    net.add(rb.Population(1, Bursting(), name="p"))
    net.add(rb.Projection(source, net["p"], rb.one_to_one(), weight=1.5))
    with pytest.raises(rb.RunError, match=r"x of neuron 0 became NaN in step 1"):
        rb.Simulator(net, 1e-3, backend=backend).run(2e-3)


@pytest.mark.parametrize(
    "model",
    [
        LIF(10e-3, refractory=np.array([1e-3, 2e-3])),
        CurrentLIF(10e-3, 2e-3, refractory=2e-3),
        LIF(10e-3, refractory=2e-3, reset_delay=True),
    ],
)
def test_the_end_of_the_refractory_time_is_such_a_variable(model):
    states = [state.name for state in model.used_states]
    _, ready = split_latches(model.rules.fire, states, ["ready"], {*model.constant_names, "now"})
    assert ready.name == "latch_ready"
    assert ready.arguments == ("now", "silent_steps")
