"""What is written out in several operations becomes the one that it is, and nothing else does."""

from __future__ import annotations

import numpy as np
import pytest

from rheobase.conversion.graphs.forward import forward
from rheobase.conversion.graphs.simplify import simplify
from rheobase.conversion.tracing.compose import (
    added,
    divided,
    mapped,
    matmul,
    mean,
    multiplied,
    powered,
    scaled,
)
from rheobase.conversion.tracing.draft import Draft


def drawn(*shape):
    return np.random.default_rng(3).normal(size=shape).astype(np.float32)


def made(function):
    """Return the operations of a function of (4, 6) numbers, simplified and held to the ones before."""
    draft = Draft()
    graph = draft.finished(function(draft, draft.add("input", [], (1, 4, 6))))
    small = simplify(graph)
    before = forward(graph, 2 * drawn(20, 4, 6))
    np.testing.assert_allclose(
        forward(small, 2 * drawn(20, 4, 6)), before, rtol=0, atol=1e-5 * abs(before).max()
    )
    return [
        node.options.get("function", node.op) for node in small.nodes.values() if node.op != "input"
    ], small


def of(name, *around):
    """Return x times a function of a scaled x."""
    return lambda d, x: multiplied(d, x, mapped(d, scaled(d, x, *around), name))


def tanh_gelu(d, x):
    inner = scaled(d, added(d, x, scaled(d, powered(d, x, 3), 0.044715)), (2 / np.pi) ** 0.5)
    return multiplied(d, scaled(d, x, 0.5), scaled(d, mapped(d, inner, "tanh"), 1, 1))


FUNCTIONS = {
    "silu": of("sigmoid"),
    "gelu": lambda d, x: scaled(
        d, multiplied(d, x, scaled(d, mapped(d, scaled(d, x, 0.5**0.5), "erf"), 1, 1)), 0.5
    ),
    "gelu_tanh": tanh_gelu,
    "mish": lambda d, x: multiplied(d, mapped(d, mapped(d, x, "softplus"), "tanh"), x),
    "hard_silu": of("hard_sigmoid"),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_that_are_written_out_are_recognised(name):
    assert made(FUNCTIONS[name])[0] == [name]


def test_a_function_is_recognised_of_what_is_no_input():
    names, _ = made(lambda d, x: FUNCTIONS["silu"](d, mapped(d, matmul(d, x, drawn(6, 5)), "relu")))
    assert names == ["linear", "relu", "silu"]


def test_a_gain_of_a_recognised_function_is_kept():
    assert made(lambda d, x: scaled(d, FUNCTIONS["gelu"](d, x), 3.0))[0] == ["gelu", "scale"]


@pytest.mark.parametrize(
    "function",
    [
        of("tanh"),
        lambda d, x: multiplied(d, x, mapped(d, matmul(d, x, drawn(6, 6)), "sigmoid")),
        lambda d, x: multiplied(d, x, mapped(d, scaled(d, x, np.linspace(1, 2, 6)), "sigmoid")),
    ],
)
def test_other_products_stay_products(function):
    assert "product" in made(function)[0]


def rms(d, x, eps=0.01):
    power = scaled(d, mean(d, mapped(d, x, "square"), [-1], True), 1.0, eps)
    return divided(d, x, mapped(d, power, "sqrt"))


@pytest.mark.parametrize("centred", [False, True])
def test_normalisations_that_are_written_out_are_recognised(centred):
    def function(d, x):
        return rms(d, added(d, x, scaled(d, mean(d, x, [-1], True), -1.0)) if centred else x)

    names, graph = made(function)
    assert names == ["normalise"]
    options = graph.nodes[graph.output].options
    assert options == {"width": 6, "eps": pytest.approx(0.01), "centred": centred}


def test_what_is_divided_by_the_norm_of_another_stays():
    def of_another(d, x):
        power = mean(d, mapped(d, mapped(d, x, "tanh"), "square"), [-1], True)
        return divided(d, x, mapped(d, scaled(d, power, 1.0, 0.1), "sqrt"))

    assert "normalise" not in made(of_another)[0]


def test_gains_of_both_factors_of_a_matrix_product_become_one():
    def scores(d, x):
        q, k = mapped(d, x, "tanh"), mapped(d, x, "sigmoid")
        return matmul(d, scaled(d, q, 0.5), scaled(d, k, 0.5).moved(-1, -2))

    names, _ = made(scores)
    assert sorted(names) == ["matmul", "scale", "sigmoid", "tanh", "wire"]
