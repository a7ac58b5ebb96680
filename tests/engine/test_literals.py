"""Rules in single precision: which numbers are narrowed, and which stay whole."""

from __future__ import annotations

import ast

import pytest

from rheobase.engine.backends.literals import as_float32
from rheobase.neurons.errors import SpecError


def test_integers_stay_whole_among_themselves_and_turn_float32_where_they_meet_a_float():
    tree = ast.parse(
        "def fire(v, n, now):\n    e = v / 2 - n\n    n += 1\n    return where(now > n, now + 1, n), e * n"
    )
    text = ast.unparse(as_float32(tree.body[0], {"n", "now"}))
    assert text == (
        "def fire(v, n, now):\n    e = v / f4(2) - f4(n)\n    n = n + 1\n"
        "    return (where(now > n, now + 1, n), e * f4(n))"
    )


def test_a_rule_that_takes_the_name_of_the_float_type_is_refused():
    tree = ast.parse("def flow(f4): return f4").body[0]
    with pytest.raises(SpecError, match="f4"):
        as_float32(tree)
