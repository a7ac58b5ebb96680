"""Transfer from images to events: one network sees both, and is to find the same in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..neurons.errors import MissingExtra, SpecError

try:
    import torch
except ImportError:
    raise MissingExtra("torch", "torch", "Transfer from images to events") from None

from .sltt import cross_entropy_and_square

__all__ = [
    "Transfer", "cka", "moving_frames", "pairs", "replacement", "slide", "static_frames", "tet_loss",
]  # fmt: skip


def cka(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return how alike a batch lies in two spaces of features: linear centred kernel alignment, 0 to 1.

    With Gram matrices K = X X^T and L = Y Y^T, both centred by rows and columns, it is
    <K, L> / (|K| |L| + 1e-7). Neither rotating nor scaling features changes it. Where there are far more
    features than samples, it is near 1 for anything.

    Parameters
    ----------
    x, y : tensors (..., batch, features)
        The same samples in both; numbers of features may differ.

    Returns
    -------
    tensor (...)

    Notes
    -----
    Source: S. Kornblith et al., Similarity of neural network representations revisited, ICML (2019).

    Examples
    --------
    >>> x = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 1.0]])
    >>> turned = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    >>> round(float(cka(x, 5.0 * x @ turned)), 4)
    1.0
    """
    if x.shape[:-1] != y.shape[:-1] or x.ndim < 2 or x.shape[-2] < 2:
        raise SpecError(
            f"cka: got {tuple(x.shape)} and {tuple(y.shape)}; allowed are two (..., batch, features) of one "
            "batch, of 2 samples or more"
        )
    # To centre features is to centre their Gram matrix by rows and columns.
    grams = [_gram(features - features.mean(dim=-2, keepdim=True)) for features in (x, y)]
    lengths = [torch.linalg.matrix_norm(gram) for gram in grams]
    found: torch.Tensor = (grams[0] * grams[1]).sum(dim=(-2, -1)) / (lengths[0] * lengths[1] + 1e-7)
    return found


def tet_loss(
    outputs: torch.Tensor,
    labels: torch.Tensor,
    *,
    weights: torch.Tensor | None = None,
    share: float = 1e-3,
    target: float = 0.5,
) -> torch.Tensor:
    """Return the mean over steps of each step's loss: cross-entropy, and distance from a target by a share.

    Parameters
    ----------
    outputs : tensor (steps, batch, classes)
        Of each step.
    labels : int64 tensor (batch,)
        The right classes.
    weights : tensor (steps,), optional
        What each step's loss counts; 1 if left out.
    share : float
        Of the mean squared distance from the target.
    target : float
        What outputs are to come near.

    Notes
    -----
    Source: S. Deng et al., International Conference on Learning Representations (2022).

    Examples
    --------
    >>> outputs = torch.zeros(3, 4, 10)
    >>> round(float(tet_loss(outputs, torch.arange(4), share=0.0)), 4)  # log 10
    2.3026
    """
    parts = [cross_entropy_and_square(step, labels, share=share, target=target) for step in outputs]
    losses = torch.stack(parts)
    return losses.mean() if weights is None else (weights * losses).mean()


class Transfer(torch.nn.Module):
    """The loss of a network that learns events with the help of images.

    The network is run on images, shown in every step, and on events, from rest each time. The loss is

    * L_static, `tet_loss` of its answers to images,
    * L_event, that of its answers to events, each step weighted by 1 - sigmoid(c_t),
    * weight * L_domain, the mean over steps of sigmoid(c_t) (1 - |CKA|) between features of both, such as the
      potentials of the last hidden layer.

    The c_t are learned beside the network's parameters. Where images are replaced by events (`slide`),
    nothing pulls them back from lowering the weighted loss of events, so watch `gates`.

    Parameters
    ----------
    steps : int
        Of the sequences.
    initial : float
        Of all c_t; sigmoid(1) is 0.73.
    weight : float
        Of L_domain.
    share, target : float
        As for `tet_loss`.

    Notes
    -----
    Source: X. He et al., An efficient knowledge transfer strategy for spiking neural networks from static to
    event domain, AAAI (2024).

    Examples
    --------
    >>> transfer = Transfer(6)
    >>> answers, labels = torch.zeros(6, 4, 10), torch.arange(4)
    >>> features = torch.rand(6, 4, 30)
    >>> round(float(transfer(answers, answers, labels, features, features).detach()), 2)
    2.92
    >>> transfer.gates
    tensor([0.7311, 0.7311, 0.7311, 0.7311, 0.7311, 0.7311])
    """

    def __init__(
        self,
        steps: int,
        *,
        initial: float = 1.0,
        weight: float = 0.5,
        share: float = 1e-3,
        target: float = 0.5,
    ) -> None:
        super().__init__()
        self.c = torch.nn.Parameter(torch.full((steps,), float(initial)))
        self.weight, self.share, self.target = weight, share, target

    @property
    def gates(self) -> torch.Tensor:
        """What each step counts for alignment, sigmoid(c_t), and what it does not for events: no graph."""
        return torch.sigmoid(self.c.detach())

    def domain(self, static: torch.Tensor, events: torch.Tensor) -> torch.Tensor:
        """Return L_domain of features (steps, batch, ...)."""
        alike = cka(static.flatten(2), events.flatten(2))
        return (torch.sigmoid(self.c) * (1.0 - alike.abs())).mean()

    def forward(
        self,
        static: torch.Tensor,
        events: torch.Tensor,
        labels: torch.Tensor,
        static_features: torch.Tensor,
        event_features: torch.Tensor,
    ) -> torch.Tensor:
        """Return the loss.

        Parameters
        ----------
        static, events : tensors (steps, batch, classes)
            Answers to images, and to events.
        labels : int64 tensor (batch,)
            The classes of both.
        static_features, event_features : tensors (steps, batch, ...)
            What is to be alike.
        """
        for what, given in (("static", static), ("events", events)):
            if len(given) != len(self.c):
                raise SpecError(
                    f"Transfer.{what}: got {len(given)} steps; allowed are the {len(self.c)} it was made for"
                )
        how: dict[str, Any] = {"share": self.share, "target": self.target}
        plain = tet_loss(static, labels, **how)
        weighted = tet_loss(events, labels, weights=1.0 - torch.sigmoid(self.c), **how)
        return plain + weighted + self.weight * self.domain(static_features, event_features)


def static_frames(images: torch.Tensor, steps: int, channels: int = 2) -> torch.Tensor:
    """Return images that stand still as frames: their brightness, in every step and channel.

    Parameters
    ----------
    images : tensor (batch, height, width) or (batch, 3, height, width)
        In 0 .. 1; of colours, the brightness is the largest (V of HSV).
    steps, channels : int
        How often.

    Returns
    -------
    tensor (steps, batch, channels, height, width)

    Examples
    --------
    >>> static_frames(torch.rand(5, 3, 8, 8), 4).shape
    torch.Size([4, 5, 2, 8, 8])
    """
    return _brightness(images)[None, :, None].expand(steps, -1, channels, -1, -1)


def moving_frames(images: torch.Tensor, moves: Sequence[tuple[int, int]]) -> torch.Tensor:
    """Return images as a camera of events sees them move: where each step made a pixel darker, and brighter.

    Where it is known how the camera, or what it saw, was moved, these resemble events more than the images
    themselves, and a network has more to learn from them.

    Parameters
    ----------
    images : tensor (batch, height, width) or (batch, 3, height, width)
        As for `static_frames`. Nothing is around them.
    moves : sequence of (int, int)
        Of each step, by how many pixels to the right and down, from where images stand.

    Returns
    -------
    tensor (steps, batch, 2, height, width)
        By how much each pixel got darker (channel 0), and brighter (channel 1).

    Examples
    --------
    >>> moving_frames(torch.tensor([[[0.0, 1.0, 0.0]]]), [(1, 0)]).tolist()
    [[[[[0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]]]]]
    """
    if not len(moves):
        raise SpecError("moving_frames.moves: got none; allowed is (right, down) of each step")
    bright = _brightness(images)
    height, width = bright.shape[-2:]
    most = max(abs(way) for move in moves for way in move)
    around = torch.nn.functional.pad(bright, (most, most, most, most))
    moved = torch.stack([
        around[:, most - down : most - down + height, most - right : most - right + width]
        for right, down in moves
    ])  # fmt: skip
    return torch.stack([(bright - moved).relu(), (moved - bright).relu()], dim=2)


def pairs(labels: Any, of: Any, rng: np.random.Generator) -> np.ndarray:
    """Return for each label the place of one that is the same, drawn at random.

    Parameters
    ----------
    labels : array (n,)
        Of what partners are sought for.
    of : array (m,)
        Labels among which they are found.
    rng : numpy.random.Generator
        Draws.

    Returns
    -------
    array of int64, shape (n,)

    Examples
    --------
    >>> pairs([1, 0, 1], [0, 1], np.random.default_rng(0)).tolist()
    [1, 0, 1]
    """
    wanted, found = np.asarray(labels), np.asarray(of)
    missing = np.setdiff1d(wanted, found)
    if missing.size:
        raise SpecError(f"pairs.of: got no {missing.tolist()}; allowed are labels that hold each of `labels`")
    order = np.argsort(found, kind="stable")
    first, past = (np.searchsorted(found[order], wanted, side) for side in ("left", "right"))
    return order[rng.integers(first, past)]


def replacement(done: float, power: float = 3.0) -> float:
    """Return with what probability an image is replaced by events, when a share of training is done.

    Examples
    --------
    >>> [replacement(done) for done in (0.0, 0.5, 1.0)]
    [0.0, 0.125, 1.0]
    """
    if not 0.0 <= done <= 1.0:
        raise SpecError(f"replacement.done: got {done!r}; allowed is a number from 0 to 1")
    return float(done**power)


def slide(
    static: torch.Tensor, events: torch.Tensor, p: float, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Return images of which each is replaced by its events with probability p: sliding training.

    Parameters
    ----------
    static, events : tensors (steps, batch, ...)
        Images, and for each the events that it is paired with.
    p : float
        See `replacement`.
    generator : torch.Generator, optional
        Draws.

    Examples
    --------
    >>> bool((slide(torch.zeros(2, 5, 3), torch.ones(2, 5, 3), 1.0) == 1.0).all())
    True
    """
    if static.shape != events.shape:
        raise SpecError(
            f"slide: got images {tuple(static.shape)} and events {tuple(events.shape)}; allowed are two of "
            "the same shape (steps, batch, ...)"
        )
    replaced = torch.rand(static.shape[1], generator=generator).to(static.device) < p
    return torch.where(replaced.reshape(1, -1, *[1] * (static.ndim - 2)), events, static)


def _brightness(images: torch.Tensor) -> torch.Tensor:
    return images.amax(dim=1) if images.ndim == 4 else images


def _gram(features: torch.Tensor) -> torch.Tensor:
    return features @ features.mT
