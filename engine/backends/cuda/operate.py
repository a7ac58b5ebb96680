"""Operators: units of which something has changed are computed again, and changes are sent or written."""

from __future__ import annotations

import ast
from typing import Any

from ....neurons.specialise import Variant
from ..row_source import Row
from .fields import (
    A_SHARE,
    A_START,
    A_WIDTH,
    ARGUMENT,
    G_N,
    G_N_PROBES,
    O_ELEMENTS,
    O_FRESH,
    O_LAST,
    O_MOVED,
    O_OWN,
    O_SIZE,
    O_TELLS,
    O_VALUE,
    V_CHANGES,
    V_INTO,
    V_OPERATOR,
    V_OWN,
)  # fmt: skip
from .rings import ring_word
from .send import sample, send
from .source import NUMBER, Separator, device_function
from .words import LANES, atomic_add, device, i4, parted, post


def look_source(rule: Variant, states: list[tuple[str, bool]], constants: list[str]) -> str:
    """Return the look at 32 numbers of one group, `look__N`, as a device function.

    `states` are those that the rule names, and whether they are whole numbers; both follow in the record.
    """
    whole = {"now", *(name for name, integer in states if integer)}
    read = device_function(rule, f"read{NUMBER}", whole)
    lines, known = [], {"now": "i4(run.begin)"}
    for k, (name, integer) in enumerate(states):
        array = "m.wholes" if integer else "m.reals"
        known[name] = f"{array}[t[g + {V_OWN + k}] + trial * t[g + V_GROUP_N] + place]"
    for k, name in enumerate(constants):
        at = V_OWN + len(states) + 2 * k
        known[name] = f"m.reals[t[g + {at}] + place * t[g + {at + 1}]]"
    called = ", ".join(known[name] for name in rule.arguments)
    lines = [
        "@device",
        f"def look{NUMBER}(t, m, g, word, trial, lane, run):",
        '    """Look at 32 of the numbers that an operator reads of one group, by the rule of its model."""',
        "    for i in range(word * 32 + lane, min(word * 32 + 32, t[g + V_N]), LANES):",
        "        where_ = m.wholes[t[g + V_INDEX] + i]",
        "        place = max(where_, 0)",
        f"        value = real(read{NUMBER}({called}))",
        "        take_over(t, m, g, trial, i, value if where_ >= 0 else real(0.0))",
    ]
    return "\n\n\n".join([read, "\n".join(lines)])


def compute_source(row: Row) -> str:
    """Return the computation of one unit, `compute__N`, as a device function, and what it calls."""
    functions = []
    for tree in row.functions():
        made = Separator().visit(ast.parse(ast.unparse(tree))).body[0]
        made.name += NUMBER
        functions.append("@device\n" + ast.unparse(_Numbered().visit(made)))
    wholes = f"t[g + {O_OWN + ARGUMENT * len(row.arguments)} + {{}}]"
    known = {name: wholes.format(k) for k, name in enumerate(row.wholes)}
    known |= {name: f"m.reals[t[g + O_NUMBERS] + {k}]" for k, name in enumerate(row.reals)}
    known |= {name: f"m.reals[at_{k} : at_{k} + width_{k}]" for k, name in enumerate(row.arguments)}
    known["y"] = "m.reals[y : y + t[g + O_OUT]]"
    lines = [
        "@device",
        f"def compute{NUMBER}(t, m, g, unit, trial):",
        '    """Compute one unit of an operator, if something that it reads has changed."""',
        "    changed = False",
    ]
    for k in range(len(row.arguments)):
        argument = f"g + {O_OWN + ARGUMENT * k}"
        lines += [
            f"    width_{k} = t[{argument} + A_WIDTH]",
            f"    at_{k} = slice_of(t, {argument}, unit)",
            f"    changed = has_moved(t, m, g, trial, at_{k}, width_{k}) or changed",
            f"    at_{k} += t[g + O_LAST] + trial * t[g + O_SIZE]",
        ]
    lines += [
        "    if changed:",
        "        atomic_add(m.longs, t[g + O_DONE], 1)",
        "        y = t[g + O_FRESH] + trial * t[g + G_N] + unit * t[g + O_OUT]",
        f"        row{NUMBER}({', '.join(known[name] for name in row.parameters)})",
    ]
    return "\n\n\n".join([*functions, "\n".join(lines)])


class _Numbered(ast.NodeTransformer):
    """Gives calls of the function of one number its name among those of all operators."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "function":
            node.func.id += NUMBER
        return node


@device
def take_over(t: Any, m: Any, g: Any, trial: Any, i: Any, value: Any) -> None:
    """Keep a number that was read, and note whether it has changed; NaN stands for none yet."""
    operator = t[g + V_OPERATOR]
    at = trial * t[operator + O_SIZE] + m.wholes[t[g + V_INTO] + i]
    before = m.reals[t[operator + O_LAST] + at]
    m.wholes[t[operator + O_MOVED] + at] = 1 if value != before else 0
    m.reals[t[operator + O_LAST] + at] = value
    if value != before and (before == before or value != 0):
        atomic_add(m.longs, t[g + V_CHANGES], 1)


@device
def slice_of(t: Any, argument: Any, unit: Any) -> Any:
    """Return where in all that is read that part of an argument begins which a unit reads."""
    return t[argument + A_START] + parted(unit, t[argument + A_SHARE])[0] * t[argument + A_WIDTH]


@device
def has_moved(t: Any, m: Any, g: Any, trial: Any, at: Any, width: Any) -> Any:
    """Return whether some of the numbers that were read have changed."""
    begin = t[g + O_MOVED] + trial * t[g + O_SIZE] + at
    for i in range(begin, begin + width):
        if m.wholes[i] != 0:
            return True
    return False


@device
def change(t: Any, m: Any, g: Any, word: Any, trial: Any, lane: Any, run: Any) -> None:
    """Send by how much 32 numbers of the output differ from what they were, or just write them."""
    n, now = t[g + G_N], run.begin
    for i in range(lane, 32, LANES):
        inside = word * 32 + i < n
        place = min(word * 32 + i, n - 1)
        fresh = m.reals[t[g + O_FRESH] + trial * n + m.wholes[t[g + O_ELEMENTS] + place]]
        at = t[g + O_VALUE] + trial * n + place
        step = fresh - m.reals[at]
        changed = inside and step != 0
        if changed:
            m.reals[at] = fresh
        sent = changed and t[g + O_TELLS] != 0
        if sent:
            send(t, m, g, trial, place, now, i4(1), step, run)
        post(m.bits, ring_word(t, g, trial, now, word), i, sent)
        if inside and t[g + G_N_PROBES] > 0:
            sample(t, m, g, 0, trial, place, now, fresh)
