"""Exponentials that drive one another, over any time, exactly: also where time constants are equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy import absolute, exp, expm1, maximum, where

from .model import Value

#: Terms of a Taylor series that are more than double precision needs for exponents up to 1.
_TERMS = 20


def transfer(tau: Any, tau_syn: Any, elapsed: Any) -> Any:
    """Return how far a unit current that decays with tau_syn moves a membrane (R = 1) within `elapsed`.

    This is (1 / tau) times the integral of exp(-(elapsed - s) / tau) exp(-s / tau_syn) ds, written so
    that it neither divides by tau - tau_syn nor overflows.

    Examples
    --------
    >>> round(float(transfer(20e-3, 5e-3, 10e-3)), 6)  # (1 / 3) (exp(-1 / 2) - exp(-2))
    0.157065
    """
    return elapsed / tau * exp(-elapsed / maximum(tau, tau_syn)) * mean_decay(tau, tau_syn, elapsed)


def mean_decay(tau: Any, tau_syn: Any, elapsed: Any) -> Any:
    """Return the mean of what is left of an exponential that decays by the difference of two rates.

    Examples
    --------
    >>> round(float(mean_decay(20e-3, 5e-3, 10e-3)), 6)  # (1 - exp(-3 / 2)) / (3 / 2)
    0.517913
    """
    # Written in words, for rules too (`exact.py`): here they are NumPy's.
    x = elapsed * absolute(1.0 / tau - 1.0 / tau_syn)
    safe = where(x > 0, x, 1.0)
    return where(x > 0, -expm1(-safe) / safe, 1.0)


def peak_transfer(tau: Value, tau_syn: Value) -> Value:
    """Return the most by which a unit current that decays with tau_syn moves a membrane (R = 1) at any time.

    `transfer` turns at log(tau / tau_syn) / (1 / tau_syn - 1 / tau), which goes to tau where both are equal.

    Examples
    --------
    >>> round(float(peak_transfer(20e-3, 5e-3)), 6)  # (1 / 4) ** (4 / 3)
    0.15749
    >>> round(float(peak_transfer(10e-3, 10e-3)), 6)  # exp(-1)
    0.367879
    """
    ratio = np.divide(tau_syn, tau)
    apart = np.abs(ratio - 1.0) > 1e-6
    turn = np.where(apart, np.log(ratio) / np.where(apart, ratio - 1.0, 1.0), 1.0) * tau_syn
    peak: Value = transfer(np.asarray(tau), np.asarray(tau_syn), turn)
    return peak


def response(taus: Sequence[Value], elapsed: float) -> Value:
    """Return what a unit of the first of a chain of exponentials has made of the last within `elapsed`.

    dx_1/dt = -x_1 / tau_1, dx_k/dt = x_(k-1) - x_k / tau_k: the corner of a matrix exponential, which is
    found by halving the time until a Taylor series will do, and squaring. With the largest rate taken out
    first, no term is negative, so nothing cancels however close the time constants are.

    Parameters
    ----------
    taus : sequence of float or array (n,)
        Time constants, in seconds.
    elapsed : float
        Seconds.

    Examples
    --------
    >>> x = response((5e-3, 20e-3), 10e-3)
    >>> bool(np.isclose(x, 20e-3 * transfer(20e-3, 5e-3, 10e-3), rtol=1e-14))
    True
    """
    rates = np.stack(np.broadcast_arrays(*(elapsed / np.asarray(tau, np.float64) for tau in taus)), axis=-1)
    n = len(taus)
    halvings = max(0, int(np.ceil(np.log2(rates.max()))))
    rates = rates * 0.5**halvings
    largest = rates.max(axis=-1)[..., None, None]
    chain = np.eye(n, k=-1) * 0.5**halvings + np.eye(n) * (largest - rates[..., None])
    term = total = np.broadcast_to(np.eye(n), chain.shape)
    for k in range(1, _TERMS):
        term = term @ chain / k
        total = total + term
    total = total * np.exp(-largest)
    for _ in range(halvings):
        total = total @ total
    corner: Value = total[..., -1, 0] * elapsed ** (n - 1)
    return corner
