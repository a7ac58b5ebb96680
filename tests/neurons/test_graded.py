"""ReLU and the error-feedback neuron: equal to their twins; the laws' promises."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from scipy import special

import rheobase as rb

LAWS = [
    {"law": law, "events": events, "rounding": rounding, "f": f, "signed": signed, "bits": bits}
    for law, events, rounding, f, signed, bits in itertools.product(
        ("delta", "rate"),
        ("unit", "pow2", "graded"),
        ("floor", "nearest"),
        ("relu", "identity"),
        (True, False),
        (3, 5),
    )
    if signed or law == "rate"
]
LAWS += [
    {"law": "delta", "events": events, "f": "identity", "bits": 8, "coarse": coarse}
    for events, coarse in (("pow2", 2), ("pow2", 64), ("graded", 16))
]
LAWS += [
    {"law": "delta", "events": events, "f": f, "bits": 6, "hold": hold}
    for events, f, hold in (("pow2", "relu", 0.5), ("unit", "identity", 1.25), ("graded", "identity", 0.25))
]


def on_grid(seed, steps=80, n=5, low=-48, high=64):
    """Multiples of 1/64, on which all sums are exact in either precision."""
    return np.random.default_rng(seed).integers(low, high, (steps, n)) / 64.0


def settle(step_alone, aims, **options):
    """Feed whole numbers once and then nothing; return events [steps, n] and the state."""
    inputs = np.zeros((12, len(aims)))
    inputs[0] = aims
    return step_alone(rb.EventNeuron(1.0, **options), inputs)


@pytest.mark.parametrize("options", LAWS, ids=lambda o: "-".join(str(v) for v in o.values()))
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_law_and_alphabet_equals_its_twin(step_alone, twins, options, dtype):
    inputs = on_grid(1)
    both = {**options, "theta": 0.75, "bias": 0.25}
    ours = step_alone(rb.EventNeuron(**both), inputs, dtype=dtype)
    assert np.count_nonzero(ours.sent) > 20
    for k in range(inputs.shape[1]):
        sent, n = twins.neurons.event_neuron(inputs[:, k], **both)
        np.testing.assert_array_equal(ours.sent[:, k], sent)
        np.testing.assert_array_equal(ours.n[:, k], n)


def test_large_events_come_first_and_small_ones_are_not_forgotten(step_alone):
    aims = np.arange(-100, 101)
    ours = settle(step_alone, aims, f="identity", bits=8, coarse=8)
    for t, least in enumerate((8, 4, 2, 1)):
        assert np.abs(ours.sent[t][ours.sent[t] != 0]).min() == least
    np.testing.assert_array_equal(ours.n[-1], aims)
    plain = settle(step_alone, aims, f="identity", bits=8)
    np.testing.assert_array_equal(np.count_nonzero(ours.sent, axis=0), np.count_nonzero(plain.sent, axis=0))


def test_what_stays_within_a_dead_band_is_not_told(step_alone):
    steps = np.array([[7.0, -7.0], [0.9, -0.9], [-1.8, 1.8], [2.2, -2.2]])
    ours = step_alone(rb.EventNeuron(1.0, f="identity", events="graded", bits=5, hold=0.5), steps)
    np.testing.assert_array_equal(ours.n[:, 0], [7, 7, 7, 8])  # the value: 7, 7.9, 6.1, 8.3
    np.testing.assert_array_equal(ours.n[:, 1], [-7, -7, -7, -8])


def test_a_dead_band_of_nothing_is_the_exact_aim(step_alone):
    inputs = on_grid(3)
    exact = step_alone(rb.EventNeuron(0.75, f="identity"), inputs)
    np.testing.assert_array_equal(
        step_alone(rb.EventNeuron(0.75, f="identity", hold=0.0), inputs).sent, exact.sent
    )


@pytest.mark.parametrize("f", ["relu", "identity"])
def test_value_law_equals_its_twin(step_alone, twins, f):
    inputs = on_grid(2)
    ours = step_alone(rb.EventNeuron(0.3, law="value", f=f, bias=-0.1), inputs)
    for k in range(inputs.shape[1]):
        sent, _ = twins.neurons.event_neuron(inputs[:, k], law="value", f=f, bias=-0.1)
        np.testing.assert_array_equal(ours.sent[:, k], sent)


def test_relu_equals_its_twin_and_remembers_nothing(step_alone, twins):
    inputs = on_grid(3)
    ours = step_alone(rb.ReLU(bias=0.125), inputs)
    for k in range(inputs.shape[1]):
        np.testing.assert_array_equal(ours.sent[:, k], twins.neurons.relu(inputs[:, k], bias=0.125))
    assert (ours.sent == 0).any()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_one_bit_rate_law_is_an_integrate_and_fire_neuron(step_alone, dtype):
    # Not on a grid: even the roundings are those of the IF neuron.
    inputs = np.random.default_rng(4).normal(0.2, 0.5, (200, 64))
    options = {"law": "rate", "events": "unit", "signed": False, "rounding": "floor", "f": "relu"}
    ours = step_alone(rb.EventNeuron(0.7, **options), inputs, dtype=dtype)
    spiking = step_alone(rb.IF(threshold=0.7, reset="soft"), inputs, dtype=dtype)
    assert ours.sent.sum() > 2000
    np.testing.assert_array_equal(ours.sent, spiking.sent)
    np.testing.assert_array_equal(ours.u, spiking.v)


def test_rounding_to_the_nearest_is_a_start_at_half_the_threshold(step_alone):
    inputs = on_grid(5)
    options = {"law": "rate", "events": "unit", "signed": False}
    nearest = step_alone(rb.EventNeuron(0.75, **options, rounding="nearest"), inputs)
    started = step_alone(rb.IF(threshold=0.75), inputs, initial={"v": 0.375})
    np.testing.assert_array_equal(nearest.sent, started.sent)


def test_rate_code_of_a_constant_stays_within_half_a_step_over_time(step_alone):
    # n is within half a unit of t x / theta wherever |x| <= theta, since each step may tell one unit.
    x = np.random.default_rng(6).uniform(-1, 1, 1000)
    options = {"law": "rate", "events": "unit", "f": "identity", "rounding": "nearest"}
    told = step_alone(rb.EventNeuron(1.0, **options), np.tile(x, (64, 1))).n
    t = np.arange(1, 65)[:, None]
    assert (np.abs(told / t - x) <= 0.5 / t + 1e-9).all()


@pytest.mark.parametrize(("bits", "most"), [(5, 3), (7, 4), (8, 5)])
def test_powers_of_two_reach_the_aim_and_then_are_silent(step_alone, bits, most):
    aims = np.arange(2**bits)
    ours = settle(step_alone, aims, events="pow2", bits=bits)
    np.testing.assert_array_equal(ours.n[-1], aims)
    per_neuron = np.count_nonzero(ours.sent, axis=0)
    assert per_neuron.max() == most
    assert not ours.sent[most:].any()
    powers = np.abs(ours.sent[ours.sent != 0])
    np.testing.assert_array_equal(np.log2(powers) % 1, 0)


def test_graded_needs_one_event_and_unit_as_many_as_the_distance(step_alone):
    aims = np.arange(-7, 8)
    graded = settle(step_alone, aims, events="graded", f="identity")
    unit = settle(step_alone, aims, events="unit", f="identity")
    np.testing.assert_array_equal(np.count_nonzero(graded.sent, axis=0), aims != 0)
    np.testing.assert_array_equal(np.count_nonzero(unit.sent, axis=0), np.abs(aims))
    np.testing.assert_array_equal(unit.n[-1], aims)


@pytest.mark.parametrize("events", ["unit", "pow2", "graded"])
def test_silence_does_not_depend_on_the_order_of_input(step_alone, events):
    inputs = on_grid(7, steps=20, n=50)
    order = np.random.default_rng(8).permutation(20)
    end = np.zeros((20, 50))
    model = rb.EventNeuron(0.375, events=events, bits=4, bias=0.5)
    one = step_alone(model, np.concatenate([inputs, end]))
    other = step_alone(model, np.concatenate([inputs[order], end]))
    quantised = np.clip(np.floor(np.maximum(inputs.sum(axis=0) + 0.5, 0) / 0.375 + 0.5), 0, 15)
    np.testing.assert_array_equal(one.n[-1], quantised)
    np.testing.assert_array_equal(other.n[-1], quantised)
    assert not one.sent[-1].any()


def test_a_changed_frame_costs_only_its_change(step_alone):
    inputs = np.zeros((20, 3))
    inputs[0], inputs[10] = (9.0, 5.0, 2.0), (0.0, -1.0, 0.0)
    sent = step_alone(rb.EventNeuron(1.0), inputs).sent
    np.testing.assert_array_equal(np.count_nonzero(sent[10:], axis=0), [0, 1, 0])


@pytest.mark.parametrize("events", ["unit", "pow2"])
def test_a_burst_tells_at_once_what_its_events_would_one_by_one(step_alone, events):
    aims = np.arange(-5, 256)
    options = {"events": events, "f": "identity", "low": -5, "high": 255}
    inputs = np.zeros((600, aims.size))
    inputs[0], inputs[300] = aims, -aims
    one_by_one = step_alone(rb.EventNeuron(1.0, **options), inputs).sent
    model = rb.EventNeuron(1.0, **options, burst=True)
    burst = step_alone(model, inputs).sent.astype(int)
    np.testing.assert_array_equal(burst[0], aims)
    np.testing.assert_array_equal(burst[300], -aims)
    assert np.count_nonzero(burst) == 2 * np.count_nonzero(aims)
    for first, last in ((0, 300), (300, 600)):
        counted = np.count_nonzero(one_by_one[first:last], axis=0)
        np.testing.assert_array_equal(model.events_in[np.abs(burst[first])], counted)


EXACT = {
    "gelu": lambda x: x * special.ndtr(x),
    "tanh": np.tanh,
    "softplus": lambda x: np.logaddexp(0, x),
    "hard_silu": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "leaky_relu": lambda x: np.where(x < 0, 0.125 * x, x),
    "clamp": lambda x: np.clip(x, -0.5, 1.25),
    "abs": np.abs,
}
PARAMETERS = {"leaky_relu": (0.125,), "clamp": (-0.5, 1.25)}


@pytest.mark.parametrize("f", EXACT)
@pytest.mark.parametrize("law", ["delta", "rate", "value"])
def test_a_function_of_the_total_is_what_is_told(step_alone, f, law):
    x = np.random.default_rng(11).normal(0.0, 1.5, 2000)
    options = {"f": f, "parameters": PARAMETERS.get(f, ()), "events": "graded", "bias": 0.25}
    steps = 16
    inputs = np.zeros((steps, x.size))
    inputs[0 if law == "delta" else slice(None)] = x
    ours = step_alone(rb.EventNeuron(1 / 16, law=law, bits=10, **options), inputs, dtype=np.float32)
    y = EXACT[f](x + 0.25)
    if law == "value":
        np.testing.assert_allclose(ours.sent, np.tile(y, (steps, 1)), atol=2e-6)
        return
    units = np.outer(np.arange(1, steps + 1), 16 * y) if law == "rate" else np.tile(16 * y, (steps, 1))
    off = np.abs(ours.n - units)
    assert off.max() <= 0.5 + 1e-3  # away from ties there is but one integer as near
    assert 0.2 < off[0].mean() < 0.3 or f in ("clamp", "hard_silu")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"f": "leaky_relu"}, "EventNeuron.parameters: got (); 'leaky_relu' takes 1 finite number(s), slope"),
        ({"f": "relu", "parameters": (1.0,)}, "EventNeuron.parameters: got (1.0,); 'relu' takes ()"),
        ({"f": "elu", "parameters": "steep"}, "EventNeuron.parameters: got 'steep'; 'elu' takes 1 "),
        ({"f": "elu", "parameters": (np.nan,)}, "EventNeuron.parameters: got (nan,); "),
        ({"f": "swish"}, "EventNeuron.f: got 'swish'; allowed is one of ('identity', 'relu', "),
        ({"f": "gelu", "law": "rate", "signed": False}, "EventNeuron.signed: got False with law='rate', f="),
    ],
    ids=str,
)
def test_functions_without_their_parameters_are_refused(options, message):
    with pytest.raises(rb.SpecError, match=f"^{re.escape(message)}"):
        rb.EventNeuron(**options)


def test_a_range_may_lie_to_one_side(step_alone):
    inputs = np.zeros((3, 41))
    inputs[0] = np.arange(-20, 21)
    told = step_alone(rb.EventNeuron(1.0, f="identity", events="graded", low=-2, high=13), inputs).n[-1]
    np.testing.assert_array_equal(told, np.clip(inputs[0], -2, 13))


@pytest.mark.parametrize("events", ["unit", "pow2", "graded"])
@pytest.mark.parametrize("f", ["relu", "identity"])
@pytest.mark.parametrize("law", ["delta", "rate"])
def test_no_event_is_larger_than_the_bound(step_alone, law, f, events):
    for ends in ({}, {"low": -6, "high": 1} if f == "identity" else {"high": 9}):
        _hold_to_its_bound(step_alone, rb.EventNeuron(1.0, law=law, events=events, f=f, bits=4, **ends))
    if law == "delta":
        _hold_to_its_bound(step_alone, rb.EventNeuron(1.0, events=events, f=f, bits=4, burst=True))


def _hold_to_its_bound(step_alone, model):
    inputs = np.zeros((30, 31))
    inputs[0] = np.arange(-15, 16) * 20.0
    inputs[15] = -2 * inputs[0]
    largest = np.abs(step_alone(model, inputs).sent).max()
    assert largest == model.payload_bound


@pytest.mark.parametrize("f", ["relu", "identity"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sigma_delta_sends_what_its_twin_sends(step_alone, twins, f, dtype):
    inputs = on_grid(9)
    options = {"f": f, "bias": 0.25}
    ours = step_alone(rb.SigmaDelta(0.5, 1 / 64, bits=14, **options), inputs, dtype=dtype)
    for k in range(inputs.shape[1]):
        told = twins.neurons.sigma_delta(inputs[:, k], threshold=0.5, **options)
        np.testing.assert_array_equal(ours.sent[:, k] / 64, told)
    kept = (ours.sent == 0).mean()
    assert 0.3 < kept < 0.95
    total = np.cumsum(inputs, axis=0) + 0.25
    value = np.maximum(total, 0) if f == "relu" else total
    assert (np.abs(ours.n / 64 - value) < 0.5).all()


def test_sigma_delta_without_a_band_is_the_error_feedback_neuron(step_alone):
    inputs = np.random.default_rng(10).normal(0.05, 0.4, (200, 8))
    for f in ("relu", "identity"):
        both = {"bits": 5, "f": f, "bias": 0.3}
        one = step_alone(rb.SigmaDelta(0.25, 0.25, **both), inputs)
        other = step_alone(rb.EventNeuron(0.25, events="graded", **both), inputs)
        np.testing.assert_array_equal(one.sent, other.sent)
        assert np.abs(one.sent).max() > 1
        assert one.n.max() == (31 if f == "relu" else 15)


def test_sigma_delta_is_silent_within_its_threshold_and_its_bound_is_reached(step_alone):
    model = rb.SigmaDelta(1.0, bits=6, f="identity")
    inputs = np.zeros((4, 2))
    inputs[:, 0], inputs[:, 1] = (0.9, 0.2, -1e3, 2e3), (0.4, -0.8, 0.7, 0.3)
    ours = step_alone(model, inputs)
    assert ours.sent.tolist() == [[0, 0], [18, 0], [-49, 0], [62, 0]]
    assert model.payload_bound == 62
    assert rb.SigmaDelta(1.0).constants(1e-3)["theta"] == 1 / 16


def test_a_sigma_delta_neuron_that_could_never_tell_is_refused():
    with pytest.raises(rb.SpecError, match=r"SigmaDelta\.bits: got 5 .*up to 15 steps"):
        rb.SigmaDelta(1.0, bits=5, f="identity")


def test_sigmoid_is_the_logistic_function_of_its_input(step_alone):
    inputs = np.arange(-180, 181)[None] / 2.0
    ours = step_alone(rb.Sigmoid(bias=0.5), inputs)
    np.testing.assert_allclose(ours.sent, special.expit(inputs + 0.5), rtol=1e-13)
    single = step_alone(rb.Sigmoid(bias=0.5), inputs, dtype=np.float32).sent
    np.testing.assert_allclose(single, special.expit(inputs + 0.5), rtol=5e-7, atol=1e-37)
    assert rb.Sigmoid().payload == "real"


def test_payloads():
    assert rb.EventNeuron().payload == "integer"
    assert rb.EventNeuron(events="unit").payload == "integer"
    assert rb.EventNeuron(law="rate", events="unit", signed=False).payload == "unit"
    assert rb.EventNeuron(law="value").payload == rb.ReLU().payload == "real"
    assert rb.LIF(1e-2).payload == "unit"


def test_laws_without_the_sign_they_need_are_refused():
    with pytest.raises(rb.SpecError, match=r"EventNeuron\.signed: got False with law='delta'"):
        rb.EventNeuron(signed=False)
    with pytest.raises(rb.SpecError, match=r"EventNeuron\.bits: got 1"):
        rb.EventNeuron(f="identity", bits=1)
    with pytest.raises(rb.SpecError, match=r"EventNeuron\.burst: got True with law='rate'"):
        rb.EventNeuron(law="rate", burst=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hold": -0.5}, "EventNeuron.hold: got -0.5; "),
        ({"hold": 0.5, "law": "rate"}, "EventNeuron.hold: got 0.5 with law='rate'"),
        ({"coarse": 3}, "EventNeuron.coarse: got 3; allowed is a power of two"),
        ({"coarse": 0}, "EventNeuron.coarse: got 0; "),
        ({"coarse": 2, "law": "rate"}, "EventNeuron.coarse: got 2 with law='rate'"),
        ({"coarse": 2, "events": "unit"}, "EventNeuron.coarse: got 2 with law='delta', events='unit'"),
        (
            {"coarse": 2, "burst": True},
            "EventNeuron.coarse: got 2 with law='delta', events='pow2', burst=True",
        ),
    ],
    ids=str,
)
def test_events_that_could_not_wait_are_refused(options, message):
    with pytest.raises(rb.SpecError, match=f"^{re.escape(message)}"):
        rb.EventNeuron(**options)


@pytest.mark.parametrize(
    ("ends", "message"),
    [
        ({"low": 1}, "EventNeuron.low: got 1; allowed is a whole number, >= -65535, <= 0, or None"),
        ({"high": -1}, "EventNeuron.high: got -1; "),
        ({"high": 70000}, "EventNeuron.high: got 70000; "),
        ({"low": 0, "high": 0}, "EventNeuron.high: got 0 with low=0; "),
    ],
    ids=str,
)
def test_ranges_without_zero_or_room_are_refused(ends, message):
    with pytest.raises(rb.SpecError, match=f"^{re.escape(message)}"):
        rb.EventNeuron(**ends)
