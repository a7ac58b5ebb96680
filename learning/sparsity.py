"""Sparsity in training: activations that are zero, neurons that spike seldom, and how to see either.

Losses here are added to that of the task, times a rate. Activations are seen by torch's hooks, which stay
only as long as a `with` lasts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from ..neurons.errors import MissingExtra, SpecError

try:
    import torch
except ImportError:
    raise MissingExtra("torch", "torch", "Training for sparsity") from None
from torch import Tensor

from .binding.operators import top_k
from .delta_activation import DeltaActivation

__all__ = ["TopK", "density", "density_loss", "rate_loss", "recorded"]


class TopK(torch.nn.Module):
    """A ReLU of which the k largest values stay, along the last axis; all others are zero.

    Where fewer than k are positive, fewer stay; of equal values the first ones do. Gradients pass to those
    that stay. A product with a matrix (n_out, n) that skips zeros then takes at most k n_out multiplications
    per token: `rheobase.convert` makes neurons of it that tell nothing else.

    Parameters
    ----------
    k : int
        How many stay, 1 or more; all that are positive where there are no more than k.

    Notes
    -----
    Source: Z. Li et al., "The Lazy Neuron Phenomenon", ICLR (2023).

    Examples
    --------
    >>> TopK(2)(torch.tensor([[3.0, -1.0, 2.0, 2.0], [-1.0, 5.0, 0.0, -2.0]])).tolist()
    [[3.0, 0.0, 2.0, 0.0], [0.0, 5.0, 0.0, 0.0]]
    """

    def __init__(self, k: int) -> None:
        super().__init__()
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise SpecError(f"TopK.k: got {k!r}; allowed is a whole number from 1")
        self.k = k

    def forward(self, x: Tensor) -> Tensor:
        """Return the k largest of (..., n) where they are positive, and zero elsewhere."""
        return top_k(x, self.k)

    def extra_repr(self) -> str:
        """Say how many stay."""
        return f"k={self.k}"


#: Modules whose outputs may be zero.
SPARSE = (torch.nn.ReLU, torch.nn.ReLU6, TopK, DeltaActivation)


@contextmanager
def recorded(
    module: torch.nn.Module, kinds: type[torch.nn.Module] | tuple[type[torch.nn.Module], ...] = SPARSE
) -> Iterator[dict[str, Tensor]]:
    """Keep what parts of a module return within a `with`, with their gradients.

    Parameters
    ----------
    module : torch.nn.Module
        Activations in it must be modules: what is called as a function is not seen.
    kinds : type, or tuple of them
        Which parts: ReLU, ReLU6, TopK and DeltaActivation by default.

    Yields
    ------
    dict of str to tensor
        Part -> what it returned, in the order of the calls. Further calls of a part are "name#2", "name#3".

    Raises
    ------
    SpecError
        If the module has no such part.

    Examples
    --------
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    >>> with recorded(model) as seen:
    ...     loss = model(torch.ones(4, 3)).square().mean() + density_loss(seen)
    >>> {name: tuple(z.shape) for name, z in seen.items()}
    {'1': (4, 8)}
    """
    seen: dict[str, Tensor] = {}

    def keeping(name: str) -> Any:
        def keep(_part: Any, _given: Any, returned: Tensor) -> None:
            calls = sum(key.partition("#")[0] == name for key in seen)
            seen[f"{name}#{calls + 1}" if calls else name] = returned

        return keep

    places = [(name, part) for name, part in module.named_modules() if isinstance(part, kinds)]
    if not places:
        wanted = ", ".join(kind.__name__ for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))
        raise SpecError(
            f"recorded.module: it holds no {wanted}; make its activations modules, or name their kinds"
        )
    hooks = [part.register_forward_hook(keeping(name)) for name, part in places]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def density(
    module: torch.nn.Module, x: Any, *, above: float = 0.0, mask: Tensor | None = None, kinds: Any = SPARSE
) -> dict[str, float]:
    """Return which share of the outputs of each activation is not zero.

    Parameters
    ----------
    module : torch.nn.Module
        As for `recorded`; it is run in evaluation, without gradients, and then is as it was.
    x : tensor
        Its input.
    above : float
        The magnitude that counts as zero: activations such as GELU have no exact zeros.
    mask : bool tensor, optional
        Which tokens count, in the shape of activations without their last axis: padding flatters.
    kinds
        As for `recorded`.

    Examples
    --------
    >>> density(torch.nn.Sequential(torch.nn.ReLU()), torch.tensor([[1.0, -1.0, 2.0, 0.0]]))
    {'0': 0.5}
    """
    training = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with torch.no_grad(), recorded(module, kinds) as seen:
            module(x)
    finally:
        for part, mode in training.items():
            part.training = mode
    return {name: float((_counting(z, mask).abs() > above).double().mean()) for name, z in seen.items()}


def density_loss(
    activations: Tensor | Iterable[Tensor] | Mapping[str, Tensor],
    *,
    eps: float = 1e-7,
    mask: Tensor | None = None,
) -> Tensor:
    """Return a smooth density: the mean of z^2 / (z^2 + eps), averaged over layers.

    Its derivative, 2 z eps / (z^2 + eps)^2, is large only around |z| = sqrt(eps), so it silences what comes
    near to zero and leaves all else alone. It works for ReLU, whose units pass there, and not for GELU, which
    has no exact zeros.

    Parameters
    ----------
    activations : tensor, several of them, or what `recorded` yields
        Of any shape.
    eps : float
        Below whose square root values count little.
    mask : bool tensor, optional
        Which tokens count, in the shape of activations without their last axis.

    Notes
    -----
    Source: B. Runwal, T. Pedapati and P.-Y. Chen, "From PEFT to DEFT", arXiv:2402.01911 (2024), where it
    tunes adapters of frozen transformers with a rate of 1.

    Examples
    --------
    >>> density_loss(torch.tensor([[0.0, 1.0, -2.0, 0.0]]))
    tensor(0.5000)
    """
    if isinstance(activations, Tensor):
        layers = [activations]
    else:
        layers = [*(activations.values() if isinstance(activations, Mapping) else activations)]
    if not layers or not eps > 0:
        raise SpecError(
            f"density_loss: got {len(layers)} activations, eps={eps!r}; allowed are one or more, and a "
            "number above 0"
        )
    squares = [_counting(z, mask).square() for z in layers]
    return torch.stack([(square / (square + eps)).mean() for square in squares]).mean()


def rate_loss(
    spikes: Tensor,
    *,
    lower: float | None = None,
    upper: float | None = None,
    power: Literal[1, 2] = 2,
    over: Literal["neuron", "layer"] = "neuron",
) -> Tensor:
    """Return by how much spike counts lie outside of bounds: the mean of |excess|^power.

    Parameters
    ----------
    spikes : tensor (steps, batch, n), or (batch, n) of counts
        What neurons sent, as a module of `to_torch` returns it.
    lower, upper : float, optional
        Bounds of a count, in spikes per input; one or both. The same number for both is a target.
    power : 1 or 2
        Of the excess. By a surrogate, gradients of 1 do not depend on how far off a count is.
    over : "neuron" or "layer"
        Whose count it is: each neuron's for each input; or, for each input, the mean over neurons, which
        lets some be busy while others rest.

    Notes
    -----
    Source: F. Zenke and T. P. Vogels, Neural Computation 33:899 (2021), for the Heidelberg spiking digits:
    an upper bound over the layer, and a lower one for each neuron, so that none falls silent.

    Examples
    --------
    >>> counts = torch.tensor([[0.0, 2.0, 7.0]])
    >>> float(rate_loss(counts, upper=5.0)), float(rate_loss(counts, lower=1.0, upper=5.0, power=1))
    (1.3333333730697632, 1.0)
    """
    if spikes.ndim not in (2, 3):
        raise SpecError(
            f"rate_loss.spikes: got shape {tuple(spikes.shape)}; allowed is (steps, batch, n) or (batch, n)"
        )
    if power not in (1, 2) or over not in ("neuron", "layer"):
        raise SpecError(
            f"rate_loss: got power={power!r}, over={over!r}; allowed are 1 or 2, and 'neuron' or 'layer'"
        )
    if (lower is None and upper is None) or not (lower or 0.0) <= (float("inf") if upper is None else upper):
        raise SpecError(
            f"rate_loss: got lower={lower!r}, upper={upper!r}; allowed are one bound or both, lower <= upper"
        )
    counts = spikes.sum(dim=0) if spikes.ndim == 3 else spikes
    counts = counts.mean(dim=-1) if over == "layer" else counts
    excess = torch.zeros_like(counts)
    if upper is not None:
        excess = excess + (counts - upper).relu()
    if lower is not None:
        excess = excess + (lower - counts).relu()
    return (excess**power).mean()


def _counting(z: Tensor, mask: Tensor | None) -> Tensor:
    """Return the values that count: those of the tokens of a mask."""
    if mask is not None and mask.shape != z.shape[:-1]:
        raise SpecError(f"mask: got shape {tuple(mask.shape)}; allowed is {tuple(z.shape[:-1])}")
    return z if mask is None else z[mask]
