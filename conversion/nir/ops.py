"""What our neurons and projections are in NIR's words: the other direction of `nir_nodes`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...engine.connectivity import Conv2d, Dense, Explicit, Pool2d, one_to_one
from ...engine.groups import Slice, ids_of, image_of
from ...engine.layout import described_weights
from ...engine.memory import available_bytes
from ...engine.parts import Population, Projection
from ...engine.plan import Plan
from ...neurons import IF, LI, LIF, CubaLI, CubaLIF, Leaky
from ...neurons.errors import SpecError
from ...neurons.held import held_step
from .graph import Node
from .nodes import AT_ONCE, full
from .shapes import Shape


@dataclass(frozen=True)
class Drawn:
    """The node of a population, and what its input needs besides: a constant that comes with it.

    Attributes
    ----------
    node : Node
        The node.
    bias : array (n,), or None
        What some Affine or convolution before the node must add.
    """

    node: Node
    bias: np.ndarray | None = None


def _firing(m: Any) -> dict[str, Any]:
    return {"v_threshold": m.threshold, "v_reset": m.v_reset if m.reset == "hard" else 0.0}


def _resistance(m: Any, dt: float) -> Any:
    """Return R such that an input of one step moves v as much as it does in the model."""
    if m.resistance is not None:
        return m.resistance
    step = held_step(f"{type(m).__name__}.tau", m.tau, dt, None, m.integration)
    return np.divide(1.0, step["gain"])


def _if(m: IF, dt: float) -> tuple[str, dict[str, Any], Any]:
    r = 1.0 / dt if m.resistance is None else m.resistance
    return "IF", {"r": r, **_firing(m)}, np.divide(m.drive, np.multiply(r, dt))


def _lif(m: LIF, dt: float) -> tuple[str, dict[str, Any], Any]:
    membrane = {"tau": m.tau, "r": _resistance(m, dt), "v_leak": np.add(m.v_rest, m.drive)}
    return "LIF", {**membrane, **_firing(m)}, 0.0


def _leaky(m: Leaky, dt: float) -> tuple[str, dict[str, Any], Any]:
    left = np.subtract(1.0, m.beta)
    if np.all(left == 1.0) and m.reset == "none" and m.strict and not np.any(np.asarray(m.drive)):
        return "Threshold", {"threshold": m.threshold}, 0.0
    if np.all(left == 0.0) and m.leak == "decay":
        return "IF", {"r": 1.0 / dt, **_firing(m)}, m.drive
    if np.any(left == 0.0):
        raise SpecError("Leaky.beta: 1 has no time constant; allowed in NIR are values below 1, or 1 for all")
    r = np.divide(1.0, left) if m.leak == "decay" else np.ones_like(left)
    return "LIF", {"tau": np.divide(dt, left), "r": r, "v_leak": np.multiply(m.drive, r), **_firing(m)}, 0.0


def _li(m: LI, dt: float) -> tuple[str, dict[str, Any], Any]:
    if m.tau is None:
        r = 1.0 / dt if m.resistance is None else m.resistance
        return "I", {"r": r}, np.divide(m.drive, np.multiply(r, dt))
    return "LI", {"tau": m.tau, "r": _resistance(m, dt), "v_leak": np.add(m.v_rest, m.drive)}, 0.0


def _cuba(m: Any, dt: float) -> tuple[str, dict[str, Any], Any]:
    membrane = {"tau_mem": m.tau, "tau_syn": m.tau_syn, "r": m.resistance, "v_leak": m.v_rest, "w_in": m.w_in}
    return type(m).__name__, membrane | (_firing(m) if isinstance(m, CubaLIF) else {}), 0.0


_NODES: dict[type, Callable[[Any, float], tuple[str, dict[str, Any], Any]]] = {
    IF: _if,
    LIF: _lif,
    Leaky: _leaky,
    LI: _li,
    CubaLI: _cuba,
    CubaLIF: _cuba,
}


def neuron_node(population: Population, dt: float) -> Drawn:
    """Return the node of a population of neurons.

    Raises
    ------
    SpecError
        If NIR has no node for its model.
    """
    row = _NODES.get(type(population.model))
    if row is None:
        raise SpecError(
            f"{population.label}.model: NIR has no node for {type(population.model).__name__}; allowed are "
            f"{[cls.__name__ for cls in _NODES]}, and EventNeuron(law='value', f='identity')"
        )
    try:
        kind, fields, bias = row(population.model, dt)
    except SpecError as error:
        raise SpecError(f"{population.label}.model: {error}") from None
    arrays = {name: full(value, (population.n,)).reshape(population.shape) for name, value in fields.items()}
    return Drawn(Node(kind, arrays), full(bias, (population.n,)) if np.any(np.asarray(bias)) else None)


def linear_nodes(p: Projection, delay: float, plan: Callable[[], Plan]) -> list[list[Node]]:
    """Return the linear nodes of a projection, one list for each chain: several where delays differ.

    Parameters
    ----------
    p
        The projection.
    delay
        What its delay of None means, in seconds.
    plan
        Returns the plan of the network, for what is drawn at random.
    """
    pattern = p.connectivity
    whole = not isinstance(p.pre, Slice) and not isinstance(p.post, Slice)
    known = not _drawn(p.weight) and not _drawn(p.delay)
    seconds: Any = delay if p.delay is None else p.delay
    if whole and known and pattern.kind == "one_to_one":
        return [[*_delay(p, seconds), *_reshaped(p, p.post.shape), *_scaled(p)]]
    if whole and isinstance(pattern, Conv2d | Pool2d):
        return [[*_delay(p, seconds), _image(p)]]
    lists = []
    for seconds, weight in _matrices(p, delay, plan):
        if len(p.target.shape) > 1:
            raise SpecError(
                f"{p.label}: {pattern.kind} onto the shape {p.target.shape}; NIR has no node that gives a "
                f"vector a shape: make {p.target.label} a population of {p.target.n} neurons"
            )
        lists.append([*_delay(p, seconds), *_reshaped(p, (p.source.n,)), Node("Linear", {"weight": weight})])
    return lists


def flatten(shape: Shape, first: int = 0, last: int = -1) -> Node:
    """Return the node that flattens a shape."""
    return Node(
        "Flatten", {"start_dim": np.array(first), "end_dim": np.array(last), "input_type": shape}
    )  # fmt: skip


def _delay(p: Projection, seconds: Any) -> list[Node]:
    if not isinstance(seconds, np.ndarray) and seconds == 0:
        return []
    return [Node("Delay", {"delay": full(seconds, (p.source.n,)).reshape(p.source.shape)})]


def _reshaped(p: Projection, shape: Shape) -> list[Node]:
    pre = p.source.shape
    if pre == shape:
        return []
    first = next((k for k, (a, b) in enumerate(zip(pre, shape, strict=False)) if a != b), 0)
    behind = len(shape) - first - 1
    if len(shape) > len(pre) or pre[len(pre) - behind :] != shape[first + 1 :]:
        raise SpecError(f"{p.label}: from shape {pre} to {shape}; NIR has no node for it")
    return [flatten(pre, first, -1 if not behind else len(pre) - behind - 1)]


def _scaled(p: Projection) -> list[Node]:
    if not isinstance(p.weight, np.ndarray) and p.weight == 1.0:
        return []
    return [Node("Scale", {"scale": full(p.weight, (p.target.n,)).reshape(p.target.shape)})]


def _image(p: Projection) -> Node:
    """Return a convolution or pooling; a pooling with a weight is a convolution channel by channel."""
    c, pre = p.connectivity, image_of(p.pre)
    if isinstance(c, Pool2d) and p.weight == 1.0 and len(p.pre.shape) == 3:
        sizes = {"kernel_size": c.size, "stride": c.stride, "padding": c.padding}
        kind = "SumPool2d" if c.mode == "sum" else "AvgPool2d"
        return Node(kind, {name: np.array(size) for name, size in sizes.items()})
    if isinstance(c, Pool2d):
        weight = np.full((pre[0], 1, *c.size), float(p.weight) * c.share)  # type: ignore[arg-type]
        dilation, groups = (1, 1), pre[0]
    else:
        assert isinstance(c, Conv2d)
        weight, dilation, groups = np.asarray(p.weight), c.dilation, c.groups
    line = len(p.pre.shape) == 2
    if line and (weight.shape[2] != 1 or len(p.post.shape) != 2):
        raise SpecError(f"{p.label}: {c.kind} of {p.pre.shape} to {p.post.shape}; NIR knows lines to lines")
    fields = {"stride": np.array(c.stride), "padding": np.array(c.padding), "dilation": np.array(dilation)}
    shared = {"groups": np.array(groups), "bias": np.zeros(len(weight))}
    if line:
        fields = {name: value[1] for name, value in fields.items()}
        return Node("Conv1d", {**fields, **shared, "weight": weight[:, :, 0], "input_shape": pre[2:]})
    return Node("Conv2d", {**fields, **shared, "weight": weight, "input_shape": pre[1:]})


def _matrices(p: Projection, delay: float, plan: Callable[[], Plan]) -> list[tuple[float, np.ndarray]]:
    """Return a matrix [n_post, n_pre] over the whole groups for each delay that occurs."""
    shape = (p.target.n, p.source.n)
    if 8.0 * shape[0] * shape[1] > available_bytes() / 4:
        raise SpecError(
            f"{p.label}: as a matrix of {shape} it does not fit into memory; NIR has no sparse weights"
        )
    rows, columns = ids_of(p.post), ids_of(p.pre)
    c = p.connectivity
    if isinstance(c, Dense) and c.self_connections and isinstance(p.delay, float | None):
        matrix = np.zeros(shape)
        if _drawn(p.weight):
            planned = plan().projections[p.label]
            block = (
                _drawn_block(plan(), p) if planned.storage == "sparse" else described_weights(plan(), planned)
            )
        else:
            block = np.asarray(p.weight)
        matrix[np.ix_(rows, columns)] = block
        return [(delay if p.delay is None else float(p.delay), matrix)]
    synapses = plan().synapses(p.label)
    steps, weights = synapses.delay_steps(), synapses.weight_values()
    pre, post = columns[synapses.sources()], rows[synapses.targets]
    found = []
    for step in np.unique(steps):
        mine, matrix = steps == step, np.zeros(shape)
        np.add.at(matrix, (post[mine], pre[mine]), weights[mine])
        found.append((delay if p.delay is None else float(step) * plan().dt, matrix))
    return found


def _drawn(value: Any) -> bool:
    """Say whether values are described rather than given: drawn at random, or by distance."""
    return not (value is None or isinstance(value, float | np.ndarray))


def _drawn_block(plan: Plan, p: Projection) -> np.ndarray:
    synapses = plan.synapses(p.label)
    block = np.zeros((p.post.n, p.pre.n))
    block[synapses.targets, synapses.sources()] = synapses.weight_values()
    return block


def biased_node(node: Node, bias: np.ndarray, shape: Shape) -> Node | None:
    """Return a node with a bias added, or None if it cannot take it."""
    if node.kind == "Linear":
        return Node("Affine", {**node.fields, "bias": bias})
    image = bias.reshape(shape)
    first = image.reshape(len(image), -1)[:, 0]
    if np.any(node.fields["bias"]) or not np.array_equal(full(np.broadcast_to(
            first.reshape(-1, *[1] * (len(shape) - 1)), shape), shape), bias):  # fmt: skip
        return None
    return Node(node.kind, {**node.fields, "bias": first})


def same_node(a: Node, b: Node | None) -> bool:
    """Say whether two nodes are of one kind with equal fields."""
    if b is None or a.kind != b.kind or {*a.fields} != {*b.fields}:
        return False
    return all(np.array_equal(value, b.fields[name]) for name, value in a.fields.items())


def joined(projections: list[Projection]) -> list[Projection]:
    """Return projections with those in one piece again that were split since some neurons do not wait."""
    by_name = {p.label: p for p in projections}
    for p in projections:
        rest = by_name.get(p.label + AT_ONCE)
        whole = None if rest is None else _whole(p, rest)
        if whole is not None:
            by_name[p.label] = whole
            del by_name[p.label + AT_ONCE]
    return list(by_name.values())


def _whole(late: Projection, rest: Projection) -> Projection | None:
    a, b = late.connectivity, rest.connectivity
    if (
        late.delay is None
        or rest.delay is None
        or any(_drawn(v) for p in (late, rest) for v in (p.weight, p.delay))
    ):
        return None
    if late.pre is not rest.pre or late.post is not rest.post or late.pre is not late.source:
        return None
    if not isinstance(a, Explicit) or not isinstance(b, Explicit) or late.pre.n != late.post.n:
        return None
    if not np.array_equal(a.pre_ids, a.post_ids) or not np.array_equal(b.pre_ids, b.post_ids):
        return None
    ids = np.concatenate([a.pre_ids, b.pre_ids])
    if not np.array_equal(np.sort(ids), np.arange(late.pre.n)):
        return None
    weight, delay = np.empty((2, ids.size))
    for p, mine in ((late, a.pre_ids), (rest, b.pre_ids)):
        weight[mine], delay[mine] = np.asarray(p.weight), np.asarray(p.delay)
    same = 1.0 if not isinstance(late.weight, np.ndarray) else weight
    return Projection(late.pre, late.post, one_to_one(), weight=same, delay=delay, name=late.name)
