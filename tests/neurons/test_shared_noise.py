"""OrnsteinUhlenbeck: the law of what is sent, and what it does to those who hear it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

import rheobase as rb

TAU = 5e-3


def values(model, n, times, dt=1e-3):
    net = rb.Network(seed=5)
    source = net.add(rb.Population(n, model))
    probe = net.add(rb.Probe(source, "v"))
    return rb.Simulator(net, dt, backend="reference").run(times * dt)[probe].values.astype(float)


@pytest.mark.parametrize("dt", [0.5e-3, 4e-3])
def test_values_are_stationary_from_the_first_step_with_an_exponential_autocorrelation(dt):
    n = 20_000
    v = values(rb.OrnsteinUhlenbeck(0.4, TAU, mean=-1.0), n, 9, dt)
    for now in (0, 8):
        # Each of these fails for one seed in a thousand.
        assert stats.kstest((v[now] + 1.0) / 0.4, "norm").pvalue > 1e-3
        expected = math.exp(-now * dt / TAU)
        assert (
            abs(np.corrcoef(v[0], v[now])[0, 1] - expected) <= 3.3 * (1 - expected**2) / math.sqrt(n) + 1e-9
        )


def test_values_without_a_correlation_time_are_independent_and_held_for_their_time():
    v = values(rb.OrnsteinUhlenbeck(0.4, hold=np.repeat([0.0, 3e-3], 5000)), 10_000, 12)
    assert (np.diff(v[:, :5000], axis=0) != 0).all()
    held = v[:, 5000:].reshape(4, 3, 5000)
    assert (held == held[:, :1]).all()
    assert (np.diff(held[:, 0], axis=0) != 0).all()
    for one, other in ((v[3, :5000], v[4, :5000]), (held[0, 0], held[1, 0])):
        assert abs(np.corrcoef(one, other)[0, 1]) < 3.3 / math.sqrt(5000)
    # With a correlation time, values that are held decay over the time that they are held for.
    v = values(rb.OrnsteinUhlenbeck(1.0, TAU, hold=4e-3), 20_000, 9)
    expected = math.exp(-8e-3 / TAU)
    assert abs(np.corrcoef(v[0], v[8])[0, 1] - expected) < 3.3 * (1 - expected**2) / math.sqrt(20_000)


def test_a_current_that_is_held_moves_a_membrane_as_the_closed_form_says():
    # What `noise` is documented to be for NEST's noise_generator: R std sqrt(tanh(dt / (2 tau))).
    n, tau, hold = 5000, 10e-3, 2e-3
    net = rb.Network(seed=6)
    source = net.add(rb.Population(n, rb.OrnsteinUhlenbeck(0.5, hold=hold)))
    heard = [net.add(rb.Population(n, rb.LI(tau, resistance=2.0))) for _ in range(2)]
    for cells in heard:
        net.add(rb.Projection(source, cells, rb.one_to_one(), delay=0.0))
    probes = [net.add(rb.Probe(cells, "v", start=0.099)) for cells in heard]
    result = rb.Simulator(net, 1e-3, backend="reference").run(0.1)
    one, other = (result[probe].values[0].astype(float) for probe in probes)
    np.testing.assert_array_equal(one, other)
    expected = 2.0 * 0.5 * math.sqrt(math.tanh(hold / (2 * tau)))
    # Four standard errors.
    assert abs(one.std() / expected - 1) < 4 / math.sqrt(2 * n)


def test_nothing_arrives_at_a_source_of_noise():
    source = rb.Population(2, rb.OrnsteinUhlenbeck(0.5))
    with pytest.raises(rb.SpecError, match="takes no input"):
        rb.Projection(source, source, rb.one_to_one())


def test_a_correlation_time_for_some_only_is_refused():
    with pytest.raises(rb.SpecError, match=r"OrnsteinUhlenbeck\.tau: got an array with zeros"):
        rb.OrnsteinUhlenbeck(0.5, np.array([0.0, 1e-3]))
