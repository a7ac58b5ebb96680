"""An operator's row function as source that backends bind: literals narrowed, options as arguments."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ...neurons.counting import Tally, counting_words
from ...neurons.errors import SpecError
from ...neurons.scalars import SCALARS
from ...neurons.specialise import Variant
from ...neurons.vocabulary import DRAWS, WORDS
from ..operators import kind_of, units_of
from ..parts import Operator
from .literals import FLOAT32, as_float32

#: What a row function calls the function of one number that an option names.
FUNCTION = "function"
_WORDS = frozenset(WORDS) - frozenset(DRAWS)


@dataclass(frozen=True)
class Row:
    """A row function, ready for generated code.

    Attributes
    ----------
    tree : ast.FunctionDef
        The function, called `row`.
    function : ast.FunctionDef or None
        The function of one number that it calls.
    parameters : tuple of str
        What it takes, in order.
    arguments : tuple of str
        Those of them that are arguments of the operator; `y` is its output.
    wholes, reals : dict
        The others: sizes and truth values, and numbers.
    """

    tree: ast.FunctionDef
    function: ast.FunctionDef | None
    parameters: tuple[str, ...]
    arguments: tuple[str, ...]
    wholes: Mapping[str, int]
    reals: Mapping[str, float]

    def functions(self) -> list[ast.FunctionDef]:
        """Return what generated code defines."""
        return [*([] if self.function is None else [self.function]), self.tree]

    def bind(self, words: Mapping[str, Any]) -> Callable[..., None]:
        """Return the function as Python whose words mean what `words` says."""
        namespace = dict(words)
        for tree in self.functions():
            exec(compile(ast.unparse(tree), f"<{tree.name}>", "exec"), namespace)
        bound: Callable[..., None] = namespace["row"]
        return bound

    def given(self, arrays: Mapping[str, Any]) -> list[Any]:
        """Return what it is called with, where arguments and output are these."""
        known = {**arrays, **self.wholes, **self.reals}
        return [known[name] for name in self.parameters]


def row_of(operator: Operator) -> Row:
    """Return the row function of an operator, or raise SpecError where it cannot be read."""
    kind, options = kind_of(operator), operator.options
    numbers = {name: value for name, value in options.items() if name not in (FUNCTION, "parameters")}
    sizes = units_of(operator).sizes
    numbers = {name: value for name, value in numbers.items() if name not in sizes}
    reals = {name: value for name, value in numbers.items() if not isinstance(value, bool)}
    wholes = {name: int(value) for name, value in numbers.items() if isinstance(value, bool)}
    wholes |= sizes
    function = None
    if FUNCTION in options:
        reals |= {f"parameter_{k}": value for k, value in enumerate(options["parameters"])}
        variant = SCALARS[options[FUNCTION]].variant
        function = as_float32(Variant(FUNCTION, variant.tree, (), 1, variant.words).tree)
        function.name = FUNCTION
    more = tuple(name for name in reals if name.startswith("parameter_"))
    tree = _parsed(kind.row, (*kind.arguments, "y", FUNCTION, *wholes, *reals), tuple(wholes), more)
    parameters = tuple(argument.arg for argument in tree.args.args)
    used = {name: value for name, value in wholes.items() if name in parameters}
    return Row(tree, function, parameters, kind.arguments, used, reals)


@lru_cache(maxsize=256)
def _parsed(
    row: Callable[..., None], known: tuple[str, ...], wholes: tuple[str, ...], more: tuple[str, ...]
) -> ast.FunctionDef:
    """Return a row function narrowed; where it calls `function`, parameters `more` follow."""
    where = f"operator {row.__name__}"
    tree = ast.parse(textwrap.dedent(inspect.getsource(row))).body[0]
    assert isinstance(tree, ast.FunctionDef)
    taken = [argument.arg for argument in tree.args.args]
    strange = [name for name in taken if name not in known]
    if strange or "y" not in taken:
        raise SpecError(f"{where}: takes {taken}; allowed are y and {sorted({*known} - {FUNCTION, 'y'})}")
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    if called - _WORDS - {"range", FUNCTION}:
        raise SpecError(f"{where}: calls {sorted(called)}; allowed are range and {sorted(_WORDS)}")
    tree.name, tree.returns, tree.decorator_list = "row", None, []
    tree.args.args = [ast.arg(name) for name in (*taken, *more) if name != FUNCTION]
    if isinstance(tree.body[0], ast.Expr) and isinstance(tree.body[0].value, ast.Constant):
        tree.body = tree.body[1:]
    return as_float32(_Parameters(more).visit(tree), wholes)


class _Parameters(ast.NodeTransformer):
    """Hands the parameters of the function of one number on to it."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == FUNCTION:
            node.args += [ast.Name(name, ast.Load()) for name in self.names]
        return node


def operations_of_unit(operator: Operator) -> dict[str, int]:
    """Return the arithmetic of one unit of an operator, by kind, found by running it on numbers that count.

    Examples
    --------
    >>> import rheobase as rb
    >>> operations_of_unit(rb.Operator("softmax", rb.Population(3, rb.IF())))
    {'add': 6, 'compare': 2, 'divide': 3, 'exp': 3}
    """
    row, units = row_of(operator), units_of(operator)
    text = "\n".join(ast.unparse(tree) for tree in row.functions())
    given = (*row.wholes.items(), *zip(row.arguments, units.widths, strict=True), ("y", units.out))
    return dict(_operations(text, row.parameters, tuple(row.wholes), given))


@lru_cache(maxsize=256)
def _operations(
    text: str, parameters: tuple[str, ...], wholes: tuple[str, ...], given: tuple[tuple[str, int], ...]
) -> dict[str, int]:
    """Return the arithmetic of a row function, whose arrays are as wide as is given."""
    counts: Counter[str] = Counter()
    number, sizes = Tally(counts), dict(given)
    known = {name: size if name in wholes else [number] * size for name, size in sizes.items()}
    words: dict[str, Any] = {
        **counting_words(number),
        FLOAT32: lambda x: number if isinstance(x, float) else x,
    }
    exec(text, words)
    words["row"](*(known.get(name, number) for name in parameters))
    return dict(sorted(counts.items()))
