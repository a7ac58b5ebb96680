"""The words of rules as torch has them, differentiable: the same operations as NumPy's, so the same bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ...neurons import vocabulary
from ...neurons.vocabulary import EXP_COEFFICIENTS
from ..surrogate import Surrogate

Spike = Callable[[torch.Tensor], torch.Tensor]

_LOG2_E = float(np.float32(vocabulary.WIDE_LOG2_E))
_LN2_HIGH, _LN2_LOW = 0.693359375, float(np.float32(-2.12194440e-4))
#: The words that have a derivative; a model that uses others cannot be trained.
WORDS = ("exp", "sqrt", "where", "minimum", "maximum", "spike")


class _Exp(torch.autograd.Function):
    """The vocabulary's polynomial in single precision, with the derivative of the exponential."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        x = x.clamp(-87.0, 88.0)
        k = torch.floor(x * _LOG2_E + 0.5)
        r = (x - k * _LN2_HIGH) - k * _LN2_LOW
        p = torch.full_like(r, float(EXP_COEFFICIENTS[0]))
        for c in EXP_COEFFICIENTS[1:]:
            p = p * r + float(c)
        y = p * (r * r) + r + 1.0
        y = y * ((k.to(torch.int32) + 127) << 23).view(torch.float32)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0] * ctx.saved_tensors[0]


class _Where(torch.autograd.Function):
    """A choice by spikes, as the line between both values that it is at 0 and at 1."""

    @staticmethod
    def forward(ctx: Any, condition: Any, chosen: Any, otherwise: Any) -> torch.Tensor:
        ctx.save_for_backward(condition, chosen, otherwise)
        between = otherwise + condition * (chosen - otherwise)
        return torch.where(condition == 0, otherwise, torch.where(condition == 1, chosen, between))

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (gradient,) = gradients
        condition, chosen, otherwise = ctx.saved_tensors
        return gradient * (chosen - otherwise), gradient * condition, gradient * (1.0 - condition)


def exp(x: Any) -> torch.Tensor:
    """Return e to the power x."""
    return torch.exp(x) if x.dtype == torch.float64 else _Exp.apply(x)


def where(condition: Any, chosen: Any, otherwise: Any) -> torch.Tensor:
    """Return `chosen` where the condition holds (is not zero), else `otherwise`."""
    if condition.dtype == torch.bool:
        return torch.where(condition, chosen, otherwise)
    if not condition.requires_grad:
        return torch.where(condition != 0, chosen, otherwise)
    values = [
        value if torch.is_tensor(value) else torch.full_like(condition, value)
        for value in (chosen, otherwise)
    ]
    if any(not value.is_floating_point() for value in values):  # a step number has no derivative
        return torch.where(condition != 0, values[0], values[1])
    everywhere: Any = torch.broadcast_tensors(condition, *values)
    chosen_by: torch.Tensor = _Where.apply(*everywhere)
    return chosen_by


def minimum(a: Any, b: Any) -> torch.Tensor:
    """Return the smaller of two numbers; where they are equal, the gradient is the first one's."""
    return torch.where(_tensor(a, b) <= b, a, b)


def maximum(a: Any, b: Any) -> torch.Tensor:
    """Return the larger of two numbers; where they are equal, the gradient is the first one's."""
    return torch.where(_tensor(a, b) >= b, a, b)


def _tensor(a: Any, b: Any) -> Any:
    return a if torch.is_tensor(a) else torch.as_tensor(a, dtype=b.dtype, device=b.device)


def step(distance: torch.Tensor) -> torch.Tensor:
    """Return 1.0 where the distance above threshold is not negative, else 0.0; without a derivative."""
    return (distance.detach() >= 0).to(distance.dtype)


def spike_of(surrogate: Surrogate) -> Spike:
    """Return `spike` with the derivative that a surrogate puts in its place."""
    rule = surrogate.variant
    derivative = rule.bind(words_with(step))
    constants = [surrogate.constants()[name] for name in rule.arguments if name != "x"]

    class Spike(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, distance: torch.Tensor) -> torch.Tensor:
            ctx.save_for_backward(distance)
            return step(distance)

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            return gradients[0] * derivative(ctx.saved_tensors[0], *constants)

    return Spike.apply


def words_with(spike: Spike) -> dict[str, Callable[..., Any]]:
    """Return the words that have a derivative, with a meaning of `spike`."""
    return {
        "exp": exp, "sqrt": torch.sqrt, "where": where, "minimum": minimum, "maximum": maximum,
        "spike": spike,
    }  # fmt: skip
