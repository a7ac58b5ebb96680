"""Rules are folded to what a variant needs, and refused where not every backend could run them."""

# ruff: noqa: F821

from __future__ import annotations

import numpy as np
import pytest

import rheobase as rb
from rheobase.neurons import vocabulary
from rheobase.neurons.specialise import specialise
from rheobase.neurons.vocabulary import exp, where

WORDS = {word: getattr(vocabulary, word) for word in vocabulary.WORDS}


def rule(v, w, tau, shift, mode, on):
    """Every kind of folding in one rule."""
    if mode == "fast" and not on:
        return v * tau
    elif mode in ("slow", "late") or on:
        v = v + (shift if on else 1.0)
        return v, where(w > 0, w, exp(v))
    return w


def test_branches_that_options_decide_are_gone():
    assert specialise(rule, {"mode": "fast", "on": False}).source() == "def rule(v, tau):\n    return v * tau"
    assert specialise(rule, {"mode": "none", "on": False}).source("f") == "def f(w):\n    return w"


def test_arguments_words_and_returned_values_are_those_of_the_variant():
    slow = specialise(rule, {"mode": "slow", "on": False})
    assert (slow.arguments, slow.n_returned, slow.words) == (("v", "w"), 2, {"where", "exp"})
    shifted = specialise(rule, {"mode": "none", "on": True})
    assert shifted.arguments == ("v", "w", "shift")


def test_folded_rule_computes_what_the_written_one_does():
    v, w = np.array([1.0, 2.0]), np.array([-1.0, 3.0])
    bound = specialise(rule, {"mode": "late", "on": True}).bind(WORDS)
    written = rule(v, w, 0.5, 0.25, "late", True)
    np.testing.assert_array_equal(bound(v, w, 0.25), written)


def test_words_mean_what_they_are_bound_to():
    bound = specialise(rule, {"mode": "slow", "on": False}).bind(
        {"where": lambda c, a, b: b, "exp": lambda x: -x}
    )
    assert bound(1.0, 5.0) == (2.0, -2.0)


def test_variant_drops_the_states_that_it_does_not_use():
    assert [s.name for s in rb.LIF(0.01).used_states] == ["v"]
    assert [s.name for s in rb.LIF(0.01, refractory=1e-3).used_states] == ["v", "ready"]
    assert [s.name for s in rb.LIF(0.01, reset_delay=True).used_states] == ["v", "pending"]
    assert [s.name for s in rb.CurrentLIF(0.01, 0.002).used_states] == ["v", "i"]


def loops(v):
    while v > 0:
        v = v - 1
    return v


def asks_for_a_value(v):
    if v > 0:
        return v
    return -v


def chooses_by_a_value(v):
    return v if v > 0 else -v


def uses_a_stranger(v):
    return np.tanh(v)


def uses_an_unknown_name(v):
    return v + factor


def calls_a_state(v, w):
    return v(w)


def joins_values(v, w):
    return v > 0 and w > 0


def chains(v):
    return 0 < v < 1


def negates_a_value(v):
    return not v


def raises_to_a_power(v):
    return v**2


def has_a_default(v, w=1.0):
    return v + w


def takes_any(*v):
    return v


def skips_a_state(v, w, u):
    return v + 1.0, u


def returns_nothing(v):
    v = v + 1


def assigns_an_option(v, mode):
    mode = v
    return mode


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (loops, "uses While"),
        (asks_for_a_value, "`if` may only ask for options"),
        (chooses_by_a_value, "may only ask for options"),
        (uses_a_stranger, "uses Attribute"),
        (uses_an_unknown_name, r"uses \['factor'\]"),
        (calls_a_state, "no call of a word"),
        (joins_values, "asks for values"),
        (chains, "asks for values"),
        (negates_a_value, "asks for values"),
        (raises_to_a_power, "uses Pow"),
        (has_a_default, "plain arguments only"),
        (takes_any, "plain arguments only"),
        (skips_a_state, r"never uses its arguments \['w'\]"),
        (returns_nothing, "must end with a return"),
        (assigns_an_option, "assigns to the option 'mode'"),
        (lambda v: v, "plain function written with `def`"),
        (len, "source cannot be read"),
    ],
    ids=lambda x: getattr(x, "__name__", None),
)
def test_rule_that_not_every_backend_has_is_refused_by_name(function, message):
    with pytest.raises(rb.SpecError, match=message) as caught:
        specialise(function, {"mode": "fast"})
    assert f"rule {function.__qualname__}" in str(caught.value)
