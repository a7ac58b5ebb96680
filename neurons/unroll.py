"""Unroll what a rule does for each of several names, such as a model's receptors.

`for port in ports:`, and `sum(... for port in ports)` within an expression, go over an option that is a
tuple of names. `g[port]` is then one number for each: the argument `g_ampa` where port is "ampa". An
empty name leaves `g` as it is, and `input[port]` is what arrived at that port, an argument of the port's
own name. A family may go by the name that an option gives it: one rule for currents `i` and conductances
`g`. An argument indexed so stands for all its members, in the order of their first use; returned
whole, it returns them all. (Called as plain Python, such an argument is a dict.)
"""

from __future__ import annotations

import ast
import copy
import keyword
from collections.abc import Collection, Mapping
from typing import Any

from .errors import SpecError

#: Its members are called as the ports are: what arrives at a receptor goes by the receptor's name.
ARRIVED = "input"


def families_of(tree: ast.FunctionDef) -> frozenset[str]:
    """Return what a rule indexes: arguments with a number for each name."""
    indexed = [node.value for node in ast.walk(tree) if isinstance(node, ast.Subscript)]
    return frozenset(value.id for value in indexed if isinstance(value, ast.Name))


def name_families(tree: ast.FunctionDef, options: Mapping[str, object]) -> ast.FunctionDef:
    """Call each family that is an option by what the option says."""
    called = {family: str(options[family]) for family in families_of(tree) & {*options}}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = called.get(node.id, node.id)
        elif isinstance(node, ast.arg):
            node.arg = called.get(node.arg, node.arg)
    return tree


def member_of(family: str, port: str) -> str:
    """Return what `family[port]` is called once unrolled.

    Examples
    --------
    >>> member_of("g", "ampa"), member_of("g", ""), member_of("input", "ampa"), member_of("input", "")
    ('g_ampa', 'g', 'ampa', 'input')
    """
    if family == ARRIVED:
        return port or family
    return f"{family}_{port}" if port else family


def unroll(tree: ast.FunctionDef, options: Mapping[str, object], where: str) -> ast.FunctionDef:
    """Repeat what is done for each name of an option, with the name in place of the loop's variable."""
    unrolled: ast.FunctionDef = _Unroller(options, {a.arg for a in tree.args.args}, where).visit(tree)
    return unrolled


class _Unroller(ast.NodeTransformer):
    """Puts copies of a loop's body in its place; what is indexed stays indexed, by a constant."""

    def __init__(self, options: Mapping[str, object], arguments: Collection[str], where: str) -> None:
        self.options, self.arguments, self.where = options, arguments, where
        self.bound: dict[str, str] = {}

    def visit_For(self, node: ast.For) -> list[ast.stmt]:
        if node.orelse:
            raise SpecError(f"{self.where}: line {node.lineno}: `for` has no `else` here")
        done: list[ast.stmt] = []
        for name in self._names(node.iter, node.target):
            for statement in self._with(node.target, name, node.body):
                done.extend(statement if isinstance(statement, list) else [statement])
        return done

    def visit_Call(self, node: ast.Call) -> ast.expr:
        generator = node.args[0] if len(node.args) == 1 else None
        named_sum = isinstance(node.func, ast.Name) and node.func.id == "sum"
        if not named_sum or not isinstance(generator, ast.GeneratorExp):
            self.generic_visit(node)
            return node
        loop = generator.generators[0]
        if len(generator.generators) > 1 or loop.ifs:
            raise SpecError(f"{self.where}: `{ast.unparse(node)}`: sum() takes one `for` without an `if`")
        names = self._names(loop.iter, loop.target)
        terms = [self._with(loop.target, name, [generator.elt])[0] for name in names]
        total: ast.expr = terms[0] if terms else ast.Constant(0.0)
        for term in terms[1:]:
            total = ast.BinOp(total, ast.Add(), term)
        return total

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.expr:
        raise SpecError(f"{self.where}: `{ast.unparse(node)}` may only stand in sum()")

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id not in self.bound:
            return node
        if not isinstance(node.ctx, ast.Load):
            raise SpecError(f"{self.where}: line {node.lineno} assigns to the loop's name {node.id!r}")
        return ast.Constant(self.bound[node.id])

    def visit_Subscript(self, node: ast.Subscript) -> ast.Subscript:
        written = ast.unparse(node)
        self.generic_visit(node)
        indexed = isinstance(node.value, ast.Name) and node.value.id in self.arguments
        if not indexed or not isinstance(node.slice, ast.Constant) or not isinstance(node.slice.value, str):
            raise SpecError(
                f"{self.where}: `{written}`: only arguments are indexed, by the name of a loop over an option"
            )
        return node

    def _names(self, over: ast.expr, target: ast.expr) -> tuple[str, ...]:
        names = self.options.get(over.id) if isinstance(over, ast.Name) else None
        if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
            raise SpecError(
                f"{self.where}: line {over.lineno}: `for` goes over `{ast.unparse(over)}`; allowed is an "
                "option that is a tuple of names"
            )
        if not isinstance(target, ast.Name) or target.id in {*self.options, *self.arguments, *self.bound}:
            raise SpecError(
                f"{self.where}: line {over.lineno}: `for {ast.unparse(target)}`: allowed is one name of its "
                "own"
            )
        return names

    def _with(self, target: ast.expr, name: str, body: Any) -> list[Any]:
        """Return copies of nodes in which the loop's variable is a name."""
        assert isinstance(target, ast.Name)
        self.bound[target.id] = name
        copies = [self.visit(copy.deepcopy(node)) for node in body]
        del self.bound[target.id]
        return copies


def name_members(tree: ast.FunctionDef, families: Collection[str], where: str) -> ast.FunctionDef:
    """Give every `g[name]` of an unrolled and folded rule a name of its own, as an argument and returned."""
    members = _Members(tree, families, where)
    named: ast.FunctionDef = members.visit(tree)
    whole = {node.id for node in ast.walk(named) if isinstance(node, ast.Name)} & members.indexed
    if whole:
        family = min(whole)
        raise SpecError(
            f"{where}: `{family}` is a number for each name; write {family}[...], or return it whole"
        )
    arguments = named.args.args
    named.args.args = [
        argument if name is None else ast.arg(name)
        for argument in arguments
        for name in (members.found[argument.arg] if argument.arg in families else (None,))
    ]
    return named


class _Members(ast.NodeTransformer):
    """Replaces indexed arguments by names, and those returned whole by all their members."""

    def __init__(self, tree: ast.FunctionDef, families: Collection[str], where: str) -> None:
        self.where = where
        self.found: dict[str, list[str]] = {family: [] for family in families}
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        self._taken = (names | {a.arg for a in tree.args.args}) - {*families}
        for node in ast.walk(tree):
            if isinstance(node, ast.Subscript):
                self._find(node)
        self.indexed = {family for family, names in self.found.items() if family not in names}

    def _find(self, node: ast.Subscript) -> str:
        assert isinstance(node.value, ast.Name)
        assert isinstance(node.slice, ast.Constant)
        family, port = node.value.id, str(node.slice.value)
        name = member_of(family, port)
        if name in self.found[family]:
            return name
        others = {*self._taken, *self.found} - {family}
        others.update(other for members in self.found.values() for other in members)
        if not name.isidentifier() or keyword.iskeyword(name) or name in others:
            raise SpecError(
                f"{self.where}: {family}[{port!r}] would be called {name!r}, which it cannot be, or is "
                f"something else; choose another name than {port!r}"
            )
        self.found[family].append(name)
        return name

    def visit_Subscript(self, node: ast.Subscript) -> ast.Name:
        return ast.Name(self._find(node), node.ctx)

    def visit_Return(self, node: ast.Return) -> ast.Return:
        if node.value is None:
            return node
        values: list[ast.expr] = []
        for value in node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]:
            if isinstance(value, ast.Name) and value.id in self.found:
                values += [ast.Name(name, ast.Load()) for name in self.found[value.id]]
            else:
                values.append(self.visit(value))
        one = values[0] if values else None
        node.value = ast.Tuple(values, ast.Load()) if len(values) > 1 else one
        return node
