"""Rules as source for Numba: literals narrowed, whole numbers kept in 32 bits, draws as arguments."""

from __future__ import annotations

import ast
from collections.abc import Collection
from dataclasses import dataclass

from ....neurons.specialise import Variant
from ..draws import AsArguments, Draw, draws_of
from ..literals import as_float32


@dataclass(frozen=True)
class Rule:
    """One rule of a model, ready for generated code.

    Attributes
    ----------
    name : str
        As in the model; the source defines `rule_` and this.
    source : str
        A function of the arguments and then the draws.
    arguments : tuple of str
        What it names.
    draws : tuple of Draw
        The random numbers that it draws.
    returned : tuple of str
        State variables that it returns; `fire` returns the event before them.
    """

    name: str
    source: str
    arguments: tuple[str, ...]
    draws: tuple[Draw, ...]
    returned: tuple[str, ...]


def rule_of(variant: Variant, states: Collection[str], integers: Collection[str]) -> Rule:
    """Return a variant as a rule of generated code.

    Parameters
    ----------
    variant
        A folded rule.
    states
        Names of state variables.
    integers
        Which of its arguments are whole numbers.
    """
    whole = [name for name in variant.arguments if name in integers]
    tree = AsArguments().visit(_Whole(whole).visit(as_float32(variant.tree, whole)))
    tree = ast.fix_missing_locations(tree)
    narrow = Variant(variant.name, tree, variant.arguments, variant.n_returned, variant.words)
    draws = draws_of(variant)
    tree.args.args += [ast.arg(draw.argument) for draw in draws]
    source = narrow.source(f"rule_{variant.name}")
    return Rule(variant.name, source, variant.arguments, draws, returned(variant, states))


def returned(variant: Variant, states: Collection[str]) -> tuple[str, ...]:
    """Return the state variables that a rule returns: the first that it takes, after the event of `fire`."""
    taken = tuple(name for name in variant.arguments if name in states)
    return taken[: variant.n_returned - (variant.name == "fire")]


def constant_of(name: str, arrays: Collection[str], prefix: str, index: str) -> str:
    """Return the expression of a constant in generated code; `arrays` have a value for each neuron."""
    return f"{prefix}k_{name}[{index}]" if name in arrays else f"k_{name}"


class _Whole(ast.NodeTransformer):
    """Keeps sums of whole numbers in 32 bits: wider ones would halve what a vector holds."""

    def __init__(self, integers: list[str]) -> None:
        self.integers = integers

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        if self._is_whole(node.left) and self._is_whole(node.right):
            return ast.Call(ast.Name("i4", ast.Load()), [node], [])
        return node

    def _is_whole(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Call):
            return isinstance(node.func, ast.Name) and node.func.id == "i4"
        if isinstance(node, ast.Constant):
            return type(node.value) is int
        return isinstance(node, ast.Name) and node.id in self.integers
