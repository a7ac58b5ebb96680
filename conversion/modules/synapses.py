"""Projections as torch modules: what a number of steps of events adds to a receptor's input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from ...engine.plan import Plan
from ...engine.planned import ProjectionPlan
from ...learning.binding.weighing import Weighing
from .norm import Norm


class Synapses(Weighing):
    """The synapses of one projection, with the parameter `weight` in the shape of its description.

    Attributes
    ----------
    weight : parameter
        As the projection describes its weights, one for each synapse: see `Network.with_weights`.
    delays : tuple of int
        The delays that occur, in steps.
    norm : Norm or None
        Batch normalisation of what they add.
    """

    weight: torch.nn.Parameter
    norm: Norm | None

    def __init__(self, plan: Plan, p: ProjectionPlan, weights: np.ndarray) -> None:
        super().__init__()
        self.norm = None
        self.step = step_of(plan, p)
        self.weight = torch.nn.Parameter(torch.from_numpy(rounded_alike(weights, self.step)))
        self.delays = p.delays
        self.source, self.target = p.part.source.label, p.part.target.label
        self.pre = _end(p.pre_ids, p.part.source.n)
        self.post = _end(p.post_ids, p.part.target.n)
        self.shape = (p.part.post.n, p.part.pre.n)
        self.n_target = p.part.target.n

    def extra_repr(self) -> str:
        """Say what leads where."""
        delays = self.delays if len(self.delays) < 4 else f"{min(self.delays)} to {max(self.delays)}"
        return f"{self.source} -> {self.target}, weight={tuple(self.weight.shape)}, delays={delays}"

    @property
    def soft(self) -> bool:
        """Whether they count otherwise now than in a network, so that a grid would mean nothing."""
        return self.norm is not None and self.norm.training

    def renew(self) -> None:
        """Let torch's pruning make the weight anew, which its hooks do before `forward`: too late here."""
        for hook in self._forward_pre_hooks.values():
            if isinstance(hook, BasePruningMethod | WeightNorm | SpectralNorm):
                hook(self, ())

    def folded(self) -> torch.Tensor:
        """Return the weights as a network has them: a normalisation, as it is in evaluation, is in them."""
        return self.weight if self.norm is None else self.scaled(self.norm.scale())

    def scaled(self, scale: torch.Tensor) -> torch.Tensor:
        """Return the weights times a factor for each target, or each channel of a convolution."""
        return self.weight * scale.reshape(-1, *[1] * (self.weight.ndim - 1))

    def stored(self) -> torch.Tensor:
        """Return the weights as the engine stores them: on the receptor's grid where it has one.

        Gradients pass as if nothing was rounded.
        """
        normed = self.norm is not None and self.norm.training
        weight = self.weight if normed else self.folded()
        if self.step is None or self.soft:
            return weight
        return weight + (torch.round(weight / self.step) * self.step - weight).detach()

    def arriving(
        self, sent: Callable[[int], torch.Tensor], weights: Any, *, apart: bool = False
    ) -> torch.Tensor:
        """Return what events add to the target's neurons.

        Parameters
        ----------
        sent
            What the source sent (..., n_source) so many steps before those in which it arrives.
        weights
            What `prepared` returned, for all steps of a run.
        apart
            Whether what is normalised is so step by step, the first axis.
        """
        added = self.summed(lambda delay: self._chosen(sent(delay)), weights)
        if self.norm is not None and self.norm.training:
            added = torch.stack([self.norm(x) for x in added]) if apart else self.norm(added)
        return self._placed(added)

    def constant(self) -> torch.Tensor | None:
        """Return what a normalisation in evaluation adds to the target's neurons in every step, if any."""
        if self.norm is None or self.norm.training:
            return None
        return self._placed(self.norm.shift(self.shape[0]))

    def summed(self, sent: Callable[[int], torch.Tensor], weights: Any) -> torch.Tensor:
        """Return what events add to the neurons of the projection's end, through synapses of all delays.

        Torch's hooks on `forward` see what the neurons of the projection's own end have sent.
        """
        added: torch.Tensor = self(sent(self.delays[0]), self.delays[0], weights)
        for delay in self.delays[1:]:
            added = added + self(sent(delay), delay, weights)
        return added

    def _chosen(self, sent: torch.Tensor) -> torch.Tensor:
        return sent if self.pre is None else sent[..., self.pre]

    def _placed(self, added: torch.Tensor) -> torch.Tensor:
        if self.post is None:
            return added
        whole = added.new_zeros(*added.shape[:-1], self.n_target)
        return whole.index_copy(-1, self._ids(self.post, added), added)

    def prepared(self) -> Any:
        """Return the weights as `forward` takes them, made once for a run."""
        return self.stored()

    def forward(self, sent: torch.Tensor, delay: int, weights: Any) -> torch.Tensor:
        """Return what events (..., n_pre) add to the projection's targets through synapses of one delay."""
        raise NotImplementedError

    @staticmethod
    def _ids(end: slice | np.ndarray, like: torch.Tensor) -> torch.Tensor:
        ids = np.arange(end.start, end.stop) if isinstance(end, slice) else end
        return torch.as_tensor(ids, device=like.device)


def step_of(plan: Plan, p: ProjectionPlan) -> float | None:
    """Return the step of the grid on which a projection's weights lie; None where they are real numbers."""
    grid = plan.receptor(p).grid
    return grid.step if p.arithmetic == "fixed" and grid is not None else None


def rounded_alike(weights: np.ndarray, step: float | None) -> np.ndarray:
    """Return weights in single precision that round to the same multiples of a step as those given."""
    narrow = weights.astype(np.float32)
    if step is None:
        return narrow
    away = np.rint(weights / step) - np.rint(narrow.astype(np.float64) / step)
    # A weight that single precision puts onto the middle between two multiples goes to the right one again.
    right = np.nextafter(narrow, np.where(away > 0, np.inf, -np.inf).astype(np.float32))
    return np.where(away == 0, narrow, right)


def _end(ids: np.ndarray, n: int) -> slice | np.ndarray | None:
    """Return how the neurons of an end lie in their group of n; None if they are all of it, in order."""
    if np.array_equal(ids, np.arange(n)):
        return None
    if np.array_equal(ids, np.arange(ids[0], ids[0] + ids.size)):
        return slice(int(ids[0]), int(ids[-1]) + 1)
    return ids
