"""How gradients go back through a rule: another rule, made from its source, in the same words.

A folded rule is a list of assignments, so its derivative is one too: each operation is given a name, and
then gone through backwards. Every backend binds the result like the rule itself, so none has derivatives of
its own.
"""

from __future__ import annotations

import ast
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from .errors import SpecError
from .inline import inline
from .specialise import Variant
from .vocabulary import WORDS

#: What the gradient g of a word's value y gives to each of its arguments.
_DERIVATIVES = {
    "exp": ("{g} * {y}",),
    "sqrt": ("0.5 * {g} / {y}",),
    "where": ("{g} * ({b} - {c})", "where({a}, {g}, 0.0)", "where({a}, 0.0, {g})"),
    "minimum": ("where({a} <= {b}, {g}, 0.0)", "where({a} <= {b}, 0.0, {g})"),
    "maximum": ("where({a} >= {b}, {g}, 0.0)", "where({a} >= {b}, 0.0, {g})"),
    "spike": ("{g} * {s}",),
    "+": ("{g}", "{g}"),
    "-": ("{g}", "-{g}"),
    "*": ("{g} * {b}", "{g} * {a}"),
    "/": ("{g} / {b}", "-({g} * {y}) / {b}"),
    "negative": ("-{g}",),
}
_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


@lru_cache(maxsize=256)
def adjoint(
    rule: Variant,
    wrt: tuple[str, ...],
    returned: tuple[int, ...],
    surrogate: Variant,
    apart: tuple[int, ...] = (),
) -> Variant:
    """Return the rule that takes gradients of what a rule returns to gradients of its arguments.

    Parameters
    ----------
    rule
        A folded rule.
    wrt
        Arguments whose gradients are asked for, in this order.
    returned
        Which of the numbers that it returns have a gradient: the arguments `d_0`, `d_1`, ... of these
        numbers follow the rule's own. All others count as constant.
    surrogate
        The derivative of `spike`: a rule of x and perhaps of numbers, which become arguments with
        `surrogate_` before their name.
    apart
        Those of `returned` whose gradients do not pass spikes.

    Raises
    ------
    SpecError
        If the rule uses a word without a derivative.

    Examples
    --------
    >>> from .specialise import specialise
    >>> from .vocabulary import exp
    >>> def flow(v, rate):
    ...     return v * exp(-rate)
    >>> def flat(x):
    ...     return 1.0 + 0.0 * x
    >>> print(adjoint(specialise(flow, {}), ("v", "rate"), (0,), specialise(flat, {})).source())
    def back_flow(v, rate, d_0):
        _1 = -rate
        _2 = exp(_1)
        _4 = d_0 * _2
        _5 = d_0 * v
        _6 = _5 * _2
        _7 = -_6
        return (_4, _7)
    """
    line = _Line(rule)
    gradients: dict[str, list[str]] = {}
    for chosen, passes in ((set(returned) - set(apart), True), (set(apart), False)):
        if chosen:
            line.go_back(sorted(chosen), wrt, passes, gradients)
    results = [line.sum_of(gradients.get(name, [])) for name in wrt]
    arguments = [*rule.arguments, *(f"d_{k}" for k in returned)]
    source = "\n    ".join(
        [
            f"def back_{rule.name}({', '.join(arguments)}):",
            *line.needed(results),
            f"return {', '.join(results)}",
        ]
    )
    tree = ast.parse(source).body[0]
    assert isinstance(tree, ast.FunctionDef)
    tree = inline(tree, {"surrogate": surrogate.tree}, WORDS, f"rule back_{rule.name}")
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    tree.args.args = [a for a in tree.args.args if a.arg in used]
    tree = ast.fix_missing_locations(tree)
    taken = tuple(a.arg for a in tree.args.args)
    return Variant(f"back_{rule.name}", tree, taken, len(wrt), frozenset(used & set(WORDS)))


@dataclass(frozen=True)
class _Operation:
    """One assignment: `name = kind(operands)`, where operands are names and numbers."""

    name: str
    kind: str
    operands: tuple[str, ...]
    text: str


class _Line:
    """A rule as operations in order, and what is computed besides on the way back."""

    def __init__(self, rule: Variant) -> None:
        self.rule, self.known = rule, {name: name for name in rule.arguments}
        self.operations: list[_Operation] = []
        self.statements: list[tuple[str, str]] = []
        for statement in rule.tree.body:
            if isinstance(statement, ast.Assign):
                self._assign(statement.targets[0], statement.value)
            elif isinstance(statement, ast.AugAssign):
                assert isinstance(statement.target, ast.Name)
                now = ast.Name(statement.target.id, ast.Load())
                self._assign(statement.target, ast.BinOp(now, statement.op, statement.value))
            elif isinstance(statement, ast.Return):
                assert statement.value is not None
                self.returned = [self._atom(value) for value in _elements(statement.value)]

    def go_back(
        self, chosen: Collection[int], wrt: Collection[str], passes: bool, gradients: dict[str, list[str]]
    ) -> None:
        """Add what gradients of some returned numbers give to arguments; it `passes` spikes or not."""
        active = self._active(wrt, passes)
        given: dict[str, list[str]] = {}
        for k in chosen:
            given.setdefault(self.returned[k], []).append(f"d_{k}")
        for operation in reversed(self.operations):
            if operation.name in active and operation.name in given:
                self._pass(operation, self.sum_of(given.pop(operation.name)), active, given)
        for name in set(wrt) & given.keys():
            gradients.setdefault(name, []).extend(given[name])

    def sum_of(self, terms: list[str]) -> str:
        """Return the name of a sum, 0.0 of nothing."""
        if len(terms) < 2:
            return terms[0] if terms else "0.0"
        return self._named(" + ".join(terms))

    def needed(self, results: Collection[str]) -> list[str]:
        """Return the statements on which results depend."""
        wanted, kept = set(results), []
        for name, text in reversed(self.statements):
            if name in wanted:
                kept.append(f"{name} = {text}")
                wanted |= {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
        return kept[::-1]

    def _active(self, wrt: Collection[str], passes: bool) -> set[str]:
        """Return what depends on arguments, and has a derivative."""
        active = set(wrt)
        for operation in self.operations:
            if operation.kind in _DERIVATIVES and (passes or operation.kind != "spike"):
                if active.intersection(operation.operands):
                    active.add(operation.name)
            elif active.intersection(operation.operands) and operation.kind not in ("compare", "spike"):
                raise SpecError(f"rule {self.rule.name}: {operation.kind} has no derivative")
        return active

    def _pass(self, operation: _Operation, g: str, active: set[str], given: dict[str, list[str]]) -> None:
        names = dict(zip("abc", operation.operands, strict=False)) | {"g": g, "y": operation.name}
        if operation.kind == "spike":
            names["s"] = self._named(f"surrogate({operation.operands[0]})")
        for operand, text in zip(operation.operands, _DERIVATIVES[operation.kind], strict=True):
            if operand in active:
                term = text.format(**names)
                given.setdefault(operand, []).append(term if term == g else self._named(term))

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        atoms = [self._atom(one) for one in _elements(value)]
        for name, atom in zip(_elements(target), atoms, strict=True):
            assert isinstance(name, ast.Name)
            self.known[name.id] = atom

    def _atom(self, node: ast.expr) -> str:
        """Return the name of what an expression gives, or its number, after naming all that it is made of."""
        if isinstance(node, ast.Name):
            return self.known[node.id]
        if isinstance(node, ast.Constant):
            return repr(node.value)
        if isinstance(node, ast.UnaryOp):
            (one,) = operands = (self._atom(node.operand),)
            return one if isinstance(node.op, ast.UAdd) else self._operation("negative", operands, f"-{one}")
        if isinstance(node, ast.BinOp):
            sides = self._atom(node.left), self._atom(node.right)
            text = ast.unparse(ast.BinOp(*(_name(sides[0]), node.op, _name(sides[1]))))
            return self._operation(_SIGNS.get(type(node.op), "compare"), sides, text)
        if isinstance(node, ast.Compare):
            sides = self._atom(node.left), self._atom(node.comparators[0])
            text = ast.unparse(ast.Compare(_name(sides[0]), node.ops, [_name(sides[1])]))
            return self._operation("compare", sides, text)
        assert isinstance(node, ast.Call)
        assert isinstance(node.func, ast.Name)
        arguments = tuple(self._atom(argument) for argument in node.args)
        return self._operation(node.func.id, arguments, f"{node.func.id}({', '.join(arguments)})")

    def _operation(self, kind: str, operands: tuple[str, ...], text: str) -> str:
        name = self._named(text)
        self.operations.append(_Operation(name, kind, operands, text))
        return name

    def _named(self, text: str) -> str:
        name = f"_{len(self.statements) + 1}"
        self.statements.append((name, text))
        return name


def _name(atom: str) -> ast.expr:
    return ast.parse(atom, mode="eval").body


def _elements(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]
