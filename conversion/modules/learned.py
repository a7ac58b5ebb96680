"""Projections whose delays are learned, as torch modules."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ...engine.connections import described_connections, is_matrix
from ...engine.connectivity import Dense
from ...engine.network import Network
from ...engine.parts import Projection
from ...engine.plan import Plan
from ...engine.planned import ProjectionPlan
from ...learning.delays import Delayed, LearnedDelays, delayed_sums
from ...neurons.errors import SpecError
from ...neurons.model import steps_of
from .listed import listed_weights
from .synapses import Synapses

#: Stands for all delays where a delay is named.
_ALL = 0


class LearnedSynapses(Delayed, Synapses):
    """Synapses with a parameter `position`, a delay in steps for each, of the shape of `weight`.

    Bells of taps in training, while `sigma` is above 0, and single taps in evaluation.
    """

    _places: torch.Tensor
    _own: torch.Tensor
    _targets: torch.Tensor

    def __init__(self, plan: Plan, p: ProjectionPlan, learned: LearnedDelays) -> None:
        listed = described_connections(plan, p)
        weights, steps = listed_weights(p, listed), np.rint(listed.delay / plan.dt)
        super().__init__(plan, p, weights)
        self.longest, self._dt = int(steps_of(learned.longest, plan.dt)), plan.dt
        if self.longest < 1 or steps.min(initial=1) < 1 or steps.max(initial=1) > self.longest:
            raise SpecError(
                f"to_torch.delays of {p.name}: its delays are {steps.min():g} to {steps.max():g} steps, the "
                f"longest to be learned {self.longest}; allowed are delays from one step to that, such as "
                f"uniform({plan.dt:g}, {learned.longest:g})"
            )
        places = listed.post * self.shape[1] + listed.pre
        own = places if is_matrix(p) else np.arange(places.size)  # which weight is of which synapse
        position = np.ones(weights.size, np.float32)
        position[own] = steps
        self.position = torch.nn.Parameter(torch.from_numpy(position).reshape(weights.shape))
        self._given = self.rounded()
        sigma = self.longest / 2 if learned.sigma is None else learned.sigma
        self.register_buffer("sigma", torch.tensor(float(sigma)))
        self._matrix, self._whole = is_matrix(p), weights.size == own.size and is_matrix(p)
        for name, values in (("places", places), ("own", own), ("targets", listed.post)):
            self.register_buffer(f"_{name}", torch.from_numpy(values), persistent=False)

    @property
    def belled(self) -> bool:
        """Whether each synapse has a bell of taps now."""
        return self.training and bool(self.sigma > 0)

    @property
    def soft(self) -> bool:
        """Whether they count otherwise now than in a network."""
        return self.belled or super().soft

    @property
    def moved(self) -> bool:
        """Whether delays are others than in the network that the module was made of."""
        return not torch.equal(self.rounded().cpu(), self._given)

    def scaled(self, scale: torch.Tensor) -> torch.Tensor:
        """Return the weights times a factor for each target."""
        return super().scaled(scale if self._matrix else scale[self._targets])

    def prepared(self) -> dict[int, torch.Tensor]:
        """Return a matrix [n_post, n_pre] for each delay that occurs; or of all taps, from one step on."""
        weight = self.stored()
        self.clamp_()
        if self.belled:
            return {_ALL: self._as_matrices(self.taps(weight).flatten(1))}
        steps = self.rounded()
        found = steps.reshape(-1)[self._own].unique().tolist()
        return {delay: self._as_matrices((weight * (steps == delay)).reshape(-1)) for delay in found}

    def _as_matrices(self, values: torch.Tensor) -> torch.Tensor:
        """Return what belongs to synapses (..., n) as matrices (..., n_post, n_pre)."""
        if not self._whole:
            zeros = values.new_zeros(*values.shape[:-1], math.prod(self.shape))
            values = zeros.index_add(-1, self._places, values[..., self._own])
        return values.reshape(*values.shape[:-1], *self.shape)

    def summed(self, sent: Callable[[int], torch.Tensor], weights: Any) -> torch.Tensor:
        """Return what events add to the neurons of the projection's end, through synapses of all delays."""
        added: torch.Tensor
        if _ALL in weights:
            last, earlier = sent(1), range(self.longest, 1, -1)
            one_step = last.ndim == 2
            window = [sent(delay)[None] if one_step else sent(delay)[:1] for delay in earlier]
            added = self(torch.cat([*window, last[None] if one_step else last]), _ALL, weights)
            return added[0] if one_step else added
        first, *others = weights
        added = self(sent(first), first, weights)
        for delay in others:
            added = added + self(sent(delay), delay, weights)
        return added

    def forward(self, sent: torch.Tensor, delay: int, weights: Any) -> torch.Tensor:
        """Multiply with the synapses of one delay, or go through all taps."""
        if delay == _ALL:
            return delayed_sums(sent, weights[_ALL])
        return functional.linear(sent, weights[delay])

    def delayed(self, network: Network, name: str) -> Projection:
        """Return a projection of a network, which has the weights as they are now, with the delays too."""
        part = network[name]
        assert isinstance(part, Projection)
        return replace(part, delay=self.rounded().cpu().numpy() * self._dt, correlation=None)


def with_own_delays(network: Network, names: Collection[str], dt: float) -> Network:
    """Return a network in which dense projections have a delay for each synapse, where they had but one."""
    for name in names:
        p = network[name]
        assert isinstance(p, Projection)
        same = p.delay is None or isinstance(p.delay, float)
        if isinstance(p.connectivity, Dense) and same:
            delay = np.full((p.post.n, p.pre.n), dt if p.delay is None else p.delay)
            network = network.with_part(replace(p, delay=delay))
    return network
