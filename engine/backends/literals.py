"""Keep a rule in single precision: its float literals become float32, for every compiled backend.

A compiler that infers types gives a plain `0.04` eight bytes, and one such literal turns the whole
expression around it into double precision: twice the time on a CPU, and far more on a GPU.
"""

from __future__ import annotations

import ast
import copy

from ...neurons.errors import SpecError

#: The name that generated code must bind to the backend's float32 type.
FLOAT32 = "f4"


def as_float32(tree: ast.FunctionDef) -> ast.FunctionDef:
    """Return a copy of a rule's tree in which each float literal c reads `f4(c)`.

    Whole numbers stay whole: they count steps and number draws. The tree given is left alone.

    Parameters
    ----------
    tree
        The tree of a `Variant`, or any function made of expressions over scalars.

    Raises
    ------
    SpecError
        If the rule itself uses the name `f4`.

    Examples
    --------
    >>> tree = ast.parse("def flow(v, now): return 0.5 * v + now + 1").body[0]
    >>> print(ast.unparse(as_float32(tree)))
    def flow(v, now):
        return f4(0.5) * v + now + 1
    """
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    if FLOAT32 in names:
        raise SpecError(
            f"rule {tree.name}: uses the name {FLOAT32!r}, which generated code needs for itself; "
            "call the argument or variable something else"
        )
    rewritten: ast.FunctionDef = _Narrower().visit(copy.deepcopy(tree))
    return ast.fix_missing_locations(rewritten)


class _Narrower(ast.NodeTransformer):
    """Wraps float constants in a call of `f4`."""

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if type(node.value) is not float:
            return node
        return ast.Call(ast.Name(FLOAT32, ast.Load()), [node], [])
