"""Wrong parameters are refused with the model and field, what was got, and what is allowed."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, replace

import numpy as np
import pytest

import rheobase as rb
from rheobase.neurons import State, operations


@pytest.mark.parametrize(
    ("make", "start"),
    [
        (
            lambda: rb.LIF(-0.01),
            "LIF.tau: got -0.01; allowed is a finite number, or an array with one per neuron, > 0",
        ),
        (lambda: rb.LIF(0), "LIF.tau: got 0; "),
        (lambda: rb.LIF(float("nan")), "LIF.tau: got nan; "),
        (lambda: rb.LIF(float("inf")), "LIF.tau: got inf; "),
        (lambda: rb.LIF("fast"), "LIF.tau: got 'fast'; "),
        (lambda: rb.LIF(None), "LIF.tau: got None; "),
        (lambda: rb.LIF(True), "LIF.tau: got True; "),
        (lambda: rb.LIF([]), "LIF.tau: got []; "),
        (lambda: rb.LIF([0.01, -0.01]), "LIF.tau: got [0.01, -0.01]; "),
        (lambda: rb.LIF([[0.01], [0.01, 0.02]]), "LIF.tau: got [[0.01], [0.01, 0.02]]; "),
        (lambda: rb.LIF(1j), "LIF.tau: got 1j; "),
        (lambda: rb.LIF(0.01, refractory=-1e-3), "LIF.refractory: got -0.001; "),
        (
            lambda: rb.LIF(0.01, reset="zero"),
            "LIF.reset: got 'zero'; allowed is one of ('hard', 'soft', 'none')",
        ),
        (lambda: rb.LIF(0.01, strict=1), "LIF.strict: got 1; allowed is one of (False, True)"),
        (lambda: rb.Leaky(1.5), "Leaky.beta: got 1.5; "),
        (lambda: rb.Leaky(0.9, leak="exp"), "Leaky.leak: got 'exp'; "),
        (lambda: rb.CurrentLIF(0.01, 0.002, capacitance=0.0), "CurrentLIF.capacitance: got 0.0; "),
        (lambda: rb.EventNeuron(0.0), "EventNeuron.theta: got 0.0; "),
        (
            lambda: rb.EventNeuron(bits=2.5),
            "EventNeuron.bits: got 2.5; allowed is a whole number, >= 1, <= 16",
        ),
        (lambda: rb.EventNeuron(bits=17), "EventNeuron.bits: got 17; "),
        (lambda: rb.EventNeuron(bits=[2, 3]), "EventNeuron.bits: got [2, 3]; "),
        (lambda: rb.EventNeuron(events="pow3"), "EventNeuron.events: got 'pow3'; "),
        (lambda: rb.LIF(0.01, threshold=-50e-3), "LIF.v_reset: got 0.0 with threshold -0.05; "),
        (
            lambda: rb.LIF([0.01, 0.02], threshold=[1.0, 1.0, 1.0]),
            "LIF: per-neuron arrays have different sizes",
        ),
    ],
)
def test_refusal_names_object_field_value_and_what_is_allowed(make, start):
    with pytest.raises(rb.SpecError) as caught:
        make()
    assert str(caught.value).startswith(start)


def test_refusal_is_also_a_value_error():
    with pytest.raises(ValueError, match=r"LIF\.tau"):
        rb.LIF(-1.0)


def test_numbers_of_numpy_are_numbers():
    assert rb.LIF(np.float32(0.5)).tau == 0.5
    assert rb.LIF(0.01, strict=np.bool_(True)).strict is True
    assert rb.EventNeuron(bits=np.int64(3)).bits == 3


def test_a_model_is_frozen_and_so_are_its_arrays():
    given = np.array([0.01, 0.02])
    model = rb.LIF(given)
    given[0] = 5.0
    assert model.tau[0] == 0.01
    with pytest.raises(ValueError, match="read-only"):
        model.tau[0] = 1.0
    with pytest.raises(FrozenInstanceError):
        model.tau = 1.0


def test_models_with_equal_parameters_are_equal_and_hash_alike():
    one, other = rb.LIF(np.array([0.01, 0.02])), rb.LIF(np.array([0.01, 0.02]))
    assert one == other
    assert hash(one) == hash(other)
    assert one != rb.LIF(np.array([0.01, 0.03]))
    assert rb.IF() != rb.Leaky(1.0)


@pytest.mark.parametrize(
    "model", [rb.CurrentLIF(0.01, 0.002), rb.EventNeuron(0.5), rb.LIF(np.array([1.0, 2.0]))]
)
def test_a_copy_is_the_same_model(model):
    _ = model.rules
    for same in (
        pickle.loads(pickle.dumps(model)),
        copy.deepcopy(model),
        replace(model),
        type(model)(**model.to_dict()),
    ):
        assert same == model
        assert same.constant_names == model.constant_names


def test_sizes_come_from_arrays():
    assert rb.LIF(0.01).per_neuron() is None
    assert rb.LIF(np.array([0.01, 0.02, 0.03])).per_neuron() == 3


@dataclass(frozen=True, eq=False)
class Ramp(rb.NeuronModel):
    """An author's own model in a few lines."""

    slope: float = rb.Parameter(1.0)

    def derive(self, elapsed):
        return {"rise": self.slope * elapsed}

    @staticmethod
    def flow(v, rise):
        return v + rise

    @staticmethod
    def jump(v, input):
        return v + input

    @staticmethod
    def fire(v):
        return 0.0, v


class Unsupplied(Ramp):
    @staticmethod
    def flow(v, rise, missing):
        return v + rise * missing


class Overreturning(Ramp):
    states = (State("v"), State("w"))

    @staticmethod
    def flow(v, rise):
        return v + rise, rise


def test_an_authors_model_runs(step_alone):
    np.testing.assert_allclose(step_alone(Ramp(2.0), np.zeros((3, 1)), 0.5).v[:, 0], [1, 2, 3])
    assert operations(Ramp()) == {"add": 2}


def test_a_rule_that_takes_what_nobody_supplies_is_refused():
    with pytest.raises(rb.SpecError, match=r"Unsupplied: its functions take \['missing'\]"):
        Unsupplied().constants(1e-3)


def test_a_rule_that_returns_more_than_its_states_is_refused():
    with pytest.raises(rb.SpecError, match=r"Overreturning\.flow: returns 2 values"):
        _ = Overreturning().rules
