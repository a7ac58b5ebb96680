"""Functions of one number: what a unit of a trained network computes of its total, written once.

They are rules like those of neurons, in the words of the vocabulary alone, so every backend binds the same
operations: NumPy, Numba and CUDA give the same bits. A new function is one rule and one line in `SCALARS`.
Errors are stated for single precision, against the exact value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .counting import operations_of
from .errors import SpecError
from .specialise import Variant, specialise
from .vocabulary import exp, floor, maximum, minimum, nearest_pow2, sqrt, where


@dataclass(frozen=True, eq=False)
class Scalar:
    """One function of a number and perhaps of a few parameters.

    Attributes
    ----------
    function : function
        A rule: x first, then the parameters.
    parameters : tuple of str
        Their names, in order.
    positive : bool
        Whether no value is below zero.

    Examples
    --------
    >>> import numpy as np
    >>> SCALARS["leaky_relu"](np.array([-2.0, 3.0], np.float32), 0.125)
    array([-0.25,  3.  ], dtype=float32)
    >>> SCALARS["silu"].operations
    {'add': 2, 'divide': 1, 'exp': 1}
    """

    function: Callable[..., Any]
    parameters: tuple[str, ...] = ()
    positive: bool = False

    def __call__(self, x: Any, *parameters: Any) -> Any:
        """Return f(x), element by element, in the precision of x."""
        return self.function(x, *parameters)

    @cached_property
    def variant(self) -> Variant:
        """The function as backends take it; its arguments are x and the parameters."""
        return specialise(self.function, {})

    @property
    def operations(self) -> dict[str, int]:
        """Its arithmetic, by kind as in `counting.operations`."""
        return operations_of(self.variant)


def identity(x: Any) -> Any:
    """Return x."""
    return x


def relu(x: Any) -> Any:
    """Return max(x, 0)."""
    return maximum(x, 0.0)


def leaky_relu(x: Any, slope: Any) -> Any:
    """Return x, and slope x below zero."""
    return where(x >= 0.0, x, slope * x)


def clamp(x: Any, low: Any, high: Any) -> Any:
    """Return the nearest number to x from low to high."""
    return minimum(maximum(x, low), high)


def elu(x: Any, alpha: Any) -> Any:
    """Return x, and alpha (e^x - 1) below zero, within 1e-7 alpha."""
    return where(x >= 0.0, x, alpha * (exp(minimum(x, 0.0)) - 1.0))


def hard_sigmoid(x: Any) -> Any:
    """Return (x + 3) / 6, from 0 to 1."""
    return minimum(maximum(x + 3.0, 0.0), 6.0) / 6.0


def hard_silu(x: Any) -> Any:
    """Return x (x + 3) / 6, the fraction from 0 to 1."""
    return x * minimum(maximum(x + 3.0, 0.0), 6.0) / 6.0


def exponential(x: Any) -> Any:
    """Return e^x, within 2e-7 of its value; x from -87 to 88."""
    return exp(x)


def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + e^-x), within 2e-7."""
    return 1.0 / (1.0 + exp(-x))


def silu(x: Any) -> Any:
    """Return x / (1 + e^-x), within 4e-7 of x."""
    return x / (1.0 + exp(-x))


def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent, within 4e-7 of its value: an odd polynomial near 0, else by e^2x."""
    z = minimum(x * x, 0.4225)
    near = (((-0.00592372621 * z + 0.0208734606) * z - 0.0538237589) * z + 0.133325837) * z - 0.33333327
    return where(maximum(x, -x) < 0.65, x + x * z * near, 1.0 - 2.0 / (exp(2.0 * x) + 1.0))


def erf(x: Any) -> Any:
    """Return the error function, within 5e-7.

    Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 7.1.26.
    """
    a = maximum(x, -x)
    t = 1.0 / (1.0 + 0.3275911 * a)
    p = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
    y = 1.0 - p * exp(-a * a)
    return where(x >= 0.0, y, -y)


def gelu(x: Any) -> Any:
    """Return x Phi(x), Phi the standard normal distribution, within 4e-7 of x.

    The tail beyond x comes from the formula of `erf` at once, so that nothing cancels far below zero.
    """
    a = maximum(x, -x)
    t = 1.0 / (1.0 + 0.23164188 * a)
    p = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
    tail = 0.5 * p * exp(-0.5 * a * a)
    return where(x >= 0.0, x - x * tail, x * tail)


def gelu_tanh(x: Any) -> Any:
    """Return x / 2 (1 + tanh z), z = sqrt(2 / pi) (x + 0.044715 x^3), within 4e-7 of x."""
    return x / (1.0 + exp(-1.5957691216 * (x + 0.044715 * x * x * x)))


def softplus(x: Any) -> Any:
    """Return log(1 + e^x), within 3e-7 of its value where that is above 1e-7.

    log(1 + z) is 2 artanh(z / (2 + z)), with z at most 1.
    """
    z = exp(-maximum(x, -x))
    s = z / (2.0 + z)
    q = s * s
    p = (((0.116145355 * q + 0.108528284) * q + 0.142962062) * q + 0.199998527) * q + 0.333333337
    return maximum(x, 0.0) + 2.0 * (s + s * q * p)


def mish(x: Any) -> Any:
    """Return x tanh(log(1 + e^x)), within 6e-7 of x."""
    z = exp(minimum(x, 20.0))
    w = z * (z + 2.0)
    return x * (w / (w + 2.0))


def log(x: Any) -> Any:
    """Return the natural logarithm, within 2e-7, or 2e-7 of its value; what is below 1.2e-38 counts as that.

    x is m 2^k with m from 3/4 to 3/2; log(m) is 2 artanh((m - 1) / (m + 1)).
    """
    x = maximum(x, 1.17549435e-38)
    nearest = nearest_pow2(x)
    m = x / nearest
    p = maximum(nearest, 1.0 / nearest)
    k = p - p
    k, p = (
        where(p >= 1.8446744073709552e19, k + 64.0, k),
        where(p >= 1.8446744073709552e19, p * 5.421010862427522e-20, p),
    )
    k, p = where(p >= 4294967296.0, k + 32.0, k), where(p >= 4294967296.0, p * 2.3283064365386963e-10, p)
    k, p = where(p >= 65536.0, k + 16.0, k), where(p >= 65536.0, p * 1.52587890625e-05, p)
    k, p = where(p >= 256.0, k + 8.0, k), where(p >= 256.0, p * 0.00390625, p)
    k, p = where(p >= 16.0, k + 4.0, k), where(p >= 16.0, p * 0.0625, p)
    k, p = where(p >= 4.0, k + 2.0, k), where(p >= 4.0, p * 0.25, p)
    k = where(p >= 2.0, k + 1.0, k)
    k = where(nearest < 1.0, -k, k)
    s = (m - 1.0) / (m + 1.0)
    q = s * s
    r = ((0.118816702 * q + 0.142659712) * q + 0.200001605) * q + 0.333333331
    return k * 0.693359375 + (2.0 * (s + s * q * r) - k * 2.12194440e-4)


def sin(x: Any) -> Any:
    """Return the sine, within 3e-7 where |x| < 1000: a polynomial once multiples of pi are taken off."""
    k = floor(x * 0.3183098862 + 0.5)
    r = ((x - k * 3.140625) - k * 0.0009675025939941406) - k * 1.5099579897537296e-07
    z = r * r
    y = r + r * z * (((2.63427674e-06 * z - 0.000198225911) * z + 0.00833324103) * z - 0.16666666)
    return where(k - 2.0 * floor(0.5 * k) == 0.0, y, -y)


def cos(x: Any) -> Any:
    """Return the cosine, within 3e-7 where |x| < 1000: as the sine, from an odd multiple of pi / 2."""
    k = floor(x * 0.3183098862)
    h = k + 0.5
    r = ((x - h * 3.140625) - h * 0.0009675025939941406) - h * 1.5099579897537296e-07
    z = r * r
    y = r + r * z * (((2.63427674e-06 * z - 0.000198225911) * z + 0.00833324103) * z - 0.16666666)
    return where(k - 2.0 * floor(0.5 * k) == 0.0, -y, y)


def staircase(x: Any, step: Any, low: Any, high: Any) -> Any:
    """Return the whole number of steps nearest to x, from low to high of them; ties go up."""
    return step * minimum(maximum(floor(x / step + 0.5), low), high)


def absolute(x: Any) -> Any:
    """Return the magnitude of x."""
    return maximum(x, -x)


def square(x: Any) -> Any:
    """Return x^2."""
    return x * x


def square_root(x: Any) -> Any:
    """Return the square root; of what is below zero, 0."""
    return sqrt(maximum(x, 0.0))


def rsqrt(x: Any) -> Any:
    """Return 1 / sqrt(x)."""
    return 1.0 / sqrt(x)


def reciprocal(x: Any) -> Any:
    """Return 1 / x."""
    return 1.0 / x


def rational(
    x: Any, a0: Any, a1: Any, a2: Any, a3: Any, a4: Any, a5: Any, b1: Any, b2: Any, b3: Any, b4: Any
) -> Any:
    """Return (a0 + a1 x + ... + a5 x^5) / (1 + b1 |x| + ... + b4 |x|^4).

    X. Yang and X. Wang, "Kolmogorov-Arnold Transformer" (ICLR 2025), whose b are magnitudes.
    """
    z = maximum(x, -x)
    above = ((((a5 * x + a4) * x + a3) * x + a2) * x + a1) * x + a0
    return above / ((((b4 * z + b3) * z + b2) * z + b1) * z + 1.0)


_RATIONAL = ("a0", "a1", "a2", "a3", "a4", "a5", "b1", "b2", "b3", "b4")

#: Every function, by the name that an operation "map" and a neuron's `f` call it.
SCALARS: Mapping[str, Scalar] = {
    "identity": Scalar(identity),
    "relu": Scalar(relu, positive=True),
    "leaky_relu": Scalar(leaky_relu, ("slope",)),
    "clamp": Scalar(clamp, ("low", "high")),
    "elu": Scalar(elu, ("alpha",)),
    "hard_sigmoid": Scalar(hard_sigmoid, positive=True),
    "hard_silu": Scalar(hard_silu),
    "exp": Scalar(exponential, positive=True),
    "sigmoid": Scalar(sigmoid, positive=True),
    "silu": Scalar(silu),
    "tanh": Scalar(tanh),
    "erf": Scalar(erf),
    "gelu": Scalar(gelu),
    "gelu_tanh": Scalar(gelu_tanh),
    "softplus": Scalar(softplus, positive=True),
    "mish": Scalar(mish),
    "log": Scalar(log),
    "sin": Scalar(sin),
    "cos": Scalar(cos),
    "staircase": Scalar(staircase, ("step", "low", "high")),
    "abs": Scalar(absolute, positive=True),
    "square": Scalar(square, positive=True),
    "sqrt": Scalar(square_root, positive=True),
    "rsqrt": Scalar(rsqrt, positive=True),
    "reciprocal": Scalar(reciprocal),
    "rational": Scalar(rational, _RATIONAL),
}


def checked_parameters(owner: str, f: str, given: Any) -> tuple[float, ...]:
    """Return the parameters of a function as a tuple, or raise SpecError."""
    names = SCALARS[f].parameters
    try:
        values = np.array(given, np.float64)
    except (TypeError, ValueError):
        values = np.array(np.nan)
    if values.shape != (len(names),) or not np.isfinite(values).all():
        what = f"{len(names)} finite number(s), {', '.join(names)}" if names else "()"
        raise SpecError(f"{owner}.parameters: got {given!r}; {f!r} takes {what}")
    return tuple(values.tolist())
