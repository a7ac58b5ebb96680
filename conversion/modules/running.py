"""One run of a network as a torch module: a layer at a time over all steps, loops step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ...engine.plan import Plan, ProjectionPlan
from ...learning.binding.cell import Cell, State
from .stages import Stage
from .synapses import Synapses

#: (population, state variable) -> values (steps, batch, n).
Traces = dict[tuple[str, str], torch.Tensor]


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
        Group -> what it has sent in the last steps, as far as delays reach back: (steps, batch, n).
    """

    now: int
    cells: dict[str, State]
    sent: dict[str, torch.Tensor]

    def detach(self) -> ModuleState:
        """Return the same values without their history, so that gradients end here."""
        cells = {name: {v: x.detach() for v, x in state.items()} for name, state in self.cells.items()}
        return ModuleState(self.now, cells, {name: events.detach() for name, events in self.sent.items()})


class Run:
    """Some steps of a network.

    Parameters
    ----------
    plan : Plan
        The network.
    projections, cells : dict
        Its modules, by name.
    wanted : dict
        Population -> state variables to keep.
    state : ModuleState
        At the beginning.
    given : dict
        Source -> what it sends (steps, batch, n).
    """

    def __init__(
        self,
        plan: Plan,
        projections: Mapping[str, Synapses],
        cells: Mapping[str, Cell],
        wanted: Mapping[str, tuple[str, ...]],
        state: ModuleState,
        given: Mapping[str, torch.Tensor],
    ) -> None:
        self.plan, self.projections, self.cells, self.wanted = plan, projections, cells, wanted
        self.now, self.states = state.now, dict(state.cells)
        self.steps = len(next(iter(given.values())))
        self.traces: Traces = {}
        self._before = state.sent
        self._weights = {name: synapses.prepared() for name, synapses in projections.items()}
        # What a group sends, after what it sent before as far as delays reach back.
        self._events = {name: torch.cat([state.sent[name], sent]) for name, sent in given.items()}

    def sent_by(self, name: str) -> torch.Tensor:
        """Return what a group has sent in this run, (steps, batch, n)."""
        return self._events[name][self.plan.reach[name] :]

    def state(self) -> ModuleState:
        """Return the state at the end."""
        sent = {name: events[len(events) - self.plan.reach[name] :] for name, events in self._events.items()}
        return ModuleState(self.now + self.steps, self.states, sent)

    def go_through(self, stage: Stage) -> None:
        """Run all steps of a stage."""
        outside = {name: self._from_outside(stage, name) for name in stage.names}
        if stage.cyclic:
            self._loop(stage, outside)
            return
        (name,) = stage.names
        sent, traces, self.states[name] = self.cells[name](
            outside[name], self.states[name], self.now, self.wanted[name]
        )
        self._keep(name, sent, traces)

    def _arriving(self, stage: Stage, name: str, *, outside: bool) -> list[ProjectionPlan]:
        """Return the projections to a population from outside of its stage, or from within."""
        return [
            p
            for p in self.plan.projections.values()
            if p.part.target.label == name and (p.part.source.label not in stage.names) == outside
        ]

    def _from_outside(self, stage: Stage, name: str) -> dict[str, torch.Tensor]:
        """Return what arrives at each receptor from outside of a stage, in all steps: (steps, batch, n)."""
        total: dict[str, torch.Tensor] = {}
        for p in self._arriving(stage, name, outside=True):
            source = p.part.source.label
            for delay in p.delays:
                first = self.plan.reach[source] - delay
                self._add(total, p, self._events[source][first : first + self.steps], delay)
        if not total:
            like = next(x for x in self.states[name].values() if x.is_floating_point())
            total[self.plan.population(name).receptors[0]] = like.new_zeros(self.steps, *like.shape)
        return total

    def _add(self, total: dict[str, Any], p: ProjectionPlan, sent: torch.Tensor, delay: int) -> None:
        """Add what events make of a projection to the input of its receptor."""
        added = self.projections[p.name].arriving(sent, delay, self._weights[p.name])
        receptor = p.part.receptor_name
        total[receptor] = total[receptor] + added if receptor in total else added

    def _loop(self, stage: Stage, outside: Mapping[str, dict[str, torch.Tensor]]) -> None:
        """Run populations that hear one another, step by step."""
        reach = self.plan.reach
        inside = {name: self._arriving(stage, name, outside=False) for name in stage.names}
        sent = {name: list(self._before[name]) for name in stage.names}
        kept: dict[str, dict[str, list[torch.Tensor]]] = {
            name: {variable: [] for variable in self.wanted[name]} for name in stage.names
        }
        constants = {name: self.cells[name].constants() for name in stage.names}
        for t in range(self.steps):
            for name in stage.names:
                total = {receptor: x[t] for receptor, x in outside[name].items()}
                for p in inside[name]:
                    source = p.part.source.label
                    for delay in p.delays:
                        self._add(total, p, sent[source][reach[source] + t - delay], delay)
                now = self.now + t
                event, state = self.cells[name].step(total, self.states[name], now, constants[name])
                self.states[name] = state
                sent[name].append(event)
                for variable, trace in kept[name].items():
                    trace.append(state[variable])
        for name in stage.names:
            traces = {variable: torch.stack(trace) for variable, trace in kept[name].items()}
            self._keep(name, torch.stack(sent[name][reach[name] :]), traces)

    def _keep(self, name: str, sent: torch.Tensor, traces: Mapping[str, torch.Tensor]) -> None:
        self._events[name] = torch.cat([self._before[name], sent]) if len(self._before[name]) else sent
        self.traces |= {(name, variable): trace for variable, trace in traces.items()}
