"""Surrogates against snnTorch's functions, against their closed forms, and as torch uses them."""

import subprocess
import sys

import numpy as np
import pytest

import rheobase as rb
from rheobase.learning import surrogate

X = np.linspace(-2.0, 2.0, 401)
ALL = [getattr(surrogate, name) for name in surrogate.__all__ if name != "Surrogate"]


@pytest.mark.parametrize(
    ("ours", "theirs", "options"),
    [
        (surrogate.ATan(3.0), "atan", {"alpha": 3.0}),
        (surrogate.Sigmoid(7.0), "sigmoid", {"slope": 7.0}),
        (surrogate.FastSigmoid(12.0), "fast_sigmoid", {"slope": 12.0}),
        (surrogate.StraightThrough(), "straight_through_estimator", {}),
    ],
)
def test_the_gradient_of_a_spike_is_that_of_snntorch(ours, theirs, options):
    torch = pytest.importorskip("torch")
    snntorch = pytest.importorskip("snntorch")
    from rheobase.learning.binding.words import spike_of

    weights = torch.linspace(1.0, 2.0, X.size)
    gradients = []
    for function in (spike_of(ours), getattr(snntorch.surrogate, theirs)(**options)):
        x = torch.tensor(X, dtype=torch.float32, requires_grad=True)
        (function(x) * weights).sum().backward()
        gradients.append(x.grad.numpy())
    np.testing.assert_allclose(*gradients, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        (surrogate.ATan(2.0), lambda x: 1.0 / (1.0 + (np.pi * x) ** 2)),
        (surrogate.Sigmoid(4.0), lambda x: 1.0 / np.cosh(2.0 * x) ** 2),
        (surrogate.FastSigmoid(3.0), lambda x: (1.0 + 3.0 * np.abs(x)) ** -2),
        (surrogate.Triangle(0.3, width=0.5), lambda x: 0.3 * np.clip(1.0 - 2.0 * np.abs(x), 0.0, None)),
        (surrogate.QGate(2.0), lambda x: np.where(np.abs(x) <= 0.5, 2.0 - 4.0 * np.abs(x), 0.0)),
        (surrogate.Boxcar(0.4, width=1.2), lambda x: 0.4 * (np.abs(x) <= 1.2)),
        (surrogate.Rectangle(2.0), lambda x: 2.0 * (np.abs(x) <= 0.25)),
        (surrogate.StraightThrough(0.5), lambda x: np.full_like(x, 0.5)),
    ],
)
def test_a_surrogate_is_what_its_equation_says(ours, expected):
    np.testing.assert_allclose(ours(X), expected(X), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kind", [surrogate.ATan, surrogate.Sigmoid, surrogate.QGate, surrogate.Rectangle])
def test_the_area_of_those_that_round_a_step_is_one(kind):
    x = np.linspace(-100.0, 100.0, 200_001)
    assert np.trapezoid(kind(2.0)(x), x) == pytest.approx(1.0, abs=5e-3)


@pytest.mark.parametrize("kind", ALL)
def test_all_are_even_and_refuse_a_slope_of_zero(kind):
    np.testing.assert_array_equal(kind()(X), kind()(-X))
    with pytest.raises(
        rb.SpecError, match=rf"{kind.__name__}\.\w+: got 0.0; allowed is a finite number, > 0"
    ):
        kind(0.0)


WITHOUT_TORCH = """
import sys, rheobase as rb
from rheobase.learning.surrogate import ATan
rb.to_torch, ATan()(0.5)
print("torch" in sys.modules)
"""


def test_surrogates_are_described_and_evaluated_without_torch():
    command = [sys.executable, "-c", WITHOUT_TORCH]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"
