"""Convolutions and pools as torch modules."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ...engine.connectivity import Conv2d, Pool2d
from ...engine.groups import image_of
from ...engine.plan import Plan
from ...engine.planned import ProjectionPlan
from .pooling import sum_windows
from .synapses import Synapses


class Convolution(Synapses):
    """Weights shared over the positions of an image."""

    def __init__(self, plan: Plan, p: ProjectionPlan, weights: np.ndarray) -> None:
        super().__init__(plan, p, weights)
        c = p.part.connectivity
        assert isinstance(c, Conv2d)
        self.image, self.kernel, self.groups = image_of(p.part.pre), weights.shape[2:], c.groups
        self.options: dict[str, Any] = {
            "stride": c.stride, "padding": c.padding, "dilation": c.dilation,
        }  # fmt: skip

    def forward(self, sent: torch.Tensor, delay: int, weights: Any) -> torch.Tensor:
        """Convolve."""
        images = sent.reshape(-1, *self.image)
        out = functional.conv2d(images, weights, groups=self.groups, **self.options)
        return out.reshape(*sent.shape[:-1], -1)

    def rows(self, sent: torch.Tensor) -> torch.Tensor:
        """Return the windows of images as the rows (N, n) that a kernel is multiplied with."""
        patches = functional.unfold(sent.reshape(-1, *self.image), self.kernel, **self.options)
        return patches.transpose(1, 2).flatten(0, 1)


class Pooling(Synapses):
    """One weight for all windows of an image."""

    def __init__(self, plan: Plan, p: ProjectionPlan, weights: np.ndarray) -> None:
        super().__init__(plan, p, weights)
        c = p.part.connectivity
        assert isinstance(c, Pool2d)
        self.image, self.share = image_of(p.part.pre), c.share
        self.windows = c.size, c.stride, c.padding

    def stored(self) -> torch.Tensor:
        """Return the one weight times the share of a neuron in its window, as the engine stores it."""
        weight = self.weight * self.share
        if self.step is None:
            return weight
        return weight + (torch.round(weight / self.step) * self.step - weight).detach()

    def forward(self, sent: torch.Tensor, delay: int, weights: Any) -> torch.Tensor:
        """Add up windows, and weigh their sums."""
        out = sum_windows(sent.reshape(-1, *self.image), *self.windows)
        return out.reshape(*sent.shape[:-1], -1) * weights
