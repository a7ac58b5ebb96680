"""Lists of synapses as torch modules, each synapse with its own delay."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ...engine.connections import Connections, described_connections, is_matrix
from ...engine.plan import Plan
from ...engine.planned import ProjectionPlan
from .synapses import Synapses

#: Up to so many entries a list of synapses is multiplied as a matrix; beyond, one by one.
MOST_ENTRIES = 1 << 24


class OneToOne(Synapses):
    """One synapse for each pair of neurons with the same index, all with one delay."""

    def forward(self, sent: torch.Tensor, delay: int, weights: Any) -> torch.Tensor:
        """Weigh each alone."""
        return sent * weights


class Listed(Synapses):
    """A list of synapses, each with its own delay."""

    _post_of: torch.Tensor | None

    def __init__(self, plan: Plan, p: ProjectionPlan, weights: np.ndarray) -> None:
        super().__init__(plan, p, weights)
        listed = described_connections(plan, p)
        steps = np.rint(listed.delay / plan.dt).astype(np.int64)
        places = listed.post * self.shape[1] + listed.pre
        own = places if is_matrix(p) else np.arange(places.size)
        targets = None if is_matrix(p) else torch.from_numpy(listed.post)
        self.register_buffer("_post_of", targets, persistent=False)
        for delay in self.delays:
            chosen = steps == delay
            for what, values in (("chosen", own), ("places", places)):
                self.register_buffer(f"{what}_{delay}", torch.from_numpy(values[chosen]), persistent=False)

    def scaled(self, scale: torch.Tensor) -> torch.Tensor:
        """Return the weights times a factor for each target."""
        return super().scaled(scale if self._post_of is None else scale[self._post_of])

    def prepared(self) -> Any:
        """Return a matrix [n_post, n_pre] for each delay: sparse if there are too many entries."""
        values = self.stored().reshape(-1)
        return {delay: self._matrix(values, delay) for delay in self.delays}

    def _matrix(self, values: torch.Tensor, delay: int) -> torch.Tensor:
        mine, places = values[getattr(self, f"chosen_{delay}")], getattr(self, f"places_{delay}")
        if math.prod(self.shape) > MOST_ENTRIES:
            ids = torch.stack([places // self.shape[1], places % self.shape[1]])
            return torch.sparse_coo_tensor(ids, mine, self.shape)
        return mine.new_zeros(math.prod(self.shape)).index_add(0, places, mine).reshape(self.shape)

    def forward(self, sent: torch.Tensor, delay: int, weights: Any) -> torch.Tensor:
        """Multiply with the synapses of one delay."""
        matrix = weights[delay]
        if not matrix.is_sparse:
            return functional.linear(sent, matrix)
        flat = sent.reshape(-1, sent.shape[-1])
        return torch.sparse.mm(matrix, flat.T).T.reshape(*sent.shape[:-1], -1)


def listed_weights(p: ProjectionPlan, listed: Connections) -> np.ndarray:
    """Return the weights of listed synapses in the shape in which their projection describes them."""
    if not is_matrix(p):
        return listed.weight
    weights = np.zeros(listed.shape)
    weights[listed.post, listed.pre] = listed.weight
    return weights
