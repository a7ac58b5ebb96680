"""Activations that are trained in the steps in which neurons will tell them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ...learning.binding.operators import staircase
from ...neurons.errors import ConversionError

#: Candidates for the first threshold, as parts of the largest value that arrives.
CANDIDATES = np.geomspace(0.05, 1.0, 40)
#: So many values that arrive are enough to choose by.
ENOUGH = 100_000
#: What is replaced where it is a module, and cannot be where it is called.
_MODULES = (nn.ReLU, nn.ReLU6)
_CALLS = frozenset({
    torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, nn.functional.relu, nn.functional.relu_,
    nn.functional.relu6,
})  # fmt: skip


class QCFS(nn.Module):
    """A ReLU in steps with a trained end: quantization, clip, floor and shift (T. Bu et al., ICLR 2022).

    h(x) = threshold clip(floor(x levels / threshold + 1/2) / levels, 0, 1); gradients pass as if nothing were
    rounded: see `learning.binding.operators`. `rheobase.convert` takes a neuron's step, threshold
    / levels, and its range from it.

    Parameters
    ----------
    levels : int
        How many steps there are between zero and the threshold: 2^bits - 1 for a number of bits.
    threshold : float
        Where the end is at first.
    signed : bool
        Whether there are as many steps below zero.

    Examples
    --------
    >>> QCFS(4, 1.0)(torch.tensor([-1.0, 0.3, 0.4, 7.0])).tolist()
    [0.0, 0.25, 0.5, 1.0]
    >>> QCFS(4, 1.0, signed=True)(torch.tensor([-1.0, -0.3])).tolist()
    [-1.0, -0.25]
    """

    def __init__(self, levels: int = 8, threshold: float = 8.0, *, signed: bool = False) -> None:
        super().__init__()
        self.levels = check_levels(levels)
        if not 0 < threshold < np.inf:
            raise ConversionError(f"QCFS.threshold: got {threshold!r}; allowed is a number above 0")
        self.signed = bool(signed)
        self.threshold = nn.Parameter(torch.tensor(float(threshold)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the value in steps of each number."""
        return staircase(x, self.threshold, self.levels, -self.levels if self.signed else 0)

    def extra_repr(self) -> str:
        """Say how many levels there are, and where they end."""
        return f"levels={self.levels}, threshold={self.threshold.item():.4g}, signed={self.signed}"


def check_levels(levels: Any) -> int:
    """Return a number of levels, or raise ConversionError."""
    whole = isinstance(levels, (int, np.integer)) and not isinstance(levels, bool)
    if not whole or not 1 <= levels < 2**12:
        raise ConversionError(f"levels: got {levels!r}; allowed is a whole number from 1 to {2**12 - 1}")
    return int(levels)


def replaced(model: nn.Module, sample: Tensor, levels: int) -> nn.Module:
    """Return a copy of a module with steps in place of its ReLUs: see `quantise_activations`."""
    made = copy.deepcopy(model)
    training = {part: part.training for part in made.modules()}
    made.eval()
    places = [(name, part) for name, part in made.named_modules(remove_duplicate=False)
              if isinstance(part, _MODULES)]  # fmt: skip
    if not places:
        raise ConversionError("model: it holds no torch.nn.ReLU; allowed is a module whose ReLUs are modules")
    steps = {part: _fitted(part, values, levels) for part, values in _arriving(made, sample, places).items()}
    for name, part in places:
        owner, _, own = name.rpartition(".")
        setattr(made.get_submodule(owner), own, steps[part].train(training[part]))
    _refuse_calls(made, sample)
    for kept, mode in training.items():
        kept.training = mode
    return made


def _arriving(
    model: nn.Module, sample: Tensor, places: Sequence[tuple[str, nn.Module]]
) -> dict[nn.Module, np.ndarray]:
    """Return some of what arrives at parts of a module."""
    arrived: dict[nn.Module, list[np.ndarray]] = {part: [] for _, part in places}

    def keep(part: nn.Module, given: tuple[Tensor, ...]) -> None:
        values = given[0].detach().reshape(-1)
        arrived[part].append(values[:: max(1, len(values) // ENOUGH)].cpu().numpy())

    hooks = [part.register_forward_pre_hook(keep) for part in arrived]
    with torch.no_grad():
        model(sample)
    for hook in hooks:
        hook.remove()
    idle = [name for name, part in places if not arrived[part]]
    if idle:
        raise ConversionError(f"model.{idle[0]}: the sample never comes to it; leave it out of the model")
    return {part: np.concatenate(values) for part, values in arrived.items()}


def _fitted(part: nn.Module, values: np.ndarray, levels: int) -> QCFS:
    """Return steps with the smallest squared error on what arrives at a ReLU."""
    wanted = np.clip(values, 0.0, 6.0 if isinstance(part, nn.ReLU6) else None)
    top = float(wanted.max()) or 1.0
    thresholds = CANDIDATES * top
    errors = [((np.clip(np.floor(values * levels / t + 0.5), 0, levels) * (t / levels) - wanted) ** 2).mean()
              for t in thresholds]  # fmt: skip
    return QCFS(levels, float(thresholds[int(np.argmin(errors))]))


class _Calls(TorchFunctionMode):
    """Notes in which part of a module a ReLU is called as a function."""

    def __init__(self) -> None:
        super().__init__()
        self.inside: list[str] = []
        self.places: list[str] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Note a ReLU, and do what was asked for."""
        if func in _CALLS:
            self.places.append(self.inside[-1])
        return func(*args, **(kwargs or {}))


def _refuse_calls(model: nn.Module, sample: Tensor) -> None:
    """Raise ConversionError if a module that holds no ReLU calls one as a function."""
    calls, hooks = _Calls(), []
    for name, part in model.named_modules():
        label = f"{name} ({type(part).__name__})" if name else type(part).__name__
        hooks.append(part.register_forward_pre_hook(lambda *_, label=label: calls.inside.append(label)))
        hooks.append(part.register_forward_hook(lambda *_: calls.inside.pop() and None))
    with torch.no_grad(), calls:
        model(sample)
    for hook in hooks:
        hook.remove()
    if calls.places:
        raise ConversionError(
            f"model: {', '.join(dict.fromkeys(calls.places))} calls relu as a function, which cannot be "
            "replaced; make it a torch.nn.ReLU() of the module"
        )
