"""Random numbers in rules: found in the source, drawn by the backend, and handed to the rule as arguments."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from ...neurons.errors import SpecError
from ...neurons.specialise import Variant
from ...neurons.vocabulary import DRAWS
from ..random import FIRST_DRAW


@dataclass(frozen=True, order=True)
class Draw:
    """A random number that a neuron draws in a step: a word of the vocabulary, and which of its draws."""

    word: str
    number: int

    @property
    def argument(self) -> str:
        """Under which name the number is handed to a rule."""
        return f"draw_{self.word}_{self.number}"

    @property
    def counter(self) -> int:
        """Which of the step's draws it is, over all words."""
        return FIRST_DRAW[self.word] + self.number


def draws_of(*variants: Variant) -> tuple[Draw, ...]:
    """Return what rules draw, in a fixed order."""
    nodes = (node for variant in variants for node in ast.walk(variant.tree))
    return tuple(sorted({draw for node in nodes if (draw := _drawn(node)) is not None}))


class AsArguments(ast.NodeTransformer):
    """Replaces draws by the names of arguments."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        draw = _drawn(node)
        if draw is not None:
            return ast.Name(draw.argument, ast.Load())
        self.generic_visit(node)
        return node


def _drawn(node: ast.AST) -> Draw | None:
    """Return what a node draws, if it does."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in DRAWS):
        return None
    number = node.args[0] if len(node.args) == 1 else None
    if isinstance(number, ast.Constant) and type(number.value) is int and 0 <= number.value < 1 << 32:
        return Draw(node.func.id, number.value)
    raise SpecError(
        f"{ast.unparse(node)}: {node.func.id}() takes one whole number, which of the step's draws it is"
    )
