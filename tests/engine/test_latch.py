"""State variables that only an event changes are taken out of the firing rule; all others stay in it."""

import numpy as np
import pytest

from rheobase.engine.backends.numba_cpu.latch import split_latches
from rheobase.neurons import LIF, CurrentLIF
from rheobase.neurons.specialise import specialise

_STATES, _CONSTANTS = ("v", "w", "ready", "last"), ("now", "threshold", "silent")


def _split(rule, moving=()):
    return split_latches(specialise(rule, {}), _STATES, moving, _CONSTANTS)


def two(v, ready, last, now, threshold, silent):
    sent = spike(v - threshold)  # noqa: F821
    sent = where(now >= ready, sent, 0.0)  # noqa: F821
    return sent, v - sent, where(sent, now + silent, ready), where(sent, now, last)  # noqa: F821


def test_variables_that_only_an_event_changes_get_rules_of_their_own():
    fire, last, ready = _split(two)
    assert fire.source().endswith("return (sent, v - sent)")
    assert fire.arguments == ("v", "ready", "now", "threshold")
    assert last.source() == "def latch_last(now):\n    return now"
    assert ready.source() == "def latch_ready(now, silent):\n    return now + silent"


def moves(v, ready, now, threshold):
    sent = spike(v - threshold)  # noqa: F821
    return sent, v, where(sent, now + v, ready)  # noqa: F821


def other(v, w, now):
    sent = spike(v - w)  # noqa: F821
    return sent, v, where(sent, now, v)  # noqa: F821


def another(v, ready, threshold, now):
    sent = spike(v - threshold)  # noqa: F821
    return sent, v, where(v > now, now, ready)  # noqa: F821


def assigned(v, ready, threshold, now):
    sent = spike(v - threshold)  # noqa: F821
    ready = ready + 1
    return sent, v, where(sent, now, ready)  # noqa: F821


@pytest.mark.parametrize("rule", [moves, other, another, assigned])
def test_what_could_change_without_an_event_or_depends_on_a_variable_stays(rule):
    (fire,) = _split(rule)
    assert fire.source() == specialise(rule, {}).source()


def test_a_variable_that_another_rule_changes_stays():
    fire, last = _split(two, moving=("ready",))
    assert last.name == "latch_last"
    assert "silent" in fire.arguments


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
    _, ready = split_latches(model.rules.fire, states, ["v"], {*model.constant_names, "now"})
    assert ready.name == "latch_ready"
    assert ready.arguments == ("now", "silent_steps")
