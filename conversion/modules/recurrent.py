"""A population that hears itself, without autograd in each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ...learning.binding.cell import State
from .dense import events_of, weighed
from .sequence import Call, named


@dataclass(frozen=True)
class Back:
    """What of a population comes back to it through all-to-all synapses.

    Attributes
    ----------
    receptor : str
        Where it arrives.
    delay : int
        So many steps later.
    weights : tensor (n, n)
        The weights, as they are multiplied with.
    """

    receptor: str
    delay: int
    weights: torch.Tensor


def run_recurrent(
    call: Call, backs: Sequence[Back], inputs: Mapping[str, torch.Tensor], before: torch.Tensor
) -> tuple[torch.Tensor, dict[str, torch.Tensor], State]:
    """Run a population through all steps.

    Parameters
    ----------
    call
        The run of its cell.
    backs
        What comes back.
    inputs
        Receptor -> what arrives from elsewhere (steps, batch, n), for all of `call.arriving`.
    before
        What the population sent before (reach, batch, n).

    Returns
    -------
    sent : tensor (steps, batch, n)
        What it sent in this run.
    traces, state : dict of str to tensor
        As from `Cell.forward`.
    """
    weights = (back.weights for back in backs)
    given = (inputs[name] for name in call.arriving)
    found = _Recurrent.apply(call, backs, before, *weights, *given, *call.state, *call.trained)
    return found[0], *call.sorted(found[1:])


class _Recurrent(torch.autograd.Function):
    """All steps: what was sent before, weights, inputs, states and constants in; as `run_recurrent` out."""

    @staticmethod
    def forward(
        ctx: Any, call: Call, backs: Sequence[Back], before: torch.Tensor, *tensors: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        inputs = dict(zip(call.arriving, tensors[len(backs) :], strict=False))
        reach, steps = len(before), len(tensors[len(backs)])
        heard = before.new_empty(reach + steps, *before.shape[1:])
        heard[:reach] = before
        state, values, product = call.begin(), call.room(steps), torch.empty_like(heard[0])
        # Sums of inputs are kept where the way back reads them.
        kept = [name for name in inputs if f"in_{name}" in call.passage.kept]
        totals = {n: x.new_empty(steps if n in kept else 1, *x.shape[1:]) for n, x in inputs.items()}
        given, run = call.arguments(1) | named("s_", state), call.loops.there(call.passage)
        for t in range(steps):
            total = {name: x[t if name in kept else 0] for name, x in totals.items()}
            for name, x in inputs.items():
                total[name].copy_(x[t])
            for back in backs:
                torch.mm(heard[reach + t - back.delay], back.weights.detach().T, out=product)
                total[back.receptor] += product
            now = {"now": call.now + t, "y": heard[reach + t]}
            run(given | now | named("x_", total) | named("o_", {n: x[t] for n, x in values.items()}))
        ctx.call, ctx.backs, ctx.reach = call, backs, reach
        values |= named("in_", totals)
        read = (values[name] for name in call.passage.kept)
        ctx.save_for_backward(heard, *tensors[: len(backs)], *read)
        return (heard[reach:], *call.returned(ctx, values, state))

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        call: Call = ctx.call
        heard, *saved = ctx.saved_tensors
        weights, read = saved[: len(ctx.backs)], saved[len(ctx.backs) :]
        values, reach = dict(zip(call.passage.kept, read, strict=True)), ctx.reach
        sent = torch.empty_like(heard)
        sent[:reach], sent[reach:] = 0.0, gradients[0]
        last, watched = call.last(gradients[1:]), call.watched(gradients[1:])
        found = {name: torch.empty_like(sent[reach:]) for name in call.arriving}
        trained = {name: torch.zeros_like(sent[0]) for name in call.passage.form.trained}
        given, steps = call.slopes | named("d_", last) | named("dk_", trained), len(sent) - reach
        each = named("o_", values) | named("do_", watched) | named("dx_", found) | {"dy": sent[reach:]}
        run = call.loops.back(call.passage)
        if call.passage.form.detached:  # no step waits for what later ones hand down
            run(call.arguments(steps) | given | each)
        else:
            given |= call.arguments(1)
            for t in reversed(range(steps)):
                run(given | {"now": call.now + t} | {name: x[t] for name, x in each.items()})
                for back, weight in zip(ctx.backs, weights, strict=True):
                    sent[reach + t - back.delay].addmm_(found[back.receptor][t], weight)
        products = [_weighed(heard, reach, back.delay, found[back.receptor]) for back in ctx.backs]
        states = (last.get(name) for name in call.states)
        return (None, None, sent[:reach], *products, *found.values(), *states, *call.sums(trained))


def _weighed(heard: torch.Tensor, reach: int, delay: int, arrived: torch.Tensor) -> torch.Tensor:
    """Return the gradient of weights (n, n) from that of what arrived (steps, batch, n)."""
    sent = heard[reach - delay : reach - delay + len(arrived)]
    events = events_of(sent)
    if events is not None:
        return weighed(events, arrived)
    return arrived.flatten(0, 1).T @ sent.flatten(0, 1)
