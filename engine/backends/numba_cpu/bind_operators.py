"""Binding operators: for each part of one, what it looks at, and what it computes of that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...operation import Gather, Operation
from ...operators import kind_of
from ...parts import Population
from ...planned import GroupPlan
from ..row_source import Row, row_of
from .kernel import Block, Kernel
from .memory import Trial, copied, zeros
from .operate import NOTED, Looked, look_kernel, operate_kernel

if TYPE_CHECKING:
    from .bind import Binder


def operate_blocks(binder: Binder, group: GroupPlan, trial: Trial, part: int) -> list[Block]:
    """Return the work of one part of an operator."""
    operation = binder.operation(group.name)
    first, stop = (int(bound) for bound in binder.share.units[group.name][part : part + 2])
    if first == stop:
        return []
    shared = {
        "x": trial.states[group.name, "last"].whole,
        "moved": binder.kept(trial, ("moved", group.name), operation.size, np.int8),
        "stirred": binder.kept(trial, ("stirred", group.name, part), 1, np.int8),
    }
    looks = [
        _look_block(binder, group.name, trial, part, k, (first, stop), shared)
        for k in range(len(operation.gathers))
    ]
    return [*looks, _compute_block(binder, group, trial, part, (first, stop), shared)]


def woken(binder: Binder, trial: Trial, group: str) -> np.ndarray:
    """Return the flags of a population, one for every few neurons, that say whether they were written."""
    return binder.kept(trial, ("woken", group), -(-binder.plan.groups[group].n // NOTED), np.int8)


def _look_block(
    binder: Binder, name: str, trial: Trial, part: int, k: int, units: tuple[int, int], shared: dict[str, Any]
) -> Block:
    """Return the look at what one part reads of one group."""
    operation = binder.operation(name)
    gather = operation.gathers[k]
    width, share = operation.units.widths[gather.argument], operation.units.shares[gather.argument]
    first, stop = (unit // share * width // gather.columns for unit in units)
    kernel: Kernel
    kernel, arguments = binder.once(("look", name, k), lambda: _look_kernel(binder, gather))
    states = {
        argument.name: trial.states[gather.group, argument.name[2:]].whole
        for argument in kernel.arguments
        if argument.name[:2] == "s_"
    }
    timed = "now" in gather.rule.arguments
    return kernel.pack(
        **arguments, **states, **shared, first=first, stop=stop, changes=binder.reads(trial, name, part, k),
        still=zeros(1, np.int8) if timed else binder.at_rest(trial, gather.group), seen=zeros(2, np.int8),
    )  # fmt: skip


def _look_kernel(binder: Binder, gather: Gather) -> tuple[Kernel, dict[str, Any]]:
    """Return the kernel of a look, and the arguments that are the same in every part and trial."""
    group, real = binder.plan.groups[gather.group], binder.plan.real
    whole = {"value": False}
    if isinstance(group.part, Population):
        whole = {state.name: state.kind == "integer" for state in group.part.model.used_states}
    constants = {name: np.asarray(value) for name, value in gather.constants.items()}
    looked = Looked(
        states=tuple((name, whole[name]) for name in gather.rule.arguments if name in whole),
        arrays=frozenset(name for name, value in constants.items() if value.ndim),
        constants=tuple(constants),
        real=binder.real,
    )
    arguments: dict[str, Any] = {
        f"k_{name}": copied(group.stored(value), real) if value.ndim else value
        for name, value in constants.items()
    }
    arguments |= {
        "index": copied(gather.index, np.int32), "width": gather.index.shape[1], "start": gather.start,
        "columns": gather.columns,
    }  # fmt: skip
    return look_kernel(gather.rule, looked), arguments


def _compute_block(
    binder: Binder, group: GroupPlan, trial: Trial, part: int, units: tuple[int, int], shared: dict[str, Any]
) -> Block:
    """Return the computation of the units of one part."""
    operation, name = binder.operation(group.name), group.name
    operator, own = operation.operator, binder.own(trial, part, name)
    kernel: Kernel
    kernel, row = binder.once(("compute", name), lambda: _compute_kernel(binder, operation))
    sizes = {"first": units[0], "stop": units[1], "out": operation.units.out}
    flags: dict[str, np.ndarray] = {}
    for k, share in enumerate(operation.units.shares):
        sizes |= {f"start_{k}": operation.starts[k], f"width_{k}": operation.units.widths[k]}
        if share > 1:
            sizes[f"share_{k}"] = share
        if not kind_of(operator).elementwise:
            flags[f"fresh_{k}"] = binder.kept(trial, ("fresh", name, k), operation.units.n // share, np.int8)
    return kernel.pack(
        **sizes, **flags, **shared, **own,
        **{f"w_{key}": value for key, value in row.wholes.items()},
        **{f"r_{key}": value for key, value in row.reals.items()},
        y=trial.states[name, "fresh"].whole, value=trial.states[name, "value"].whole,
        elements=binder.once(("elements", name), lambda: copied(operation.elements, np.int32)),
        still=binder.still(trial, name, part), rows_done=binder.rows_done(trial, name, part),
        tally=binder.tally(trial, name),
        woken=zeros(1, np.int8) if operator.output is None else woken(binder, trial, operator.output.label),
    )  # fmt: skip


def _compute_kernel(binder: Binder, operation: Operation) -> tuple[Kernel, Row]:
    """Return the kernel that computes units, and the row function in it."""
    operator = operation.operator
    row, several = row_of(operator), tuple(share > 1 for share in operation.units.shares)
    kernel = operate_kernel(
        row, elementwise=kind_of(operator).elementwise, shared=several, tells=operator.output is None,
        real=binder.real,
    )  # fmt: skip
    return kernel, row
