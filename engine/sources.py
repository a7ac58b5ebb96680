"""What feeds a network from outside: given spikes, Poisson trains, currents, frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..neurons.errors import SpecError
from .checks import check_array, check_positive, check_spikes, numbers, set_shape
from .groups import Group


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
    sends: ClassVar[str] = "integer"

    def __post_init__(self) -> None:
        super().__post_init__()
        set_shape(self, self.n_or_shape)
        rate = check_array(f"{self.label}.rate", self.rate, (self.n,), low=0.0)
        object.__setattr__(self, "rate", rate)


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
    sends: ClassVar[str] = "integer"

    def __post_init__(self) -> None:
        super().__post_init__()
        set_shape(self, self.n_or_shape)
        times = numbers(f"{self.label}.times", self.times, "a list of times in seconds")
        ascending = times.ndim == 1 and times.size > 0 and times[0] == 0 and bool(np.all(np.diff(times) > 0))
        if not ascending or not np.isfinite(times[-1]):
            raise SpecError(f"{self.label}.times: must be ascending times in seconds that start at 0")
        rates = numbers(f"{self.label}.rates", self.rates, "rates in hertz, [k] or [k, n]")
        if rates.shape not in ((times.size,), (times.size, self.n)):
            raise SpecError(
                f"{self.label}.rates: got shape {rates.shape}; "
                f"allowed is ({times.size},) or ({times.size}, {self.n})"
            )
        check_array(f"{self.label}.rates", rates, rates.shape, low=0.0)
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "rates", rates)


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
    sends: ClassVar[str] = "integer"

    def __post_init__(self) -> None:
        super().__post_init__()
        set_shape(self, self.n_or_shape)
        if (self.times is None) != (self.ids is None):
            raise SpecError(f"{self.label}: give both times and ids, or neither")
        if self.times is not None:
            times, ids = check_spikes(self.label, self.times, self.ids, self.n)
            object.__setattr__(self, "times", times)
            object.__setattr__(self, "ids", ids)


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
    sends: ClassVar[str] = "real"

    def __post_init__(self) -> None:
        super().__post_init__()
        set_shape(self, self.n_or_shape)
        if self.values is not None:
            values = numbers(f"{self.label}.values", self.values, f"({self.n},) or (rows, {self.n}) numbers")
            if values.ndim not in (1, 2) or values.shape[-1] != self.n:
                raise SpecError(
                    f"{self.label}.values: got shape {values.shape}; "
                    f"allowed is ({self.n},) or (rows, {self.n})"
                )
            object.__setattr__(self, "values", check_array(f"{self.label}.values", values, values.shape))
        if self.dt is not None:
            check_positive(f"{self.label}.dt", self.dt, "s")


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
    sends: ClassVar[str] = "real"

    def __post_init__(self) -> None:
        super().__post_init__()
        set_shape(self, self.n_or_shape)
        if self.values is not None:
            values = numbers(f"{self.label}.values", self.values, f"{self.shape} numbers")
            if values.shape not in (self.shape, (self.n,)):
                raise SpecError(f"{self.label}.values: got shape {values.shape}; allowed is {self.shape}")
            values = check_array(f"{self.label}.values", values.reshape(-1), (self.n,))
            object.__setattr__(self, "values", values)
