"""How the reference delivers and learns plastic synapses: a rule's functions, run on NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ...neurons import vocabulary
from ...neurons.specialise import Variant
from ..layout import Cells
from ..plan import Plan
from ..planned import ProjectionPlan
from ..plastic import plastic_rows
from .reference_deliver import Events

_WORDS = {word: getattr(vocabulary, word) for word in vocabulary.WORDS}
#: The events of a delay at which no synapse was drawn.
NOTHING: Events = (np.zeros(0, np.int64), np.zeros(0, np.int32))
Bound = tuple[tuple[str, ...], Callable[..., Any]]


class PlasticSynapses:
    """One projection whose weights change.

    Attributes
    ----------
    weights : real (trials, n_synapses)
        In the order of the layout.
    traces : dict
        Trace -> real (trials, n_delays, n_sources) where it remembers arrivals, which differ by delay,
        (trials, n_targets) where it remembers the targets' spikes, and (trials, 1) of a modulator.
    synaptic, shared : dict
        What each synapse keeps, (trials, n_synapses), and what all have in common, (trials, 1).
    changes : int
        How often a function has been applied to a synapse since it was last set to zero.
    """

    def __init__(self, plan: Plan, p: ProjectionPlan, cells: Cells) -> None:
        assert p.rule is not None
        rows = plastic_rows(plan, p, cells)
        grid = plan.receptor(p).grid if p.arithmetic == "fixed" else None
        self._step = None if grid is None else plan.real.type(grid.step)
        self._real = plan.real.type
        self._cells = rows.cells
        self._sources = rows.sources()
        self._targets = rows.cells - cells.offsets[p.part.target.label, p.part.receptor_name]
        self._delays = rows.distinct_delays()
        self._slots = np.searchsorted(self._delays, rows.delays)
        self._key = self._sources * self._delays.size + self._slots
        self._rule = p.rule
        self._functions = {variant.name: _bound(variant) for variant in self._rule.functions}
        self._every, self._balance = self._rule.sweep_steps(plan.dt), self._rule.balance_steps(plan.dt)
        self._fade = {t.name: t.fade.bind(_WORDS) for t in self._rule.memories}
        self._bump = {t.name: t.bump.bind(_WORDS) for t in self._rule.memories}
        self._constants = {k: self._real(value) for k, value in self._rule.constants(plan.dt).items()}
        self._n_sources, self._n_targets = (plan.group_of(g).n for g in (p.part.source, p.part.target))
        shapes = {
            "pre": (plan.trials, self._delays.size, self._n_sources),
            "post": (plan.trials, plan.group_of(p.part.target).n),
            "modulator": (plan.trials, 1),
        }
        self.weights = np.tile(rows.weights, (plan.trials, 1))
        self.traces = {t.name: np.zeros(shapes[t.side], plan.real) for t in self._rule.memories}
        self.synaptic = {name: np.zeros_like(self.weights) for name in self._rule.synaptic}
        self.shared = {n: np.full((plan.trials, 1), at, plan.real) for n, at in self._rule.shared.items()}
        self.changes = 0
        kept = [self.weights, *self.synaptic.values(), rows.cells, rows.delays]
        self.n_bytes = sum(array.nbytes for array in kept)

    def kept(self, name: str) -> dict[str, np.ndarray]:
        """Return all that changes, by its key in a snapshot; `name` is the projection's."""
        tables = {"trace": self.traces, "synapse": self.synaptic, "shared": self.shared}
        found = {f"{kind}/{name}/{key}": a for kind, table in tables.items() for key, a in table.items()}
        return {f"weights/{name}": self.weights, **found}

    def deliver(self, index: int, arriving: Mapping[int, Events], cells: np.ndarray) -> None:
        """Add the weights of all synapses at which an event arrives to their targets' cells."""
        for slot, delay in enumerate(self._delays.tolist()):
            for place, payload in zip(*arriving.get(delay, NOTHING), strict=True):
                row = slice(*np.searchsorted(self._key, place * self._delays.size + slot + np.arange(2)))
                weights = self.weights[index, row]
                if self._step is not None:
                    weights = np.rint(weights / self._step).astype(np.int32)
                np.add.at(cells, self._cells[row], weights * cells.dtype.type(payload))

    def learn(
        self, index: int, now: int, arriving: Mapping[int, Events], fired: np.ndarray, payloads: np.ndarray
    ) -> None:
        """Let traces decay, synapses learn from this step's spikes, and traces take these spikes.

        `payloads` are what the events of the modulator carry in this step.
        """
        if self._due(now, self._every, self._balance) and "on_sweep" in self._functions:
            for name, first in self._rule.shared.items():
                self.shared[name][index] = first
        self._decay(index, "pre", "post")
        arrived = [arriving.get(delay, NOTHING)[0] for delay in self._delays.tolist()]
        struck = np.zeros((self._delays.size, self._n_sources), bool)
        for slot, places in enumerate(arrived):
            struck[slot, places] = True
        self._apply("on_pre", index, np.flatnonzero(struck[self._slots, self._sources]))
        self._apply("on_post", index, np.flatnonzero(np.isin(self._targets, fired)))
        for t in self._rule.bumped:
            if t.side == "modulator":
                continue
            taken = [self.traces[name][index] for name in (t.name, t.adds) if name is not None]
            at: Iterable[Any] = enumerate(arrived) if t.side == "pre" else [fired]
            for places in at:
                taken[0][places] = self._bump[t.name](*(trace[places] for trace in taken))
        self._pass_time(index, payloads)
        if self._due(now + 1, self._every, self._balance) and "on_sweep" in self._functions:
            self._apply("on_sweep", index, np.arange(self._targets.size))
        if self._due(now + 1, self._balance):
            self._apply("on_balance", index, np.arange(self._targets.size))

    @staticmethod
    def _due(steps: int, *every: int) -> bool:
        return any(period and steps % period == 0 for period in every)

    def _decay(self, index: int, *sides: str) -> None:
        for t in self._rule.memories:
            if t.side in sides:
                trace = self.traces[t.name][index]
                trace[:] = self._fade[t.name](trace, self._constants[f"decay_{t.name}"])

    def _pass_time(self, index: int, payloads: np.ndarray) -> None:
        """Let the traces of the modulator take its events, and time pass until the next step."""
        added = self._real(0)
        for payload in payloads.tolist():
            added = self._real(added + self._real(payload))
        for t in (t for t in self._rule.memories if t.side == "modulator"):
            self.traces[t.name][index] = self._bump[t.name](self.traces[t.name][index], added)
        if "on_step" in self._functions:
            arguments, function = self._functions["on_step"]
            known = {**self._constants, **self._common(index)}
            new = function(*(known[name] for name in arguments))
            values = new if len(self.shared) > 1 else (new,)
            for shared, value in zip(self.shared.values(), values, strict=True):
                shared[index] = value
        self._decay(index, "modulator")

    def _common(self, index: int) -> dict[str, Any]:
        """Return what all synapses have in common."""
        known = {name: value[index] for name, value in self.shared.items()}
        return known | {
            t.name: self.traces[t.name][index] for t in self._rule.memories if t.side == "modulator"
        }

    def _apply(self, name: str, index: int, k: np.ndarray) -> None:
        """Apply one of the rule's functions to the chosen synapses."""
        arguments, function = self._functions[name]
        kept = [self.weights[index], *(values[index] for values in self.synaptic.values())]
        known: dict[str, Any] = {**self._constants, **self._common(index)}
        known |= {n: v[k] for n, v in zip(("weight", *self.synaptic), kept, strict=True)}
        for t in self._rule.memories:
            trace = self.traces[t.name][index]
            if t.side == "post":
                known[t.name] = trace[self._targets[k]]
            elif t.side == "pre":
                known[t.name] = trace[self._slots[k], self._sources[k]]
        if "total" in arguments:
            totals = np.zeros(self._n_targets, self.weights.dtype)
            np.add.at(totals, self._targets, self.weights[index])
            known["total"] = totals[self._targets[k]]
        new = function(*(known[name] for name in arguments))
        for values, changed in zip(kept, new if isinstance(new, tuple) else (new,), strict=False):
            values[k] = changed
        self.changes += k.size


def _bound(variant: Variant) -> Bound:
    return variant.arguments, variant.bind(_WORDS)
