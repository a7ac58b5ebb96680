"""Codes turn numbers into spikes and back, as their equations say and as snnTorch has them."""

from __future__ import annotations

import numpy as np
import pytest

import rheobase as rb
from rheobase.datasets.encoding import (
    Bernoulli,
    Burst,
    Delta,
    Latency,
    LogLatency,
    Phase,
    Poisson,
    Population,
    Regular,
    SendOnDelta,
    from_events,
    to_events,
)

RNG = np.random.default_rng(0)
#: With numbers on and beside the edges of what the codes tell apart.
X = np.concatenate([np.linspace(0.0, 1.0, 401), RNG.random(1000)])


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (Regular(1), 0.5),
        (Regular(25), 0.02),
        (Latency(33, threshold=1e-9), 1 / 64),
        (Phase(16, bits=8), 2.0**-8),
        (Phase(5, bits=5), 2.0**-5),
        (Burst(200, most=8, shortest=3, longest=43), 1 / 16),
        (
            Bernoulli(4000),
            5 * 0.5 / 4000**0.5,
        ),  # five standard deviations: 1 in 1,200 that one of them is beyond
        (Bernoulli(4000, rate=0.5), 5 * 2 * 0.5 / 4000**0.5),
        (Poisson(4000, rate=2.0), 5 / 8000**0.5),
    ],
)
def test_decoding_gives_back_what_was_encoded_within_the_resolution(code, error):
    spikes = code.encode(X.reshape(3, -1))
    assert spikes.shape == (code.steps, 3, len(X) // 3)
    assert spikes.dtype == np.int8
    found = code.decode(spikes).ravel()
    assert abs(found - X).max() <= error + 1e-12
    assert code.decode(code.encode(0.0)) == 0.0


def test_equal_numbers_encode_alike_and_larger_ones_decode_larger():
    for code in (Regular(20), Latency(20), LogLatency(20), Phase(16), Burst(40)):
        found = code.decode(code.encode(np.sort(X)))
        assert (np.diff(found) >= 0).all(), code


def test_regular_spikes_are_those_of_an_integrate_and_fire_neuron():
    x = np.arange(65) / 64  # sums of these are exact
    net = rb.Network()
    source = net.add(rb.FrameSource(65, name="x"))
    neurons = net.add(rb.Population(65, rb.IF(reset="soft"), initial={"v": 0.5}))
    net.add(rb.Projection(source, neurons, rb.one_to_one(), delay=0.0))
    probe = net.add(rb.Probe(neurons))
    sim = rb.Simulator(net, dt=1e-3, backend="reference", precision="float64")
    record = sim.run(20e-3, inputs={"x": np.tile(x, (20, 1))})[probe]
    raster = np.zeros((20, 65), np.int8)
    raster[record.steps, record.ids] = 1
    np.testing.assert_array_equal(raster, Regular(20).encode(x))


def test_drawn_codes_are_the_same_for_the_same_seed_only_and_their_counts_have_the_right_spread():
    for code, variance in ((Bernoulli(50, rate=0.8), 0.24 * 0.76), (Poisson(50, rate=0.8), 0.24)):
        spikes = code.encode(np.full(20_000, 0.3), seed=3)
        np.testing.assert_array_equal(spikes, code.encode(np.full(20_000, 0.3), seed=3))
        assert (spikes != code.encode(np.full(20_000, 0.3), seed=4)).any()
        counts = spikes.sum(axis=0)
        # A variance of n counts is off by about sqrt(2 / n) of itself: 1 %.
        assert counts.var() == pytest.approx(50 * variance, rel=0.05)


def test_a_logarithmic_latency_is_when_a_charging_membrane_arrives():
    code = LogLatency(60, tau=9.0, threshold=0.05)
    t = code.encode(X).argmax(axis=0)
    fires = code.encode(X).any(axis=0)
    x = X[fires]
    # The membrane reaches the threshold within half a step of t.
    assert (x * -np.expm1(-(t[fires] + 0.5) / 9.0) >= 0.05 - 1e-12).all()
    assert (x * -np.expm1(-np.maximum(t[fires] - 0.5, 0) / 9.0) <= 0.05 + 1e-12).all()
    assert (X[~fires] <= 0.05 / -np.expm1(-59.5 / 9.0)).all()
    # What is decoded lies between the same bounds.
    found = code.decode(code.encode(x))
    np.testing.assert_array_equal(code.encode(found), code.encode(x))


def test_bursts_are_longer_and_faster_for_larger_numbers():
    code = Burst(50, most=4, shortest=2, longest=12)
    raster = code.encode([0.0, 0.2, 0.5, 0.7, 1.0])
    times = [np.flatnonzero(train).tolist() for train in raster.T]
    assert times == [[], [0], [0, 7], [0, 5, 10], [0, 2, 4, 6]]
    # From two spikes on the interval tells more than the count.
    several = X[X > 0.25]
    assert abs(code.decode(code.encode(several)) - several).max() <= 0.5 / 10 + 1e-12


@pytest.mark.parametrize("most", [1, 2, 5, 9])
def test_the_slowest_burst_fits_where_nothing_else_is_asked(most):
    code = Burst(40, most=most)
    assert (code.encode(X).sum(axis=0) == np.ceil(most * X)).all()
    with pytest.raises(ValueError, match=r"Burst\.steps: got 40"):
        Burst(40, most=9, longest=40)


def test_sending_on_delta_never_leaves_a_signal_by_a_threshold():
    signal = np.cumsum(RNG.normal(size=(500, 3, 4)), axis=0)
    for start in (0.0, signal[0]):
        code = SendOnDelta(0.7)
        assert abs(code.decode(code.encode(signal, start=start), start=start) - signal).max() < 0.7
    # Twice negated is the same: on and off are treated alike.
    np.testing.assert_array_equal(SendOnDelta(0.7).encode(-signal), -SendOnDelta(0.7).encode(signal))


def test_a_limit_of_events_is_caught_up_with():
    events = SendOnDelta(1.0, most=2).encode([5.0, 5.0, 5.0, 5.0, 4.5])
    assert events.tolist() == [2, 2, 1, 0, 0]


def test_delta_modulation_follows_a_signal_that_moves_by_the_threshold():
    moves = RNG.integers(-1, 2, (100, 5))
    signal = 3.0 + 0.25 * np.cumsum(moves, axis=0)
    code = Delta(0.25)
    events = code.encode(signal, start=3.0)
    np.testing.assert_array_equal(events, moves)
    np.testing.assert_array_equal(code.decode(events, start=3.0), signal)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (Population(8, -2.0, 3.0, Regular(1000)), 0.02),
        (Population(8, -2.0, 3.0, Regular(20)), 0.25),
        (Population(8, -2.0, 3.0, Phase(12, bits=12)), 0.002),
        (Population(8, -2.0, 3.0, Latency(200)), 0.05),
        (Population(10, 0.0, 360.0, Phase(12, bits=12), periodic=True), 0.5),
    ],
)
def test_a_population_tells_numbers_much_finer_than_its_fields_lie(code, error):
    x = code.low + (code.high - code.low) * X.reshape(3, -1)
    found = code.decode(code.encode(x))
    away = abs(found - x)
    if code.periodic:
        away = np.minimum(away, code.high - code.low - away)
    assert away.max() < error


def test_receptive_fields_lie_as_published():
    # Bohte et al.: centres at low + (2 i - 3) / 2 (high - low) / (m - 2) for i = 1 ... m.
    code = Population(6, 0.0, 1.0)
    np.testing.assert_allclose(code.centres, [(2 * i - 3) / 8 for i in range(1, 7)])
    np.testing.assert_allclose(code.answers(code.centres[2])[[2, 3]], [1.0, np.exp(-0.5 * 1.5**2)])
    assert np.isnan(code.decode(np.zeros((32, 2, 6)))).all()


def test_rates_latencies_and_changes_are_those_of_snntorch():
    torch = pytest.importorskip("torch")
    spikegen = pytest.importorskip("snntorch.spikegen")
    x = torch.from_numpy(RNG.random((4, 50)))
    x[0, :2] = torch.tensor([0.0, 1.0])
    for theirs, ours in (
        (spikegen.latency(x, 30, threshold=0.1, linear=True, normalize=True, clip=True), Latency(30, 0.1)),
        (spikegen.latency(x, 30, threshold=0.1, tau=7.0, clip=True, bypass=True), LogLatency(30, 7.0, 0.1)),
    ):
        np.testing.assert_array_equal(ours.encode(x.numpy()), theirs.numpy())
    signal = torch.from_numpy(RNG.normal(size=(40, 3)))
    theirs = spikegen.delta(signal, threshold=0.8, off_spike=True)
    np.testing.assert_array_equal(Delta(0.8).encode(signal.numpy()), theirs.numpy())
    torch.manual_seed(0)
    theirs = spikegen.rate(x, 2000).mean(dim=0).numpy()
    ours = Bernoulli(2000).encode(x.numpy()).mean(axis=0)
    # Two drawn means of 2,000: the standard deviation of their difference is at most 0.016.
    assert abs(theirs - ours).max() < 5 * 0.016


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Regular(0), r"Regular\.steps: got 0; allowed is a whole number, >= 1"),
        (lambda: Regular(8).encode([0.5, 1.5]), r"1 of 2 numbers, first 1.5, lie outside; allowed"),
        (lambda: Bernoulli(8).encode(np.nan), r"Bernoulli\.encode: 1 of 1 numbers, first nan, are not"),
        (lambda: Bernoulli(8, rate=2.0), r"Bernoulli\.rate: got 2.0"),
        (lambda: Latency(8).decode(np.zeros((7, 3))), r"shape \(7, 3\); allowed is \(8, ...\)"),
        (lambda: Phase(12, bits=8), "whole number of periods"),
        (lambda: Delta(-1.0), r"Delta\.threshold: got -1.0"),
        (lambda: Delta(1.0).encode([0.0, np.inf]), "1 of 2 numbers, first inf, are not finite"),
        (lambda: Delta(1.0).encode(np.ones((3, 2)), start=np.ones(3)), r"start: got shape \(3,\); allowed"),
        (lambda: Regular(2).encode([[0.5], [0.5, 0.1]]), "got lists of different lengths"),
        (lambda: Regular(2).encode(["0.5"]), r"got <U3 of shape \(1,\); allowed are real numbers"),
        (lambda: Regular(1).decode([[-1]]), r"Regular\.decode: got -1 spikes; allowed"),
        (lambda: Regular(1).decode([[np.nan]]), r"Regular\.decode: 1 of 1 numbers, first nan, are not"),
        (lambda: SendOnDelta(1e-6).encode([1.0]), r"SendOnDelta\.threshold: got 1e-06"),
        (lambda: Population(2, 0.0, 1.0), r"Population\.n: got 2; allowed is a whole number, >= 3"),
        (lambda: Population(4, 1.0, 1.0), r"Population\.low, high"),
        (lambda: Population(4, 0.0, 1.0).encode([2.0]), r"numbers from 0 to 1"),
        (lambda: Population(4, 0.0, 1.0).decode(np.zeros((32, 6))), r"a multiple of n=4"),
    ],
)  # fmt: skip
def test_what_cannot_be_encoded_is_named(wrong, message):
    with pytest.raises(rb.SpecError, match=message):
        wrong()


def test_tensors_are_taken_as_modules_send_them():
    torch = pytest.importorskip("torch")
    x = torch.rand(3, 4, generator=torch.Generator().manual_seed(0)).bfloat16().requires_grad_()
    code = Regular(16)
    spikes = code.encode(x)
    np.testing.assert_array_equal(spikes, code.encode(x.detach().float().numpy()))
    sent = torch.from_numpy(spikes).float().requires_grad_()
    np.testing.assert_array_equal(code.decode(sent), code.decode(spikes))
    assert to_events(sent[:, 0], dt=1e-3) == to_events(spikes[:, 0], dt=1e-3)


def test_spikes_become_events_and_these_spikes_again():
    x = RNG.random(30)
    for code in (Regular(20), Poisson(20, rate=2.0), Burst(20)):
        spikes = code.encode(x)
        events = to_events(spikes, dt=2e-3)
        assert events.shape == (30,)
        assert len(events) == spikes.sum()
        np.testing.assert_array_equal(from_events(events, dt=2e-3, steps=20), spikes)


def test_signs_become_polarities():
    film = np.cumsum(RNG.normal(size=(20, 4, 5)), axis=0)
    told = SendOnDelta(0.5).encode(film)
    events = to_events(told, dt=1e-3, signed=True)
    assert events.shape == (2, 4, 5)
    assert (events.p == 1).sum() == told[told > 0].sum()
    np.testing.assert_array_equal(from_events(events, dt=1e-3, steps=20, signed=True), told)
    line = to_events(told[:, 0], dt=1e-3, signed=True)
    assert line.shape == (2, 1, 5)
    np.testing.assert_array_equal(from_events(line, dt=1e-3, steps=20, signed=True)[:, 0], told[:, 0])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: to_events(np.full((3, 2), 0.5), 1e-3), r"to_events\.spikes: got float64 of shape \(3, 2\)"),
        (lambda: to_events(np.ones((3, 2, 2), int), 1e-3), r"allowed are whole numbers, \(steps, n\)"),
        (lambda: to_events(-np.ones((3, 2), int), 1e-3), "say signed=True"),
        (lambda: to_events(np.ones((3, 2), int), 1.5e-6), r"to_events\.dt: got 1.5e-06; allowed are whole"),
        (
            lambda: from_events(to_events([[1]], 1e-3), 1e-3, 1, signed=True),
            r"got events of the shape \(1,\)",
        ),
    ],
)
def test_what_is_no_event_is_named(wrong, message):
    with pytest.raises(rb.SpecError, match=message):
        wrong()
