"""Dense projections as torch modules; few events are added up one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ...engine.backends.numba_cpu.products import Events, add_events, list_events, weigh_events
from .synapses import Synapses

#: From so many numbers on it is worth looking which are zero.
WORTH = 1 << 14
#: Up to this share of events they are added up one by one, each of which takes longer than in a product.
SPARSE = 0.25
#: From so many targets on the gradient of weights is too.
WIDE = 64


class Dense(Synapses):
    """A weight for every pair; on a CPU few events are added up one by one, if `compiled`."""

    compiled = False

    def forward(self, sent: torch.Tensor, delay: int, weights: Any) -> torch.Tensor:
        """Multiply."""
        events = events_of(sent) if self.compiled and weights.dtype == torch.float32 else None
        return functional.linear(sent, weights) if events is None else _Events.apply(sent, weights, events)

    @property
    def plain(self) -> bool:
        """Whether it is one product for all neurons at both ends, of which nothing takes hold."""
        whole = self.pre is None and self.post is None and len(self.delays) == 1
        hooked = self._forward_hooks or self._forward_pre_hooks or self._backward_hooks
        return whole and not hooked and (self.norm is None or not self.norm.training)

    def rows(self, sent: torch.Tensor) -> torch.Tensor:
        """Return events as the rows (N, n) that a row of weights is multiplied with."""
        return sent.reshape(-1, sent.shape[-1])


def events_of(sent: torch.Tensor) -> Events | None:
    """Return the events of rows (..., n) on a CPU; None where a product of matrices is faster."""
    if sent.numel() < WORTH or sent.device.type != "cpu" or sent.dtype != torch.float32:
        return None
    return list_events(sent.detach().reshape(-1, sent.shape[-1]).contiguous().numpy(), SPARSE)


def weighed(events: Events, gradient: torch.Tensor) -> torch.Tensor:
    """Return the gradient of weights [m, n] from that of what events added (..., m)."""
    flat = gradient.reshape(-1, gradient.shape[-1]).contiguous()
    return torch.from_numpy(weigh_events(events, flat.numpy())).T.contiguous()


class _Events(torch.autograd.Function):
    """A product of rows with few events and weights [m, n]."""

    @staticmethod
    def forward(ctx: Any, sent: torch.Tensor, weights: torch.Tensor, events: Events) -> torch.Tensor:
        ctx.events = events if len(weights) >= WIDE else None
        ctx.save_for_backward(weights, *(() if ctx.events else (sent,)))
        turned = weights.detach().numpy().T
        out = torch.from_numpy(add_events(events, np.ascontiguousarray(turned)))
        return out.reshape(*sent.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (gradient,), (weights, *sent) = gradients, ctx.saved_tensors
        d_sent = gradient @ weights if ctx.needs_input_grad[0] else None
        d_weights = None
        if ctx.needs_input_grad[1]:
            if ctx.events is not None:
                d_weights = weighed(ctx.events, gradient)
            else:
                d_weights = gradient.reshape(-1, len(weights)).T @ sent[0].reshape(-1, sent[0].shape[-1])
        return d_sent, d_weights, None
