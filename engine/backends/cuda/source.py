"""Turn the functions of a rule into CUDA device functions and kernels, as Python source that can be read."""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ....neurons.errors import SpecError
from ....neurons.specialise import Variant
from ....neurons.vocabulary import WORDS
from ..literals import as_float32

_WORDS_OF_CUDA = ("cuda", "device", "f4", "i4", "mul", *(word for word in WORDS if word != "uniform"))
_HEADER = f"from {__package__}.words import {', '.join(_WORDS_OF_CUDA)}"


@dataclass(frozen=True)
class Argument:
    """One argument of a kernel: a number or a contiguous array, of float32 or of int32 (int16 if `short`)."""

    name: str
    kind: Literal["float", "integer", "short"]
    array: bool = True

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The NumPy type of its elements."""
        return np.dtype({"float": np.float32, "integer": np.int32, "short": np.int16}[self.kind])


@dataclass(frozen=True)
class Source:
    """A generated module: its text, and the arguments of each kernel in it, in order."""

    text: str
    kernels: dict[str, tuple[Argument, ...]]


def module(
    title: str, functions: Sequence[str], kernels: dict[str, tuple[tuple[Argument, ...], list[str]]]
) -> Source:
    """Return a module of device functions and kernels; a kernel is its arguments and its body per thread.

    Every kernel takes the number of threads that have work, `n`, before its own arguments, and calls
    its thread's number `index`.
    """
    parts = [f'"""{title}"""\n\n{_HEADER}', *functions]
    for name, (arguments, body) in kernels.items():
        parts.append(
            f"def {name}({', '.join(['n', *(a.name for a in arguments)])}):\n"
            "    index = cuda.grid(1)\n"
            "    if index < n:\n" + "\n".join(f"        {line}" for line in body)
        )
    text = "\n\n\n".join(parts) + "\n"
    return Source(text, {name: arguments for name, (arguments, _) in kernels.items()})


def device_function(variant: Variant, name: str, integers: Collection[str] = ()) -> str:
    """Return one function of a rule as a device function; `integers` are its whole arguments.

    All else is float32 (see `literals`), products go through `mul` (see `words.py`), and
    `uniform(k)` becomes one more argument, `uniform_k`.
    """
    tree: ast.FunctionDef = _Separator().visit(as_float32(variant.tree, integers))
    tree.name = name
    tree.args.args += [ast.arg(draw) for draw in draws_of(variant)]
    return "@device\n" + ast.unparse(ast.fix_missing_locations(tree))


def draws_of(*variants: Variant) -> tuple[str, ...]:
    """Return the names under which the variants' random numbers are handed to them, in order of number."""
    drawn = set()
    for variant in variants:
        for node in ast.walk(variant.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "uniform":
                drawn.add(ast.unparse(_draw_number(node)))
    return tuple(f"uniform_{number}" for number in sorted(drawn, key=int))


def _draw_number(node: ast.Call) -> ast.Constant:
    if len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and type(node.args[0].value) is int:
        return node.args[0]
    raise SpecError(f"{ast.unparse(node)}: uniform() takes one whole number, which of the step's draws it is")


class _Separator(ast.NodeTransformer):
    """Replaces products by calls of `mul`, and draws by arguments."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.op, ast.Mult):
            return ast.Call(ast.Name("mul", ast.Load()), [node.left, node.right], [])
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if isinstance(node.func, ast.Name) and node.func.id == "uniform":
            return ast.Name(f"uniform_{ast.unparse(_draw_number(node))}", ast.Load())
        self.generic_visit(node)
        return node
