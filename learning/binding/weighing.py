"""Modules that weigh events, and what their weights see of them: where methods of training take hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from ...neurons.errors import SpecError

#: Layers of torch that weigh what they are given.
LAYERS = (torch.nn.Linear, torch.nn.modules.conv._ConvNd)

#: (name of the module, which of its delays if any) and events -> what the gradient of its weights is to see.
Seen = Callable[[tuple[str, Any], torch.Tensor], torch.Tensor]


class Weighing(torch.nn.Module):
    """Base class of projections: linear in events, the first argument of `forward`, and in weights.

    Attributes
    ----------
    source, target : str
        The groups that it leads from and to.
    pre, post : slice, int64 array or None
        Which of their neurons; all if None.
    """

    source: str
    target: str
    pre: slice | np.ndarray | None
    post: slice | np.ndarray | None


def need_module(module: Any) -> None:
    """Raise SpecError where something is no module of torch."""
    if not isinstance(module, torch.nn.Module):
        raise SpecError(
            f"module: got a {type(module).__name__}; allowed is a torch.nn.Module, such as "
            "rb.to_torch(network)"
        )


def weighing_in(module: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """Return all modules within one that weigh events, by name, or raise SpecError if it is none."""
    need_module(module)
    return {name: m for name, m in module.named_modules() if isinstance(m, (Weighing, *LAYERS))}


@contextmanager
def weights_see(module: torch.nn.Module, seen: Seen) -> Iterator[None]:
    """Let the gradient of weights see something else than the events that they weigh.

    What the module computes stays the same, bit for bit, and so does the gradient that it hands down; only
    the gradient of the weights is made with what `seen` returns, in the place of the events.

    Parameters
    ----------
    module : torch.nn.Module
        Whose `Weighing`, `Linear` and convolution modules are meant. What calls none, but a function, is not
        seen.
    seen : function of a key and a tensor
        Called for each of them whenever it is called, in the order of the forward pass. The key is its name
        within `module`, and the delay where it has several. It returns a tensor in the shape of the events.

    Examples
    --------
    >>> layer = torch.nn.Linear(2, 1, bias=False)
    >>> x = torch.ones(1, 2, requires_grad=True)
    >>> with weights_see(layer, lambda key, x: 5.0 * x):
    ...     layer(x).sum().backward()
    >>> layer.weight.grad, torch.equal(x.grad, layer.weight.detach())
    (tensor([[5., 5.]]), True)
    """

    def hook(name: str) -> Any:
        def exchanged(m: torch.nn.Module, given: tuple[Any, ...], computed: torch.Tensor) -> torch.Tensor:
            events, *others = given
            key = name, next((value for value in others if isinstance(value, int)), None)
            with torch.no_grad():
                shown = seen(key, events.detach())
            traced = m.forward(in_place_of(shown, events), *others)
            return in_place_of(computed, traced)

        return exchanged

    handles = [m.register_forward_hook(hook(name)) for name, m in weighing_in(module).items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def in_place_of(value: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return the value of the first, whose gradient goes to the second."""
    exchanged: torch.Tensor = _InPlaceOf.apply(value.detach(), other)
    return exchanged


class _InPlaceOf(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return None, gradients[0]
