"""A population's whole sequence in one kernel each way, instead of hundreds of torch operations."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch

from ...engine.backends.sequence import Form, Passage
from ...learning.binding.cell import RESET, Cell, State
from ...learning.surrogate import Surrogate
from .loops import Loops, loops_on


class SequenceCell(Cell):
    """A `Cell` whose steps are one compiled loop in single precision, with a surrogate, on a CPU or a GPU."""

    def forward(
        self,
        inputs: Mapping[str, torch.Tensor],
        state: State,
        now: int,
        wanted: Collection[str] = (),
        *,
        detached: bool = False,
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], State]:
        """Run through the steps of an input: see `Cell.forward`."""
        call = self.call(inputs, state, now, wanted, detached=detached)
        if call is None:
            return super().forward(inputs, state, now, wanted, detached=detached)
        found = _Sequence.apply(call, *inputs.values(), *call.state, *call.trained)
        return found[0], *call.sorted(found[1:])

    def call(
        self,
        inputs: Mapping[str, torch.Tensor],
        state: State,
        now: int,
        wanted: Collection[str],
        *,
        detached: bool,
    ) -> Call | None:
        """Return what runs through the steps of an input at once; None where torch's own operations must."""
        everything = (*inputs.values(), *state.values())
        loops = loops_on(everything[0].device.type)
        double = any(x.dtype == torch.float64 for x in everything)
        if loops is None or double or not isinstance(self.surrogate, Surrogate):
            return None
        return Call(self, loops, state, tuple(inputs), tuple(wanted), now, detached)

    def passage(self, form: Form) -> Passage:
        """Return a neuron's way through a step, made once for each form."""
        if form not in self._passages:
            self._passages[form] = Passage.of(self.model, form)
        return self._passages[form]

    @cached_property
    def _passages(self) -> dict[Form, Passage]:
        return {}

    @cached_property
    def numbers(self) -> dict[str, int | float]:
        """The constants that are one number for all neurons, as they were at first: a device is not asked."""
        buffers = {name: getattr(self, f"k_{name}") for name in self.model.constant_names}
        return {name: value.cpu().item() for name, value in buffers.items() if not value.ndim}


class Call:
    """One run of a cell.

    Attributes
    ----------
    passage : Passage
        A neuron's way through a step.
    loops : Loops
        What runs it.
    arriving, wanted : tuple of str
        Receptors that have inputs, and state variables asked for.
    states : tuple of str
        State variables.
    state : list of tensors (batch, n)
        Their values at the beginning.
    trained : list of tensors
        Constants that have gradients.
    slopes : dict
        Numbers of the surrogate.
    """

    def __init__(
        self,
        cell: SequenceCell,
        loops: Loops,
        state: State,
        arriving: tuple[str, ...],
        wanted: tuple[str, ...],
        now: int,
        detached: bool,
    ) -> None:
        assert isinstance(cell.surrogate, Surrogate)
        model, self.loops, self.now, constants = cell.model, loops, now, cell.constants()
        self.arriving, self.wanted = arriving, wanted
        self.states = tuple(variable.name for variable in model.used_states)
        self.state = [state[name] for name in self.states]
        self.slopes = {f"surrogate_{n}": value for n, value in cell.surrogate.constants().items()}
        trained = tuple(n for n in model.constant_names if constants[n].requires_grad)
        self.trained = [constants[name] for name in trained]
        self._constants = {name: constants[name].detach() for name in model.constant_names}
        # One number of all neurons is given as a number, unless only the device knows it.
        self._numbers = {n: value for n, value in cell.numbers.items() if n not in trained}
        form = Form(
            arrays=frozenset(name for name in self._constants if name not in self._numbers),
            integers=frozenset(n for n, value in self._constants.items() if not value.is_floating_point()),
            arriving=arriving,
            wanted=wanted,
            apart=RESET if cell.detach_reset else (),
            surrogate=cell.surrogate.variant,
            trained=trained,
            detached=detached,
        )
        self.passage = cell.passage(form)

    def sorted(self, found: Sequence[torch.Tensor]) -> tuple[dict[str, torch.Tensor], State]:
        """Return traces and last states by name, from both in order."""
        traces = dict(zip(self.wanted, found, strict=False))
        return traces, dict(zip(self.states, found[len(self.wanted) :], strict=True))

    def begin(self) -> dict[str, torch.Tensor]:
        """Return the state in memory of its own."""
        copies = (x.detach().clone(memory_format=torch.contiguous_format) for x in self.state)
        return dict(zip(self.states, copies, strict=True))

    def room(self, steps: int) -> dict[str, torch.Tensor]:
        """Return tensors (steps, batch, n) for what the way there writes of each step."""
        like = dict(zip(self.states, self.state, strict=True))
        return {
            name: like[name.partition("_")[2]].new_empty(steps, *self.state[0].shape)
            for name in self.passage.traced
        }

    def returned(
        self, ctx: Any, values: Mapping[str, torch.Tensor], state: State
    ) -> tuple[torch.Tensor, ...]:
        """Return traces and the state, told to autograd."""
        found = (*(values[f"v3_{name}"] for name in self.wanted), *state.values())
        ctx.mark_non_differentiable(*(x for x in found if not x.is_floating_point()))
        return found

    def last(self, gradients: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return gradients of the last state in memory of their own, from those of what `returned` gave."""
        _, last = self.sorted(gradients)
        return {n: last[n].clone(memory_format=torch.contiguous_format) for n in self.passage.real}

    def watched(self, gradients: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return gradients of traces."""
        traces, _ = self.sorted(gradients)
        return {name: traces[name].contiguous() for name in self.passage.watched}

    def sums(self, by_neuron: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
        """Return gradients of trained constants, from those of each neuron."""
        return [x.sum(dim=0) if self._constants[name].ndim else x.sum() for name, x in by_neuron.items()]

    def arguments(self, steps: int) -> dict[str, Any]:
        """Return what both ways take: sizes and constants."""
        batch, n = self.state[0].shape
        given: dict[str, Any] = {"now": self.now, "steps": steps, "total": batch * n}
        for name, value in self._constants.items():
            number = self._numbers.get(name)
            given[f"k_{name}"] = value.expand(batch, n).contiguous().view(-1) if number is None else number
        return given


class _Sequence(torch.autograd.Function):
    """All steps of a cell: inputs, states and constants in; what is sent, traces and last states out."""

    @staticmethod
    def forward(ctx: Any, call: Call, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        inputs = {n: x.contiguous() for n, x in zip(call.arriving, tensors, strict=False)}
        steps, sent = len(tensors[0]), torch.empty_like(tensors[0], memory_format=torch.contiguous_format)
        state, values = call.begin(), call.room(steps)
        given = call.arguments(steps) | {"y": sent} | named("o_", values)
        call.loops.there(call.passage)(given | named("x_", inputs) | named("s_", state))
        ctx.call, ctx.steps = call, steps
        values |= named("in_", inputs)
        ctx.save_for_backward(*(values[name] for name in call.passage.kept))
        return (sent, *call.returned(ctx, values, state))

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        call: Call = ctx.call
        passage, like, rest = call.passage, gradients[0].contiguous(), gradients[1:]
        found = {name: torch.empty_like(like) for name in call.arriving}
        trained = {name: torch.zeros_like(like[0]) for name in passage.form.trained}
        last = call.last(rest)
        given = call.arguments(ctx.steps) | call.slopes | {"dy": like}
        given |= named("o_", dict(zip(passage.kept, ctx.saved_tensors, strict=True)))
        given |= named("do_", call.watched(rest)) | named("d_", last)
        call.loops.back(passage)(given | named("dx_", found) | named("dk_", trained))
        return (None, *found.values(), *(last.get(name) for name in call.states), *call.sums(trained))


def named(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return tensors by the names that kernels have for them."""
    return {f"{prefix}{name}": x for name, x in tensors.items()}
