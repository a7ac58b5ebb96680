"""Turn the functions of a rule into device functions, as Python source that can be read."""

from __future__ import annotations

import ast
from collections.abc import Collection

from ....neurons.errors import SpecError
from ....neurons.specialise import Variant
from ..literals import as_float32

#: What stands in generated names for the number of their kind, until a kernel gives it one.
NUMBER = "__N"


def device_function(variant: Variant, name: str, integers: Collection[str] = ()) -> str:
    """Return one function of a rule as a device function; `integers` are its whole arguments.

    All else is real (see `literals`), products go through `mul` (see `words`), and `uniform(k)` becomes
    one more argument, `uniform_k`.
    """
    whole = [argument for argument in variant.arguments if argument in integers]
    tree: ast.FunctionDef = Separator().visit(as_float32(variant.tree, whole))
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


class Separator(ast.NodeTransformer):
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
