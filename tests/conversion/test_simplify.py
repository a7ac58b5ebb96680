"""Simplified graphs: equal to what they come from, and without what can go into weights."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from rheobase.conversion.graphs.forward import forward
from rheobase.conversion.graphs.simplify import simplify
from rheobase.conversion.tracing import compose
from rheobase.conversion.tracing.draft import Draft

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def kinds(graph):
    return Counter(node.op for node in graph.nodes.values())


def simplified(draft, output):
    """Return the simplified graph, held to the one before on inputs of its own."""
    graph = draft.finished(output)
    small = simplify(graph)
    x = normal(3, *graph.input.shape)
    before = forward(graph, x)
    np.testing.assert_allclose(forward(small, x), before, rtol=0, atol=2e-6 * np.abs(before).max())
    assert small.input.name == graph.input.name
    return small


@pytest.fixture
def image():
    draft = Draft()
    return draft, draft.add("input", [], (1, 4, 6, 5))


def conv(draft, x, groups=1, padding=((0, 0), (0, 0))):
    weight = normal(8, x.shape[1] // groups, 3, 3)
    return compose.conv(
        draft, x, weight, normal(8), stride=(1, 1), padding=padding, dilation=(1, 1), groups=groups
    )


def batch_norm(draft, x):
    return compose.by_channel(draft, x, normal(x.shape[1]), normal(x.shape[1]))


def transposed(draft, x, groups=1):
    weight = normal(x.shape[1], 6 // groups, 2, 3)
    return compose.conv_transpose(
        draft, x, weight, None, stride=(2, 1), padding=((1, 0), (0, 1)), output_padding=(0, 0),
        dilation=(1, 1), groups=groups,
    )  # fmt: skip


@pytest.mark.parametrize("groups", [1, 2])
def test_batch_norm_behind_a_convolution_goes_into_it(image, groups):
    draft, x = image
    y = batch_norm(draft, conv(draft, x, groups, padding=((1, 1), (2, 0))))
    assert kinds(simplified(draft, y)) == {"input": 1, "conv": 1}


@pytest.mark.parametrize("groups", [1, 2])
def test_batch_norm_around_a_transposed_convolution_goes_into_it_behind_but_not_before(image, groups):
    draft, x = image
    assert kinds(simplified(draft, batch_norm(draft, transposed(draft, x, groups))))["scale"] == 0
    before = transposed(draft, batch_norm(draft, x), groups)
    assert kinds(simplified(draft, before)) == {"input": 1, "scale": 1, "conv_transpose": 1}
    gain = transposed(draft, compose.by_channel(draft, x, normal(4), None), groups)
    assert kinds(simplified(draft, gain)) == {"input": 1, "conv_transpose": 1}


@pytest.mark.parametrize("groups", [1, 2])
def test_batch_norm_before_a_convolution_goes_into_it_unless_there_is_a_border(image, groups):
    draft, x = image
    assert kinds(simplified(draft, conv(draft, batch_norm(draft, x), groups))) == {"input": 1, "conv": 1}
    bordered = conv(draft, batch_norm(draft, x), groups, padding=((1, 0), (0, 0)))
    assert kinds(simplified(draft, bordered))["scale"] == 1
    gain = conv(draft, compose.by_channel(draft, x, normal(4), None), groups, padding=((1, 1), (1, 1)))
    assert kinds(simplified(draft, gain)) == {"input": 1, "conv": 1}


def test_gains_of_a_normalisation_go_into_every_reader_or_none(image):
    draft, x = image
    rows = compose.scaled(draft, compose.normalised(draft, x, 1e-5), normal(5), normal(5))
    moved = rows.moved(1, 2)  # through a wire, as windows of attention are read
    both = [compose.linear(draft, rows, normal(5, 5)), compose.linear(draft, moved, normal(5, 5)).moved(1, 2)]
    assert kinds(simplified(draft, compose.added(draft, *both)))["scale"] == 0
    third = compose.added(draft, compose.added(draft, *both), rows)
    assert kinds(simplified(draft, third))["scale"] == 1


def test_gains_along_another_axis_than_the_weights_stay(image):
    draft, x = image
    rows = compose.scaled(draft, compose.normalised(draft, x, 1e-5), normal(6, 1))
    assert kinds(simplified(draft, compose.linear(draft, rows, normal(3, 5))))["scale"] == 1


def test_a_position_embedding_stays_and_the_gain_with_it_does_not(image):
    draft, x = image
    y = compose.scaled(draft, compose.linear(draft, x, normal(3, 5)), 2.0, normal(4, 6, 3))
    small = simplified(draft, y)
    assert kinds(small) == {"input": 1, "linear": 1, "scale": 1}
    assert np.all(next(node for node in small.nodes.values() if node.op == "scale").values["gain"] == 1)


def test_scales_pass_wires_on_their_way_into_weights(image):
    draft, x = image
    heads = compose.linear(draft, x, normal(4, 5)).moved(3, 1)
    small = simplified(draft, compose.mapped(draft, compose.scaled(draft, heads, 0.5), "tanh"))
    assert kinds(small) == {"input": 1, "linear": 1, "wire": 1, "map": 1}


def test_sums_are_one_sum_and_constants_leave_them(image):
    draft, x = image
    flipped = [x.moved(2, 3).reshaped(1, 4, 6, 5), x.reshaped(1, 6, 4, 5).moved(1, 2).reshaped(1, 4, 6, 5)]
    y = compose.added(draft, compose.added(draft, x, flipped[0]), flipped[1])
    y = draft.add("add", [y, draft.constant(normal(1, 4, 6, 5))], y.shape)
    y = draft.add("product", [y, draft.constant(normal(1, 4, 6, 5))], y.shape)
    assert kinds(simplified(draft, y)) == {"input": 1, "wire": 2, "add": 1, "scale": 1}


def test_what_does_not_depend_on_the_sample_is_computed_once(image):
    draft, x = image
    constant = compose.mapped(draft, draft.constant(normal(1, 4, 6, 5)), "gelu")
    y = draft.add("product", [x, compose.mapped(draft, constant.moved(3, 1), "tanh").moved(1, 3)], x.shape)
    assert kinds(simplified(draft, y)) == {"input": 1, "scale": 1}


def test_a_number_times_itself_is_a_square(image):
    draft, x = image
    y = compose.mapped(draft, x, "tanh")
    assert kinds(simplified(draft, draft.add("product", [y, y], y.shape))) == {"input": 1, "map": 2}


def test_wires_through_removed_operations_are_joined(image):
    draft, x = image
    once = compose.mapped(draft, x.moved(1, 2), "identity")
    twice = compose.mapped(draft, once.moved(2, 1), "identity")
    assert kinds(simplified(draft, twice)) == {"input": 1}
    padded = np.pad(once.places, ((0, 0), (0, 0), (1, 0), (0, 0)))
    y = compose.mapped(draft, type(x)(padded[:, ::2]), "tanh")
    assert kinds(simplified(draft, y)) == {"input": 1, "wire": 1, "map": 1}


def test_what_nobody_reads_is_gone(image):
    draft, x = image
    compose.mapped(draft, compose.softmax(draft, x, 1), "tanh")
    assert kinds(simplified(draft, compose.mapped(draft, x, "relu"))) == {"input": 1, "map": 1}


def test_an_answer_that_is_the_input_stays():
    draft = Draft()
    x = draft.add("input", [], (1, 3))
    small = simplified(draft, compose.scaled(draft, compose.scaled(draft, x, 2.0), 0.5))
    assert kinds(small) == {"input": 1}
    assert small.output == small.input.name


def test_an_input_as_the_answer_keeps_its_own_shape():
    draft = Draft()
    x = draft.add("input", [], (1, 2, 3))
    small = simplified(draft, compose.mapped(draft, x.reshaped(1, 6), "identity"))
    assert small.input.shape == (2, 3)
    assert small.nodes[small.output].shape == (6,)
