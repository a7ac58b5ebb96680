"""Turn rules, and other functions of numbers, into device functions, as Python source that can be read."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Collection
from typing import Any

from ....neurons.specialise import Variant
from ..draws import AsArguments, draws_of
from ..literals import as_float32

#: What stands in generated names for the number of their kind, until a kernel gives it one.
NUMBER = "__N"


def device_function(variant: Variant, name: str, integers: Collection[str] = ()) -> str:
    """Return one function of a rule as a device function; `integers` are its whole arguments.

    All else is real (see `literals`), products go through `mul` (see `words`), and random numbers become
    further arguments (see `draws`).
    """
    whole = [argument for argument in variant.arguments if argument in integers]
    tree: ast.FunctionDef = AsArguments().visit(Separator().visit(as_float32(variant.tree, whole)))
    tree.name = name
    tree.args.args += [ast.arg(draw.argument) for draw in draws_of(variant)]
    return "@device\n" + ast.unparse(ast.fix_missing_locations(tree))


def separated(function: Callable[..., Any], name: str) -> str:
    """Return a function of numbers as a device function; its products go through `mul`."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(tree, ast.FunctionDef)
    tree = Separator().visit(tree)
    tree.name, tree.returns, tree.decorator_list = name, None, []
    for argument in tree.args.args:
        argument.annotation = None
    return "@device\n" + ast.unparse(ast.fix_missing_locations(tree))


class Separator(ast.NodeTransformer):
    """Replaces products by calls of `mul`."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.op, ast.Mult):
            return ast.Call(ast.Name("mul", ast.Load()), [node.left, node.right], [])
        return node
