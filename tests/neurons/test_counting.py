"""Operations per update against a count by hand."""

from __future__ import annotations

import pytest

import rheobase as rb
from rheobase.neurons import operations, state_words
from rheobase.neurons.counting import operations_of
from rheobase.neurons.specialise import specialise
from rheobase.neurons.vocabulary import exp, floor, maximum, minimum, nearest_pow2, spike, uniform, where

BY_HAND = [
    # v + x; v - threshold, compare; v - sent * amount
    (rb.IF(), {"add": 3, "compare": 1, "multiply": 1}, 2),
    # ... with drive: one more addition; hard reset: a selection instead of the subtraction
    (rb.IF(reset="hard", drive=0.1), {"add": 3, "compare": 1, "select": 1}, 2),
    # end + (v - end) * decay; v + x; v - threshold, compare; selection
    (rb.LIF(0.02), {"add": 4, "compare": 1, "multiply": 1, "select": 1}, 2),
    # the same, and: three questions whether still refractory (3 compare, 3 select), next time ready
    # (2 add, 1 select); reads and writes v and ready
    (rb.LIF(0.02, refractory=2e-3), {"add": 6, "compare": 4, "multiply": 1, "select": 5}, 4),
    # + kick * a normal number; 1 - exp(-hazard * exp((v - threshold) * slope)) - a uniform one - half
    # a step of it, compared
    (
        rb.LIF(0.02, noise=0.1, escape=0.1),
        {"add": 9, "compare": 1, "exp": 2, "multiply": 4, "random": 2, "select": 1},
        2,
    ),
    # beta * v; + x; - pending * amount; threshold - v, compare, 1 - it; reads and writes v and pending
    (rb.Leaky(0.9), {"add": 4, "compare": 1, "multiply": 2}, 4),
    # end + (v - end) * decay + gain * i; decay_i * i; i + x; v - threshold, compare; selection
    (rb.CurrentLIF(0.01, 0.002), {"add": 5, "compare": 1, "multiply": 3, "select": 1}, 4),
    # as LIF, + gain * current; + w * from_w; w * decay_w; w + sent * w_step; lift * decay_lift;
    # lift + sent * lift_step; threshold + lift; three variables read and written
    (
        rb.ALIF(0.02, tau_lift=0.1, tau_w=0.1),
        {"add": 9, "compare": 1, "multiply": 7, "select": 1},
        6,
    ),
    # constant - u + current; (0.04 v + 5) v + it; v + span * it; b * v - u; u + share * it; two clips;
    # v + x; v - peak, compare; u + sent * d
    (rb.Izhikevich(method="euler"), {"add": 10, "compare": 3, "multiply": 6, "select": 1}, 4),
    # v_rest - v, seen - onset, sum of the two, drive + current, + it; v + share * slope; v + x;
    # v - threshold, compare; minimum; leak, sharpness, upstroke, span, share; exp
    (rb.ExpIF(method="euler"), {"add": 8, "compare": 2, "exp": 1, "multiply": 5, "select": 1}, 2),
    # x + bias; one comparison with zero
    (rb.ReLU(), {"add": 1, "compare": 1}, 2),
    # u + x; u / theta, + 0.5, floor; two clips, - n; nearest power; n + e
    (rb.EventNeuron(), {"add": 4, "compare": 2, "divide": 1, "round": 2}, 4),
    (rb.LI(0.02), {"add": 3, "multiply": 1}, 2),
]


@pytest.mark.parametrize(("model", "expected", "words"), BY_HAND, ids=lambda x: type(x).__name__)
def test_update_costs_what_a_hand_count_gives(model, expected, words):
    assert operations(model) == expected
    assert state_words(model) == words


def rule(v, w):
    a = minimum(v, w) + maximum(v, 1.0) - floor(w) * nearest_pow2(v) / 2.0
    b = exp(-a) * uniform(0) + spike(v)
    return where((a > b) & (a != 1.0) | (b <= 2.0), 1.0 - a, b)


def test_every_operator_and_word_is_counted_once():
    assert operations_of(specialise(rule, {})) == {
        "add": 5,
        "compare": 6,
        "divide": 1,
        "exp": 1,
        "logic": 2,
        "multiply": 2,
        "random": 1,
        "round": 2,
        "select": 1,
    }
