"""A network as a torch module whose weights are parameters."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ...engine.distributions import Distribution
from ...engine.initial import initial_state
from ...engine.network import Network
from ...engine.plan import Plan
from ...engine.planned import GroupPlan
from ...engine.planning import make_plan
from ...engine.sources import CurrentSource, FrameSource, Source
from ...learning.binding.cell import Cell, State
from ...learning.binding.words import Spike
from ...learning.delays import LearnedDelays
from ...learning.surrogate import Surrogate
from ...neurons.errors import SpecError
from .learned import LearnedSynapses
from .norm import Norm, add_constant
from .outputs import Output
from .projections import synapses_of
from .running import ModuleState, Run
from .sequence import SequenceCell
from .stages import stages_of
from .synapses import Synapses, step_of

#: Numbers sent in the steps that run at once where gradients end between steps: more take more memory, and
#: fewer more time, since every run goes through all weights.
AT_ONCE = 1 << 22
#: Steps beyond which that time does not count.
MOST = 64


class NetworkModule(torch.nn.Module):
    """A network whose weights are parameters; made by `rheobase.to_torch`, which see.

    Attributes
    ----------
    projections : ModuleDict
        Projection -> its `Synapses`; a dot in a name is "%2E".
    cells : ModuleDict
        Population -> its `Cell`.
    dropouts : ModuleDict
        Population -> its `torch.nn.Dropout`, if it has one.
    options : dict
        What it was made with, as `to_torch` calls it.
    """

    def __init__(
        self,
        plan: Plan,
        outputs: tuple[Output, ...],
        *,
        precision: str | None,
        surrogate: Surrogate | Spike,
        detach_reset: bool,
        compiled: bool,
        train: Mapping[str, Sequence[str]],
        batch_norm: Collection[str],
        dropout: Mapping[str, float],
        delays: Mapping[str, LearnedDelays],
    ) -> None:
        super().__init__()
        self.plan, self.outputs, self.precision = plan, outputs, precision
        self.stages = stages_of(plan)
        options: Any = {"dt": plan.dt, "surrogate": surrogate, "detach_reset": detach_reset}
        self.options = {
            **options, "precision": precision, "compiled": compiled, "train": train, "batch_norm": batch_norm,
            "dropout": dropout, "delays": delays,
        }  # fmt: skip
        kind = SequenceCell if compiled else Cell
        self.reach = dict(plan.reach)
        self._synapses: dict[str, Synapses] = {}
        for name, p in plan.projections.items():
            if name in delays:
                learned = self._synapses[name] = LearnedSynapses(plan, p, delays[name])
                self.reach[learned.source] = max(self.reach[learned.source], learned.longest)
            else:
                self._synapses[name] = synapses_of(plan, p, compiled=compiled)
        for name in batch_norm:
            self._synapses[name].norm = Norm(plan.projections[name])
        self._dropouts = {name: torch.nn.Dropout(share) for name, share in dropout.items()}
        self._cells = {
            group.name: kind(plan.population(group.name).model, train=train.get(group.name, ()), **options)
            for group in plan.populations
        }
        self.projections = torch.nn.ModuleDict({key_of(name): s for name, s in self._synapses.items()})
        self.cells = torch.nn.ModuleDict({key_of(name): cell for name, cell in self._cells.items()})
        self.dropouts = torch.nn.ModuleDict({key_of(name): drop for name, drop in self._dropouts.items()})
        self._first = {group.name: FirstState(plan, group) for group in plan.populations}
        self._given = {name: s.weight.detach().numpy().copy() for name, s in self._synapses.items()}
        self._gridded = None if batch_norm else self._versions()

    def forward(self, x: Any, state: ModuleState | None = None) -> Any:
        """Return the outputs for an input: one tensor, or a dict by name where there are several.

        Parameters
        ----------
        x : tensor (steps, batch, n) or (steps, batch, *shape), or a dict
            What the one source sends in each step; of several, source -> tensor. Currents and frames that the
            network holds itself need not be given.
        state : ModuleState, optional
            Where to go on; from the beginning if left out.

        Returns
        -------
        tensor (steps, batch, n), or dict of str to tensor

        Raises
        ------
        SpecError
            If the input does not fit the sources, the state is one of another network or number of samples,
            or parameters are neither float32 nor float64.
        """
        return self.run(x, state)[0]

    def run(self, x: Any, state: ModuleState | None = None) -> tuple[Any, ModuleState]:
        """Return what `forward` returns, and the state at the end, from which another run can go on.

        It computes in the precision of its parameters, within `torch.autocast` too.
        """
        return self._run(x, state, detached=False)

    def run_detached(self, x: Any, state: ModuleState | None = None) -> tuple[Any, ModuleState]:
        """Return what `run` does one step at a time if the state is detached between steps, but at once.

        No gradient passes from a step to those before, neither by what neurons remember nor by what arrives
        late, and a batch normalisation sees one step at a time: see `rheobase.learning.sltt`.
        """
        return self._run(x, state, detached=True)

    def steps_at_once(self, batch: int) -> int:
        """Return how many steps of so many samples `run_detached` should run at once: see `AT_ONCE`."""
        numbers = batch * sum(group.n for group in self.plan.groups.values())
        return max(1, min(MOST, AT_ONCE // numbers))

    def _run(self, x: Any, state: ModuleState | None, *, detached: bool) -> tuple[Any, ModuleState]:
        like = self._like()
        if torch.is_autocast_enabled(like.device.type):
            with torch.autocast(like.device.type, enabled=False):
                return self._run(x, state, detached=detached)
        if like.dtype not in (torch.float32, torch.float64):
            raise SpecError(
                f"module: its parameters are {like.dtype}; allowed are float32 and float64, in which neurons "
                "compute: module.float() makes them so"
            )
        given = self._inputs(x, like.dtype)
        for synapses in self._synapses.values():
            synapses.renew()
        self._follow_grids()
        wanted = {name: self._wanted(name) for name in self._cells}
        batch = next(iter(given.values())).shape[1]
        begin = self.initial(batch) if state is None else self._going_on(state, batch)
        parts = self._synapses, self._cells, self._dropouts
        run = Run(self.plan, self.reach, *parts, wanted, begin, given, detached=detached)
        for stage in self.stages:
            run.go_through(stage)
        found = {output.name: output.of(run) for output in self.outputs}
        return (found if len(found) > 1 else next(iter(found.values()))), run.state()

    def initial(self, batch: int) -> ModuleState:
        """Return the state at step 0 of so many copies, before anything was sent."""
        like, reach = self._like(), self.reach
        sent = {name: like.new_zeros(reach[name], batch, group.n) for name, group in self.plan.groups.items()}
        cells = {name: first.state(batch, like) for name, first in self._first.items()}
        return ModuleState(0, cells, sent)

    def cell(self, population: str) -> Cell:
        """Return the neurons of a population, by its name."""
        return self._cells[population]

    def network(self) -> Network:
        """Return the network with its parameters as they are now; what has not changed stays as it was.

        A normalisation, as it is in evaluation, becomes part of the weights and a source of constant input.
        """
        for synapses in self._synapses.values():
            synapses.renew()
        now = {name: s.folded().detach().cpu().numpy() for name, s in self._synapses.items()}
        moved = {name: s for name, s in self._synapses.items() if isinstance(s, LearnedSynapses) and s.moved}
        changed = {n: w for n, w in now.items() if n in moved or not np.array_equal(w, self._given[n])}
        network = self.plan.network.with_weights(
            {name: w.astype(np.float64) if w.ndim else float(w) for name, w in changed.items()}
        )
        for name, learned in moved.items():
            network = network.with_part(learned.delayed(network, name))
        for name, cell in self._cells.items():
            model = None if cell.trained is None else cell.trained.model()
            if model is not None and model != cell.model:
                network = network.with_part(replace(self.plan.population(name), model=model))
        for name, synapses in self._synapses.items():
            if synapses.norm is not None:
                add_constant(network, name, synapses.norm.shift(synapses.shape[0]))
        return network

    def extra_repr(self) -> str:
        """Say what it makes of what."""
        sources = ", ".join(source.label for source in self.plan.network.sources)
        return f"{sources} -> {', '.join(output.name for output in self.outputs)}, dt={self.plan.dt:g}"

    def _like(self) -> torch.Tensor:
        """Return a tensor of the type and on the device of all others."""
        everything = (*self.parameters(), *self.buffers())
        return next((x for x in everything if x.is_floating_point()), torch.zeros(()))

    def _going_on(self, state: Any, batch: int) -> ModuleState:
        """Return a state if it is one of this network for so many samples, or raise SpecError."""
        cells, sent = (getattr(state, name, {}) for name in ("cells", "sent"))
        own = {
            name: {v.name: (batch, self.plan.groups[name].n) for v in cell.model.used_states}
            for name, cell in self._cells.items()
        }
        found = {name: {v: tuple(x.shape) for v, x in one.items()} for name, one in cells.items()}
        reach = {name: (self.reach[name], batch, group.n) for name, group in self.plan.groups.items()}
        if found != own or {name: tuple(x.shape) for name, x in sent.items()} != reach:
            got = next((shape for one in found.values() for shape in one.values()), type(state).__name__)
            raise SpecError(
                f"state: got {got}; allowed is a state that `run` of this module returned for as many "
                f"samples as the input has, {batch}, or None to begin anew"
            )
        assert isinstance(state, ModuleState)
        return state

    def _inputs(self, x: Any, real: torch.dtype) -> dict[str, torch.Tensor]:
        """Return what each source sends, (steps, batch, n), or raise SpecError."""
        sources = {s.label: s for s in self.plan.network.sources if constant_of(s) is None}
        given = x if isinstance(x, Mapping) else dict.fromkeys(sources, x)
        by_name = {str(getattr(key, "name", key)): value for key, value in given.items()}
        if by_name.keys() != sources.keys() or (len(sources) > 1 and not isinstance(x, Mapping)):
            raise SpecError(
                f"input: got {list(by_name) if isinstance(x, Mapping) else type(x).__name__}; allowed is a "
                f"tensor for each of {list(sources)}, in a dict if there are several"
            )
        flat = {}
        for name, value in by_name.items():
            shape, n = sources[name].shape, sources[name].n
            if not torch.is_tensor(value) or value.ndim < 3 or value.shape[2:] not in (shape, (n,)):
                got = tuple(value.shape) if torch.is_tensor(value) else type(value).__name__
                raise SpecError(f"input of {name}: got {got}; allowed is a tensor (steps, batch, {n})")
            if value.is_complex():
                raise SpecError(f"input of {name}: got {value.dtype}; allowed are real or whole numbers")
            value = value.to_dense() if value.layout is not torch.strided else value
            flat[name] = value.reshape(*value.shape[:2], n).to(real)
        like = next(iter(flat.values()))
        if not all(value.shape[:2] == like.shape[:2] and value.numel() for value in flat.values()):
            shapes = {name: tuple(value.shape) for name, value in flat.items()}
            raise SpecError(f"input: got {shapes}; allowed are the same steps and batch for all, and not 0")
        for source in self.plan.network.sources:
            if source.label not in flat:
                row = torch.as_tensor(constant_of(source), dtype=real, device=like.device)
                flat[source.label] = row.expand(*like.shape[:2], -1)
        return flat

    def _wanted(self, name: str) -> tuple[str, ...]:
        return tuple({o.variable for o in self.outputs if o.group == name} - {"spikes", "counts"})

    def _versions(self) -> list[tuple[int, int, float]]:
        """Return what changes whenever weights do that lie on a grid.

        On a processor also where torch does not count it, as in `weight.data`; a card is not asked.
        """
        gridded = [s for s in self._synapses.values() if s.step and not s.soft]
        parts = [x for s in gridded for x in (*s.parameters(), *s.buffers()) if x.is_floating_point()]
        return [
            (
                x.data_ptr(),
                0 if x.is_inference() else x._version,
                float(x.detach().abs().sum()) if x.device.type == "cpu" else 0.0,
            )
            for x in parts
        ]

    def _follow_grids(self) -> None:
        """Choose grids anew where weights have changed that lie on one, as the engine would."""
        if torch.compiler.is_exporting():  # its weights have no values; grids stay those of the last run
            return
        versions = self._versions()
        if versions != self._gridded:
            plan = make_plan(self.network(), self.plan.dt, precision=self.precision)
            for name, synapses in self._synapses.items():
                synapses.step = step_of(plan, plan.projections[name])
            self._gridded = versions


def key_of(name: str) -> str:
    """Return what a module calls a part: torch allows no dots."""
    return name.replace(".", "%2E")


def constant_of(source: Source) -> np.ndarray | None:
    """Return what a source sends in every step by itself; None where forward must be given it."""
    values = source.values if isinstance(source, CurrentSource | FrameSource) else None
    constant = values is not None and (isinstance(source, FrameSource) or values.ndim == 1)
    return np.array(values).reshape(-1) if constant else None


class FirstState:
    """A population's state at step 0; what is drawn of the k-th sample is that of the k-th trial of a run."""

    def __init__(self, plan: Plan, group: GroupPlan) -> None:
        self._plan, self._group = plan, group
        self._drawn = any(isinstance(x, Distribution) for x in plan.population(group.name).initial.values())
        self._rows: dict[int, State] = {}
        self._rows_of(1)

    def state(self, batch: int, like: torch.Tensor) -> State:
        """Return it for a batch, (batch, n), in the precision and on the device of a tensor."""
        rows = self._rows_of(batch if self._drawn else 1)
        return {
            name: x.to(like.device, like.dtype if x.is_floating_point() else x.dtype).expand(batch, -1)
            for name, x in rows.items()
        }

    def _rows_of(self, trials: int) -> State:
        """Return the state of some trials (trials, n), made once for each number of them."""
        if trials not in self._rows:
            each = [initial_state(self._plan, self._group, k) for k in range(trials)]
            self._rows = {
                trials: {
                    name: torch.as_tensor(np.stack([self._group.unstored(trial[name]) for trial in each]))
                    for name in each[0]
                }
            }
        return self._rows[trials]
