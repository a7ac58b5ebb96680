"""Binding: a plan becomes records, vectors, and the tasks of a step in their order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ....neurons.model import NeuronModel
from ...layout import cells_of
from ...operation import operation_of
from ...parts import Operator, Population
from ...plan import Plan
from ...planned import GroupPlan
from ...sources import PoissonSource, RateSource, Source
from ..private import private_sources
from ..row_source import row_of
from . import fields as f
from .capacity import strip_of
from .generate import Kinds
from .neurons import Layout, layout_of, update_source
from .rows import PushRows
from .store import Place, Store
from .words import LANES

PAYLOADS = {"unit": f.UNIT, "integer": f.WHOLE, "real": f.REAL}
#: A task: its kind, and its units, each a record and which part of it is meant.
Task = tuple[int, list[tuple[int, int]]]


class Binder:
    """Puts together what a card needs to run a plan.

    Attributes
    ----------
    store : Store
        Vectors and the table.
    groups : dict
        Group -> its record.
    places : dict
        What can be read and written between steps, by (kind, owner, name).
    """

    def __init__(self, plan: Plan, threads: int) -> None:
        from .bind_neurons import bind_population, bind_probes
        from .bind_operators import bind_operator, place_operator
        from .bind_projections import bind_deliveries
        from .bind_sources import bind_source

        self.plan, self.threads = plan, threads
        self.store = Store(plan.real)
        self.header = self.store.record(f.HEADER)
        self.private = private_sources(plan)
        self.strip = strip_of(plan)
        self.cells = {kind: cells_of(plan, kind) for kind in ("fixed", "float")}
        self.places: dict[tuple[str, str, str], Place] = {}
        self.tally: dict[str, Place] = {}
        self.models: dict[str, int] = {}
        self.fed: list[str] = []
        self.rows: list[tuple[str, tuple[Any, bool], PushRows]] = []
        self.links: dict[str, list[tuple[int, int]]] = {}
        self.synapse_bytes = 0
        self.rules: dict[str, int] = {}
        self.reads: dict[str, int] = {}
        self.operators: dict[str, int] = {}
        self.operations = {o.label: operation_of(plan, o.label) for o in plan.network.operators}
        self.layout_of = {
            name: layout_of(group.part.model, plan.dt, group, self.noisy(name))
            for name, group in plan.groups.items()
            if isinstance(group.part, Population)
        }
        self.groups = {
            name: self._group(number, group) for number, (name, group) in enumerate(plan.groups.items())
        }
        self.tasks: dict[tuple[int, int], list[tuple[int, int]]] = {}
        self.lists: dict[tuple[Any, bool], int] = {}
        self.probes = bind_probes(self)
        bind_deliveries(self)
        for name in self.operations:
            place_operator(self, name)
        for name, group in plan.groups.items():
            if isinstance(group.part, Population):
                bind_population(self, group)
            elif isinstance(group.part, Operator):
                bind_operator(self, group)
            elif name not in self.private:
                bind_source(self, group)
        self._finish()
        plan.release()

    def noisy(self, group: str) -> set[str]:
        """Return the receptors of a group that have a private source."""
        return {p.part.receptor_name for p in self.private.values() if p.part.target.label == group}

    def _group(self, number: int, group: GroupPlan) -> int:
        """Return the record of a group, filled in as far as all groups are alike."""
        plan, part, store = self.plan, group.part, self.store
        if isinstance(part, Population):
            size = self.layout_of[group.name].size
        elif isinstance(part, PoissonSource | RateSource):
            size = f.S_WIDTH + 1
        else:
            size = f.S_FEED + 1
            if isinstance(part, Operator):
                size = f.O_OWN + f.ARGUMENT * len(part.arguments) + len(row_of(part).wholes)
        private = group.name in self.private
        words, slots = -(-group.n // 32), 1 << (plan.reach[group.name] + self.strip - 1).bit_length()
        kind = PAYLOADS[part.payload]
        events_in = part.model.events_in if isinstance(part, Population) else None
        kept = 0 if private else plan.trials * slots
        self.tally[group.name] = store.place("longs", None, (plan.trials, group.n))
        bits = store.place("bits", None, (slots, plan.trials, words) if kept else (0,))
        payloads = store.place(
            "reals" if kind == f.REAL else "wholes",
            None,
            (slots, plan.trials, group.n) if kind and kept else (0,),
        )
        self.places["bits", group.name, ""], self.places["payloads", group.name, ""] = bits, payloads
        return store.fill(
            store.record(size),
            {
                f.G_N: group.n, f.G_WORDS: words, f.G_BITS: bits.start, f.G_LAST_SLOT: slots - 1,
                f.G_PAYLOAD: kind, f.G_PAYLOADS: payloads.start, f.G_TALLY: self.tally[group.name].start,
                f.G_MANY: isinstance(part, Source) and kind == f.WHOLE, f.G_NUMBER: number,
                f.G_EVENTS_IN: -1 if events_in is None else store.put("wholes", events_in),
            },
        )  # fmt: skip

    def words(self, group: str) -> list[tuple[int, int]]:
        """Return a group's units of 32 neurons."""
        return [(self.groups[group], word) for word in range(-(-self.plan.groups[group].n // 32))]

    def add(self, kind: int, level: int, units: Iterable[tuple[int, int]]) -> None:
        """Add units to the task of a kind at a level."""
        self.tasks.setdefault((kind, level), []).extend(units)

    def model_number(self, model: NeuronModel, layout: Layout) -> int:
        """Return which update a population has; populations whose rules read alike share one."""
        return self.models.setdefault(update_source(model, layout), len(self.models))

    def kinds(self) -> Kinds:
        """Return which kinds of neurons, rules and operators the kernel must know."""
        return Kinds(
            tuple(self.models),
            tuple(self.rules),
            tuple(self.reads),
            tuple(self.operators),
            frozenset(self.used),
        )

    def _finish(self) -> None:
        """Write the header, the lists and the tasks."""
        plan, store = self.plan, self.store
        fixed, floating = self.cells["fixed"].size, self.cells["float"].size
        pushed = max((p.delays[-1] for p in plan.projections.values() if p.arithmetic == "fixed"), default=0)
        slots = pushed + self.strip
        self.places["cells", "fixed", ""] = store.place("wholes", None, (slots, plan.trials, fixed))
        for name in ("halted", "busy"):
            self.places["trials", "", name] = store.place("longs", None, (plan.trials,))
        self.places["cells", "float", ""] = store.place("reals", None, (self.strip, plan.trials, floating))
        phases = [phase for phase in self._phases() if phase]
        self.used = {kind for phase in phases for kind, _ in phase}
        tasks: list[int] = []
        for number, phase in enumerate(phases):
            for k, (kind, units) in enumerate(phase):
                meet = k == len(phase) - 1 and not self._runs_on(phases, number)
                at = units[0][0] if kind == f.PUSH else store.put("wholes", np.array(units).reshape(-1))
                tasks += [kind, len(units), at, int(meet)]
        self.meetings = sum(tasks[f.TASK_MEET :: f.TASK])
        at = store.fields(tasks)
        store.fill(
            self.header,
            {
                f.TRIALS: plan.trials, f.STRIP: self.strip, f.TASKS: at, f.N_TASKS: len(tasks) // f.TASK,
                f.LISTS: self.first_list, f.N_LISTS: len(self.lists), f.N_GROUPS: len(plan.groups),
                f.TRIAL_BITS: (plan.trials - 1).bit_length(), f.PLACE_BITS: self.place_bits,
                f.FIXED_AT: self.places["cells", "fixed", ""].start, f.FIXED_CELLS: fixed,
                f.FIXED_SLOTS: slots, f.FLOAT_AT: self.places["cells", "float", ""].start,
                f.FLOAT_CELLS: floating, f.HALTED: self.places["trials", "", "halted"].start,
                f.BUSY: self.places["trials", "", "busy"].start,
            },
        )  # fmt: skip

    def _phases(self) -> list[list[Task]]:
        """Return what is done in a strip: the tasks of one phase may run side by side."""
        sources = [
            (kind, self.tasks.get((kind, 0), [])) for kind in (f.EMIT_NOISE, f.EMIT_SPIKES, f.EMIT_VALUES)
        ]
        first = [*self._task(f.UPDATE, 0), *self._task(f.FADE, 0)]
        arriving = [*self._arriving(0)]
        emitting = [task for task in sources if task[1]]
        if self.strip > 1:
            phases = [emitting, [*self._pushes("sources"), *arriving], first]
        else:
            phases = [arriving, [*emitting, *first]]
        for level in range(1, self.plan.n_levels):
            phases.append([*self._pushes(level - 1), *self._arriving(level), *self._task(f.LOOK, level)])
            phases.append(self._task(f.COMPUTE, level))
            phases.append([*self._task(f.UPDATE, level), *self._task(f.CHANGE, level)])
        phases.append([*self._pushes("delayed"), *self._task(f.ON_PRE, 0)])
        last = [*self._task(f.BUMP, 0), *self._task(f.SETTLE, 0)]
        return [*phases, self._task(f.ON_POST, 0), last, self._task(f.SWEEP, 0)]

    def _task(self, kind: int, level: int) -> list[Task]:
        units = self.tasks.get((kind, level), [])
        return [(kind, units)] if units else []

    def _arriving(self, level: int) -> list[Task]:
        """Return what brings events to the neurons of a level when they arrive."""
        return [t for kind in (f.PULL_FIXED, f.PULL_FLOAT, f.ARRIVE) for t in self._task(kind, level)]

    def _pushes(self, stage: Any) -> list[Task]:
        return [(f.PUSH, [(at, 0)]) for (of, _), at in self.lists.items() if of == stage]

    def _runs_on(self, phases: list[list[Task]], number: int) -> bool:
        """Whether the next strip may begin before all have done the last phase of this one.

        It may where the last phase sends nothing and changes no weight, and the first only takes what was
        sent before.
        """
        if number < len(phases) - 1 or number == 0 or self.strip > 1:
            return False
        last, first = ({kind for kind, _ in phases[k]} for k in (number, 0))
        return last <= {f.PUSH, f.BUMP} and first <= {f.PULL_FIXED, f.PULL_FLOAT, f.ARRIVE}

    @property
    def place_bits(self) -> int:
        """Bits that tell the neurons of the largest group apart."""
        return (max((group.n for group in self.plan.groups.values()), default=1) - 1).bit_length()

    def parallel(self) -> int:
        """Return how many threads have something to do where there is most of it."""
        alone, tiles = dict.fromkeys((f.COMPUTE, f.FADE, f.BUMP, f.SETTLE, f.SWEEP), 1), LANES * self.strip
        wide = alone | dict.fromkeys((f.PULL_FIXED, f.PULL_FLOAT), tiles)
        each = [
            len(units) * self.plan.trials * wide.get(kind, LANES) for (kind, _), units in self.tasks.items()
        ]
        return max(1, self._pushing(), *each)

    def _pushing(self) -> int:
        """Return how many threads push where one neuron in a hundred fires in a step."""
        most = 0
        for record in self.lists.values():
            entries = self.places["list", str(record), "entries"].shape[0]
            most = max(most, entries // 100 * self.store.table[record + f.P_SEGMENTS] * LANES)
        return most

    @property
    def first_list(self) -> int:
        """Where the records of the lists begin; they follow one another."""
        return min(self.lists.values(), default=0)
