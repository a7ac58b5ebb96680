"""Functions of one number against exact values in double precision, and bit for bit between backends."""

from __future__ import annotations

import ast

import numba
import numpy as np
import pytest
from scipy import special

from rheobase.engine.backends import literals
from rheobase.engine.backends.numba_cpu import words_of_rules
from rheobase.neurons.scalars import SCALARS
from rheobase.neurons.specialise import Variant

RATIONAL = (0.1, 0.9, -0.3, 0.2, 0.05, 0.01, 0.4, 0.3, 0.2, 0.1)
WIDE = np.concatenate(
    [np.linspace(-12, 12, 48_001), np.linspace(-85, 85, 20_001), [-1e4, 1e4, -1e-6, 1e-6, 0.0]]
).astype(np.float32)
ABOVE = np.exp(np.linspace(-80, 80, 40_001)).astype(np.float32)
TURNS = np.linspace(-1000, 1000, 200_001).astype(np.float32)


def normal_below(x):
    return 0.5 * special.erfc(-x / np.sqrt(2))


def by_tanh(x):
    return x * special.expit(np.sqrt(8 / np.pi) * (x + 0.044715 * x**3))


def rational(x):
    above = np.polynomial.polynomial.polyval(x, RATIONAL[:6])
    return above / np.polynomial.polynomial.polyval(np.abs(x), (1.0, *RATIONAL[6:]))


# Name, parameters, numbers, exact function, allowed error relative to: "value", "x" or 1.
CASES = [
    ("identity", (), WIDE, lambda x: x, 0.0, "value"),
    ("relu", (), WIDE, lambda x: np.maximum(x, 0), 0.0, "value"),
    ("leaky_relu", (0.125,), WIDE, lambda x: np.where(x > 0, x, 0.125 * x), 0.0, "value"),
    ("clamp", (-1.5, 6.0), WIDE, lambda x: np.clip(x, -1.5, 6.0), 0.0, "value"),
    ("elu", (0.5,), WIDE, lambda x: np.where(x > 0, x, 0.5 * np.expm1(np.minimum(x, 0))), 1e-7, 1),
    ("hard_sigmoid", (), WIDE, lambda x: np.clip(x / 6 + 0.5, 0, 1), 2e-7, 1),
    ("hard_silu", (), WIDE, lambda x: x * np.clip(x / 6 + 0.5, 0, 1), 3e-7, "x"),
    ("exp", (), WIDE[np.abs(WIDE) < 86], np.exp, 2e-7, "value"),
    ("sigmoid", (), WIDE, special.expit, 2e-7, 1),
    ("silu", (), WIDE, lambda x: x * special.expit(x), 4e-7, "x"),
    ("tanh", (), WIDE, np.tanh, 4e-7, "value"),
    ("erf", (), WIDE, special.erf, 5e-7, 1),
    ("gelu", (), WIDE, lambda x: x * normal_below(x), 4e-7, "x"),
    ("gelu_tanh", (), WIDE, by_tanh, 4e-7, "x"),
    ("softplus", (), WIDE[WIDE > -16], lambda x: np.logaddexp(0, x), 3e-7, "value"),
    ("mish", (), WIDE, lambda x: x * np.tanh(np.logaddexp(0, x)), 6e-7, "x"),
    ("log", (), ABOVE, np.log, 2e-7, "value or 1"),
    ("sin", (), TURNS, np.sin, 3e-7, 1),
    ("cos", (), TURNS, np.cos, 3e-7, 1),
    ("staircase", (0.25, -8.0, 7.0), WIDE, lambda x: np.clip(np.floor(4 * x + 0.5), -8, 7) / 4, 0.0, 1),
    ("abs", (), WIDE, np.abs, 0.0, "value"),
    ("square", (), WIDE, np.square, 1e-7, "value"),
    ("sqrt", (), ABOVE, np.sqrt, 1e-7, "value"),
    ("rsqrt", (), ABOVE, lambda x: 1 / np.sqrt(x), 2e-7, "value"),
    ("reciprocal", (), ABOVE, lambda x: 1 / x, 1e-7, "value"),
    ("rational", RATIONAL, WIDE, rational, 1e-6, "value or 1"),
]  # fmt: skip


def test_every_function_is_tried():
    assert {name for name, *_ in CASES} == {*SCALARS}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_function_is_within_its_stated_error(case):
    name, parameters, x, exact, allowed, relative = case
    ours, truth = SCALARS[name](x, *parameters), exact(x.astype(np.float64))
    assert ours.dtype == np.float32
    scale = {"value": np.abs(truth), "x": np.abs(x), "value or 1": np.maximum(np.abs(truth), 1), 1: 1.0}[
        relative
    ]
    assert np.all(np.abs(ours - truth) <= allowed * scale + 1e-37)
    if SCALARS[name].positive:
        assert ours.min() >= 0


def compiled(name):
    """Return a function as Numba compiles it within a neuron's rule."""
    variant = SCALARS[name].variant
    tree = literals.as_float32(ast.parse(variant.source("function")).body[0])
    words = {word: getattr(words_of_rules, word) for word in variant.words}
    return numba.vectorize(Variant("function", tree, (), 1, variant.words).bind({**words, "f4": np.float32}))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_compiled_function_gives_the_same_bits(case):
    name, parameters, x, *_ = case
    x = x[:: max(1, x.size // 3000)]
    theirs = compiled(name)(x, *(np.float32(p) for p in parameters))
    assert theirs.dtype == np.float32
    np.testing.assert_array_equal(theirs.view(np.int32), SCALARS[name](x, *parameters).view(np.int32))


def test_arithmetic_is_counted():
    assert SCALARS["relu"].operations == {"compare": 1}
    assert SCALARS["sigmoid"].operations == {"add": 2, "divide": 1, "exp": 1}
    # |x|; nine multiply-additions; one division
    assert SCALARS["rational"].operations == {"add": 10, "compare": 1, "divide": 1, "multiply": 9}
    assert SCALARS["rsqrt"].operations == {"divide": 1, "sqrt": 1}


def test_what_is_no_number_stays_none():
    for name in ("relu", "sigmoid", "tanh", "gelu", "silu", "exp", "sin", "square"):
        assert np.isnan(SCALARS[name](np.array([np.nan], np.float32))).all(), name
