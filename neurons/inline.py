"""Put a function in the place of its call: what a rule leaves to an option.

`y = f(x)` in a rule, where the option `f` is a function written as rules are, becomes the body of that
function. Its names go by that of the option, so that they meet none of the rule's: what it takes beyond `x`,
such as a slope, is then an argument of the rule, `f_slope`.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Collection, Mapping

from .errors import SpecError


def inline(
    tree: ast.FunctionDef, functions: Mapping[str, ast.FunctionDef], words: Collection[str], where: str
) -> ast.FunctionDef:
    r"""Return a rule without calls of the given functions.

    Parameters
    ----------
    tree
        The rule.
    functions
        By name; each ends in its only return.
    words
        What means the same in all of them.
    where
        The rule's name, for messages.

    Raises
    ------
    SpecError
        If such a call is more or less than the whole right side of an assignment, or gives no plain values.

    Examples
    --------
    >>> rule = ast.parse("def fire(u, f):\n  y = f(u)\n  return y, u").body[0]
    >>> bend = ast.parse("def bend(x, slope):\n  y = slope * x\n  return maximum(x, y)").body[0]
    >>> print(ast.unparse(inline(rule, {"f": bend}, ["maximum"], "rule fire")))
    def fire(u, f, f_slope):
        f_x = u
        f_y = f_slope * f_x
        y = maximum(f_x, f_y)
        return (y, u)
    """
    if not functions:
        return tree
    inlined: ast.FunctionDef = _Inliner(functions, words, where).visit(tree)
    return ast.fix_missing_locations(inlined)


class _Inliner(ast.NodeTransformer):
    """Replaces assignments of what a function returns by its statements, under names of their own."""

    def __init__(self, functions: Mapping[str, ast.FunctionDef], words: Collection[str], where: str) -> None:
        self.functions, self.words, self.where = functions, words, where
        self.taken: dict[str, None] = {}

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.args.args += [ast.arg(name) for name in self.taken]
        return node

    def visit_Assign(self, node: ast.Assign) -> list[ast.stmt] | ast.Assign:
        call = node.value
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
            self.generic_visit(node)
            return node
        name = call.func.id
        if name not in self.functions:
            self.generic_visit(node)
            return node
        function = _Renamed(name, self.words).visit(copy.deepcopy(self.functions[name]))
        arguments = [argument.arg for argument in function.args.args]
        if call.keywords or len(call.args) > len(arguments):
            raise SpecError(
                f"{self.where}: `{ast.unparse(call)}`: {name} takes {arguments}, without keywords"
            )
        self.taken |= dict.fromkeys(arguments[len(call.args) :])
        given = [
            ast.Assign([ast.Name(argument, ast.Store())], value)
            for argument, value in zip(arguments, call.args, strict=False)
        ]
        *body, returned = function.body
        return [*given, *body, ast.Assign(node.targets, returned.value)]

    def visit_Call(self, node: ast.Call) -> ast.Call:
        if isinstance(node.func, ast.Name) and node.func.id in self.functions:
            raise SpecError(
                f"{self.where}: `{ast.unparse(node)}` stands within an expression; assign it to a name first"
            )
        self.generic_visit(node)
        return node


class _Renamed(ast.NodeTransformer):
    """Puts a prefix before all names of a function but the words."""

    def __init__(self, prefix: str, words: Collection[str]) -> None:
        self.prefix, self.words = prefix, words

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return node if node.id in self.words else ast.Name(f"{self.prefix}_{node.id}", node.ctx)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(f"{self.prefix}_{node.arg}")
