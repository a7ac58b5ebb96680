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
        if not self.compiled or not _worthwhile(sent) or weights.dtype != torch.float32:
            return functional.linear(sent, weights)
        if torch.compiler.is_compiling():
            return event_product(sent, weights)
        events = events_of(sent)
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
    if not _worthwhile(sent):
        return None
    return list_events(sent.detach().reshape(-1, sent.shape[-1]).contiguous().numpy(), SPARSE)


def _worthwhile(sent: torch.Tensor) -> bool:
    """Whether to look for events is worth it."""
    return sent.numel() >= WORTH and sent.device.type == "cpu" and sent.dtype == torch.float32


def weighed(events: Events, gradient: torch.Tensor) -> torch.Tensor:
    """Return the gradient of weights [m, n] from that of what events added (..., m)."""
    flat = gradient.reshape(-1, gradient.shape[-1]).contiguous()
    return torch.from_numpy(weigh_events(events, flat.numpy())).T.contiguous()


def _added(events: Events, weights: torch.Tensor, sent: torch.Tensor) -> torch.Tensor:
    turned = np.ascontiguousarray(weights.detach().numpy().T)
    return torch.from_numpy(add_events(events, turned)).reshape(*sent.shape[:-1], -1)


class _Events(torch.autograd.Function):
    """A product of rows with few events and weights [m, n]."""

    @staticmethod
    def forward(ctx: Any, sent: torch.Tensor, weights: torch.Tensor, events: Events) -> torch.Tensor:
        ctx.events = events if len(weights) >= WIDE else None
        ctx.save_for_backward(weights, *(() if ctx.events else (sent,)))
        return _added(events, weights, sent)

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


@torch.library.custom_op("rheobase::event_product", mutates_args=(), device_types="cpu")
def event_product(sent: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the product of rows (..., n) and weights [m, n], as `Dense` would: for tracers of torch."""
    events = events_of(sent)
    return functional.linear(sent, weights) if events is None else _added(events, weights, sent)


@torch.library.custom_op("rheobase::event_weights", mutates_args=(), device_types="cpu")
def event_weights(sent: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Return the gradient of those weights from that of the product."""
    events = events_of(sent) if gradient.shape[-1] >= WIDE else None
    if events is not None:
        return weighed(events, gradient).contiguous()
    return gradient.reshape(-1, gradient.shape[-1]).T @ sent.reshape(-1, sent.shape[-1])


@event_product.register_fake
def _(sent: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return sent.new_empty(*sent.shape[:-1], len(weights))


@event_weights.register_fake
def _(sent: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    return sent.new_empty(gradient.shape[-1], sent.shape[-1])


def _remember(ctx: Any, inputs: tuple[torch.Tensor, torch.Tensor], output: torch.Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _back(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    sent, weights = ctx.saved_tensors
    d_sent, d_weights = ctx.needs_input_grad
    return gradient @ weights if d_sent else None, event_weights(sent, gradient) if d_weights else None


event_product.register_autograd(_back, setup_context=_remember)
