"""Synapses as users see them: who is connected to whom, and weights in the order of the description.

Weights come out, and go in, in the shape and order in which a projection describes them: [n_post, n_pre] of
dense ones, kernels of convolutions, one for each pair of a list as it was listed. Those of patterns that
are drawn stand by source, and then as drawn. Backends keep them in orders of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..neurons.errors import SpecError
from .connectivity import Conv2d, Dense, Drawn, Explicit, OneToOne, Pool2d, RowWise, Sparse
from .draw import draw_synapses
from .groups import image_of
from .layout import row_order
from .parts import Projection
from .plan import Plan, recipe_of_projection
from .planned import ProjectionPlan
from .profiles import ByDistance
from .recipes import Recipe
from .tables import delays_in_seconds, weight_table


@dataclass(frozen=True, eq=False)
class Connections:
    """The synapses of one projection.

    Attributes
    ----------
    pre, post : int64 array (n_synapses,)
        Indices within the projection's `pre` and `post`, as `explicit` takes them.
    weight : array (n_synapses,), or (trials, n_synapses) of plastic ones from a batch
        Their weights, in the order of `Simulator.weights`.
    delay : float64 array (n_synapses,)
        Their delays in seconds, a whole number of steps.
    shape : tuple of int
        (n_post, n_pre).

    Examples
    --------
    >>> import rheobase as rb
    >>> net = rb.Network()
    >>> a, b = (net.add(rb.Population(2, rb.IF(), name=name)) for name in "ab")
    >>> p = net.add(rb.Projection(a, b, rb.explicit([1, 0], [0, 1]), weight=[0.5, 0.25]))
    >>> synapses = rb.Simulator(net, dt=1e-3, backend="reference").synapses(p)
    >>> synapses.pre.tolist(), synapses.post.tolist(), synapses.weight.tolist(), synapses.delay.tolist()
    ([1, 0], [0, 1], [0.5, 0.25], [0.001, 0.001])
    >>> synapses.to_scipy().toarray().tolist()
    [[0.0, 0.5], [0.25, 0.0]]
    """

    pre: np.ndarray
    post: np.ndarray
    weight: np.ndarray
    delay: np.ndarray
    shape: tuple[int, int]

    def __len__(self) -> int:
        return int(self.pre.size)

    def to_array(self) -> np.ndarray:
        """Return one record for each synapse, with the fields pre, post, weight and delay."""
        columns = {name: getattr(self, name) for name in ("pre", "post", "weight", "delay")}
        self._refuse_trials("to_array")
        table = np.empty(self.pre.size, [(name, column.dtype) for name, column in columns.items()])
        for name, column in columns.items():
            table[name] = column
        return table

    def to_scipy(self, field: str = "weight") -> Any:
        """Return a scipy.sparse matrix [n_post, n_pre] in COO form, as `rb.sparse` takes it.

        Several synapses of a pair are several entries, which most operations add up.

        Parameters
        ----------
        field
            "weight", or "delay".
        """
        from scipy.sparse import coo_matrix

        if field not in ("weight", "delay"):
            raise SpecError(f"Connections.to_scipy.field: got {field!r}; allowed is 'weight' or 'delay'")
        self._refuse_trials("to_scipy")
        return coo_matrix((getattr(self, field), (self.post, self.pre)), shape=self.shape)

    def _refuse_trials(self, caller: str) -> None:
        if self.weight.ndim > 1:
            raise SpecError(
                f"Connections.{caller}: weights of {len(self.weight)} trials; take those of one: "
                "dataclasses.replace(synapses, weight=synapses.weight[k])"
            )


def is_matrix(p: ProjectionPlan) -> bool:
    """Whether the weights of a projection are described as a matrix [n_post, n_pre]."""
    return isinstance(p.part.connectivity, Dense)


def as_described(p: ProjectionPlan, order: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return weights (trials, n_synapses) in the shape of the description; zero where there is no synapse.

    `order` says which of the user's weights each one is.
    """
    shape = (p.part.post.n, p.part.pre.n) if is_matrix(p) else (weights.shape[1],)
    out = np.zeros((len(weights), int(np.prod(shape))), weights.dtype)
    out[:, order] = weights
    return out.reshape(len(weights), *shape)


def user_order(plan: Plan, p: ProjectionPlan) -> np.ndarray:
    """Return which of the user's synapses each one of a plastic projection is, in the order of its layout."""
    source, target = plan.group_of(p.part.source), plan.group_of(p.part.target)
    if p.storage == "dense":
        rows = np.arange(p.part.pre.n) if source.order is None else source.order
        columns = np.arange(p.part.post.n) if target.order is None else target.order
        return (rows[:, None] + columns * p.part.pre.n).reshape(-1)
    synapses = plan.synapses(p.name)
    places = source.places(p.pre_ids[synapses.sources()])
    order = row_order(places, synapses.delay_steps(), plan.max_delay)
    listed = _as_listed(p.part, plan.recipe(p.name))
    return order if listed is None else listed[order]


def _as_listed(p: Projection, recipe: Recipe) -> np.ndarray | None:
    """Return the place in its list of each synapse as drawn; None where synapses are not listed."""
    listed = isinstance(p.connectivity, Explicit | OneToOne | Dense)
    return recipe.order.astype(np.int64) if listed else None


def described_connections(plan: Plan, p: ProjectionPlan) -> Connections:
    """Return the synapses of a projection with the weights of its description."""
    shape = (p.part.post.n, p.part.pre.n)
    c = p.part.connectivity
    if isinstance(c, RowWise | Conv2d | Pool2d):
        pre, post, entry = _of_rows(p.part, c) if isinstance(c, RowWise) else _of_images(p.part)
        weights, _ = weight_table(p.part)
        weight = weights.reshape(-1)[entry if weights.size > 1 else np.zeros_like(entry)]
        weight = weight * (c.share if isinstance(c, Pool2d) else 1.0)
        return Connections(pre, post, weight, np.full(pre.size, p.delays[0] * plan.dt), shape)
    synapses = plan.synapses(p.name)
    columns = [
        synapses.sources(), synapses.targets.astype(np.int64), synapses.weight_values(),
        synapses.delay_steps() * plan.dt,
    ]  # fmt: skip
    listed = _as_listed(p.part, plan.recipe(p.name))
    if listed is not None:
        back = np.argsort(listed)
        columns = [column[back] for column in columns]
    sources, targets, weights, delays = columns
    return Connections(sources, targets, weights, delays, shape)


def _of_rows(p: Projection, c: RowWise) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return sources and targets of the connections row by row, by target, and the matrix's entries."""
    read, n_out = c.read(p.pre.n), p.post.n // c.n
    row, o, i = (part.reshape(-1) for part in np.indices((c.n, n_out, read.shape[1])))
    return read[row, i], row * n_out + o, o * read.shape[1] + i


def _of_images(p: Projection) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return sources and targets of a convolution's connections, by target, and the kernel's entries."""
    c = p.connectivity
    assert isinstance(c, Conv2d | Pool2d)
    (c_in, *image), (c_out, *out) = image_of(p.pre), image_of(p.post)
    pool = isinstance(c, Pool2d)
    kernel = c.size if isinstance(c, Pool2d) else np.shape(p.weight)[2:]  # type: ignore[arg-type]
    groups = c_in if isinstance(c, Pool2d) else c.groups
    padding, dilation = ((0, 0), (1, 1)) if isinstance(c, Pool2d) else (c.padding, c.dilation)
    o, y, x, i, ky, kx = np.ix_(*map(np.arange, (c_out, *out, c_in // groups, *kernel)))
    row = y * c.stride[0] - padding[0] + ky * dilation[0]
    column = x * c.stride[1] - padding[1] + kx * dilation[1]
    channel = o // (c_out // groups) * (c_in // groups) + i
    inside = (row >= 0) & (row < image[0]) & (column >= 0) & (column < image[1])
    everywhere = np.broadcast_shapes(inside.shape, channel.shape)
    chosen = np.broadcast_to(inside, everywhere)
    pre = np.broadcast_to((channel * image[0] + row) * image[1] + column, everywhere)[chosen]
    post = np.broadcast_to((o * out[0] + y) * out[1] + x, everywhere)[chosen]
    entry = ((o * (c_in // groups) + i) * kernel[0] + ky) * kernel[1] + kx
    return pre, post, np.zeros_like(pre) if pool else np.broadcast_to(entry, everywhere)[chosen]


def with_own_weights(p: Projection, seed: int, weights: np.ndarray) -> Projection:
    """Return a projection with a weight for each of its synapses, in the order of `Simulator.weights`.

    A pattern that is drawn becomes the list of its pairs, which has the same synapses and delays.
    """
    c = p.connectivity
    if isinstance(c, Sparse):
        return replace(p, connectivity=replace(c, values=weights), weight=1.0)
    if not isinstance(c, Drawn) and p.correlation is None:
        return replace(p, weight=weights)
    weights_table, chosen = weight_table(p)
    delays, delays_chosen = (np.zeros(0), False) if p.delay is None else delays_in_seconds(p)
    if isinstance(p.delay, ByDistance):
        delays = np.maximum(delays, np.finfo(np.float64).tiny)  # which is never zero there
    recipe = recipe_of_projection(p, seed)
    synapses = draw_synapses(
        recipe,
        weights=weights_table,
        delays=delays,
        drawn_weights=chosen,
        drawn_delays=delays_chosen,
    )
    delay = p.delay if synapses.delay_index is None else delays[synapses.delay_index]
    listed = _as_listed(p, recipe)
    if listed is not None:  # the delays that were drawn with other weights, in the order of the pairs
        assert isinstance(delay, np.ndarray)
        shape = (p.post.n, p.pre.n) if isinstance(c, Dense) else listed.shape
        described = np.full(int(np.prod(shape)), delay.min())
        described[listed] = delay
        return replace(p, weight=weights, delay=described.reshape(shape), correlation=None)
    if weights.shape != synapses.targets.shape:
        raise SpecError(
            f"{p.label}.weight: got shape {weights.shape}; allowed is one for each of its "
            f"{synapses.n} synapses"
        )
    pairs = Explicit(pre_ids=synapses.sources(), post_ids=synapses.targets.astype(np.int64))
    return replace(p, connectivity=pairs, weight=weights, delay=delay, correlation=None)
