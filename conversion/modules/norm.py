"""Batch normalisation of what a projection adds; a network has it in weights and a constant current."""

from __future__ import annotations

import torch

from ...engine.connectivity import Conv2d, one_to_one
from ...engine.groups import image_of
from ...engine.network import Network
from ...engine.parts import Projection
from ...engine.planned import ProjectionPlan
from ...engine.sources import CurrentSource
from ...neurons.errors import RunError


class Norm(torch.nn.BatchNorm1d):
    """Normalise what a projection adds, over steps and batch, for each neuron or each channel of an image.

    y = gamma (x - mean) / sqrt(variance + eps) + beta, in training with the mean and variance of what it is
    given, in evaluation with running ones (Ioffe and Szegedy, 2015).

    Parameters
    ----------
    p : ProjectionPlan
        The projection.
    """

    def __init__(self, p: ProjectionPlan) -> None:
        shared = isinstance(p.part.connectivity, Conv2d)
        super().__init__(image_of(p.part.post)[0] if shared else p.part.post.n)
        self.label = p.name

    def forward(self, added: torch.Tensor) -> torch.Tensor:
        """Return inputs (..., n) normalised."""
        rows = added.reshape(-1, self.num_features, added.shape[-1] // self.num_features)
        if rows.shape[0] * rows.shape[2] == 1:
            raise RunError(
                f"batch_norm of {self.label}: one number for each neuron has no variance; give several "
                "samples in training (where nothing feeds back, several steps will do)"
            )
        return super().forward(rows.squeeze(2)).reshape(added.shape)

    def scale(self) -> torch.Tensor:
        """Return by what evaluation multiplies, (channels,)."""
        return self.weight / torch.sqrt(self._variance + self.eps)

    def shift(self, n: int) -> torch.Tensor:
        """Return what evaluation adds to each of n neurons."""
        return (self.bias - self._mean * self.scale()).repeat_interleave(n // self.num_features)

    @property
    def _mean(self) -> torch.Tensor:
        assert self.running_mean is not None
        return self.running_mean

    @property
    def _variance(self) -> torch.Tensor:
        assert self.running_var is not None
        return self.running_var


def add_constant(network: Network, name: str, values: torch.Tensor) -> None:
    """Add a source to a network that gives a projection's targets a constant input in every step."""
    p = network[name]
    assert isinstance(p, Projection)
    stem = label = f"bias of {name}"
    k = 2
    while label in network:
        label, k = f"{stem} {k}", k + 1
    currents = values.detach().cpu().double().numpy()
    constant = network.add(CurrentSource(p.post.n, values=currents, name=label))
    network.add(Projection(constant, p.post, one_to_one(), delay=0.0, receptor=p.receptor))
