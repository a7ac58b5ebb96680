"""A population's whole sequence in one kernel each way, instead of hundreds of torch operations."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import Any

import torch

from ...engine.backends.sequence import Form
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
        self.whole = {state.name for state in self.model.used_states if state.kind == "integer"}
        self.constants = {name: constants[name].detach() for name in self.model.constant_names}
        self.slopes = {f"surrogate_{n}": value for n, value in cell.surrogate.constants().items()}
        trained = tuple(n for n in self.model.constant_names if constants[n].requires_grad)
        # One number of all neurons is given as a number, unless only the device knows it.
        self.numbers = {n: value for n, value in cell.numbers.items() if n not in trained}
        self.form = Form(
            arrays=frozenset(name for name in self.constants if name not in self.numbers),
            integers=frozenset(n for n, value in self.constants.items() if not value.is_floating_point()),
            arriving=arriving,
            wanted=tuple(n for n in wanted if n not in self.whole),
            apart=RESET if cell.detach_reset else (),
            surrogate=cell.surrogate.variant,
            trained=trained,
        )

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
        first = [x.contiguous() for x in tensors[len(inputs) : len(inputs) + len(call.states)]]
        left = [torch.empty(inputs[0].shape, dtype=x.dtype, device=x.device) for x in first]
        sent = torch.empty_like(inputs[0])
        given = call.arguments(*sent.shape) | {"y": sent}
        given |= _named("x_", call.arriving, inputs) | _named("s_", call.states, first)
        call.loops.forward(call.model, call.form, given | _named("o_", call.states, left))
        ctx.call, ctx.n_inputs = call, len(inputs)
        ctx.save_for_backward(*inputs, *first, *left)
        last = [x[-1].clone() for x in left]
        traces = [left[call.states.index(name)] for name in call.wanted]
        whole = [x for x in (*traces, *last) if not x.is_floating_point()]
        ctx.mark_non_differentiable(*whole)
        return (sent, *traces, *last)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        call: _Call = ctx.call
        saved, n_states = ctx.saved_tensors, len(call.states)
        inputs, first = saved[: ctx.n_inputs], saved[ctx.n_inputs : ctx.n_inputs + n_states]
        traces = dict(zip(call.wanted, gradients[1:], strict=False))
        last = dict(zip(call.states, gradients[1 + len(call.wanted) :], strict=True))
        back = {name: last[name].clone().contiguous() for name in call.states if name not in call.whole}
        found = [torch.empty_like(x) for x in inputs]
        trained = [torch.zeros_like(inputs[0][0]) for _ in call.form.trained]
        given = call.arguments(*inputs[0].shape) | call.slopes | {"dy": gradients[0].contiguous()}
        given |= _named("x_", call.arriving, inputs) | _named("s_", call.states, first)
        given |= _named("o_", call.states, saved[ctx.n_inputs + n_states :])
        given |= _named("do_", call.form.wanted, [traces[name].contiguous() for name in call.form.wanted])
        given |= _named("d_", tuple(back), list(back.values())) | _named("dx_", call.arriving, found)
        call.loops.backward(call.model, call.form, given | _named("dk_", call.form.trained, trained))
        constants = [
            x.sum(dim=0) if call.constants[name].ndim else x.sum()
            for name, x in zip(call.form.trained, trained, strict=True)
        ]
        return (None, *found, *(back.get(name) for name in call.states), *constants)


def _named(prefix: str, names: Iterable[str], tensors: Iterable[torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": x for name, x in zip(names, tensors, strict=True)}
