"""Binding operators: what they read of each group, their arguments, and their output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...operation import Gather
from ...parts import Population
from ...planned import GroupPlan
from ..row_source import row_of
from . import fields as f
from .operate import compute_source, look_source

if TYPE_CHECKING:
    from .bind import Binder


def place_operator(binder: Binder, name: str) -> None:
    """Make room for what an operator reads and computes; others may read it."""
    plan, store, operation = binder.plan, binder.store, binder.operations[name]
    read, written = (plan.trials, operation.size), (plan.trials, plan.groups[name].n)
    binder.places |= {
        ("operator", name, "last"): store.place("reals", np.full(read, np.nan), read),
        ("operator", name, "moved"): store.place("wholes", None, read),
        ("operator", name, "fresh"): store.place("reals", None, written),
        ("operator", name, "value"): store.place("reals", None, written),
        ("operator", name, "done"): store.place("longs", None, (1,)),
        ("operator", name, "reads"): store.place("longs", None, (len(operation.gathers),)),
    }


def bind_operator(binder: Binder, group: GroupPlan) -> None:
    """Bind an operator to what it reads."""
    store, record, name = binder.store, binder.groups[group.name], group.name
    operation = binder.operations[name]
    row, units = row_of(operation.operator), operation.units
    places = {
        key: binder.places["operator", name, key].start for key in ("last", "moved", "fresh", "value", "done")
    }
    kind = compute_source(row)
    fields: dict[int, Any] = {
        f.O_KIND: binder.operators.setdefault(kind, len(binder.operators)), f.O_SIZE: operation.size,
        f.O_LAST: places["last"], f.O_MOVED: places["moved"], f.O_FRESH: places["fresh"],
        f.O_VALUE: places["value"], f.O_DONE: places["done"], f.O_OUT: units.out,
        f.O_ELEMENTS: store.put("wholes", operation.elements), f.O_TELLS: operation.operator.output is None,
        f.O_NUMBERS: store.put("reals", list(row.reals.values())),
    }  # fmt: skip
    at = f.O_OWN
    for start, width, share in zip(operation.starts, units.widths, units.shares, strict=False):
        fields |= {at + f.A_START: start, at + f.A_WIDTH: width, at + f.A_SHARE: share}
        at += f.ARGUMENT
    fields |= {at + k: value for k, value in enumerate(row.wholes.values())}
    store.fill(record, fields)
    for k, gather in enumerate(operation.gathers):
        look = _look_record(binder, record, gather, binder.places["operator", name, "reads"].start + k)
        binder.add(f.LOOK, group.level, [(look, word) for word in range(-(-gather.index.size // 32))])
    binder.add(f.COMPUTE, group.level, [(record, unit) for unit in range(units.n)])
    binder.add(f.CHANGE, group.level, binder.words(name))


def _look_record(binder: Binder, operator: int, gather: Gather, changes: int) -> int:
    """Return the record of what an operator reads of one group."""
    store, group = binder.store, binder.plan.groups[gather.group]
    part, owner, whole = group.part, "operator", {"value": False}
    if isinstance(part, Population):
        owner, whole = "state", {s.name: s.kind == "integer" for s in part.model.used_states}
    states = [(name, whole[name]) for name in gather.rule.arguments if name in whole]
    kind = look_source(gather.rule, states, list(gather.constants))
    fields: dict[int, Any] = {
        f.V_KIND: binder.reads.setdefault(kind, len(binder.reads)), f.V_N: gather.index.size,
        f.V_INDEX: store.put("wholes", gather.index), f.V_INTO: store.put("wholes", gather.into()),
        f.V_OPERATOR: operator, f.V_CHANGES: changes, f.V_GROUP_N: group.n,
    }  # fmt: skip
    at = f.V_OWN
    for name, _ in states:
        fields[at] = binder.places[owner, gather.group, name].start
        at += 1
    for value in gather.constants.values():
        array = np.asarray(value)
        fields[at] = store.put("reals", group.stored(array) if array.ndim else array)
        fields[at + 1] = array.ndim > 0
        at += 2
    return store.fill(store.record(at), fields)
