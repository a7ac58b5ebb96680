"""Projections as torch modules: what a number of steps of events adds to a receptor's input."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ...engine.backends.numba_cpu.products import Events, add_events, list_events, weigh_events
from ...engine.connections import Connections, described_connections, is_matrix
from ...engine.connectivity import Conv2d, Pool2d
from ...engine.groups import image_of
from ...engine.layout import described_weights
from ...engine.plan import Plan, ProjectionPlan
from ...learning.binding.weighing import Weighing
from .norm import Norm
from .pooling import sum_windows

#: Up to so many entries a list of synapses is multiplied as a matrix; beyond, one by one.
MOST_ENTRIES = 1 << 24
#: From so many numbers on it is worth looking which are zero.
WORTH = 1 << 14
#: Up to this share of events they are added up one by one, each of which takes longer than in a product.
SPARSE = 0.25
#: From so many targets on the gradient of weights is too.
WIDE = 64


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

    @property
    def soft(self) -> bool:
        """Whether they count otherwise now than in a network, so that a grid would mean nothing."""
        return self.norm is not None and self.norm.training

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

    def arriving(self, sent: Callable[[int], torch.Tensor], weights: Any) -> torch.Tensor:
        """Return what events add to the target's neurons.

        Parameters
        ----------
        sent
            What the source sent (..., n_source) so many steps before those in which it arrives.
        weights
            What `prepared` returned, for all steps of a run.
        """
        added = self.summed(lambda delay: self._chosen(sent(delay)), weights)
        if self.norm is not None and self.norm.training:
            added = self.norm(added)
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


class Dense(Synapses):
    """A weight for every pair; on a CPU few events are added up one by one, if `compiled`."""

    compiled = False

    def forward(self, sent: torch.Tensor, delay: int, weights: Any) -> torch.Tensor:
        """Multiply."""
        events = events_of(sent) if self.compiled and weights.dtype == torch.float32 else None
        return functional.linear(sent, weights) if events is None else _Events.apply(sent, weights, events)

    @property
    def plain(self) -> bool:
        """Whether it is one product for all neurons at both ends, of which nothing takes hold."""
        whole = self.pre is None and self.post is None and len(self.delays) == 1
        hooked = self._forward_hooks or self._forward_pre_hooks or self._backward_hooks
        return whole and not hooked and (self.norm is None or not self.norm.training)

    def rows(self, sent: torch.Tensor) -> torch.Tensor:
        """Return events as the rows (N, n) that a row of weights is multiplied with."""
        return sent.reshape(-1, sent.shape[-1])


def events_of(sent: torch.Tensor) -> Events | None:
    """Return the events of rows (..., n) on a CPU; None where a product of matrices is faster."""
    if sent.numel() < WORTH or sent.device.type != "cpu" or sent.dtype != torch.float32:
        return None
    return list_events(sent.detach().reshape(-1, sent.shape[-1]).contiguous().numpy(), SPARSE)


def weighed(events: Events, gradient: torch.Tensor) -> torch.Tensor:
    """Return the gradient of weights [m, n] from that of what events added (..., m)."""
    flat = gradient.reshape(-1, gradient.shape[-1]).contiguous()
    return torch.from_numpy(weigh_events(events, flat.numpy(), torch.get_num_threads())).T


class _Events(torch.autograd.Function):
    """A product of rows with few events and weights [m, n]."""

    @staticmethod
    def forward(ctx: Any, sent: torch.Tensor, weights: torch.Tensor, events: Events) -> torch.Tensor:
        ctx.events = events if len(weights) >= WIDE else None
        ctx.save_for_backward(weights, *(() if ctx.events else (sent,)))
        turned = weights.detach().numpy().T
        out = torch.from_numpy(add_events(events, np.ascontiguousarray(turned), torch.get_num_threads()))
        return out.reshape(*sent.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (gradient,), (weights, *sent) = gradients, ctx.saved_tensors
        d_sent = gradient @ weights if ctx.needs_input_grad[0] else None
        d_weights = None
        if ctx.needs_input_grad[1]:
            if ctx.events is not None:
                d_weights = weighed(ctx.events, gradient)
            else:
                d_weights = gradient.reshape(-1, len(weights)).T @ sent[0].reshape(-1, sent[0].shape[-1])
        return d_sent, d_weights, None


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


def synapses_of(plan: Plan, p: ProjectionPlan, *, compiled: bool) -> Synapses:
    """Return the module of a projection."""
    kind = p.part.connectivity.kind
    if p.storage == "dense":
        dense = Dense(plan, p, described_weights(plan, p))
        dense.compiled = compiled
        return dense
    if p.storage == "conv2d":
        return Convolution(plan, p, described_weights(plan, p))
    if p.storage == "pool2d":
        return Pooling(plan, p, np.asarray(float(p.part.weight)))  # type: ignore[arg-type]
    listed = described_connections(plan, p)
    kind_of_list = OneToOne if kind == "one_to_one" and len(p.delays) == 1 else Listed
    return kind_of_list(plan, p, listed_weights(p, listed))


def listed_weights(p: ProjectionPlan, listed: Connections) -> np.ndarray:
    """Return the weights of listed synapses in the shape in which their projection describes them."""
    if not is_matrix(p):
        return listed.weight
    weights = np.zeros(listed.shape)
    weights[listed.post, listed.pre] = listed.weight
    return weights


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
