"""One run of a network as a torch module: a layer at a time over all steps, loops step by step."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch

from ...engine.plan import Plan
from ...engine.planned import ProjectionPlan
from ...learning.binding.cell import Cell, State, without_history
from .dense import Dense
from .operators import run_sequence
from .sequence import SequenceCell
from .stages import Stage
from .synapses import Synapses

#: (population, state variable) -> values (steps, batch, n).
Traces = dict[tuple[str, str], torch.Tensor]
#: (receptor, "fixed" or "float") -> what arrives, whose two sums are added in this order, as in the engine.
Sums = dict[tuple[str, str], torch.Tensor]


@dataclass(frozen=True)
class ModuleState:
    """What a `NetworkModule` remembers between two runs.

    Attributes
    ----------
    now : int
        The number of the next step.
    cells : dict
        Population -> state variable -> values (batch, n).
    sent : dict
        Group -> what was passed on of its last steps, as far as delays reach back: (steps, batch, n).
    """

    now: int
    cells: dict[str, State]
    sent: dict[str, torch.Tensor]

    def detach(self) -> ModuleState:
        """Return the same values without their history, so that gradients end here."""
        cells = {name: without_history(state) for name, state in self.cells.items()}
        return ModuleState(self.now, cells, {name: events.detach() for name, events in self.sent.items()})


class Run:
    """Some steps of a network.

    Parameters
    ----------
    plan : Plan
        The network.
    reach : dict
        Group -> the longest delay, in steps, by which what it sends arrives anywhere.
    projections, cells : dict
        Its modules, by name.
    dropouts : dict
        Population -> module that leaves out some of what it sends to others.
    wanted : dict
        Population -> state variables to keep.
    state : ModuleState
        At the beginning.
    given : dict
        Source -> what it sends (steps, batch, n).
    detached : bool
        Whether no gradient passes from a step to those before: what neurons remember and what arrives late
        count as constant, and each step has statistics of its own where sums are normalised.
    """

    def __init__(
        self,
        plan: Plan,
        reach: Mapping[str, int],
        projections: Mapping[str, Synapses],
        cells: Mapping[str, Cell],
        dropouts: Mapping[str, torch.nn.Module],
        wanted: Mapping[str, tuple[str, ...]],
        state: ModuleState,
        given: Mapping[str, torch.Tensor],
        *,
        detached: bool,
    ) -> None:
        self.plan, self.projections, self.cells, self.wanted = plan, projections, cells, wanted
        self.dropouts, self.reach, self.detached = dropouts, reach, detached
        self.now, self.states = state.now, dict(state.cells)
        self.steps = len(next(iter(given.values())))
        self.traces: Traces = {}
        self._before = state.sent
        self._weights = {name: synapses.prepared() for name, synapses in projections.items()}
        self._sent, self._passed = dict(given), dict(given)
        self._heard: dict[str, torch.Tensor] = {}

    def sent_by(self, name: str) -> torch.Tensor:
        """Return what a group has sent in this run, (steps, batch, n)."""
        return self._sent[name]

    def state(self) -> ModuleState:
        """Return the state at the end."""
        sent = {name: self._last(name) for name in self._passed}
        return ModuleState(self.now + self.steps, self.states, sent)

    def go_through(self, stage: Stage) -> None:
        """Run all steps of a stage."""
        outside = {name: self._from_outside(stage, name) for name in stage.names}
        if stage.cyclic:
            if not self._recur(stage, outside):
                # Unrolled by torch's compiler it had wrong gradients (torch 2.13), so it runs as it stands.
                loop = torch.compiler.disable(self._loop) if "torch._dynamo" in sys.modules else self._loop
                loop(stage, outside)
            return
        (name,) = stage.names
        sent, traces, self.states[name] = self.cells[name](
            _by_receptor(outside[name]),
            self.states[name],
            self.now,
            self.wanted[name],
            detached=self.detached,
        )
        self._keep(name, sent, self._passed_on(name, sent), traces)

    def _arriving(self, stage: Stage, name: str, *, outside: bool) -> list[ProjectionPlan]:
        """Return the projections to a population from outside of its stage, or from within."""
        return [
            p
            for p in self.plan.projections.values()
            if p.part.target.label == name and (p.part.source.label not in stage.names) == outside
        ]

    def _from_outside(self, stage: Stage, name: str) -> Sums:
        """Return what arrives from outside of a stage, (steps, batch, n), and what is constant."""
        total: Sums = {}
        for p in self._arriving(stage, name, outside=True):
            sent = partial(self._window, p.part.source.label)
            self._add(total, p, sent, apart=self.detached)
        like = next(x for x in self.states[name].values() if x.is_floating_point())
        for p in self.plan.projections.values():
            constant = self.projections[p.name].constant() if p.part.target.label == name else None
            if constant is not None:
                key = p.part.receptor_name, "float"
                total[key] = total.get(key, like.new_zeros(self.steps, *like.shape)) + constant
        if not total:
            total[self.plan.population(name).receptors[0], "float"] = like.new_zeros(self.steps, *like.shape)
        return total

    def _add(
        self, total: Sums, p: ProjectionPlan, sent: Callable[[int], torch.Tensor], *, apart: bool = False
    ) -> None:
        """Add what events make of a projection to the input of its receptor."""
        added = self.projections[p.name].arriving(sent, self._weights[p.name], apart=apart)
        key = p.part.receptor_name, p.arithmetic
        total[key] = total[key] + added if key in total else added

    def _recur(self, stage: Stage, outside: Mapping[str, Sums]) -> bool:
        """Run one population that hears itself alone, by kernels; False if that is not possible."""
        name, cell = stage.names[0], self.cells[stage.names[0]]
        inside = self._arriving(stage, name, outside=False)
        back = {p.name: self.projections[p.name] for p in inside}
        # Sums of different precision are added at last, not in order.
        apart = len({p.arithmetic for p in inside} | {kind for _, kind in outside[name]}) > 1
        if len(stage.names) > 1 or name in self.dropouts or apart or not isinstance(cell, SequenceCell):
            return False
        if self.steps < 2 or not all(type(s) is Dense and s.plain for s in back.values()):
            return False
        inputs = _by_receptor(outside[name])
        like = next(iter(inputs.values()))
        for p in inside:
            inputs.setdefault(p.part.receptor_name, like.new_zeros(1, 1, 1).expand(like.shape))
        if not cell.runs(inputs, self.states[name]):
            return False
        backs = [(p.part.receptor_name, p.delays[0]) for p in inside]
        own, wanted = [self._before[name], *(self._weights[p.name] for p in inside)], self.wanted[name]
        given = cell.given(inputs, self.states[name], self.now, wanted, backs, own, detached=self.detached)
        found = run_sequence(*given)
        traces, self.states[name] = cell.sorted(found, wanted)
        self._keep(name, found[0], found[0], traces)
        return True

    def _loop(self, stage: Stage, outside: Mapping[str, Sums]) -> None:
        """Run populations that hear one another, step by step."""
        reach = self.reach
        inside = {name: self._arriving(stage, name, outside=False) for name in stage.names}
        heard = {name: list(self._before[name]) for name in stage.names}
        sent: dict[str, list[torch.Tensor]] = {name: [] for name in stage.names}
        kept: dict[str, dict[str, list[torch.Tensor]]] = {
            name: {variable: [] for variable in self.wanted[name]} for name in stage.names
        }
        constants = {name: self.cells[name].constants() for name in stage.names}
        for t in range(self.steps):
            for name in stage.names:
                if self.detached:
                    self.states[name] = without_history(self.states[name])
                total = {key: x[t] for key, x in outside[name].items()}
                for p in inside[name]:
                    source = p.part.source.label
                    self._add(total, p, partial(self._step_of, heard[source], reach[source] + t))
                now, arriving = self.now + t, _by_receptor(total)
                event, state = self.cells[name].step(arriving, self.states[name], now, constants[name])
                self.states[name] = state
                sent[name].append(event)
                heard[name].append(self._passed_on(name, event))
                for variable, trace in kept[name].items():
                    trace.append(state[variable])
        for name in stage.names:
            traces = {variable: torch.stack(trace) for variable, trace in kept[name].items()}
            passed = torch.stack(heard[name][reach[name] :])
            self._keep(name, torch.stack(sent[name]) if name in self.dropouts else passed, passed, traces)

    def _passed_on(self, name: str, sent: torch.Tensor) -> torch.Tensor:
        """Return what is left of what a population sends when some is dropped."""
        return self.dropouts[name](sent) if name in self.dropouts else sent

    def _window(self, name: str, delay: int) -> torch.Tensor:
        """Return what others hear of a group that was sent so many steps ago, in all steps."""
        if not delay:
            return self._passed[name]
        if name not in self._heard:
            heard = torch.cat([self._before[name], self._passed[name]])
            self._heard[name] = heard.detach() if self.detached else heard
        first = self.reach[name] - delay
        return self._heard[name][first : first + self.steps]

    def _step_of(self, events: list[torch.Tensor], now: int, delay: int) -> torch.Tensor:
        """Return what others hear that was sent so many steps ago."""
        sent = events[now - delay]
        return sent.detach() if delay and self.detached else sent

    def _last(self, name: str) -> torch.Tensor:
        """Return what a group has sent in the last steps, in memory of its own."""
        reach, passed = self.reach[name], self._passed[name]
        if reach <= self.steps:
            return passed[self.steps - reach :].clone()
        return torch.cat([self._before[name][self.steps :], passed])

    def _keep(
        self, name: str, sent: torch.Tensor, passed: torch.Tensor, traces: Mapping[str, torch.Tensor]
    ) -> None:
        """Keep what a population sent, what of it was passed on, and its traces."""
        self._sent[name], self._passed[name] = sent, passed
        self.traces |= {(name, variable): trace for variable, trace in traces.items()}


def _by_receptor(total: Sums) -> dict[str, torch.Tensor]:
    """Return what arrives at each receptor: whole sums first, then real ones, as in the engine."""
    found: dict[str, torch.Tensor] = {}
    for (receptor, _), x in sorted(total.items(), key=lambda item: item[0][1] == "float"):
        found[receptor] = found[receptor] + x if receptor in found else x
    return found
