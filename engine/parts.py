"""The parts of a network: populations, sources, projections, probes and operators.

Parts are frozen descriptions with an identity and a name. They hold no state; all work happens when
a simulator builds its plan. A part without a name is given one by the network that it joins.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..learning.rule import PlasticityRule
from ..neurons.errors import SpecError
from ..neurons.model import NeuronModel
from .connectivity import Connectivity, Conv2d, Pool2d, Sparse
from .distributions import Distribution

Values = float | np.ndarray | Distribution


@dataclass(frozen=True, eq=False)
class Part:
    """Base class: something with a name that a network holds."""

    _: KW_ONLY
    name: str | None = None

    def __post_init__(self) -> None:
        if self.name is not None and (not isinstance(self.name, str) or not self.name.strip()):
            raise SpecError(f"{type(self).__name__}.name: got {self.name!r}; allowed is a text that is not empty")

    @property
    def label(self) -> str:
        """The name for messages, also before a network has given one."""
        return self.name or type(self).__name__


@dataclass(frozen=True, eq=False)
class Group(Part):
    """Base class of what has neurons: populations, sources and operators."""

    shape: tuple[int, ...] = field(default=(), init=False)

    @property
    def n(self) -> int:
        """Number of neurons (channels, for a source)."""
        return math.prod(self.shape)

    @property
    def receptors(self) -> tuple[str, ...]:
        """Where input can arrive; none for sources."""
        return ()

    @property
    def payload(self) -> str:
        """What its events carry: "unit", "integer" or "real"."""
        return "unit"

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, key: slice) -> Slice:
        if not isinstance(key, slice):
            raise SpecError(f"{self.label}[{key!r}]: allowed is a slice of neurons, such as [:100]")
        start, stop, step = key.indices(self.n)
        if step != 1 or stop <= start:
            raise SpecError(f"{self.label}[{key}]: allowed is a slice that is not empty, without a step")
        return Slice(self, start, stop)


@dataclass(frozen=True)
class Slice:
    """Consecutive neurons of a group, as an end of a projection or the target of a probe."""

    group: Group
    start: int
    stop: int

    @property
    def n(self) -> int:
        """Number of neurons in the slice."""
        return self.stop - self.start

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape: the group's own if whole, else flat."""
        return self.group.shape if self.n == self.group.n else (self.n,)


@dataclass(frozen=True, eq=False)
class Population(Group):
    """n neurons of one model.

    Parameters
    ----------
    n_or_shape : int or tuple of int
        Number of neurons, or the shape of a layer or image: (channels, height, width).
    model : NeuronModel
        The neurons' rule and parameters; array parameters hold one value per neuron.
    name : str, optional
        Unique name; random streams are keyed by it.
    initial : dict
        State variable -> number, array (n,) or distribution; the model's own value otherwise.

    Examples
    --------
    >>> import rheobase as rb
    >>> rb.Population((2, 8, 8), rb.LIF(20e-3)).n
    128
    """

    n_or_shape: int | tuple[int, ...]
    model: NeuronModel
    initial: Mapping[str, Values] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        _set_shape(self, self.n_or_shape)
        if not isinstance(self.model, NeuronModel):
            raise SpecError(f"{self.label}.model: got {self.model!r}; allowed is a NeuronModel such as LIF(20e-3)")
        size = self.model.per_neuron()
        if size is not None and size != self.n:
            raise SpecError(f"{self.label}.model: its arrays describe {size} neurons, the population has {self.n}")
        known = [state.name for state in self.model.used_states]
        for key, value in self.initial.items():
            if key not in known:
                raise SpecError(f"{self.label}.initial: unknown state variable {key!r}; {self.model!r} has {known}")
            check_values(f"{self.label}.initial[{key!r}]", value, (self.n,))

    @property
    def receptors(self) -> tuple[str, ...]:
        return self.model.receptors

    @property
    def payload(self) -> str:
        return self.model.payload


@dataclass(frozen=True, eq=False)
class Source(Group):
    """Base class of what feeds a network from outside."""

    #: True where run(inputs=...) may feed it.
    fed: ClassVar[bool] = False


@dataclass(frozen=True, eq=False)
class PoissonSource(Source):
    """n independent Poisson spike trains.

    Parameters
    ----------
    n : int or tuple of int
        Number of trains.
    rate : float or array (n,)
        Rate of each train in hertz. Several spikes of a train in one step arrive as one event with
        their number as payload, so the rate may exceed one per step.

    Examples
    --------
    >>> PoissonSource(100, rate=40.0).n
    100
    """

    n_or_shape: int | tuple[int, ...]
    rate: float | np.ndarray

    def __post_init__(self) -> None:
        super().__post_init__()
        _set_shape(self, self.n_or_shape)
        rate = check_array(f"{self.label}.rate", self.rate, (self.n,), low=0.0)
        object.__setattr__(self, "rate", rate)

    @property
    def payload(self) -> str:
        return "integer"


@dataclass(frozen=True, eq=False)
class RateSource(Source):
    """n independent Poisson spike trains whose rate changes at given times.

    Parameters
    ----------
    n : int or tuple of int
        Number of trains.
    times : array (k,)
        Ascending times in seconds, the first 0; rates[i] holds from times[i] on.
    rates : array (k,) or (k, n)
        Rates in hertz.

    Examples
    --------
    >>> RateSource(10, times=[0.0, 0.1], rates=[5.0, 50.0]).n
    10
    """

    n_or_shape: int | tuple[int, ...]
    times: np.ndarray
    rates: np.ndarray

    def __post_init__(self) -> None:
        super().__post_init__()
        _set_shape(self, self.n_or_shape)
        times = np.array(self.times, dtype=np.float64)
        if times.ndim != 1 or not times.size or times[0] != 0 or np.any(np.diff(times) <= 0):
            raise SpecError(f"{self.label}.times: must be ascending times in seconds that start at 0")
        rates = np.array(self.rates, dtype=np.float64)
        if rates.shape not in ((times.size,), (times.size, self.n)):
            raise SpecError(
                f"{self.label}.rates: got shape {rates.shape}; allowed is ({times.size},) or ({times.size}, {self.n})"
            )
        check_array(f"{self.label}.rates", rates, rates.shape, low=0.0)
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "rates", rates)

    @property
    def payload(self) -> str:
        return "integer"


@dataclass(frozen=True, eq=False)
class SpikeSource(Source):
    """n trains of given spikes.

    Parameters
    ----------
    n : int or tuple of int
        Number of trains.
    times : array, optional
        Spike times in seconds, ascending; leave out to feed the source by run(inputs=...).
    ids : array, optional
        The train of each spike.

    Examples
    --------
    >>> SpikeSource(2, times=[0.001, 0.002], ids=[0, 1]).n
    2
    """

    n_or_shape: int | tuple[int, ...]
    times: np.ndarray | None = None
    ids: np.ndarray | None = None
    fed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        _set_shape(self, self.n_or_shape)
        if (self.times is None) != (self.ids is None):
            raise SpecError(f"{self.label}: give both times and ids, or neither")
        if self.times is not None:
            times, ids = check_spikes(self.label, self.times, self.ids, self.n)
            object.__setattr__(self, "times", times)
            object.__setattr__(self, "ids", ids)

    @property
    def payload(self) -> str:
        return "integer"


@dataclass(frozen=True, eq=False)
class CurrentSource(Source):
    """n channels of a current (or any analogue value) that is sent in every step.

    Parameters
    ----------
    n : int or tuple of int
        Number of channels.
    values : array (k, n) or (n,), optional
        The values, one row for each stretch of `dt`, or one row for all time; zero after the last row.
        Leave out to feed the source by run(inputs=...).
    dt : float, optional
        Seconds per row; one simulation step if left out.

    Examples
    --------
    >>> CurrentSource(3, values=[0.0, 0.5, 1.0]).n
    3
    """

    n_or_shape: int | tuple[int, ...]
    values: np.ndarray | None = None
    dt: float | None = None
    fed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        _set_shape(self, self.n_or_shape)
        if self.values is not None:
            values = np.array(self.values, dtype=np.float64)
            if values.ndim not in (1, 2) or values.shape[-1] != self.n:
                raise SpecError(
                    f"{self.label}.values: got shape {values.shape}; allowed is ({self.n},) or (rows, {self.n})"
                )
            object.__setattr__(self, "values", check_array(f"{self.label}.values", values, values.shape))
        if self.dt is not None:
            check_positive(f"{self.label}.dt", self.dt, "s")

    @property
    def payload(self) -> str:
        return "real"


@dataclass(frozen=True, eq=False)
class FrameSource(Source):
    """A frame (image, feature vector) whose values are sent in every step, zeros skipped.

    Parameters
    ----------
    shape : int or tuple of int
        Shape of the frame: (channels, height, width), or a length.
    values : array of this shape, optional
        The frame; leave out to feed it by run(inputs=...), one frame per trial.

    Examples
    --------
    >>> FrameSource((1, 28, 28)).n
    784
    """

    n_or_shape: int | tuple[int, ...]
    values: np.ndarray | None = None
    fed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        _set_shape(self, self.n_or_shape)
        if self.values is not None:
            values = np.array(self.values, dtype=np.float64)
            if values.shape not in (self.shape, (self.n,)):
                raise SpecError(f"{self.label}.values: got shape {values.shape}; allowed is {self.shape}")
            values = check_array(f"{self.label}.values", values.reshape(-1), (self.n,))
            object.__setattr__(self, "values", values)

    @property
    def payload(self) -> str:
        return "real"


@dataclass(frozen=True, eq=False)
class Operator(Group):
    """A function over groups of neurons, recomputed where something it reads has changed.

    Its output is a graded signal: row totals are kept, and what changed since the last step is sent
    as events with real payload, so receivers hold the sum of all events, which is the output.

    Parameters
    ----------
    kind : str
        "softmax", or another operator that has been registered in `engine/operators.py`.
    inputs : Population, or a sequence of them
        What it reads: the first state variable of each.
    axis : int, optional
        Axis of the input's shape along which rows run; the last if left out.

    Examples
    --------
    >>> import rheobase as rb
    >>> scores = rb.Population((4, 8), rb.LI(10e-3))
    >>> rb.Operator("softmax", scores).shape
    (4, 8)
    """

    kind: str
    inputs: Any
    axis: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        inputs = (self.inputs,) if isinstance(self.inputs, Group) else tuple(self.inputs)
        if not inputs or not all(isinstance(group, Population) for group in inputs):
            raise SpecError(f"{self.label}.inputs: got {self.inputs!r}; allowed is a Population, or several")
        object.__setattr__(self, "inputs", inputs)
        from .operators import operator_shape

        object.__setattr__(self, "shape", operator_shape(self))

    @property
    def payload(self) -> str:
        return "real"


@dataclass(frozen=True, eq=False)
class Projection(Part):
    """Synapses from one group to a population.

    Parameters
    ----------
    pre, post : Group or slice of one
        Where events come from and where they go.
    connectivity : Connectivity
        random(p), fixed_in(k), fixed_out(k), fixed_total(n), one_to_one(), all_to_all(), dense(),
        conv2d(...), pool2d(...), explicit(pre, post) or sparse(matrix).
    weight : number, array or distribution
        In the unit of the target's input. dense: [n_post, n_pre]; conv2d: [c_out, c_in / groups, kh, kw];
        explicit: one per pair; one_to_one: one per neuron; random patterns: a number or distribution.
    delay : number, array or distribution, optional
        Seconds, rounded to whole steps; one step if left out; 0 where projections form no cycle.
    receptor : str, optional
        The target's receptor; its first if left out.
    rule : PlasticityRule, optional
        How the weights change.
    delivery : str, optional
        "sparse" or "dense" storage where both are possible; the plan chooses if left out.

    Examples
    --------
    >>> import rheobase as rb
    >>> exc = rb.Population(400, rb.LIF(tau=20e-3))
    >>> rb.Projection(exc, exc, rb.random(p=0.1), weight=0.1, delay=1.5e-3).delay
    0.0015
    """

    pre: Group | Slice
    post: Group | Slice
    connectivity: Connectivity
    weight: Values = field(default=1.0, kw_only=True)
    delay: Values | None = field(default=None, kw_only=True)
    receptor: str | None = field(default=None, kw_only=True)
    rule: PlasticityRule | None = field(default=None, kw_only=True)
    delivery: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        for end in ("pre", "post"):
            if not isinstance(getattr(self, end), (Group, Slice)):
                raise SpecError(f"{self.label}.{end}: got {getattr(self, end)!r}; allowed is a group or its slice")
        if not isinstance(self.connectivity, Connectivity):
            raise SpecError(
                f"{self.label}.connectivity: got {self.connectivity!r}; allowed is one of random(p), fixed_in(k), "
                "fixed_out(k), fixed_total(n), one_to_one(), all_to_all(), dense(), conv2d(...), pool2d(...), "
                "explicit(pre_ids, post_ids), sparse(matrix)"
            )
        if not self.target.receptors:
            raise SpecError(f"{self.label}.post: {self.target.label} is a {type(self.target).__name__} and takes no input")
        if self.receptor is not None and self.receptor not in self.target.receptors:
            raise SpecError(
                f"{self.label}.receptor: got {self.receptor!r}; {self.target.label} has {self.target.receptors}"
            )
        if self.rule is not None and not isinstance(self.rule, PlasticityRule):
            raise SpecError(f"{self.label}.rule: got {self.rule!r}; allowed is a PlasticityRule such as STDP(...)")
        if self.delivery not in (None, "sparse", "dense"):
            raise SpecError(f"{self.label}.delivery: got {self.delivery!r}; allowed is 'sparse', 'dense' or None")
        check_projection(self)

    @property
    def source(self) -> Group:
        """The group that events come from, also where only a slice of it projects."""
        return self.pre.group if isinstance(self.pre, Slice) else self.pre

    @property
    def target(self) -> Group:
        """The group that events go to."""
        return self.post.group if isinstance(self.post, Slice) else self.post

    @property
    def receptor_name(self) -> str:
        """The receptor, the target's first if none was named."""
        return self.receptor or self.target.receptors[0]


@dataclass(frozen=True, eq=False)
class Probe(Part):
    """What to record.

    Parameters
    ----------
    target : Group, or slice of one
        Whose events or variable.
    variable : str
        "spikes", "counts" (one spike count per neuron, no times), or a state variable.
    every : float, optional
        Seconds between samples of a variable; every step if left out.
    ids : array, optional
        Neurons to record; all if left out.
    start, stop : float
        Seconds of simulation time between which to record.
    spool : path, optional
        Write spikes to this file while running instead of keeping them in memory.

    Examples
    --------
    >>> import rheobase as rb
    >>> Probe(rb.Population(3, rb.LIF(20e-3)), "v", every=1e-3).variable
    'v'
    """

    target: Group | Slice
    variable: str = "spikes"
    every: float | None = field(default=None, kw_only=True)
    ids: np.ndarray | None = field(default=None, kw_only=True)
    start: float = field(default=0.0, kw_only=True)
    stop: float | None = field(default=None, kw_only=True)
    spool: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.target, (Group, Slice)):
            raise SpecError(f"{self.label}.target: got {self.target!r}; allowed is a group of neurons or its slice")
        known = ("spikes", "counts", *variables_of(self.group))
        if self.variable not in known:
            raise SpecError(f"{self.label}.variable: got {self.variable!r}; {self.group.label} has {known}")
        if self.every is not None:
            check_positive(f"{self.label}.every", self.every, "s")
        check_array(f"{self.label}.start", self.start, (), low=0.0)
        if self.stop is not None and not self.stop > self.start:
            raise SpecError(f"{self.label}.stop: got {self.stop}; allowed is a time after start={self.start} s")
        if self.spool is not None and self.variable != "spikes":
            raise SpecError(f"{self.label}.spool: only spikes can be spooled, not {self.variable!r}")
        ids = np.arange(self.target.n) if self.ids is None else np.asarray(self.ids)
        if ids.ndim != 1 or not ids.size or ids.dtype.kind not in "iu" or ids.min() < 0 or ids.max() >= self.target.n:
            raise SpecError(f"{self.label}.ids: allowed are indices from 0 to {self.target.n - 1}, at least one")

    @property
    def group(self) -> Group:
        """The group that is recorded from."""
        return self.target.group if isinstance(self.target, Slice) else self.target

    def recorded(self) -> np.ndarray:
        """Return the indices within the group that are recorded, int64."""
        start = self.target.start if isinstance(self.target, Slice) else 0
        ids = np.arange(self.target.n) if self.ids is None else np.asarray(self.ids, dtype=np.int64)
        return ids + start


def variables_of(group: Group) -> tuple[str, ...]:
    """Return the names of the variables that a probe can sample."""
    if isinstance(group, Population):
        return tuple(state.name for state in group.model.used_states)
    return ("value",) if isinstance(group, Operator) else ()


def _set_shape(part: Group, n_or_shape: Any) -> None:
    shape = (n_or_shape,) if isinstance(n_or_shape, (int, np.integer)) else n_or_shape
    good = isinstance(shape, (tuple, list)) and len(shape) > 0 and not isinstance(n_or_shape, bool)
    if not good or any(isinstance(s, bool) or not isinstance(s, (int, np.integer)) or s < 1 for s in shape):
        raise SpecError(f"{part.label}.n: got {n_or_shape!r}; allowed is a whole number from 1, or a tuple of them")
    object.__setattr__(part, "shape", tuple(int(s) for s in shape))


def check_positive(field_name: str, value: Any, unit: str) -> float:
    """Return a positive finite number, or raise SpecError."""
    good = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not good or not math.isfinite(value) or value <= 0:
        raise SpecError(f"{field_name}: got {value!r}; allowed is a finite number above 0, in {unit}")
    return float(value)


def check_array(field_name: str, value: Any, shape: tuple[int, ...], *, low: float | None = None) -> Any:
    """Return a finite number or a read-only float64 array of this shape, or raise SpecError."""
    allowed = "a finite number" + (f" or an array of shape {shape}" if shape else "")
    allowed += "" if low is None else f", not below {low:g}"
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise SpecError(f"{field_name}: got {value!r}; allowed is {allowed}") from None
    if array.shape not in ((), shape):
        raise SpecError(f"{field_name}: got shape {array.shape}; allowed is {allowed}")
    if isinstance(value, bool) or not np.all(np.isfinite(array)) or (low is not None and np.any(array < low)):
        shown = value if array.size < 8 else f"values from {array.min()} to {array.max()}"
        raise SpecError(f"{field_name}: got {shown}; allowed is {allowed}")
    if array.ndim == 0:
        return float(array)
    array.setflags(write=False)
    return array


def check_values(field_name: str, value: Any, shape: tuple[int, ...]) -> None:
    """Raise SpecError unless the value is a number, an array of this shape, or a distribution."""
    if not isinstance(value, Distribution):
        check_array(field_name, value, shape)


def check_spikes(label: str, times: Any, ids: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return spike times (float64) and ids (int64), or raise SpecError."""
    t, i = np.array(times, dtype=np.float64), np.array(ids)
    if t.ndim != 1 or t.shape != i.shape:
        raise SpecError(f"{label}: times has shape {t.shape} and ids {i.shape}; they must be two lists of one length")
    if t.size == 0:
        return t, i.astype(np.int64)
    if not np.all(np.isfinite(t)) or t.min() < 0:
        raise SpecError(f"{label}.times: allowed are finite times from 0, in seconds")
    if np.any(np.diff(t) < 0):
        k = int(np.argmax(np.diff(t) < 0))
        raise SpecError(f"{label}.times: not ascending at index {k + 1} ({t[k]} then {t[k + 1]}); sort times and ids")
    if i.dtype.kind not in "iu" or i.min() < 0 or i.max() >= n:
        raise SpecError(f"{label}.ids: got {i.min()} to {i.max()}; allowed are whole numbers from 0 to {n - 1}")
    return t, i.astype(np.int64)


def check_projection(projection: Projection) -> None:
    """Raise SpecError where weights or delays do not fit the connectivity and its two ends."""
    c, label = projection.connectivity, projection.label
    n_pre, n_post = projection.pre.n, projection.post.n
    shape: tuple[int, ...] = ()
    if c.kind == "one_to_one":
        if n_pre != n_post:
            raise SpecError(f"{label}: one_to_one needs ends of one size, got {n_pre} and {n_post}")
        shape = (n_pre,)
    elif c.kind in ("explicit", "sparse"):
        shape = (c.pre_ids.size,)  # type: ignore[attr-defined]
        for end, ids, n in (("pre", c.pre_ids, n_pre), ("post", c.post_ids, n_post)):  # type: ignore[attr-defined]
            if ids.size and ids.max() >= n:
                raise SpecError(f"{label}: {end} index {ids.max()} is out of range; {end} has {n} neurons")
        if isinstance(c, Sparse) and c.shape != (n_post, n_pre):
            raise SpecError(f"{label}: sparse matrix has shape {c.shape}; [n_post, n_pre] is ({n_post}, {n_pre})")
    elif c.kind == "dense":
        shape = (n_post, n_pre)
    elif isinstance(c, (Conv2d, Pool2d)):
        shape = _check_images(projection, c)
    check_values(f"{label}.weight", projection.weight, shape)
    if projection.delay is not None:
        delays = (*shape,) if c.kind in ("one_to_one", "explicit", "sparse") else ()
        check_values(f"{label}.delay", projection.delay, delays)
        lowest = projection.delay.table()[0] if isinstance(projection.delay, Distribution) else np.min(projection.delay)
        if lowest < 0:
            raise SpecError(f"{label}.delay: got {lowest} s; allowed are times from 0")


def _check_images(projection: Projection, c: Conv2d | Pool2d) -> tuple[int, ...]:
    label, pre, post = projection.label, projection.pre.shape, projection.post.shape
    if len(pre) != 3 or len(post) != 3:
        raise SpecError(f"{label}: {c.kind} needs ends of shape (channels, height, width), got {pre} and {post}")
    if isinstance(c, Pool2d):
        kernel, dilation, padding = c.size, (1, 1), (0, 0)
        channels, shape = pre[0], ()
    else:
        weight = np.shape(projection.weight)
        if len(weight) != 4 or weight[0] != post[0] or weight[1] * c.groups != pre[0] or post[0] % c.groups:
            raise SpecError(
                f"{label}.weight: got shape {weight}; allowed is [c_out, c_in / groups, kh, kw] "
                f"with c_out={post[0]}, c_in={pre[0]}, groups={c.groups}"
            )
        kernel, dilation, padding = (weight[2], weight[3]), c.dilation, c.padding
        channels, shape = post[0], weight
    size = [
        (pre[1 + a] + 2 * padding[a] - dilation[a] * (kernel[a] - 1) - 1) // c.stride[a] + 1 for a in range(2)
    ]
    if post != (channels, *size):
        raise SpecError(f"{label}: {c.kind} of {pre} gives {(channels, *size)}, but post has shape {post}")
    return shape
