"""Parameters of neurons that are trained: constants of a step with gradients of what they derive from."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ...neurons.errors import ConversionError
from ...neurons.model import NeuronModel

#: Relative step of the differences by which `derive` is differentiated, in double precision.
_STEP = 1e-5
#: How far, in multiples of what was given, trained parameters stay away from bounds that exclude themselves.
_WITHIN = 1e-3


class Trained(torch.nn.Module):
    """A model with parameters of torch in the place of some of its own.

    Each is a multiple of what the model was given (an array of its mean magnitude), so that one learning rate
    does for volts, seconds and siemens. What is given as 0 counts in its own unit. Each neuron's constants
    depend on its own parameters alone, so differences give the derivative of `derive`, with ten digits or so,
    whatever it computes.

    Parameters
    ----------
    model : NeuronModel
        The model.
    names : sequence of str
        Its parameters to be trained: one number, or one for each neuron where the model has an array.
    dt : float
        Seconds per step.

    Raises
    ------
    ConversionError
        If the model has no such parameter, or nothing in its rules depends on it as it is.

    Examples
    --------
    >>> from rheobase.neurons import LIF
    >>> trained = Trained(LIF(20e-3), ["tau"], dt=1e-3)
    >>> decay = trained.constants()["decay"]
    >>> decay.backward()
    >>> float(trained.tau.detach()), float(decay.detach())
    (1.0, 0.951229453086853)
    >>> round(float(trained.tau.grad), 6)  # dt / tau exp(-dt / tau)
    0.047561
    """

    def __init__(self, model: NeuronModel, names: Sequence[str], *, dt: float) -> None:
        super().__init__()
        self.names, self.dt, self._model = tuple(names), dt, model
        self._given = {name: np.asarray(_value(model, name), np.float64) for name in names}
        for name in names:
            if not self._changes(name):
                raise ConversionError(
                    f"{type(model).__name__}.{name}: the rules do not depend on it as it is ({model!r}), so "
                    "nothing can be trained; leave it out, or give it another value"
                )
            first = np.asarray(self._given[name] / self._unit(name), np.float32)
            self.register_parameter(name, torch.nn.Parameter(torch.from_numpy(first)))

    def extra_repr(self) -> str:
        """Say what is trained."""
        return ", ".join(self.names)

    def constants(self) -> dict[str, torch.Tensor]:
        """Return the constants of a step that are real numbers and depend on what is trained."""
        names = [name for name, value in self._derived(self._model).items() if value.dtype.kind == "f"]
        found = _Derived.apply(self, names, *(getattr(self, name) for name in self.names))
        return dict(zip(names, found, strict=True))

    def model(self) -> NeuronModel:
        """Return the model with the parameters as they are now; what has not changed stays as it was."""
        changed = {name: value for name, value in self._now().items() if value is not self._given[name]}
        values = {name: value if value.ndim else float(value) for name, value in changed.items()}
        return dataclasses.replace(self._model, **values)

    def derivatives(self, names: Sequence[str], of: str) -> list[np.ndarray]:
        """Return how constants change with one parameter of torch, float64."""
        now = self._now()[of]
        by = _STEP * np.maximum(np.abs(now), 1e-12)
        up, down = (self._derived(self._with({**self._now(), of: now + sign * by})) for sign in (1, -1))
        return [(up[name] - down[name]) / (2.0 * by) * self._unit(of) for name in names]

    def values(self, names: Sequence[str]) -> list[np.ndarray]:
        """Return constants as they are now, float64."""
        derived = self._derived(self._with(self._now()))
        return [derived[name] for name in names]

    def _unit(self, name: str) -> float:
        """Return what a parameter of 1 stands for."""
        return float(np.mean(np.abs(self._given[name]))) or 1.0

    def _now(self) -> dict[str, np.ndarray]:
        """Return the trained parameters within their bounds, those not changed as given."""
        found = {}
        for name, given in self._given.items():
            value, unit = getattr(self, name).detach().cpu().numpy(), self._unit(name)
            if np.array_equal(value, np.asarray(given / unit, np.float32)):
                found[name] = given
            else:
                found[name] = np.clip(value.astype(np.float64) * unit, *_bounds(self._model, name, unit))
        return found

    def _with(self, values: dict[str, np.ndarray]) -> NeuronModel:
        """Return the model with other parameters: unchecked, since differences may step over a bound."""
        model = object.__new__(type(self._model))
        model.__dict__.update({f.name: getattr(self._model, f.name) for f in dataclasses.fields(self._model)})
        model.__dict__.update({name: value if value.ndim else float(value) for name, value in values.items()})
        return model

    def _derived(self, model: NeuronModel) -> dict[str, np.ndarray]:
        derived = model.derive(self.dt)
        return {name: np.asarray(derived[name]) for name in self._model.constant_names}

    def _changes(self, name: str) -> bool:
        names = [key for key, value in self._derived(self._model).items() if value.dtype.kind == "f"]
        moved = {**self._given, name: self._given[name] * 1.01 + 1e-9}
        before, after = self._derived(self._model), self._derived(self._with(moved))
        return any(not np.array_equal(before[key], after[key]) for key in names)


class _Derived(torch.autograd.Function):
    """Constants of a model from its trained parameters."""

    @staticmethod
    def forward(
        ctx: Any, trained: Trained, names: list[str], *values: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        ctx.trained, ctx.names, ctx.shapes = trained, names, [value.shape for value in values]
        like = values[0]
        real = np.float64 if like.dtype == torch.float64 else np.float32
        constants = (np.array(constant, real) for constant in trained.values(names))
        return tuple(torch.from_numpy(constant).to(like.device) for constant in constants)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        found = []
        for name, shape in zip(ctx.trained.names, ctx.shapes, strict=True):
            total = torch.zeros(shape, dtype=gradients[0].dtype, device=gradients[0].device)
            slopes = ctx.trained.derivatives(ctx.names, name)
            for gradient, slope in zip(gradients, slopes, strict=True):
                part = gradient * torch.as_tensor(slope, device=gradient.device).to(gradient.dtype)
                total = total + (part if part.shape == shape else part.sum())
            found.append(total)
        return (None, None, *found)


#: Numbers of a model that cannot be trained, and why.
_FIXED = {"v_rest": "neurons start there", "refractory": "it counts whole steps"}


def _bounds(model: NeuronModel, name: str, unit: float) -> tuple[float, float]:
    """Return the least and the largest that a parameter may be; just within those that it must not touch."""
    limits = next(field.metadata["limits"] for field in dataclasses.fields(model) if field.name == name)
    low = -np.inf if limits.low is None else limits.low
    high = np.inf if limits.high is None else limits.high
    low = low if limits.above is None else max(low, limits.above + _WITHIN * unit)
    return low, high if limits.below is None else min(high, limits.below - _WITHIN * unit)


def _value(model: NeuronModel, name: str) -> Any:
    """Return a parameter that is a number or an array of them, or raise ConversionError."""
    owner = type(model).__name__
    if name in _FIXED:
        raise ConversionError(f"{owner}.{name}: it cannot be trained: {_FIXED[name]}; leave it out")
    numbers = [
        field.name
        for field in dataclasses.fields(model)
        if "limits" in field.metadata
        and field.metadata["limits"].choices is None
        and not field.metadata["limits"].whole
        and getattr(model, field.name) is not None
        and field.name not in _FIXED
    ]
    if name not in numbers:
        raise ConversionError(f"{owner}.{name}: got no number that can be trained; there are {numbers}")
    return getattr(model, name)
