"""A population's whole sequence in one kernel each way, instead of hundreds of torch operations."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ...learning.binding.cell import RESET, Cell, State
from ...learning.surrogate import Surrogate
from .kinds import Kind, register, run_of
from .loops import has_loops
from .operators import run_sequence


class SequenceCell(Cell):
    """A `Cell` whose steps are one compiled loop in single precision, with a surrogate, on a CPU or a GPU."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        constants = {name: getattr(self, f"k_{name}") for name in self.model.constant_names}
        #: The constants that are one number for all neurons: a device is not asked for them.
        self.numbers = {name: value.item() for name, value in constants.items() if not value.ndim}
        self.states = tuple(state.name for state in self.model.used_states)
        self.kind, self.slopes = self._registered(), []
        if isinstance(self.surrogate, Surrogate):
            values = self.surrogate.constants()
            self.slopes = [float(values[n]) for n in self.surrogate.variant.arguments if n != "x"]

    def _registered(self) -> str:
        """Return by which name operators know the neurons in this process; "" if they cannot."""
        if not isinstance(self.surrogate, Surrogate):
            return ""
        constants = {name: getattr(self, f"k_{name}") for name in self.model.constant_names}
        integers = frozenset(n for n, value in constants.items() if not value.is_floating_point())
        apart, surrogate = RESET if self.detach_reset else (), self.surrogate.variant
        return register(Kind(self.model, tuple(self.numbers), integers, apart, surrogate))

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.kind = self._registered()

    def forward(
        self,
        inputs: Mapping[str, Tensor],
        state: State,
        now: int,
        wanted: Collection[str] = (),
        *,
        detached: bool = False,
    ) -> tuple[Tensor, dict[str, Tensor], State]:
        """Run through the steps of an input: see `Cell.forward`."""
        if not self.runs(inputs, state):
            return super().forward(inputs, state, now, wanted, detached=detached)
        found = run_sequence(*self.given(inputs, state, now, wanted, detached=detached))
        return found[0], *self.sorted(found, wanted)

    def runs(self, inputs: Mapping[str, Tensor], state: State) -> bool:
        """Whether compiled loops can run, and not only torch's own operations."""
        everything = (*inputs.values(), *state.values())
        double = any(x.dtype == torch.float64 for x in everything)
        return bool(self.kind) and not double and has_loops(everything[0].device.type)

    def given(
        self,
        inputs: Mapping[str, Tensor],
        state: State,
        now: int,
        wanted: Collection[str],
        backs: Sequence[tuple[str, int]] = (),
        own: Sequence[Tensor] = (),
        *,
        detached: bool,
    ) -> tuple[Any, ...]:
        """Return what the operator is given, by whose names and in whose order `operators.py` says."""
        constants = self.constants()
        trained = [name for name, value in constants.items() if value.requires_grad]
        run = run_of(self.kind, inputs, wanted, trained, backs, detached=detached)
        arrays = [value for name, value in constants.items() if name not in self.numbers or name in trained]
        numbers = [float(value) for name, value in self.numbers.items() if name not in trained]
        states = [state[name] for name in self.states]
        return run, now, [*own], [*inputs.values()], states, arrays, numbers, self.slopes

    def sorted(self, found: Sequence[Tensor], wanted: Collection[str]) -> tuple[dict[str, Tensor], State]:
        """Return traces and last states by name, from what operators return."""
        traces = dict(zip(wanted, found[1:], strict=False))
        return traces, dict(zip(self.states, found[len(found) - len(self.states) :], strict=True))
