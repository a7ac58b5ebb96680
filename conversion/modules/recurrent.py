"""A population that hears itself: in one kernel, or step by step, with products of matrices between."""

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
    whole = lists.whole(sent.device)
    if whole is not None:
        arriving = named("x_", {name: x.contiguous() for name, x in inputs.items()})
        by_source = named("w_", {str(k): weight.T.contiguous() for k, weight in enumerate(weights)})
        given = {**given, **_sizes(sent, before), **_lists_of_sent(lists, sent), **by_source, **arriving}
        whole[0]({**given, **named("o_", values), "before": before.contiguous()})
        return
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
    each = {**of_steps, "dy": gradient.clone(memory_format=torch.contiguous_format)}
    sizes, detached = {"steps": len(gradient), "total": gradient[0].numel()}, lists.passage.form.detached
    whole = None if detached else lists.whole(gradient.device)
    if detached:  # no step waits for what later ones hand down
        lists.back(gradient.device)({**given, **each, **sizes})
    elif whole is not None:
        by_target = named("w_", {str(k): weight.contiguous() for k, weight in enumerate(weights)})
        whole[1]({**given, **each, **by_target, **_sizes(gradient, before), "d_before": d_before})
    else:
        _step_back(lists, weights, d_before, each, {**given, **sizes})
    for (receptor, delay), d_weight in zip(lists.backs, d_weights, strict=True):
        weigh_back(before, passed, delay, of_steps[f"dx_{receptor}"], d_weight)


def _step_back(
    lists: Lists,
    weights: Sequence[Tensor],
    d_before: Tensor,
    each: Mapping[str, Tensor],
    given: Mapping[str, Any],
) -> None:
    d_sent, run = each["dy"], lists.back(d_before.device)
    for t in reversed(range(len(d_sent))):
        step = {name: x[t] for name, x in each.items()}
        run({**given, **step, "steps": 1, "now": given["now"] + t})
        for (receptor, delay), weight in zip(lists.backs, weights, strict=True):
            _of_step(d_before, d_sent, t - delay).addmm_(each[f"dx_{receptor}"][t], weight)


def _sizes(sent: Tensor, before: Tensor) -> dict[str, int]:
    """Return the sizes that kernels of whole runs take."""
    steps, batch, n = sent.shape
    return {"steps": steps, "total": batch * n, "n": n, "reach": len(before)}


def _lists_of_sent(lists: Lists, sent: Tensor) -> dict[str, Any]:
    """Return room in which kernels list who sent what in the last steps."""
    _, batch, n = sent.shape
    ring = max(delay for _, delay in lists.backs)
    whole = {"words": (batch, -(-n // 32)), "ids": (ring, batch, n), "counts": (ring, batch)}
    room = {name: sent.new_empty(shape, dtype=torch.int32) for name, shape in whole.items()}
    room["words"] = room["words"].view(torch.uint32)
    return {"ring": ring, **room, "values": sent.new_empty(ring, batch, n)}


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
