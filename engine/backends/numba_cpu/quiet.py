"""Skipping chunks of neurons that are at rest: nothing arrives, and an update would leave all as it is.

Whether a chunk is at rest is looked at now and then: in such a step its variables are kept and compared
with what the update made of them. From then on it is skipped for as long as its sums are zero, which
costs a fraction of an update. (A zero counts as the same whatever its sign.) A rule may ask whether
some step has passed (`now >= ready`), which must then be so for all neurons of the chunk; what it does
with `now` beyond that could change at any time.

Where a model says that its neurons rest without input, nothing is looked at but what has come: the
neurons to which something has are listed, and their update runs over this list.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Sequence

from ....neurons.specialise import Variant
from .operate import NOTED

#: Steps between two looks at a chunk. A look costs about as much as an update. Where operators read neurons
#: each step has one, so that they need not look at those that are at rest.
LOOK = 64

_ORDER = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


def waits(rules: Iterable[Variant], steps: Collection[str]) -> frozenset[str] | None:
    """Return the variables among `steps` that rules compare with `now`; None if they do more with it."""
    found: set[str] = set()
    for rule in rules:
        nodes = list(ast.walk(rule.tree))
        if any(isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store) and n.id in steps for n in nodes):
            return None
        compared = [other for node in nodes if (other := _compared_with_now(node)) in steps]
        if len(compared) != sum(isinstance(n, ast.Name) and n.id == "now" for n in nodes):
            return None
        found.update(compared)
    return frozenset(found)


def _compared_with_now(node: ast.AST) -> str:
    """Return the name of what a node compares with `now`, or none."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], _ORDER):
        sides = [side.id for side in (node.left, node.comparators[0]) if isinstance(side, ast.Name)]
        if len(sides) == 2 and "now" in sides:
            return sides[1 - sides.index("now")]
    return ""


def skip_lines(
    sums: Sequence[str], states: Sequence[str], chunk: int, *, woken: bool, watched: bool
) -> list[str]:
    """Return the lines before a chunk's loop: skip it if it is at rest, or keep its variables.

    Parameters
    ----------
    sums
        Arrays of what has arrived.
    states
        Variables that the update writes.
    chunk
        Neurons in a chunk.
    woken
        Whether an operator writes them, and says so.
    watched
        Whether an operator reads them.
    """
    silent = " and ".join(f"all_zero(a_{name})" for name in sums) or "True"
    before = []
    if woken:
        before = [
            f"mine_woken = stretch(woken, (low + chunk) // {NOTED}, (size + {NOTED - 1}) // {NOTED})",
            "calm = all_zero(mine_woken)",
            "mine_woken[:] = 0",
        ]
        silent = f"calm and {silent}"
    return [
        *before,
        f"mine = chunk // {chunk}",
        f"looked = (now + mine) % {1 if watched else LOOK} == 0",
        f"if (looked or still[mine] != 0) and {silent}:",
        "    if still[mine] != 0:",
        "        continue",
        "    for i in range(size):",
        *(f"        old_{name}[i] = a_s_{name}[i]" for name in states),
        "else:",
        "    looked = False",
        "    still[mine] = 0",
    ]


def listed_lines(come: Sequence[str]) -> list[str]:
    """Return the lines that go over the neurons of a chunk to which something has come, and no others.

    Parameters
    ----------
    come
        What may have come to the i-th neuron, as expressions.
    """
    return [
        "for i in range(size):",
        f"    fired[i] = np.int8({' | '.join(f'({what} != 0)' for what in come) or 'False'})",
        "for j in range(list_set(fired, size, 0, came, 0)):",
        "    i = np.int64(came[j])",
    ]


def look_lines(states: Sequence[str], waiting: Collection[str]) -> list[str]:
    """Return the lines after a chunk's loop: note whether it turned out to be at rest."""
    moved = [f"(a_s_{name}[i] != old_{name}[i])" for name in states]
    moved += [f"(a_s_{name}[i] >= step)" for name in sorted(waiting)]
    return [
        "if looked and some == 0:",
        "    moved = np.int8(0)",
        "    for i in range(size):",
        f"        moved = np.int8(moved | np.int8({' | '.join(moved) or 'False'}))",
        "    still[mine] = np.int8(moved == 0)",
    ]
