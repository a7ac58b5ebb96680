"""The adjoint of every model's rules against differences of the rules, with a spike that is smooth."""

import numpy as np
import pytest

import rheobase as rb
from rheobase.learning.surrogate import Sigmoid
from rheobase.neurons import vocabulary
from rheobase.neurons.adjoint import adjoint
from rheobase.neurons.specialise import specialise

SLOPE = 3.0
MODELS = [
    rb.IF(reset="hard", drive=0.1),
    rb.LIF(20e-3, reset="soft", refractory=2e-3),
    rb.Leaky(0.9, reset="hard", v_reset=-0.2),
    rb.Leaky(0.8, leak="relax", reset_delay=False),
    rb.LI(10e-3, graded=True),
    rb.CurrentLIF(20e-3, tau_syn_exc=5e-3, tau_syn_inh=8e-3),
    rb.AlphaLIF(20e-3, 5e-3),
    rb.CubaLIF(20e-3, 5e-3, w_in=4.0, resistance=3.0),
    rb.ALIF(20e-3, tau_lift=50e-3, lift_step=0.2, tau_w=30e-3, b=0.1, a=0.1, reset="soft"),
    rb.AdEx.preset("bursting"),
    rb.Izhikevich.preset("RS"),
    rb.ReLU(bias=0.3),
    rb.Sigmoid(bias=0.3),
]


#: Where state variables and inputs lie, and how far around, in units other than 1.
PLACES = {
    "AdEx": {"v": (-52e-3, 2e-3), "w": (1e-10, 1e-11), "input": (1e-3, 1e-4), "current": (1e-10, 1e-11)},
    "Izhikevich": {"v": (20.0, 15.0), "u": (-10.0, 3.0), "input": (5.0, 2.0), "current": (5.0, 2.0)},
}


def line(condition, chosen, otherwise):
    """Choose, and between 0 and 1 lie between."""
    if np.asarray(condition).dtype == bool:
        return np.where(condition, chosen, otherwise)
    return otherwise + condition * (chosen - otherwise)


WORDS = {word: getattr(vocabulary, word) for word in vocabulary.WORDS}
WORDS |= {"where": line, "spike": lambda x: 1.0 / (1.0 + np.exp(-SLOPE * x))}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_gradients_are_the_differences_of_the_rules(model):
    rng = np.random.default_rng(0)
    whole = {state.name for state in model.used_states if state.kind == "integer"}
    places = PLACES.get(type(model).__name__, {})
    moving = (*(state.name for state in model.used_states), *model.receptors)
    known = {name: rng.normal(*places.get(name, (0.3, 0.2)), 40) for name in moving}
    known |= {name: np.float64(value) for name, value in model.constants(1e-3).items()}
    known |= {name: rng.integers(0, 6, 40) for name in whole} | {"now": 3}
    for k, rule in enumerate((model.rules.flow, model.rules.jump, model.rules.fire)):
        wrt = tuple(name for name in rule.arguments if name not in whole | {"now", "silent_steps"})
        written = model.written(rule)
        real = [i + (k == 2) for i, name in enumerate(written) if name not in whole]
        returned = (*([0] if k == 2 else []), *real)
        back = adjoint(rule, wrt, returned, Sigmoid().variant)
        seeds = {f"d_{i}": rng.normal(size=40) for i in returned} | {"surrogate_slope": SLOPE}
        given = [{**known, **seeds}[name] for name in back.arguments]
        found = back.bind(WORDS)(*given)
        function = rule.bind(WORDS)

        def total(values, function=function, rule=rule, returned=returned, seeds=seeds):
            found = function(*(values[name] for name in rule.arguments))
            found = found if rule.n_returned > 1 else (found,)
            return sum(seeds[f"d_{i}"] * found[i] for i in returned)

        for name, gradient in zip(wrt, found if len(wrt) > 1 else [found], strict=True):
            by = 1e-6 * np.abs(known[name]).max() or 1e-6
            up, down = (total({**known, name: known[name] + sign * by}) for sign in (1, -1))
            expected = np.broadcast_to((up - down) / (2 * by), 40)
            # What is rounded off a sum is divided by a small step.
            near = 1e-6 * np.abs(expected).max() + 1e-14 * np.abs(up).max() / by
            gradient, where = np.broadcast_to(gradient, 40), f"{rule.name} {name}"
            np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=near, err_msg=where)


def test_gradients_that_are_kept_apart_pass_no_spike():
    rule = rb.IF(reset="soft").rules.fire  # sent = spike(v - threshold); v - sent * reset_by
    flat = specialise(Sigmoid.derivative, {})
    together, apart = (adjoint(rule, ("v",), (0, 1), flat, chosen) for chosen in ((), (1,)))
    known = {"v": 0.7, "threshold": 1.0, "reset_by": 1.0, "d_0": 0.5, "d_1": 2.0, "surrogate_slope": SLOPE}
    found = [back.bind(WORDS)(*(known[name] for name in back.arguments)) for back in (together, apart)]
    height = SLOPE * WORDS["spike"](-0.3) * (1.0 - WORDS["spike"](-0.3))
    np.testing.assert_allclose(found, [2.0 + (0.5 - 2.0) * height, 2.0 + 0.5 * height], rtol=1e-6)


def test_what_has_no_derivative_is_refused_by_name():
    def fire(v):
        return floor(v), v  # noqa: F821

    with pytest.raises(rb.SpecError, match="rule fire: floor has no derivative"):
        adjoint(specialise(fire, {}), ("v",), (0, 1), Sigmoid().variant)
