"""Run one rule after another as a single one: what a base class adds to every model's flow."""

from __future__ import annotations

import ast
import copy
from functools import lru_cache

from .errors import SpecError
from .specialise import Variant


@lru_cache(maxsize=256)
def chain(first: Variant, then: Variant, states: tuple[str, ...]) -> Variant:
    """Return one rule that does what two do in turn, the second with the state that the first leaves.

    Both return the first state variables they take, and so does what is made of them.

    Parameters
    ----------
    first, then
        Folded rules that send nothing.
    states
        Names of all state variables.

    Raises
    ------
    SpecError
        If the first gives another value to a name that the second reads, other than a state it returns.

    Examples
    --------
    >>> from .specialise import specialise
    >>> def flow(v, decay):
    ...     return v * decay
    >>> def lift(v, by):
    ...     return v + by
    >>> chain(specialise(flow, {}), specialise(lift, {}), ("v",)).arguments
    ('v', 'decay', 'by')
    """
    names = [[a for a in rule.arguments if a in states][: rule.n_returned] for rule in (first, then)]
    left = list(dict.fromkeys([*names[0], *names[1]]))
    _check(first, then, *names)
    body, more = copy.deepcopy(first.tree.body), copy.deepcopy(then.tree.body)
    body[-1] = ast.Assign([_names(names[0], ast.Store())], _returned(body[-1]))
    ends = _returned(more[-1])
    values = dict(zip(names[1], ends.elts if isinstance(ends, ast.Tuple) else [ends], strict=True))
    returned = [values.get(name, ast.Name(name, ast.Load())) for name in left]
    more[-1] = ast.Return(returned[0] if len(returned) == 1 else ast.Tuple(returned, ast.Load()))
    arguments = tuple(dict.fromkeys([*left, *first.arguments, *then.arguments]))
    tree = copy.deepcopy(first.tree)
    tree.body, tree.args.args = [*body, *more], [ast.arg(name) for name in arguments]
    tree = ast.fix_missing_locations(tree)
    return Variant(first.name, tree, arguments, len(left), first.words | then.words)


def _check(first: Variant, then: Variant, moved: list[str], moved_then: list[str]) -> None:
    clash = _assigned(first) & {*then.arguments} - {*moved}
    clash |= _assigned(then) & {*moved} - {*moved_then}
    if clash:
        raise SpecError(
            f"rules {first.name} and {then.name}: {sorted(clash)} mean different things in them; "
            "call what one of them works out by another name"
        )


def _assigned(rule: Variant) -> set[str]:
    return {n.id for n in ast.walk(rule.tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _returned(statement: ast.stmt) -> ast.expr:
    assert isinstance(statement, ast.Return)
    assert statement.value is not None
    return statement.value


def _names(names: list[str], context: ast.expr_context) -> ast.expr:
    elements: list[ast.expr] = [ast.Name(name, context) for name in names]
    return elements[0] if len(elements) == 1 else ast.Tuple(elements, context)
