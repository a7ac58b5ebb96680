"""Turn one written rule into the variant that a population needs.

Rules are plain Python functions over scalars. Loops over options are unrolled (`unroll.py`), static
options (`if reset == "soft":`) are folded away and arguments that the variant does not use are dropped,
so that a backend sees straight code that names exactly what it reads. Every backend starts from here.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any

from . import vocabulary
from .errors import SpecError
from .inline import inline
from .unroll import families_of, name_families, name_members, unroll

_ARITHMETIC = (
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.BitAnd, ast.BitOr, ast.USub, ast.UAdd, ast.Not, ast.And, ast.Or,
    ast.cmpop, ast.expr_context,
)  # fmt: skip
#: Comparisons that mean the same for an array, a compiled scalar and a tensor.
_ORDER = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
_ALLOWED = (
    ast.FunctionDef, ast.arguments, ast.arg, ast.Return, ast.Assign, ast.AugAssign, ast.If, ast.IfExp,
    ast.Tuple, ast.Name, ast.Constant, ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.Call, ast.Pass,
    ast.For, ast.Subscript, ast.GeneratorExp, ast.comprehension,
)  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """One rule with its options folded: its tree, the arguments it still reads, how many it returns."""

    name: str
    tree: ast.FunctionDef
    arguments: tuple[str, ...]
    n_returned: int
    words: frozenset[str]

    def source(self, name: str | None = None) -> str:
        """Return the variant as Python source, under another name if asked."""
        tree = ast.parse(ast.unparse(self.tree)).body[0]
        assert isinstance(tree, ast.FunctionDef)
        tree.name = name or self.name
        return ast.unparse(tree)

    def bind(self, words: Mapping[str, Any]) -> Callable[..., Any]:
        """Return the variant as a Python function whose words mean what `words` says."""
        namespace: dict[str, Any] = dict(words)
        exec(_code_of(self), namespace)
        bound = namespace[self.name]
        assert isinstance(bound, FunctionType)
        return bound


@lru_cache(maxsize=512)
def _code_of(variant: Variant) -> CodeType:
    return compile(variant.source(), f"<{variant.name}>", "exec")


def specialise(
    function: Callable[..., Any],
    options: Mapping[str, object],
    states: Collection[str] = (),
    words: tuple[str, ...] = vocabulary.WORDS,
) -> Variant:
    """Fold static options into a rule.

    Parameters
    ----------
    function
        A rule: arithmetic, comparisons, `if` on options, `for` and `sum` over options that are tuples of
        names, and the words of the vocabulary.
    options
        The value of every static option; arguments of these names are replaced by constants, and calls of
        those that are functions by their bodies: see `inline.py`.
    states
        Names of state variables: one that a variant returns as it was given is not returned.
    words
        What it may call.

    Raises
    ------
    SpecError
        If the rule's source cannot be read, or it uses something that not every backend has.
    """
    return _specialise(function, tuple(sorted(options.items())), frozenset(states), words)


@lru_cache(maxsize=512)
def _specialise(
    function: Callable[..., Any],
    options: tuple[tuple[str, object], ...],
    states: frozenset[str],
    words: tuple[str, ...],
) -> Variant:
    where = f"rule {function.__qualname__}"
    original = name_families(_parse(function, where), dict(options))
    _check(original, where, words)
    called = {name: specialise(value, {}, (), words).tree for name, value in options if callable(value)}
    original = inline(original, called, words, where)
    families = families_of(original)
    folded = _Folder(dict(options), where).visit(unroll(original, dict(options), where))
    tree = ast.fix_missing_locations(name_members(folded, families, where))
    _check_folded(tree, where, words)
    _leave_out_unchanged(tree, states)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    tree.args.args = [a for a in tree.args.args if a.arg in used]
    arguments = tuple(a.arg for a in tree.args.args)
    assigned = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    strangers = used - set(arguments) - assigned - set(words)
    if strangers:
        raise SpecError(
            f"{where}: uses {sorted(strangers)}, which are neither arguments nor words of the vocabulary "
            f"{words}; pass constants through `derive` and options as arguments"
        )
    return Variant(
        function.__name__,
        tree,
        arguments,
        _count_returned(tree, where),
        frozenset(used & set(words)),
    )


def _parse(function: Callable[..., Any], where: str) -> ast.FunctionDef:
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError) as error:
        raise SpecError(
            f"{where}: its source cannot be read; define it in a file or a notebook cell"
        ) from error
    tree = ast.parse(source).body[0]
    if not isinstance(tree, ast.FunctionDef):
        raise SpecError(f"{where}: must be a plain function written with `def`")
    taken = tree.args
    if taken.posonlyargs or taken.kwonlyargs or taken.vararg or taken.kwarg or taken.defaults:
        raise SpecError(f"{where}: takes plain arguments only, without defaults or stars")
    tree.decorator_list = []
    tree.returns = None
    for argument in tree.args.args:
        argument.annotation = None
    if isinstance(tree.body[0], ast.Expr) and isinstance(tree.body[0].value, ast.Constant):
        tree.body = tree.body[1:]
    return tree


def _check(tree: ast.FunctionDef, where: str, words: tuple[str, ...]) -> None:
    for node in ast.walk(tree):
        if not isinstance(node, _ALLOWED + _ARITHMETIC):
            raise SpecError(
                f"{where}: line {getattr(node, 'lineno', '?')} uses {type(node).__name__}; a rule may use "
                f"arithmetic, comparisons, assignments, `if` and `for` on options, and {words}"
            )
    # What is returned is matched with arguments by their order: one that is never named would shift it.
    named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    unused = [a.arg for a in tree.args.args if a.arg not in named]
    if unused:
        raise SpecError(f"{where}: never uses its arguments {unused}; leave them out, or assign to them")


def _check_folded(tree: ast.FunctionDef, where: str, words: tuple[str, ...]) -> None:
    """Refuse what only an option may do: it would not work on arrays, or differ between backends."""
    for node in ast.walk(tree):
        logic = isinstance(node, ast.BoolOp) or (
            isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
        )
        comparison = isinstance(node, ast.Compare) and (
            len(node.ops) > 1 or not isinstance(node.ops[0], _ORDER)
        )
        if logic or comparison:
            raise SpecError(
                f"{where}: `{ast.unparse(node)}` asks for values; `and`, `or`, `not`, `is`, `in` and chained "
                "comparisons are for options. Use where(), or & and | between single comparisons"
            )
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id in words):
            raise SpecError(f"{where}: `{ast.unparse(node)}` is no call of a word of {words}")


class _Folder(ast.NodeTransformer):
    """Replaces options by constants and removes the branches that they decide."""

    def __init__(self, options: Mapping[str, object], where: str) -> None:
        self.options = options
        self.where = where

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.args.args = [a for a in node.args.args if a.arg not in self.options]
        node.body = self._block(node.body)
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id not in self.options:
            return node
        if not isinstance(node.ctx, ast.Load):
            raise SpecError(f"{self.where}: line {node.lineno} assigns to the option {node.id!r}")
        return ast.Constant(self.options[node.id])  # type: ignore[arg-type]

    def visit_If(self, node: ast.If) -> Any:
        test = self.visit(node.test)
        if isinstance(test, ast.Constant):
            return self._block(node.body if test.value else node.orelse)
        raise SpecError(
            f"{self.where}: line {node.lineno}: `if` may only ask for options; use where() for values"
        )

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        test = self.visit(node.test)
        if isinstance(test, ast.Constant):
            chosen: ast.expr = self.visit(node.body if test.value else node.orelse)
            return chosen
        raise SpecError(
            f"{self.where}: line {node.lineno}: `a if c else b` may only ask for options; use where()"
        )

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        return self._constant(node, [node.left, *node.comparators])

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        self.generic_visit(node)
        return self._constant(node, node.values)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        self.generic_visit(node)
        return self._constant(node, [node.operand])

    def _constant(self, node: ast.expr, operands: list[ast.expr]) -> ast.expr:
        if all(_is_constant(operand) for operand in operands):
            return ast.Constant(
                eval(compile(ast.fix_missing_locations(ast.Expression(node)), "<fold>", "eval"))
            )
        return node

    def _block(self, body: list[ast.stmt]) -> list[ast.stmt]:
        kept: list[ast.stmt] = []
        for statement in body:
            visited = self.visit(statement)
            kept.extend(visited if isinstance(visited, list) else [visited])
            if kept and isinstance(kept[-1], ast.Return):
                break
        return kept


def _is_constant(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple):
        return all(_is_constant(element) for element in node.elts)
    return isinstance(node, ast.Constant)


def _leave_out_unchanged(tree: ast.FunctionDef, states: Collection[str]) -> None:
    """Return no state variable as it was given: it is then not written, and perhaps not even read.

    Those that are still returned stay in front; the first of all is always returned.
    """
    returned = tree.body[-1] if tree.body else None
    if not isinstance(returned, ast.Return) or not isinstance(returned.value, ast.Tuple):
        return
    sent = tree.name == "fire"
    arguments = [argument.arg for argument in tree.args.args]
    assigned = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    constant = {*states} - assigned
    kept, unchanged = returned.value.elts[: sent + 1], set()
    for place, value in enumerate(returned.value.elts[sent + 1 :], start=1):
        name = value.id if isinstance(value, ast.Name) and value.id in constant else ""
        if name and arguments[place : place + 1] == [name]:
            unchanged.add(name)
        else:
            kept.append(value)
    returned.value = ast.Tuple(kept, ast.Load()) if len(kept) > 1 else kept[0]
    tree.args.args.sort(key=lambda argument: argument.arg in unchanged)


def _count_returned(tree: ast.FunctionDef, where: str) -> int:
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Return) or last.value is None:
        raise SpecError(f"{where}: must end with a return in every variant")
    return len(last.value.elts) if isinstance(last.value, ast.Tuple) else 1
