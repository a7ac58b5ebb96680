"""A population's whole run as an operator of torch, `torch.ops.rheobase.sequence`, and the way back.

So tracers of torch see one operation, with shapes and gradients, where there are compiled loops. One operator
serves all neurons: it is told which, and what comes to them, by a name (`kinds.run_of`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from ...neurons.errors import RunError
from .kinds import lists_of, named
from .recurrent import back_through, run_through

#: What neurons send (steps, batch, n), what is written of each step, and last states, from: the number of the
#: first step; where they hear themselves, what they sent before (reach, batch, n) and weights (n, n); what
#: comes to receptors (steps, batch, n); first states (batch, n); constants that are not one number or are
#: trained, all others, and the numbers of the surrogate.
_THERE = (
    "str run, SymInt now, Tensor[] own, Tensor[] inputs, Tensor[] state, Tensor[] constants, "
    "float[] numbers, float[] slopes"
)
#: Gradients of what was sent before and of weights, of inputs, of first states and of each neuron's trained
#: constants, from: `own`, and what was sent; what is kept of the way there (`Passage.kept`); constants; and
#: gradients of what was sent, of traces, and of last states. Of states, all that are real numbers.
_BACK = (
    "str run, SymInt now, Tensor[] own, Tensor[] kept, Tensor[] constants, float[] numbers, "
    "float[] slopes, Tensor sent, Tensor[] traces, Tensor[] last"
)


def run_sequence(*given: Any) -> Sequence[Tensor]:
    """Run neurons: as an operator where a tracer looks on, else without its dispatch, which takes time."""
    if torch.compiler.is_compiling():
        found: list[Tensor] = torch.ops.rheobase.sequence(*given)
        return found
    tensors = (x for some in given[2:-2] for x in some)
    direct: tuple[Tensor, ...] = _Direct.apply(given, *tensors)
    return direct


def _run(
    run: str, now: int, own: list[Tensor], inputs: list[Tensor], state: list[Tensor], constants: list[Tensor],
    numbers: list[float], slopes: list[float],
) -> list[Tensor]:  # fmt: skip
    lists = lists_of(run)
    sent = torch.empty_like(inputs[0], memory_format=torch.contiguous_format)
    last, values = {n: _copy(x) for n, x in zip(lists.states, state, strict=True)}, lists.room(sent, state)
    given = lists.constants(sent[0], constants, numbers) | named("s_", last) | {"now": now, "y": sent}
    arriving = dict(zip(lists.arriving, inputs, strict=True))
    if lists.backs:
        run_through(lists, own, arriving, values, given)
    else:
        given |= named("x_", {name: x.contiguous() for name, x in arriving.items()}) | named("o_", values)
        given |= {"steps": len(sent), "total": sent[0].numel()}
        lists.there(sent.device)(given)
    return [sent, *values.values(), *last.values()]


def _copy(x: Tensor) -> Tensor:
    return x.clone(memory_format=torch.contiguous_format)


def _shapes(run: str, now: int, own: Any, inputs: list[Tensor], state: list[Tensor], *_: Any) -> list[Tensor]:
    sent = torch.empty_like(inputs[0], memory_format=torch.contiguous_format)
    last = (torch.empty_like(x, memory_format=torch.contiguous_format) for x in state)
    return [sent, *lists_of(run).room(sent, state).values(), *last]


def _back(
    run: str, now: int, own: list[Tensor], kept: list[Tensor], constants: list[Tensor], numbers: list[float],
    slopes: list[float], sent: Tensor, traces: list[Tensor], last: list[Tensor],
) -> list[Tensor]:  # fmt: skip
    lists = lists_of(run)
    passage, sent = lists.passage, sent.contiguous()
    inputs = {name: torch.empty_like(sent) for name in lists.arriving}
    state = {name: _copy(x) for name, x in zip(passage.real, last, strict=True)}
    trained = {name: torch.zeros_like(sent[0]) for name in passage.form.trained}
    d_own = [torch.empty_like(x, memory_format=torch.contiguous_format) for x in own[:-1]]
    given = lists.constants(sent[0], constants, numbers) | {"now": now}
    given |= dict(zip(passage.form.slopes, slopes, strict=True)) | named("d_", state) | named("dk_", trained)
    values = dict(zip(passage.kept, (x.contiguous() for x in kept), strict=True))
    of_steps = named("o_", values) | named("dx_", inputs)
    of_steps |= named("do_", dict(zip(passage.watched, (x.contiguous() for x in traces), strict=True)))
    if lists.backs:
        back_through(lists, own, sent, of_steps, given, d_own)
    else:
        given |= of_steps | {"dy": sent, "steps": len(sent), "total": sent[0].numel()}
        lists.back(sent.device)(given)
    return [*d_own, *inputs.values(), *state.values(), *trained.values()]


def _shapes_back(run: str, now: int, own: list[Tensor], *given: Any) -> list[Tensor]:
    passage, sent = lists_of(run).passage, given[-3]
    like = [*own[:-1], *[sent] * len(passage.form.arriving)]
    like += [sent[0]] * (len(passage.real) + len(passage.form.trained))
    return [torch.empty_like(x, memory_format=torch.contiguous_format) for x in like]


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Sequence[Tensor]) -> None:
    ctx.run, ctx.now, own, arriving, _, constants, ctx.numbers, ctx.slopes = inputs
    lists = lists_of(ctx.run)
    hidden = output[1 + len(lists.passage.form.wanted) : len(output) - len(lists.states)]
    whole = (x for x in output if not x.is_floating_point())
    ctx.mark_non_differentiable(*dict.fromkeys((*hidden, *whole)))
    ctx.set_materialize_grads(False)
    ctx.shape, read = output[0].shape, [*own, *output[:1]] if own else []
    ctx.places = len(read), len(read) + len(constants)
    ctx.save_for_backward(*read, *constants, *lists.kept(arriving, output))


def _gradients(
    ctx: Any, gradients: Sequence[Tensor | None], back: Callable[..., Sequence[Tensor]]
) -> tuple[list[Any], ...]:
    """Return gradients of the lists of tensors that the operator took, in order."""
    lists, (first, second), saved = lists_of(ctx.run), ctx.places, ctx.saved_tensors
    own, constants, kept = list(saved[:first]), list(saved[first:second]), list(saved[second:])
    passage, like = lists.passage, next(x for x in gradients if x is not None)
    wanted = dict(zip(passage.form.wanted, gradients[1:], strict=False))
    states = dict(zip(lists.states, gradients[len(gradients) - len(lists.states) :], strict=True))

    def filled(x: Tensor | None, shape: torch.Size) -> Tensor:
        return like.new_zeros(shape) if x is None else x

    found = back(
        ctx.run, ctx.now, own, kept, constants, ctx.numbers, ctx.slopes, filled(gradients[0], ctx.shape),
        [filled(wanted[name], ctx.shape) for name in passage.watched],
        [filled(states[name], ctx.shape[1:]) for name in passage.real],
    )  # fmt: skip
    places = [max(len(own) - 1, 0), len(lists.arriving), len(passage.real)]
    parts = [found[sum(places[:k]) : sum(places[: k + 1])] for k in range(3)]
    state, by_neuron = dict(zip(passage.real, parts[2], strict=True)), found[sum(places) :]
    trained = dict(zip(passage.form.trained, by_neuron, strict=True))
    sums = [
        None if name not in trained else trained[name].sum(dim=0) if c.ndim else trained[name].sum()
        for name, c in zip(lists.arrays, constants, strict=True)
    ]
    return list(parts[0]), list(parts[1]), [state.get(name) for name in lists.states], sums


def _backward(ctx: Any, gradients: Sequence[Tensor | None]) -> Any:
    # Where a list is empty, autograd takes it for one of tensors.
    numbers: Iterator[list[Any] | None] = ([] if not values else None for values in (ctx.numbers, ctx.slopes))
    return None, None, *_gradients(ctx, gradients, torch.ops.rheobase.sequence_back), *numbers


def _refuse(ctx: Any, *gradients: Any) -> Any:
    raise RunError(
        "gradients of gradients: compiled loops over time have none; leave them to torch's own operations, "
        "with rb.to_torch(..., compiled=False)"
    )


class _Direct(torch.autograd.Function):
    """The operator without torch's dispatch."""

    @staticmethod
    def forward(ctx: Any, given: tuple[Any, ...], *tensors: Tensor) -> tuple[Tensor, ...]:
        found = _run(*given)
        _remember(ctx, given, found)
        return tuple(found)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        # The operator, where somebody wants gradients of gradients: it refuses them.
        back = torch.ops.rheobase.sequence_back if torch.is_grad_enabled() else _back
        return None, *(x for part in _gradients(ctx, gradients, back) for x in part)


_LIBRARY = torch.library.Library("rheobase", "FRAGMENT")
for _name, _schema, _runs, _fake in (
    ("sequence", _THERE, _run, _shapes),
    ("sequence_back", _BACK, _back, _shapes_back),
):
    _LIBRARY.define(f"{_name}({_schema}) -> Tensor[]")
    for _device in ("CPU", "CUDA"):
        _LIBRARY.impl(_name, _runs, _device)
    torch.library.register_fake(f"rheobase::{_name}", _fake, lib=_LIBRARY)
torch.library.register_autograd("rheobase::sequence", _backward, setup_context=_remember, lib=_LIBRARY)
torch.library.register_autograd("rheobase::sequence_back", _refuse, lib=_LIBRARY)
