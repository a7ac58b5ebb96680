"""What an operator did: from the units that a machine computed, and what they read, to counts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .backends.row_source import operations_of_unit
from .counts import OperatorCounts
from .operation import Gather, operation_of
from .operators import kind_of
from .parts import Population
from .plan import Plan


class Operated:
    """Knows what each unit of an operator costs, and what each event that it reads of meets.

    Where the kind says how many products a number is part of, an event by which it changes costs as many
    additions, and multiplications unless it is a unit or a power of two, and no unit is charged: that is what
    an event-driven machine does. The events are those sent by what is read as "told"; of anything else, the
    changes of its value.
    """

    def __init__(self, plan: Plan, name: str) -> None:
        self._plan, found = plan, operation_of(plan, name)
        self.operator, self._units = found.operator, found.units
        spread = kind_of(found.operator).spread
        self._spread = None if spread is None else spread(found.units)
        self._each = operations_of_unit(found.operator) if spread is None else {}
        self._gathers = found.gathers
        self._sent = [_events_read(plan, gather) for gather in found.gathers]

    def counts(self, tally: Mapping[str, np.ndarray]) -> OperatorCounts:
        """Return the counts of a stretch, from what `Machine.take_tally` returned."""
        name, units = self.operator.label, self._units
        rows = int(tally[f"rows/{name}"].sum())
        changes = tally[f"reads/{name}"].reshape(-1, len(self._gathers)).sum(axis=0).tolist()
        evaluations = {kind: number * rows for kind, number in self._each.items()}
        met = np.zeros(self._plan.trials, np.int64)
        if self._spread is not None:
            evaluations = {"add": 0, "multiply": 0}
            for gather, read, changed in zip(self._gathers, self._sent, changes, strict=True):
                if read is not None:
                    events = tally[f"sent/{gather.group}"] @ read
                    met += events * self._spread[gather.argument]
                    changed = int(events.sum())
                products = changed * self._spread[gather.argument]
                evaluations["add"] += products
                evaluations["multiply"] += products * self._multiplies(gather)
        return OperatorCounts(
            name=name,
            kind=self.operator.kind,
            rows=rows,
            spikes=int(tally[f"sent/{name}"].sum()),
            changes=sum(changes),
            words=rows * (sum(units.widths) + units.out),
            evaluations=evaluations,
            events_by_trial=tuple(met.tolist()),
        )

    def _multiplies(self, gather: Gather) -> bool:
        """Whether what is read changes by numbers that must be multiplied: no units and no powers of two."""
        part = self._plan.groups[gather.group].part
        return gather.rule.name != "told" or not isinstance(part, Population) or part.model.multiplies


def _events_read(plan: Plan, gather: Gather) -> np.ndarray | None:
    """Return how often each place's told value is read; None if no events tell what is read."""
    group = plan.groups[gather.group]
    if gather.rule.name != "told" or not isinstance(group.part, Population):
        return None
    return np.bincount(gather.index[gather.index >= 0], minlength=group.n)
