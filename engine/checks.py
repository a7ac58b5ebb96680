"""Checks of what users hand over: each returns clean data or says what was got and what is allowed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..learning.rules.rule import PlasticityRule
from ..learning.rules.short_term import ShortTermRule
from ..neurons.errors import SpecError
from .connectivity import Conv2d, Distance, Pool2d, RowWise, Sparse
from .distributions import TABLE_BITS, Distribution
from .groups import image_of
from .profiles import ByDistance
from .space import Positions, longest_between

if TYPE_CHECKING:
    from .groups import Group
    from .parts import Projection


def set_shape(part: Group, n_or_shape: Any) -> None:
    """Give a group its shape, and check where its neurons are, or raise SpecError."""
    shape = (n_or_shape,) if isinstance(n_or_shape, (int, np.integer)) else n_or_shape
    good = isinstance(shape, (tuple, list)) and len(shape) > 0 and not isinstance(n_or_shape, bool)
    if not good or any(isinstance(s, bool) or not isinstance(s, (int, np.integer)) or s < 1 for s in shape):
        raise SpecError(
            f"{part.label}.n: got {n_or_shape!r}; allowed is a whole number from 1, or a tuple of them"
        )
    object.__setattr__(part, "shape", tuple(int(s) for s in shape))
    if part.positions is not None:
        where = part.positions if isinstance(part.positions, Positions) else Positions(part.positions)
        if len(where.points) != part.n:
            raise SpecError(
                f"{part.label}.positions: got {len(where.points)} points; allowed are {part.n}, one a neuron"
            )
        object.__setattr__(part, "positions", where)


def check_positive(field_name: str, value: Any, unit: str) -> float:
    """Return a positive finite number, or raise SpecError."""
    good = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not good or not math.isfinite(value) or value <= 0:
        raise SpecError(f"{field_name}: got {value!r}; allowed is a finite number above 0, in {unit}")
    return float(value)


def numbers(field_name: str, value: Any, allowed: str) -> np.ndarray:
    """Return numbers as a float64 array of their own, or raise SpecError; texts are no numbers."""
    try:
        given = np.asarray(value)
        if isinstance(value, bool) or given.dtype.kind not in "biuf":
            raise TypeError
        return np.array(given, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise SpecError(f"{field_name}: got {str(value)[:60]!r}; allowed is {allowed}") from None


def check_array(
    field_name: str,
    value: Any,
    *shapes: tuple[int, ...],
    low: float | None = None,
    high: float | None = None,
) -> Any:
    """Return a finite number or a read-only float64 array of one of these shapes, or raise SpecError."""
    names = " or ".join(str(shape) for shape in shapes if shape)
    allowed = "a finite number" + (f" or an array of shape {names}" if names else "") + _within(low, high)
    array = numbers(field_name, value, allowed)
    if array.shape not in ((), *shapes):
        raise SpecError(f"{field_name}: got shape {array.shape}; allowed is {allowed}")
    if not np.all(np.isfinite(array)) or _outside(array, low, high):
        shown = value if array.size < 8 else f"values from {array.min()} to {array.max()}"
        raise SpecError(f"{field_name}: got {shown}; allowed is {allowed}")
    if array.ndim == 0:
        return float(array)
    array.setflags(write=False)
    return array


def _within(low: float | None, high: float | None) -> str:
    """Say between which bounds a value must be; nothing where there are none."""
    bounds = (("not below", low), ("not above", high))
    return "".join(f", {words} {bound:g}" for words, bound in bounds if bound is not None)


def _outside(array: np.ndarray, low: float | None, high: float | None) -> bool:
    return bool((low is not None and np.any(array < low)) or (high is not None and np.any(array > high)))


def check_values(
    field_name: str,
    value: Any,
    shape: tuple[int, ...],
    *,
    low: float | None = None,
    high: float | None = None,
) -> Any:
    """Return a number, a read-only array of this shape, or a distribution, or raise SpecError."""
    if not isinstance(value, Distribution):
        return check_array(field_name, value, shape, low=low, high=high)
    bounds = _within(low, high)
    if bounds and _outside(value.table(), low, high):
        raise SpecError(f"{field_name}: got {value}; allowed is a distribution of values{bounds}")
    return value


def check_spikes(label: str, times: Any, ids: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return spike times (float64) and ids (int64), or raise SpecError."""
    t, i = numbers(f"{label}.times", times, "a list of times in seconds"), np.asarray(ids)
    if t.ndim != 1 or t.shape != i.shape:
        raise SpecError(
            f"{label}: times has shape {t.shape} and ids {i.shape}; they must be two lists of one length"
        )
    if t.size == 0:
        return t, i.astype(np.int64)
    ascending = t[1:] >= t[:-1]
    # Of ascending times the first is the least; a NaN does not ascend.
    if not (t[0] >= 0 and t[-1] < np.inf) or (not ascending.all() and not np.isfinite(t).all()):
        raise SpecError(f"{label}.times: allowed are finite times from 0, in seconds")
    if not ascending.all():
        k = int(np.argmin(ascending))
        raise SpecError(
            f"{label}.times: not ascending at index {k + 1} ({t[k]} then {t[k + 1]}); sort times and ids"
        )
    whole = i.dtype.kind in "iu"
    if not whole or i.min() < 0 or i.max() >= n:
        got = f"{i.min()} to {i.max()}" if whole else f"{i.dtype} values"
        raise SpecError(f"{label}.ids: got {got}; allowed are whole numbers from 0 to {n - 1}")
    return t, i.astype(np.int64)


def check_rule(projection: Projection) -> None:
    """Raise SpecError unless a projection's rule, if it has one, is one and suits its source."""
    rule, label, source = projection.rule, projection.label, projection.source
    if rule is not None and not isinstance(rule, PlasticityRule | ShortTermRule):
        raise SpecError(
            f"{label}.rule: got {rule!r}; allowed is a PlasticityRule such as STDP(...), or a ShortTermRule "
            "such as TsodyksMarkram(...)"
        )
    if isinstance(rule, PlasticityRule) and rule.modulated != (projection.modulator is not None):
        allowed = "a population or source of the network" if rule.modulated else "None"
        raise SpecError(
            f"{label}.modulator: got {projection.modulator!r}; allowed for {type(rule).__name__} is {allowed}"
        )
    if not isinstance(rule, PlasticityRule) and projection.modulator is not None:
        raise SpecError(f"{label}.modulator: there is no rule that listens to one; allowed is None")
    if isinstance(rule, PlasticityRule):
        _refuse_numbers(projection, source, projection.target)
    if not isinstance(rule, ShortTermRule):
        return
    _refuse_numbers(projection, source)
    described = rule.per_neuron()
    if described is not None and described != projection.pre.n:
        raise SpecError(
            f"{label}.rule: its arrays describe {described} sources, there are {projection.pre.n}"
        )


def _refuse_numbers(projection: Projection, *groups: Group) -> None:
    """Raise SpecError if groups whose spikes a rule looks at send anything else."""
    for group in groups:
        # An integer is a number of spikes where a source sends it; that of a neuron may be negative.
        if group.payload == "real" or (group.payload == "integer" and group.receptors):
            raise SpecError(
                f"{projection.label}.rule: {type(projection.rule).__name__} takes spikes, and {group.label} "
                "sends numbers; allowed is a population or source of spikes"
            )


def check_projection(projection: Projection) -> tuple[Any, Any]:
    """Return weights and delays, or raise SpecError where they do not fit the connectivity and its ends."""
    c, label = projection.connectivity, projection.label
    n_pre, n_post = projection.pre.n, projection.post.n
    shape: tuple[int, ...] = ()
    _refuse_drawn(projection)
    if c.kind == "one_to_one":
        if n_pre != n_post:
            raise SpecError(f"{label}: one_to_one needs ends of one size, got {n_pre} and {n_post}")
        shape = (n_pre,)
    elif c.kind in ("explicit", "sparse"):
        if isinstance(c, Sparse) and c.shape != (n_post, n_pre):
            raise SpecError(
                f"{label}: sparse matrix has shape {c.shape}; [n_post, n_pre] is ({n_post}, {n_pre})"
            )
        shape = (c.pre_ids.size,)  # type: ignore[attr-defined]
        for end, ids, n in (("pre", c.pre_ids, n_pre), ("post", c.post_ids, n_post)):  # type: ignore[attr-defined]
            if ids.size and ids.max() >= n:
                raise SpecError(f"{label}: {end} index {ids.max()} is out of range; {end} has {n} neurons")
    elif c.kind == "dense":
        shape = (n_post, n_pre)
    elif isinstance(c, (Conv2d, Pool2d)):
        shape = _check_images(projection, c)
    elif isinstance(c, RowWise):
        shape = _check_rows(projection, c)
    by_distance = [isinstance(x, ByDistance) for x in (projection.weight, projection.delay)]
    longest = check_space(projection) if isinstance(c, Distance) or any(by_distance) else 0.0
    weight: Any = projection.weight
    if isinstance(weight, ByDistance):
        check_array(f"{label}.weight", weight.table(longest), (1 << TABLE_BITS,))
    else:
        weight = check_values(f"{label}.weight", weight, shape)
    _check_sign(projection, weight, longest)
    if projection.delay is None:
        return weight, None
    delays = (*shape,) if c.kind in ("one_to_one", "explicit", "sparse", "dense") else ()
    delay: Any = projection.delay
    if isinstance(delay, ByDistance):
        lowest = check_array(f"{label}.delay", delay.table(longest), (1 << TABLE_BITS,)).min()
    else:
        delay = check_values(f"{label}.delay", delay, delays)
        lowest = np.min(delay.table() if isinstance(delay, Distribution) else delay, initial=np.inf)
    if lowest < 0:
        raise SpecError(f"{label}.delay: got {lowest} s; allowed are times from 0")
    return weight, delay


def _check_sign(projection: Projection, weight: Any, longest: float) -> None:
    """Refuse weights below what the target's model takes: no conductance is negative."""
    model = getattr(projection.target, "model", None)
    least = -np.inf if model is None else model.least_weight(projection.receptor_name)
    if least == -np.inf:
        return
    values = projection.connectivity.values if isinstance(projection.connectivity, Sparse) else 1.0
    if isinstance(weight, ByDistance):
        weight = weight.table(longest)
    elif isinstance(weight, Distribution):
        weight = weight.table()
    lowest = float(np.min(np.multiply(weight, values), initial=np.inf))
    if isinstance(projection.rule, PlasticityRule):
        lowest = min(lowest, projection.rule.bounds[0])
    if lowest < least:
        raise SpecError(
            f"{projection.label}.weight: got {lowest:g}; {projection.receptor_name!r} of "
            f"{type(model).__name__} is a conductance, allowed are weights from {least:g}. What inhibits is "
            "a receptor with a low reversal potential; a distribution may have low=0"
        )


def check_correlation(projection: Projection) -> float | None:
    """Return the correlation of weight and delay, or raise SpecError where they have none."""
    value, label = projection.correlation, projection.label
    if value is None:
        return None
    for field in ("weight", "delay"):
        given = getattr(projection, field)
        if not isinstance(given, Distribution):
            raise SpecError(
                f"{label}.correlation: {field} is {str(given)[:60]}; allowed are two distributions, such as "
                "weight=normal(...), delay=uniform(...)"
            )
    value = check_array(f"{label}.correlation", value, (), low=-1.0)
    if value > 1:
        raise SpecError(f"{label}.correlation: got {value}; allowed is a number from -1 to 1")
    return float(value)


def check_space(projection: Projection) -> float:
    """Return the longest distance of neurons that may be connected, or raise SpecError if they have none."""
    pre, post = projection.pre.positions, projection.post.positions
    for end, where in ((projection.source, pre), (projection.target, post)):
        if where is None:
            raise SpecError(
                f"{projection.label}: depends on distance, and {end.label} has no positions; give it some, "
                f"such as {type(end).__name__}(..., positions=grid((20, 20)))"
            )
    if (pre.dimensions, pre.period) != (post.dimensions, post.period):
        raise SpecError(
            f"{projection.label}: its ends lie in different spaces: {projection.source.label} in "
            f"{pre.dimensions} dimensions with period {pre.period}, {projection.target.label} in "
            f"{post.dimensions} with {post.period}; they must agree"
        )
    reach = (
        projection.connectivity.profile.reach if isinstance(projection.connectivity, Distance) else math.inf
    )
    return min(longest_between(pre, post), reach)


#: Where drawing a value for every synapse has no meaning, and what is allowed instead.
_NOT_DRAWN = {
    ("sparse", "weight"): "a number or an array, which multiplies the matrix",
    ("conv2d", "weight"): "an array: all positions share one kernel",
    ("conv2d", "delay"): "a number: all positions share one delay",
    ("pool2d", "weight"): "a number: all positions share one weight",
    ("pool2d", "delay"): "a number: all positions share one delay",
    ("rows", "weight"): "a number or an array: all rows share one matrix",
    ("rows", "delay"): "a number: all rows share one delay",
}


def _refuse_drawn(projection: Projection) -> None:
    kind = projection.connectivity.kind
    for field in ("weight", "delay"):
        value, allowed = getattr(projection, field), _NOT_DRAWN.get((kind, field))
        if isinstance(value, (Distribution, ByDistance)) and allowed is not None:
            raise SpecError(f"{projection.label}.{field}: got {value}; allowed for {kind} is {allowed}")


def _check_images(projection: Projection, c: Conv2d | Pool2d) -> tuple[int, ...]:
    label, pre, post = projection.label, image_of(projection.pre), image_of(projection.post)
    if len(pre) != 3 or len(post) != 3:
        raise SpecError(
            f"{label}: {c.kind} needs ends of shape (channels, height, width) or (channels, width), got "
            f"{pre} and {post}"
        )
    shape: tuple[int, ...] = ()
    if isinstance(c, Pool2d):
        kernel, dilation, padding, channels = c.size, (1, 1), c.padding, pre[0]
    else:
        weight = np.shape(projection.weight)  # type: ignore[arg-type]  # it is not drawn
        if len(weight) != 4 or weight[0] != post[0] or weight[1] * c.groups != pre[0] or post[0] % c.groups:
            raise SpecError(
                f"{label}.weight: got shape {weight}; allowed is [c_out, c_in / groups, kh, kw] "
                f"with c_out={post[0]}, c_in={pre[0]}, groups={c.groups}"
            )
        kernel, dilation, padding, channels = (weight[2], weight[3]), c.dilation, c.padding, post[0]
        shape = weight
    size = [
        (pre[1 + a] + 2 * padding[a] - dilation[a] * (kernel[a] - 1) - 1) // c.stride[a] + 1 for a in range(2)
    ]
    if post != (channels, *size):
        raise SpecError(f"{label}: {c.kind} of {pre} gives {(channels, *size)}, but post has shape {post}")
    return shape


def _check_rows(projection: Projection, c: RowWise) -> tuple[int, ...]:
    label, n_pre, n_post = projection.label, projection.pre.n, projection.post.n
    if n_pre % c.n or n_post % c.n:
        raise SpecError(f"{label}: {c.n} rows need ends of a multiple of so many, got {n_pre} and {n_post}")
    if c.order is not None and c.order.size != n_pre:
        raise SpecError(f"{label}: rows.order has {c.order.size} indices; pre has {n_pre} neurons")
    return n_post // c.n, n_pre // c.n
