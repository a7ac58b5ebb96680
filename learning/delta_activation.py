"""Activations in learned steps, of which only changes are told: trained so that few change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from ..neurons.alphabet import range_of
from ..neurons.errors import MissingExtra, SpecError

try:
    import torch
except ImportError:
    raise MissingExtra("torch", "torch", "Training sparse changes") from None
from torch import Tensor

from .binding.operators import staircase

__all__ = ["DeltaActivation", "delta_loss"]


class DeltaActivation(torch.nn.Module):
    """An activation in steps of a learned size q: a = q n, with the whole number n nearest to f(x) / q.

    Its training is ordinary. What it is for are streams of frames: a machine that tells only by how many
    steps each value has changed (sigma-delta) computes the same and pays for changes alone, and `delta_loss`
    makes them few. `rheobase.convert(module.eval(), sample, events="graded").stream(frames)` is that machine.

    Gradients pass to x as if nothing were rounded (none beyond either end). The threshold's is by choice

        dL/dq = - sum over what was rounded of dL/da n,

    the derivative of q n with n held, with its sign turned: where the loss asks for smaller changes, the step
    grows, and with it what is not worth telling.

    Parameters
    ----------
    threshold : float
        q at first.
    shape : tuple of int
        Of the thresholds, as it broadcasts with the values: () is one for the layer, (n,) one for each
        neuron, (channels, 1, 1) one for each channel.
    f : "relu" or "identity"
        What is told in steps.
    bits : int
        n stays within 0 .. 2^bits - 1 (relu), or -(2^(bits-1) - 1) .. 2^(bits-1) - 1 (identity).
    smallest : float
        The least step: without a loss on changes, thresholds go to zero, and what n can tell with them.
    turned : bool
        Whether the threshold's gradient has its sign turned; with False it is that of q n.

    Attributes
    ----------
    threshold : Parameter
        q is its magnitude, or `smallest`: see `step`.

    Raises
    ------
    SpecError
        If a number is out of its range, or f unknown.

    Notes
    -----
    Source: A. Yousefzadeh and M. Sifalakis, arXiv:2107.07305 (2021). Ties are rounded up, as neurons do.

    Examples
    --------
    >>> DeltaActivation(0.5)(torch.tensor([-1.0, 0.2, 0.3, 1.6])).tolist()
    [0.0, 0.0, 0.5, 1.5]
    """

    def __init__(
        self,
        threshold: float = 0.1,
        *,
        shape: tuple[int, ...] = (),
        f: Literal["relu", "identity"] = "relu",
        bits: int = 8,
        smallest: float = 1e-2,
        turned: bool = True,
    ) -> None:
        super().__init__()
        for name, value in (("threshold", threshold), ("smallest", smallest)):
            if not 0.0 < value < float("inf"):
                raise SpecError(f"DeltaActivation.{name}: got {value!r}; allowed is a number above 0")
        if f not in ("relu", "identity"):
            raise SpecError(f"DeltaActivation.f: got {f!r}; allowed is 'relu' or 'identity'")
        if isinstance(bits, bool) or not isinstance(bits, int) or not 2 <= bits <= 15:
            raise SpecError(f"DeltaActivation.bits: got {bits!r}; allowed is a whole number from 2 to 15")
        self.f, self.bits, self.smallest, self.turned = f, bits, float(smallest), bool(turned)
        self.low, self.high = range_of(f, bits)
        self.threshold = torch.nn.Parameter(torch.full(shape, float(threshold)))

    @property
    def step(self) -> Tensor:
        """The step q as it is now, without a gradient."""
        return self.threshold.detach().abs().clamp(min=self.smallest)

    def forward(self, x: Tensor) -> Tensor:
        """Return each value in steps; x is of any shape that the thresholds broadcast with."""
        if _exporting():  # as one operation, which `rheobase.convert` knows
            return self.step * staircase(x / self.step, x.new_full((), self.high), self.high, self.low)
        tell: Callable[..., Tensor] = _Told.apply
        return tell(x, self.threshold, self.step, self.low, self.high, self.turned)

    def extra_repr(self) -> str:
        """Say what steps it has."""
        step = self.step
        shown = f"{step.item():.4g}" if step.numel() == 1 else f"{step.min():.4g} .. {step.max():.4g}"
        return f"step={shown}, f={self.f}, bits={self.bits}"


class _Told(torch.autograd.Function):
    """The value in steps, with the gradients that `DeltaActivation` says."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, threshold: Tensor, step: Tensor, low: int, high: int, turned: bool
    ) -> Tensor:
        n = torch.floor(x / step + 0.5)
        ctx.save_for_backward((x >= low * step) & (n <= high), n.clamp(low, high), threshold)
        ctx.sign = -1.0 if turned else 1.0
        return step * n.clamp(low, high)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (gradient,) = gradients
        free, n, threshold = ctx.saved_tensors
        by_step = (gradient * n).sum_to_size(threshold.shape)
        toward = torch.where(threshold < 0, -ctx.sign, ctx.sign)  # q is the magnitude of the threshold
        return gradient * free, toward * by_step, None, None, None, None


def delta_loss(a: Tensor, *, fan_out: float = 1.0) -> Tensor:
    """Return what the changes of a sequence of values cost: fan_out times the mean of |a_t - a_(t-1)|.

    Parameters
    ----------
    a : tensor (steps, ...)
        What a `DeltaActivation` returned for the frames of a stream. The first frame costs nothing.
    fan_out : float
        How many weights a change of one value meets, or the layer's share of all multiplications.

    Returns
    -------
    tensor ()
        To be added to the loss, times a rate.

    Examples
    --------
    >>> float(delta_loss(torch.tensor([[1.0, 0.0], [1.0, 0.5], [0.0, 0.5]]), fan_out=4.0))
    1.5
    """
    if a.ndim < 2 or len(a) < 2:
        raise SpecError(
            f"delta_loss.a: got shape {tuple(a.shape)}; allowed is (steps, ...), two steps or more"
        )
    return fan_out * (a[1:] - a[:-1]).abs().mean()


def _exporting() -> bool:
    """Return whether a tracer is looking, which wants no gradients."""
    looking = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)
    return bool(looking())
