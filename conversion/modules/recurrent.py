"""A population that hears itself, step by step: products of matrices between steps of its kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .dense import events_of, weighed
from .kinds import Lists, named


def run_through(
    lists: Lists,
    own: Sequence[Tensor],
    inputs: Mapping[str, Tensor],
    values: Mapping[str, Tensor],
    given: Mapping[str, Any],
) -> None:
    """Run through all steps.

    Parameters
    ----------
    lists
        What runs.
    own
        What the neurons sent before (reach, batch, n), and the weights (n, n) of what comes back.
    inputs
        Receptor -> what arrives from elsewhere (steps, batch, n), for all of `lists.arriving`.
    values
        What `Lists.room` returned, to be written.
    given
        What else kernels take; `y` of all steps.
    """
    before, *weights = own
    sent, now = given["y"], given["now"]
    run, product = lists.there(sent.device), torch.empty_like(sent[0])
    totals = {n: values.get(f"in_{n}", product.new_empty(1, *product.shape)) for n in inputs}
    traced = named("o_", {name: values[name] for name in lists.passage.traced})
    sizes = {"steps": 1, "total": product.numel()}
    for t in range(len(sent)):
        # Sums of inputs are kept where the way back reads them.
        total = {name: x[t if len(x) > 1 else 0] for name, x in totals.items()}
        for name, x in inputs.items():
            total[name].copy_(x[t])
        for (receptor, delay), weight in zip(lists.backs, weights, strict=True):
            torch.mm(_of_step(before, sent, t - delay), weight.T, out=product)
            total[receptor] += product
        step = {"now": now + t, "y": sent[t], **{name: x[t] for name, x in traced.items()}}
        run({**given, **sizes, **step, **named("x_", total)})


def back_through(
    lists: Lists,
    own: Sequence[Tensor],
    gradient: Tensor,
    of_steps: Mapping[str, Tensor],
    given: Mapping[str, Any],
    found: Sequence[Tensor],
) -> None:
    """Go back through all steps.

    Parameters
    ----------
    lists
        What runs.
    own
        What the neurons sent before, weights, and what they sent (steps, batch, n).
    gradient
        That of what they sent.
    of_steps, given
        What kernels take of each step, and what else.
    found
        Where gradients of what was sent before, and of weights, are written.
    """
    before, *weights, passed = own
    d_before, *d_weights = found
    d_before.zero_()
    d_sent, now = gradient.clone(memory_format=torch.contiguous_format), given["now"]
    run, total, each = lists.back(gradient.device), d_sent[0].numel(), {**of_steps, "dy": d_sent}
    detached = lists.passage.form.detached  # no step waits for what later ones hand down
    if detached:
        run({**given, **each, "steps": len(d_sent), "total": total})
    for t in () if detached else reversed(range(len(d_sent))):
        step = {name: x[t] for name, x in each.items()}
        run({**given, **step, "steps": 1, "total": total, "now": now + t})
        for (receptor, delay), weight in zip(lists.backs, weights, strict=True):
            _of_step(d_before, d_sent, t - delay).addmm_(of_steps[f"dx_{receptor}"][t], weight)
    for (receptor, delay), d_weight in zip(lists.backs, d_weights, strict=True):
        weigh_back(before, passed, delay, of_steps[f"dx_{receptor}"], d_weight)


def weigh_back(before: Tensor, sent: Tensor, delay: int, arrived: Tensor, d_weight: Tensor) -> None:
    """Write the gradient of weights (n, n) from that of what arrived (steps, batch, n), so late."""
    early = min(delay, len(sent))
    first = before[len(before) - delay :][:early].flatten(0, 1)
    torch.mm(arrived[:early].flatten(0, 1).T, first, out=d_weight)
    if len(sent) > delay:
        rows, late = sent[: len(sent) - delay], arrived[delay:]
        events = events_of(rows)
        if events is not None:
            d_weight += weighed(events, late)
        else:
            d_weight.addmm_(late.flatten(0, 1).T, rows.flatten(0, 1))


def _of_step(before: Tensor, sent: Tensor, t: int) -> Tensor:
    """Return what belongs to a step of this run, or to one before it."""
    return sent[t] if t >= 0 else before[len(before) + t]
