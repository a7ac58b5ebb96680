"""Delays that are learned: a position in time for each synapse, and a bell around it that becomes narrow.

In training a synapse of weight w and position p reaches its target through taps of all delays d, weighed by
w G_d, G_d = exp(-((d - p) / sigma)^2 / 2) / sum_k exp(-((k - p) / sigma)^2 / 2), so that p has a gradient.
In evaluation it has one delay, p rounded. Positions and widths count in steps, delays from 1 to the longest.
Source: I. Hammouamri, I. Khalfaoui-Hassani and T. Masquelier, International Conference on Learning
Representations (2024); there a delay of d steps is the position (K + 1) / 2 - d, of K taps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from ..neurons.errors import MissingExtra, SpecError

try:
    import torch
except ImportError:
    raise MissingExtra("torch", "torch", "Training delays") from None

#: What is added to the width that narrows, and what that narrows to: bells end with a sigma of half a step.
FLOOR, LAST = 0.27, 0.23
#: So that bells far from every tap do not divide by nothing.
_EPSILON = 1e-7
#: Steps that are transformed at once, at least, and in lengths of the longest delay.
_AT_ONCE, _LENGTHS = 128, 4


@dataclass(frozen=True)
class LearnedDelays:
    """Delays of a projection that are to be learned: see `delays` of `rheobase.to_torch`.

    Parameters
    ----------
    longest : float
        Seconds; the shortest is one step.
    sigma : float, optional
        Width of the bells at the beginning, in steps; half of the longest delay if left out.

    Examples
    --------
    >>> LearnedDelays(24e-3)
    LearnedDelays(longest=0.024, sigma=None)
    """

    longest: float
    sigma: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("longest", self.longest), ("sigma", self.sigma)):
            known = isinstance(value, int | float) and not isinstance(value, bool)
            if value is not None and not (known and 0.0 < value < math.inf):
                raise SpecError(f"LearnedDelays.{name}: got {value!r}; allowed is a number above 0")


class Delayed(torch.nn.Module):
    """Base class of synapses whose delays are learned.

    Attributes
    ----------
    position : parameter
        The delay of each synapse, in steps.
    longest : int
        Steps.
    sigma : tensor
        The width of their bells, in steps; 0 where each has a single tap in training too.
    """

    position: torch.nn.Parameter
    longest: int
    sigma: torch.Tensor

    def taps(self, weight: torch.Tensor) -> torch.Tensor:
        """Return how synapses of a weight count, through each delay from 1 to the longest: (longest, ...)."""
        return weight * bells(self.position, self.sigma, self.longest)

    def rounded(self) -> torch.Tensor:
        """Return the delay of each synapse in whole steps, int64."""
        return self.position.detach().clamp(1, self.longest).round().long()

    def clamp_(self) -> None:
        """Bring positions back between one step and the longest delay, where they have left it."""
        with torch.no_grad():
            if bool(((self.position < 1) | (self.position > self.longest)).any()):
                self.position.clamp_(1, self.longest)


def bells(position: torch.Tensor, sigma: torch.Tensor | float, longest: int) -> torch.Tensor:
    """Return bells around positions, each with a sum of 1 over the delays from 1 to the longest.

    Parameters
    ----------
    position : tensor (...)
        Delays in steps.
    sigma : float, or tensor
        Their width in steps, above 0.
    longest : int
        Steps.

    Returns
    -------
    tensor (longest, ...)

    Examples
    --------
    >>> (1000 * bells(torch.tensor([2.0]), 0.5, 4)).flatten().round().int().tolist()
    [106, 787, 106, 0]
    """
    delay = torch.arange(1, longest + 1, device=position.device, dtype=position.dtype)
    away = (delay.reshape(-1, *[1] * position.ndim) - position) / sigma
    bell = torch.exp(-0.5 * away * away)
    return bell / (bell.sum(dim=0) + _EPSILON)


def delayed_sums(sent: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    """Return what events add through taps of several delays: y_t = sum_d taps_d x_(t - d).

    The sums over delays are products in the frequency domain, and the transforms products of matrices; that
    takes fewer operations than a convolution by a factor of about half the number of taps.

    Parameters
    ----------
    sent : tensor (longest + steps - 1, batch, n_pre)
        What was sent, from `longest` steps before the first step on.
    taps : tensor (longest, n_post, n_pre)
        Weights by delay, from one step on.

    Returns
    -------
    tensor (steps, batch, n_post)

    Examples
    --------
    >>> sent = torch.tensor([1.0, 0.0, 2.0, 0.0, 0.0]).reshape(5, 1, 1)
    >>> delayed_sums(sent, torch.tensor([1.0, 10.0]).reshape(2, 1, 1)).flatten().round().int().tolist()
    [10, 2, 20, 0]
    """
    longest, n_post, n_pre = taps.shape
    steps, batch = len(sent) - longest + 1, sent.shape[1]
    if longest == 1:
        return sent @ taps[0].T
    if steps == 1:
        return torch.einsum("dbi,doi->bo", sent.flip(0), taps)[None]
    at_once = min(steps, max(_AT_ONCE, _LENGTHS * longest))
    pieces = -(-steps // at_once)
    padded = torch.nn.functional.pad(sent, (0, 0, 0, 0, 0, pieces * at_once - steps))
    rows = padded.unfold(0, at_once + longest - 1, at_once).permute(3, 0, 1, 2)
    there, kernel, back = _transforms(at_once, longest, sent.dtype, sent.device)
    x = (there @ rows.reshape(len(rows), -1)).reshape(2, -1, pieces * batch, n_pre)
    w = (kernel @ taps.reshape(longest, -1)).reshape(2, -1, n_post, n_pre).transpose(2, 3)
    real = torch.baddbmm(torch.bmm(x[0], w[0]), x[1], w[1], alpha=-1)
    imaginary = torch.baddbmm(torch.bmm(x[0], w[1]), x[1], w[0])
    y = back @ torch.cat([real, imaginary]).reshape(back.shape[1], -1)
    return y.reshape(at_once, pieces, batch, n_post).transpose(0, 1).flatten(0, 1)[:steps]


@lru_cache(maxsize=16)
def _transforms(
    steps: int, longest: int, dtype: torch.dtype, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the matrices that transform events and taps, (2 frequencies, n), and sums back to steps.

    A period is no shorter than what is transformed, so only the first sums, of which not all terms are there,
    meet those that wrap around; they are not asked for.
    """
    n = steps + longest - 1
    frequency, time = (torch.arange(size, dtype=torch.float64) for size in (n // 2 + 1, n))
    phase = 2.0 * math.pi * (torch.outer(frequency, time) % n) / n
    there = torch.cat([torch.cos(phase), -torch.sin(phase)])
    twice = torch.where((frequency == 0) | (2 * frequency == n), 1.0, 2.0).repeat(2)
    back = (there * twice[:, None])[:, longest - 1 :].T / n
    kernel = there[:, :longest]
    made = tuple(matrix.to(device, dtype).contiguous() for matrix in (there, kernel, back))
    return made[0], made[1], made[2]


def delayed_in(module: torch.nn.Module) -> Iterator[Delayed]:
    """Yield all synapses within a module whose delays are learned.

    Raises
    ------
    SpecError
        If there are none.
    """
    found = [m for m in module.modules() if isinstance(m, Delayed)]
    if not found:
        raise SpecError("module: it learns no delays; ask for them with rb.to_torch(net, delays={...})")
    yield from found


def positions(module: torch.nn.Module) -> list[torch.nn.Parameter]:
    """Return the positions that are learned in a module, for an optimiser of their own or a group of its.

    They count in steps, so they take larger steps of learning than weights: the source's is 100 times theirs.
    """
    return [delayed.position for delayed in delayed_in(module)]


def sigma_at(epoch: int, epochs: int, longest: int) -> float:
    """Return the width of bells in an epoch: wide first, then narrower by a factor, still after a quarter.

    Half of the longest delay, in whole steps, becomes 0.23 within the first quarter of epochs; 0.27 is added.

    Examples
    --------
    >>> [round(sigma_at(epoch, 40, 25), 2) for epoch in (0, 5, 10, 39)]
    [12.27, 1.93, 0.5, 0.5]
    """
    first, quarter = longest // 2, max(epochs // 4, 1)
    if first <= LAST:
        return LAST + FLOOR
    return float(first * (LAST / first) ** min(epoch / quarter, 1.0) + FLOOR)


def narrow(module: torch.nn.Module, epoch: int, epochs: int) -> None:
    """Set all bells of a module to the width of an epoch: see `sigma_at`."""
    for delayed in delayed_in(module):
        delayed.sigma.fill_(sigma_at(epoch, epochs, delayed.longest))


def set_sigma(module: torch.nn.Module, sigma: float) -> None:
    """Set all bells of a module to a width in steps; 0 for single taps at the rounded positions.

    Raises
    ------
    SpecError
        If the width is below 0.
    """
    if not 0.0 <= sigma < math.inf:
        raise SpecError(f"set_sigma.sigma: got {sigma!r}; allowed is a number from 0")
    for delayed in delayed_in(module):
        delayed.sigma.fill_(sigma)


def fix(module: torch.nn.Module) -> None:
    """Round all positions of a module and let them stay, so that only weights are trained from then on."""
    set_sigma(module, 0.0)
    for delayed in delayed_in(module):
        with torch.no_grad():
            delayed.position.copy_(delayed.rounded())
        delayed.position.requires_grad_(False)
