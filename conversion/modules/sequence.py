"""A population's whole sequence in one kernel each way, on a CPU, instead of hundreds of torch operations."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch

from ...engine.backends.numba_cpu.kernel import Kernel
from ...engine.backends.numba_cpu.sequence import backward_kernel, forward_kernel
from ...engine.backends.sequence import Form
from ...engine.workers import side_by_side, stretches
from ...learning.binding.cell import RESET, Cell, State
from ...learning.surrogate import Surrogate

#: Neurons times steps that are worth a thread.
WORTH = 1 << 17


class SequenceCell(Cell):
    """A `Cell` whose steps are one compiled loop in single precision, on a CPU, with a surrogate."""

    def forward(
        self, inputs: Mapping[str, torch.Tensor], state: State, now: int, wanted: Collection[str] = ()
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], State]:
        """Run through the steps of an input: see `Cell.forward`."""
        everything = (*inputs.values(), *state.values())
        fits = all(x.device.type == "cpu" and x.dtype != torch.float64 for x in everything)
        if not fits or not isinstance(self.surrogate, Surrogate):
            return super().forward(inputs, state, now, wanted)
        constants = self.constants()
        call = _Call(self, constants, tuple(inputs), tuple(wanted), now)
        first, trained = (state[name] for name in call.states), (constants[n] for n in call.form.trained)
        found = _Sequence.apply(call, *inputs.values(), *first, *trained)
        traces = dict(zip(wanted, found[1:], strict=False))
        return found[0], traces, dict(zip(call.states, found[1 + len(wanted) :], strict=True))


class _Call:
    """One run of a cell, without its numbers."""

    def __init__(
        self,
        cell: SequenceCell,
        constants: Mapping[str, torch.Tensor],
        arriving: tuple[str, ...],
        wanted: tuple[str, ...],
        now: int,
    ) -> None:
        assert isinstance(cell.surrogate, Surrogate)
        self.model, self.arriving, self.wanted, self.now = cell.model, arriving, wanted, now
        self.states = tuple(state.name for state in self.model.used_states)
        self.whole = {state.name for state in self.model.used_states if state.kind == "integer"}
        self.constants = {n: constants[n].detach().numpy() for n in self.model.constant_names}
        self.slopes = {f"surrogate_{n}": value for n, value in cell.surrogate.constants().items()}
        self.form = Form(
            arrays=frozenset(n for n, value in self.constants.items() if value.ndim),
            integers=frozenset(n for n, value in self.constants.items() if value.dtype.kind == "i"),
            arriving=arriving,
            wanted=tuple(n for n in wanted if n not in self.whole),
            apart=RESET if cell.detach_reset else (),
            surrogate=cell.surrogate.variant,
            trained=tuple(n for n in self.model.constant_names if constants[n].requires_grad),
        )

    def arguments(self, steps: int, batch: int, n: int) -> dict[str, Any]:
        """Return what both kernels take: sizes and constants."""
        total = batch * n
        given: dict[str, Any] = {"steps": steps, "total": total}
        for name, value in self.constants.items():
            spread = np.tile(value, batch) if value.ndim else value
            given[f"k_{name}"] = spread if value.ndim else value.item()
        return given


class _Sequence(torch.autograd.Function):
    """All steps of a cell: inputs, states and constants in; what is sent, traces and last states out."""

    @staticmethod
    def forward(ctx: Any, call: _Call, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        inputs = [x.contiguous() for x in tensors[: len(call.arriving)]]
        first = [x.contiguous() for x in tensors[len(inputs) : len(inputs) + len(call.states)]]
        shape = inputs[0].shape
        left = [torch.empty(shape, dtype=x.dtype) for x in first]
        sent = torch.empty(shape)
        given = call.arguments(*shape) | {"y": sent.numpy()}
        given |= _named("x_", call.arriving, inputs) | _named("s_", call.states, first)
        given |= _named("o_", call.states, left)
        _share(forward_kernel(call.model, call.form), call.now, given)
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
        trained = [torch.zeros(inputs[0].shape[1:]) for _ in call.form.trained]
        given = call.arguments(*inputs[0].shape) | call.slopes | {"dy": gradients[0].contiguous().numpy()}
        given |= _named("x_", call.arriving, inputs) | _named("s_", call.states, first)
        given |= _named("o_", call.states, saved[ctx.n_inputs + n_states :])
        given |= _named("do_", call.form.wanted, [traces[name].contiguous() for name in call.form.wanted])
        given |= _named("d_", tuple(back), list(back.values())) | _named("dx_", call.arriving, found)
        given |= _named("dk_", call.form.trained, trained)
        _share(backward_kernel(call.model, call.form), call.now, given)
        constants = [
            x.sum(dim=0) if call.constants[name].ndim else x.sum()
            for name, x in zip(call.form.trained, trained, strict=True)
        ]
        return (None, *found, *(back.get(name) for name in call.states), *constants)


def _share(kernel: Kernel, now: int, given: Mapping[str, Any]) -> None:
    """Run a kernel on all neurons, which torch's threads share."""
    total, worth = given["total"], given["steps"] * given["total"] // WORTH
    threads = max(1, min(torch.get_num_threads(), worth))
    pieces = stretches(total, -(-total // threads))

    def work(piece: tuple[int, int]) -> None:
        kernel.run(now, first=piece[0], last=piece[1], **given)

    side_by_side([work] * threads, pieces)


def _named(prefix: str, names: Collection[str], tensors: Collection[torch.Tensor]) -> dict[str, np.ndarray]:
    return {f"{prefix}{name}": x.detach().numpy() for name, x in zip(names, tensors, strict=True)}
