"""What a plasticity rule promises to those who write one, and what it refuses."""

from dataclasses import dataclass

import pytest

import rheobase as rb
from rheobase.learning.rules.rule import Trace
from rheobase.neurons.model import Parameter
from rheobase.neurons.vocabulary import minimum, normal, uniform

VALID = {"tau_pre": 20e-3, "tau_post": 20e-3, "a_pre": 0.01, "a_post": -0.01, "w_max": 1.0}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"tau_pre": 0.0}, "STDP.tau_pre"),
        ({"tau_post": -1.0}, "STDP.tau_post"),
        ({"tau_post": float("nan")}, "STDP.tau_post"),
        ({"a_pre": float("inf")}, "STDP.a_pre"),
        ({"a_post": [0.1, 0.2]}, "STDP.a_post"),
        ({"w_max": None}, "STDP.w_max"),
        ({"w_min": 1.0}, "STDP.w_min"),
        ({"pairing": "some"}, "STDP.pairing"),
        ({"dependence": "power"}, "STDP.dependence"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(change, named):
    with pytest.raises(rb.SpecError, match=named):
        rb.STDP(**{**VALID, **change})


def test_rules_with_equal_parameters_are_equal():
    assert rb.STDP(**VALID) == rb.STDP(**VALID)
    assert hash(rb.STDP(**VALID)) == hash(rb.STDP(**VALID))
    assert rb.STDP(**VALID) != rb.STDP(**VALID, pairing="nearest")


def test_a_rule_is_rebuilt_from_its_dictionary():
    rule = rb.STDP(**VALID, w_min=-2.0, dependence="multiplicative")
    assert rb.STDP(**rule.to_dict()) == rule
    assert rule.bounds == (-2.0, 1.0)


def test_options_are_folded_so_that_a_variant_names_only_what_it_reads():
    rule = rb.STDP(**VALID)
    assert rule.rules.on_pre.arguments == ("weight", "y", "a_post", "w_min", "w_max")
    assert rule.rules.on_post.arguments == ("weight", "x", "a_pre", "w_min", "w_max")
    assert "if" not in rule.rules.on_pre.source()


def test_constants_hold_what_the_functions_read_and_the_decays_of_the_traces():
    constants = rb.STDP(**{**VALID, "tau_post": 10e-3}).constants(10e-3)
    assert constants.pop("decay_x") == pytest.approx(0.6065306597126334)
    assert constants.pop("decay_y") == pytest.approx(0.36787944117144233)
    assert constants == {"a_pre": 0.01, "a_post": -0.01, "w_min": 0.0, "w_max": 1.0}


@dataclass(frozen=True, eq=False)
class Count(rb.PlasticityRule):
    """A rule of a user: each arriving spike adds a step, with a trace that its functions ignore."""

    step: float = Parameter(scalar=True)

    @property
    def traces(self):
        return (Trace("x", "pre", 1e-3),)

    @staticmethod
    def on_pre(weight, step, w_max):
        return minimum(weight + step, w_max)

    @staticmethod
    def on_post(weight):
        return weight


def test_a_rule_written_by_a_user_runs(learn):
    weights = learn(Count(0.25, w_max=1.0), [[True]] * 4, [[True]] * 4, [0.5], 1e-3)
    assert weights[:, 0].tolist() == [0.75, 1.0, 1.0, 1.0]


def test_a_rule_that_names_something_nobody_supplies_is_refused():
    class Stranger(Count):
        @staticmethod
        def on_post(weight, unheard_of):
            return weight + unheard_of

    with pytest.raises(rb.SpecError, match="unheard_of"):
        Stranger(0.25, w_max=1.0).constants(1e-3)


def test_a_rule_that_returns_more_than_a_weight_is_refused():
    class Greedy(Count):
        @staticmethod
        def on_post(weight, step):
            return weight, step

    with pytest.raises(rb.SpecError, match=r"Greedy\.on_post: returns 2 values"):
        _ = Greedy(0.25, w_max=1.0).rules


def test_a_rule_that_asks_for_random_numbers_is_refused():
    class Dicing(Count):
        @staticmethod
        def on_post(weight):
            return weight * uniform(0)

    class Wavering(Count):
        @staticmethod
        def on_pre(weight):
            return weight + normal(0)

    for rule, word in ((Dicing, "uniform"), (Wavering, "normal")):
        with pytest.raises(rb.SpecError, match=rf"uses {word}\(\)"):
            _ = rule(0.25, w_max=1.0).rules
