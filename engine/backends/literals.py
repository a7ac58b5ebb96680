"""Keep a rule in single precision: float literals, and whole numbers that meet a float, become float32.

A compiler that infers types gives a plain `0.04` eight bytes, and lets a float32 and an int32 meet in
double precision too. One such place turns the whole expression around it into double precision:
twice the time on a CPU, far more on a GPU, and other roundings than where it does not happen.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Collection

from ...neurons.errors import SpecError
from ...neurons.vocabulary import DRAWS

#: The name that generated code must bind to the backend's float32 type.
FLOAT32 = "f4"


def as_float32(tree: ast.FunctionDef, integers: Collection[str] = ()) -> ast.FunctionDef:
    """Return a copy of a rule's tree in which float literals, and integers that meet floats, read `f4(...)`.

    Where only whole numbers meet, they stay whole: they count steps and number draws. The tree given
    is left alone.

    Parameters
    ----------
    tree
        The tree of a `Variant`, or any function of assignments, loops over ranges and a return over scalars
        and elements of arrays, which are floats.
    integers
        Which of its arguments are whole numbers; all others are floats.

    Raises
    ------
    SpecError
        If the rule itself uses the name `f4`.

    Examples
    --------
    >>> tree = ast.parse("def fire(v, n, now): return 0.5 * v - n, now + 1").body[0]
    >>> print(ast.unparse(as_float32(tree, ["n", "now"])))
    def fire(v, n, now):
        return (f4(0.5) * v - f4(n), now + 1)
    """
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    if FLOAT32 in names:
        raise SpecError(
            f"rule {tree.name}: uses the name {FLOAT32!r}, which generated code needs for itself; "
            "call the argument or variable something else"
        )
    rewritten: ast.FunctionDef = _Narrower(integers).visit(copy.deepcopy(tree))
    return ast.fix_missing_locations(rewritten)


class _Narrower(ast.NodeTransformer):
    """Wraps float constants in a call of `f4`, and whole numbers beside a float."""

    def __init__(self, integers: Collection[str]) -> None:
        self.whole = set(integers)

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return _as_f4(node) if type(node.value) is float else node

    def visit_Assign(self, node: ast.Assign) -> ast.Assign:
        node.value = self.visit(node.value)
        kinds = [self._is_whole(value) for value in _elements(node.value)]
        for target in node.targets:
            for name, whole in zip(_elements(target), kinds, strict=True):
                if isinstance(name, ast.Name):
                    (self.whole.add if whole else self.whole.discard)(name.id)
        return node

    def visit_For(self, node: ast.For) -> ast.For:
        assert isinstance(node.target, ast.Name)
        self.whole.add(node.target.id)
        node.body = [self.visit(statement) for statement in node.body]
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.Assign:
        assert isinstance(node.target, ast.Name)
        sum_ = ast.BinOp(ast.Name(node.target.id, ast.Load()), node.op, node.value)
        return self.visit_Assign(ast.Assign([node.target], sum_))

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.op, (ast.BitAnd, ast.BitOr)):
            return node
        if isinstance(node.op, ast.Div):
            node.left, node.right = self._floats(node.left, node.right)
        else:
            node.left, node.right = self._alike(node.left, node.right)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        node.left, node.comparators[0] = self._alike(node.left, node.comparators[0])
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        assert isinstance(node.func, ast.Name)
        if node.func.id == "where":
            node.args[1:] = self._alike(*node.args[1:])
        elif node.func.id in ("minimum", "maximum"):
            node.args = self._alike(*node.args)
        elif node.func.id not in DRAWS:
            node.args = self._floats(*node.args)
        return node

    def _alike(self, *operands: ast.expr) -> list[ast.expr]:
        return list(operands) if all(map(self._is_whole, operands)) else self._floats(*operands)

    def _floats(self, *operands: ast.expr) -> list[ast.expr]:
        return [_as_f4(operand) if self._is_whole(operand) else operand for operand in operands]

    def _is_whole(self, node: ast.expr) -> bool:
        """Return whether an expression that has been visited is a whole number."""
        if isinstance(node, ast.Name):
            return node.id in self.whole
        if isinstance(node, ast.Constant):
            return type(node.value) is int
        if isinstance(node, ast.UnaryOp):
            return self._is_whole(node.operand)
        if isinstance(node, ast.BinOp):
            return not isinstance(node.op, ast.Div) and self._is_whole(node.left)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return node.func.id in ("where", "minimum", "maximum") and self._is_whole(node.args[-1])
        return False


def _elements(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


def _as_f4(node: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(FLOAT32, ast.Load()), [node], [])
