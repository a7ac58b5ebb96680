"""The kernels of operators: one looks at what is read of each group, one computes the units that changed.

Both are written for each kind of operator and of what it reads; sizes and numbers are arguments.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import lru_cache

from ....neurons.specialise import Variant
from ..row_source import Row
from .kernel import INTO_LOOP, Argument, Kernel, kernel_from_source
from .rules import constant_of, rule_of

#: Neurons whose being written is noted in one flag: parts of a group are cut at multiples of it.
NOTED = 64


@dataclass(frozen=True)
class Looked:
    """What decides which kernel looks at a group.

    Attributes
    ----------
    states : tuple of (name, whole)
        Variables of the group that the rule names.
    arrays : frozenset of str
        Constants with one value per neuron.
    constants : tuple of str
        All constants that it names.
    real : str
        "f4" or "f8".
    """

    states: tuple[tuple[str, bool], ...]
    arrays: frozenset[str]
    constants: tuple[str, ...]
    real: str


def look_kernel(rule: Variant, looked: Looked) -> Kernel:
    """Return the kernel that fills a part of what an operator reads, and notes what has changed of it."""
    whole = {"now", *(name for name, integer in looked.states if integer)}
    source = rule_of(rule, [name for name, _ in looked.states], whole).source
    arguments = [Argument(name, "i8", False) for name in ("first", "stop", "width", "start", "columns")]
    arguments.append(Argument("index", "i4", True))
    arguments += [Argument(f"s_{name}", "i4" if i else looked.real, True) for name, i in looked.states]
    arguments += [Argument(f"k_{name}", looked.real, name in looked.arrays) for name in looked.constants]
    arguments += [Argument("x", looked.real, True), Argument("moved", "i1", True)]
    arguments += [Argument(name, "i1", True) for name in ("stirred", "still", "seen")]
    arguments.append(Argument("changes", "i8", True))
    given = {name: f"s_{name}[place]" for name, _ in looked.states} | {"now": "step"}
    called = [given.get(name) or constant_of(name, looked.arrays, "", "place") for name in rule.arguments]
    lines = [
        f"def look(now, {', '.join(a.name for a in arguments)}):",
        "    # Where the group is at rest, what was found in its last step is no longer new.",
        "    calm = seen[0]",
        "    for k in range(still.size):",
        "        calm = np.int8(calm & still[k])",
        "    if calm != 0:",
        "        if seen[1] != 0:",
        "            seen[1] = 0",
        "            for row in range(first, stop):",
        "                for i in range(width):",
        "                    moved[start + row * columns + i] = 0",
        "        return 0",
        "    step, found, some = np.int32(now), 0, np.int8(0)",
        "    for row in range(first, stop):",
        "        here, there = row * width, start + row * columns",
        "        for i in range(width):",
        "            where_ = index[here + i]",
        "            place = np.uint64(max(where_, np.int32(0)))",
        f"            value = REAL(rule_{rule.name}({', '.join(called)}))",
        "            value = value if where_ >= 0 else REAL(0)",
        "            before = x[there + i]",
        "            new = np.int8(value != before)",
        "            moved[there + i] = new",
        "            some = np.int8(some | new)",
        "            # What is zero at first has not changed; NaN stands for no value yet.",
        "            found += new & ((before == before) | (value != 0))",
        "            x[there + i] = value",
        "    changes[0] += found",
        "    stirred[0] = np.int8(stirred[0] | some)",
        "    seen[0], seen[1] = 1, some",
        "    return 0",
    ]
    return kernel_from_source(
        "look",
        "\n".join([f"{INTO_LOOP}\n{source}", "", *lines]),
        tuple(arguments),
        {"REAL": looked.real, "f4": looked.real, "i4": "i4"},
    )


def operate_kernel(
    row: Row, *, elementwise: bool, shared: tuple[bool, ...], tells: bool, real: str
) -> Kernel:
    """Return the kernel that computes what has changed of an operator's output, and tells or writes it.

    Parameters
    ----------
    row
        Its row function.
    elementwise
        Whether units are single numbers: they are then computed together.
    shared
        For each argument, whether several units read the same numbers of it.
    tells
        Whether changes are sent; else they are written, and noted for those who are written.
    real
        "f4" or "f8".
    """
    sources = tuple(ast.unparse(tree) for tree in row.functions())
    numbers = tuple(row.wholes), tuple(row.reals)
    return _built(sources, row.parameters, row.arguments, *numbers, elementwise, shared, tells, real)


@lru_cache(maxsize=256)
def _built(
    sources: tuple[str, ...], parameters: tuple[str, ...], inputs: tuple[str, ...], wholes: tuple[str, ...],
    reals: tuple[str, ...], elementwise: bool, shared: tuple[bool, ...], tells: bool, real: str,
) -> Kernel:  # fmt: skip
    names = ["first", "stop", "low", "high", "out", "n", "length"]
    for k, several in enumerate(shared):
        names += [f"start_{k}", f"width_{k}", *([f"share_{k}"] if several else [])]
    arguments = [Argument(name, "i8", False) for name in (*names, *(f"w_{name}" for name in wholes))]
    arguments += [Argument(f"r_{name}", real, False) for name in reals]
    arguments += [Argument("x", real, True), Argument("moved", "i1", True), Argument("stirred", "i1", True)]
    arguments += [Argument(f"fresh_{k}", "i1", True) for k in range(len(shared)) if not elementwise]
    arguments += [Argument("y", real, True), Argument("value", real, True), Argument("elements", "i4", True)]
    arguments += [
        Argument("rows_done", "i8", True),
        Argument("woken", "i1", True),
        Argument("still", "i1", True),
    ]
    arguments += [Argument("ring_ids", "i4", True), Argument("ring_counts", "i4", True)]
    arguments += [Argument("ring_payload", real, True), Argument("tally", "i8", True)]
    given = {name: f"w_{name}" for name in wholes} | {name: f"r_{name}" for name in reals}
    work = _together if elementwise else _one_by_one
    lines = [
        f"def operate(now, {', '.join(a.name for a in arguments)}):",
        "    slot = now % length",
        "    begin = slot * n + low",
        "    k = begin",
        "    changed = False",
        "    if stirred[0] != 0:",
        "        stirred[0] = 0",
        *(f"        {line}" for line in work(parameters, inputs, shared, given)),
        *(f"        {line}" for line in (_TELL if tells else _WRITE)),
        "    still[:] = np.int8(not changed)",
        "    ring_counts[slot] = k - begin",
        "    return 0",
    ]
    functions = [f"{INTO_LOOP}\n{source}" for source in sources]
    return kernel_from_source(
        "operate", "\n".join([*functions, "", *lines]), tuple(arguments), {"REAL": real, "f4": real}
    )


_TELL = """for place in range(low, high):
    fresh = y[elements[place]]
    change = REAL(fresh - value[place])
    if change != 0:
        ring_ids[k] = place
        ring_payload[k] = change
        tally[place] += 1
        value[place] = fresh
        changed = True
        k += 1""".splitlines()

_WRITE = f"""for place in range(low, high):
    fresh = y[elements[place]]
    if fresh != value[place]:
        value[place] = fresh
        changed = True
        woken[place // {NOTED}] = 1""".splitlines()


def _together(
    parameters: tuple[str, ...], inputs: tuple[str, ...], shared: tuple[bool, ...], given: dict[str, str]
) -> list[str]:
    """Return the lines that compute all single numbers at once, and count those that have changed."""
    here = {name: f"stretch(x, start_{k} + first, stop - first)" for k, name in enumerate(inputs)}
    known = {**given, **here, "y": "stretch(y, first, stop - first)", "n": "stop - first"}
    moved = " | ".join(f"moved[start_{k} + u]" for k in range(len(inputs)))
    return [
        "done = 0",
        "for u in range(first, stop):",
        f"    done += {moved}",
        "rows_done[0] += done",
        f"row({', '.join(known[name] for name in parameters)})",
    ]


def _one_by_one(
    parameters: tuple[str, ...], inputs: tuple[str, ...], shared: tuple[bool, ...], given: dict[str, str]
) -> list[str]:
    """Return the lines that compute the units of which something has changed."""
    lines, asked, known = [], [], {**given, "y": "stretch(y, u * out, out)"}
    for k, (name, several) in enumerate(zip(inputs, shared, strict=True)):
        first, stop = (f"first // share_{k}", f"stop // share_{k}") if several else ("first", "stop")
        unit = f"u // share_{k}" if several else "u"
        lines += [
            f"for s in range({first}, {stop}):",
            f"    fresh_{k}[s] = np.int8(not all_zero(stretch(moved, start_{k} + s * width_{k}, width_{k})))",
        ]
        asked.append(f"fresh_{k}[{unit}]")
        known[name] = f"stretch(x, start_{k} + ({unit}) * width_{k}, width_{k})"
    return [
        *lines,
        "for u in range(first, stop):",
        f"    if ({' | '.join(asked)}) != 0:",
        "        rows_done[0] += 1",
        f"        row({', '.join(known[name] for name in parameters)})",
    ]
