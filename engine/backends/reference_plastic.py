"""How the reference delivers and learns plastic synapses: a rule's functions, run on NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ...neurons import vocabulary
from ...neurons.specialise import Variant
from ..layout import Cells
from ..plan import Plan, ProjectionPlan
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
        and (trials, n_targets) where it remembers the targets' spikes.
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
        self._on_pre, self._on_post = (_bound(v) for v in (self._rule.rules.on_pre, self._rule.rules.on_post))
        self._fade = {t.name: t.fade.bind(_WORDS) for t in self._rule.traces}
        self._bump = {t.name: t.bump.bind(_WORDS) for t in self._rule.traces}
        self._constants = {k: self._real(value) for k, value in self._rule.constants(plan.dt).items()}
        self._n_sources = plan.group_of(p.part.source).n
        shapes = {
            "pre": (plan.trials, self._delays.size, self._n_sources),
            "post": (plan.trials, plan.group_of(p.part.target).n),
        }
        self.weights = np.tile(rows.weights, (plan.trials, 1))
        self.traces = {t.name: np.zeros(shapes[t.side], plan.real) for t in self._rule.traces}
        self.changes = 0
        self.n_bytes = self.weights.nbytes + rows.cells.nbytes + rows.delays.nbytes

    def deliver(self, index: int, arriving: Mapping[int, Events], cells: np.ndarray) -> None:
        """Add the weights of all synapses at which an event arrives to their targets' cells."""
        for slot, delay in enumerate(self._delays.tolist()):
            for place, payload in zip(*arriving.get(delay, NOTHING), strict=True):
                row = slice(*np.searchsorted(self._key, place * self._delays.size + slot + np.arange(2)))
                weights = self.weights[index, row]
                if self._step is not None:
                    weights = np.rint(weights / self._step).astype(np.int32)
                np.add.at(cells, self._cells[row], weights * cells.dtype.type(payload))

    def learn(self, index: int, arriving: Mapping[int, Events], fired: np.ndarray) -> None:
        """Let traces decay, synapses learn from this step's spikes, and traces take these spikes."""
        for t in self._rule.traces:
            trace = self.traces[t.name][index]
            trace[:] = self._fade[t.name](trace, self._constants[f"decay_{t.name}"])
        arrived = [arriving.get(delay, NOTHING)[0] for delay in self._delays.tolist()]
        struck = np.zeros((self._delays.size, self._n_sources), bool)
        for slot, places in enumerate(arrived):
            struck[slot, places] = True
        self._apply(self._on_pre, index, struck[self._slots, self._sources])
        self._apply(self._on_post, index, np.isin(self._targets, fired))
        for t in self._rule.bumped:
            taken = [self.traces[name][index] for name in (t.name, t.adds) if name is not None]
            at: Iterable[Any] = enumerate(arrived) if t.side == "pre" else [fired]
            for places in at:
                taken[0][places] = self._bump[t.name](*(trace[places] for trace in taken))

    def _apply(self, bound: Bound, index: int, chosen: np.ndarray) -> None:
        """Apply one of the rule's functions to the chosen synapses."""
        k = np.flatnonzero(chosen)
        arguments, function = bound
        known: dict[str, Any] = {**self._constants, "weight": self.weights[index, k]}
        for t in self._rule.traces:
            trace = self.traces[t.name][index]
            known[t.name] = (
                trace[self._targets[k]] if t.side == "post" else trace[self._slots[k], self._sources[k]]
            )
        self.weights[index, k] = function(*(known[name] for name in arguments))
        self.changes += k.size


def _bound(variant: Variant) -> Bound:
    return variant.arguments, variant.bind(_WORDS)
