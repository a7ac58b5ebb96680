"""Whole numbers that only an event changes: written where one was sent, not for all neurons.

A rule that ends in `where(sent, x, ready)` leaves `ready` alone in nearly every step. To store it all
the same would cost as much as a variable that moves. Real variables are left where they are: what is
written after the loop over all neurons is not looked at for NaN.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Collection, Sequence

from ....neurons.specialise import Variant

#: How the name of a rule begins that gives a variable's value after an event.
LATCH = "latch_"


def split_latches(
    fire: Variant, states: Collection[str], still: Collection[str], constants: Collection[str]
) -> tuple[Variant, ...]:
    """Return a firing rule without the variables that only an event changes, and a rule for each of these.

    Parameters
    ----------
    fire
        A firing rule, which returns what is sent and then new values of the variables it takes, in order.
    states
        Names of all state variables.
    still
        Those of whole numbers that no other rule changes.
    constants
        What the new value of such a variable may depend on.

    Returns
    -------
    tuple of Variant
        The shorter firing rule; then rules named `latch_` and the variable, which return its value after
        an event.
    """
    returned = fire.tree.body[-1]
    assert isinstance(returned, ast.Return)
    if not isinstance(returned.value, ast.Tuple) or not isinstance(returned.value.elts[0], ast.Name):
        return (fire,)
    values, event = list(returned.value.elts), returned.value.elts[0].id
    assigned = {n.id for n in ast.walk(fire.tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    taken = [name for name in fire.arguments if name in states]
    latches: list[Variant] = []
    while len(values) > 1:
        name, value = _latched(values[-1], event)
        fixed = _names(value) <= {*constants} - assigned
        if name != taken[len(values) - 2] or name in assigned or name not in still or not fixed:
            break
        latches.append(_rule(fire, LATCH + name, [ast.Return(value)], 1))
        values.pop()
    if not latches:
        return (fire,)
    kept = ast.Tuple(values, ast.Load()) if len(values) > 1 else values[0]
    return (_rule(fire, fire.name, [*fire.tree.body[:-1], ast.Return(kept)], len(values)), *latches)


def _latched(value: ast.expr, event: str) -> tuple[str, ast.expr]:
    """Return the variable and its new value from `where(event, new, variable)`, else no name."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "where":
        condition, new, old = value.args
        if isinstance(condition, ast.Name) and condition.id == event and isinstance(old, ast.Name):
            return old.id, new
    return "", value


def _names(value: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(value) if isinstance(node, ast.Name)}


def _rule(fire: Variant, name: str, body: Sequence[ast.stmt], n_returned: int) -> Variant:
    """Return a rule with the firing rule's arguments, as far as its body reads them."""
    tree = copy.deepcopy(fire.tree)
    tree.name, tree.body = name, copy.deepcopy(list(body))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    tree.args.args = [a for a in tree.args.args if a.arg in used]
    arguments = tuple(a.arg for a in tree.args.args)
    return Variant(name, ast.fix_missing_locations(tree), arguments, n_returned, fire.words & used)
