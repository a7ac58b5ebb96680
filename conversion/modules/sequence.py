"""A population's whole sequence in one kernel each way, instead of hundreds of torch operations."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
        self, inputs: Mapping[str, torch.Tensor], state: State, now: int, wanted: Collection[str] = ()
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], State]:
        """Run through the steps of an input: see `Cell.forward`."""
        everything = (*inputs.values(), *state.values())
        loops = loops_on(everything[0].device.type)
        double = any(x.dtype == torch.float64 for x in everything)
        if loops is None or double or not isinstance(self.surrogate, Surrogate):
            return super().forward(inputs, state, now, wanted)
        constants = self.constants()
        call = _Call(self, loops, constants, tuple(inputs), tuple(wanted), now)
        first, trained = (state[name] for name in call.states), (constants[n] for n in call.form.trained)
        found = _Sequence.apply(call, *inputs.values(), *first, *trained)
        traces = dict(zip(wanted, found[1:], strict=False))
        return found[0], traces, dict(zip(call.states, found[1 + len(wanted) :], strict=True))

    @cached_property
    def numbers(self) -> dict[str, int | float]:
        """The constants that are one number for all neurons, as they were at first: a device is not asked."""
        buffers = {name: getattr(self, f"k_{name}") for name in self.model.constant_names}
        return {name: value.cpu().item() for name, value in buffers.items() if not value.ndim}


class _Call:
    """One run of a cell, without its numbers."""

    def __init__(
        self,
        cell: SequenceCell,
        loops: Loops,
        constants: Mapping[str, torch.Tensor],
        arriving: tuple[str, ...],
        wanted: tuple[str, ...],
        now: int,
    ) -> None:
        assert isinstance(cell.surrogate, Surrogate)
        self.model, self.loops, self.now = cell.model, loops, now
        self.arriving, self.wanted = arriving, wanted
        self.states = tuple(state.name for state in self.model.used_states)
        self.constants = {name: constants[name].detach() for name in self.model.constant_names}
        self.slopes = {f"surrogate_{n}": value for n, value in cell.surrogate.constants().items()}
        trained = tuple(n for n in self.model.constant_names if constants[n].requires_grad)
        # One number of all neurons is given as a number, unless only the device knows it.
        self.numbers = {n: value for n, value in cell.numbers.items() if n not in trained}
        self.form = Form(
            arrays=frozenset(name for name in self.constants if name not in self.numbers),
            integers=frozenset(n for n, value in self.constants.items() if not value.is_floating_point()),
            arriving=arriving,
            wanted=wanted,
            apart=RESET if cell.detach_reset else (),
            surrogate=cell.surrogate.variant,
            trained=trained,
        )
        self.passage = Passage.of(self.model, self.form)

    def arguments(self, steps: int, batch: int, n: int) -> dict[str, Any]:
        """Return what both kernels take: sizes and constants."""
        given: dict[str, Any] = {"now": self.now, "steps": steps, "total": batch * n}
        for name, value in self.constants.items():
            number = self.numbers.get(name)
            given[f"k_{name}"] = value.expand(batch, n).contiguous().view(-1) if number is None else number
        return given


class _Sequence(torch.autograd.Function):
    """All steps of a cell: inputs, states and constants in; what is sent, traces and last states out."""

    @staticmethod
    def forward(ctx: Any, call: _Call, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        inputs = [x.contiguous() for x in tensors[: len(call.arriving)]]
        shape, passage = inputs[0].shape, call.passage
        state = [x.clone(memory_format=torch.contiguous_format) for x in tensors[len(inputs) :]]
        state = state[: len(call.states)]
        sent, like = torch.empty_like(inputs[0]), dict(zip(call.states, state, strict=True))
        values = {name: like[name[3:]].new_empty(shape) for name in passage.traced}
        given = call.arguments(*shape) | {"y": sent} | _named("o_", values)
        given |= _named("x_", dict(zip(call.arriving, inputs, strict=True))) | _named("s_", like)
        call.loops.forward(call.model, call.form, given)
        values |= {f"in_{name}": x for name, x in zip(call.arriving, inputs, strict=True)}
        ctx.call, ctx.shape = call, shape
        ctx.save_for_backward(*(values[name] for name in passage.kept))
        traces = [values[f"v3_{name}"] for name in call.wanted]
        whole = [x for x in (*traces, *state) if not x.is_floating_point()]
        ctx.mark_non_differentiable(*whole)
        return (sent, *traces, *state)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        call: _Call = ctx.call
        passage, like = call.passage, gradients[0]
        traces = dict(zip(call.wanted, gradients[1:], strict=False))
        last = dict(zip(call.states, gradients[1 + len(call.wanted) :], strict=True))
        back = {name: last[name].clone(memory_format=torch.contiguous_format) for name in passage.real}
        found = {name: like.new_empty(ctx.shape) for name in call.arriving}
        trained = {name: like.new_zeros(ctx.shape[1:]) for name in call.form.trained}
        given = call.arguments(*ctx.shape) | call.slopes | {"dy": like.contiguous()}
        given |= _named("o_", dict(zip(passage.kept, ctx.saved_tensors, strict=True)))
        given |= _named("do_", {name: traces[name].contiguous() for name in passage.watched})
        given |= _named("d_", back) | _named("dx_", found) | _named("dk_", trained)
        call.loops.backward(call.model, call.form, given)
        constants = (x.sum(dim=0) if call.constants[name].ndim else x.sum() for name, x in trained.items())
        return (None, *found.values(), *(back.get(name) for name in call.states), *constants)


def _named(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": x for name, x in tensors.items()}
