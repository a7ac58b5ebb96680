"""A cochlea: sound in, spikes of its channels out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..neurons.errors import SpecError
from .arrays import numbers_of
from .events import Events

#: Sound whose root mean square is 1 for a hair cell, in decibels above 20 micropascal (Meddis 1986).
_UNIT_LEVEL = 30.0


@dataclass(frozen=True)
class Cochlea:
    r"""An inner ear of gammatone filters, hair cells and bushy cells, a channel for each of many frequencies.

    Each channel is, in turn,

    * a gammatone filter of fourth order, gain 1 at its centre f, of the bandwidth b = 1.019 ERB(f), where
      ERB(f) = 24.7 (1 + 4.37 f / 1000) Hz. Centres are equally spaced in ERBs, the lowest in channel 0;
    * a hair cell of Meddis: the displacement s opens its membrane, k = 2000 max(0, s + 5) / (s + 305), so a
      store q releases into the cleft c, from which transmitter is lost or taken back by w:
      dq/dt = 5.05 (1 - q) + 66.31 w - k q, dc/dt = k q - (2500 + 6580) c, dw/dt = 6580 c - 66.31 w, each per
      second;
    * `fibres` of the auditory nerve, each firing with the rate 50,000 c, and silent for 1 ms afterwards;
    * a bushy cell that hears all of these: an integrate-and-fire neuron of the time constant `tau`, into
      which each spike of a fibre jumps by `weight`, with the threshold 1 and 1 ms refractory.

    The order of stages is that of the Heidelberg data. Their basilar membrane is hydrodynamic; here it is a
    filterbank, which takes about as long as the sound does and has no constants to fit. Spikes of
    `spoken_digits` come from the former, and look alike but are not the same.

    Parameters
    ----------
    channels : int
        How many.
    low, high : float
        Centre of the first and the last channel, in hertz.
    level : float, optional
        Loudness that every sound is brought to, in decibels above 20 micropascal; None takes the sound for
        pascals as it is.
    fibres : int
        Fibres of the nerve in each channel.
    weight : float
        What the spike of a fibre adds in a bushy cell.
    tau : float
        Time constant of the bushy cells, in seconds.

    Notes
    -----
    Sources: R. D. Patterson et al., APU report 2341 (1987), and V. Hohmann, Acta Acustica 88
    (2002) (gammatone filters as four complex ones of first order); B. R. Glasberg and B. C. J. Moore,
    Hearing Research 47 (1990) (ERB); R. Meddis, Journal of the Acoustical Society of America 79 (1986) and
    83 (1988) (hair cell); B. Cramer, Y. Stradmann, J. Schemmel and F. Zenke, IEEE Transactions on Neural
    Networks and Learning Systems 33 (2022) (fibres, bushy cells).

    Examples
    --------
    >>> rate = 16_000
    >>> tone = np.sin(2 * np.pi * 500 * np.arange(800) / rate)
    >>> spikes = Cochlea(channels=32).listen(tone, rate)
    >>> spikes.shape
    (32,)
    """

    channels: int = 700
    low: float = 50.0
    high: float = 6000.0
    level: float | None = 65.0
    fibres: int = 40
    weight: float = 0.18
    tau: float = 0.5e-3

    def __post_init__(self) -> None:
        for name in ("channels", "fibres"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 1 <= value <= 65535:
                raise SpecError(f"Cochlea.{name}: got {value!r}; allowed is a whole number from 1 to 65535")
        for name in ("low", "high", "weight", "tau"):
            value = getattr(self, name)
            if not (isinstance(value, int | float | np.number) and np.isfinite(value) and value > 0):
                raise SpecError(f"Cochlea.{name}: got {value!r}; allowed is a finite number > 0")
        if self.level is not None and not (
            isinstance(self.level, int | float | np.number) and np.isfinite(self.level)
        ):
            raise SpecError(f"Cochlea.level: got {self.level!r}; allowed is a finite number, or None")
        if self.low > self.high:
            raise SpecError(f"Cochlea.low: got {self.low:g}, above high={self.high:g}")

    @property
    def centres(self) -> np.ndarray:
        """Frequency of each channel, in hertz, equally spaced in ERBs."""
        first, last = (np.log1p(4.37e-3 * f) for f in (self.low, self.high))
        return np.asarray(np.expm1(np.linspace(first, last, self.channels)) / 4.37e-3)

    def listen(self, sound: Any, rate: float, *, seed: int = 0) -> Events:
        """Return the spikes of the bushy cells.

        Parameters
        ----------
        sound : array, shape (n,)
            The waveform.
        rate : float
            Samples per second, more than twice the highest centre.
        seed : int
            Draws the spikes of the fibres.

        Returns
        -------
        Events
            Of the shape (channels,), from the beginning of the sound on.

        Raises
        ------
        SpecError
            If the sound is no list of finite numbers, or its rate too low.
        """
        wave = self._loud(sound, rate)
        dt, rng = 1.0 / rate, np.random.default_rng(seed)
        membrane = _Filters(self.centres, dt)
        cells = _HairCells(self.channels, dt)
        nerve = _Fibres(self.channels, self.fibres, dt, rng)
        bushy = _BushyCells(self.channels, self.weight, self.tau, dt)
        fired = [bushy.step(nerve.step(cells.step(membrane.step(sample)))) for sample in wave]
        times = np.repeat(np.arange(len(wave)), [len(ids) for ids in fired])
        ids = np.concatenate(fired) if fired else np.empty(0, np.intp)
        return Events(np.rint(times * (dt * 1e6)).astype(np.int64), ids, shape=(self.channels,))

    def _loud(self, sound: Any, rate: float) -> np.ndarray:
        """Return a sound in the unit of hair cells."""
        wave = numbers_of(sound, "Cochlea.listen.sound").astype(np.float64)
        if wave.ndim != 1:
            raise SpecError(
                f"Cochlea.listen.sound: got shape {wave.shape}; allowed is one list, as of one microphone"
            )
        if not (isinstance(rate, int | float | np.number) and 2.0 * self.high < rate < np.inf):
            raise SpecError(
                f"Cochlea.listen.rate: got {rate!r}; allowed is more than twice high={self.high:g}, in hertz"
            )
        unit = 20e-6 * 10.0 ** (_UNIT_LEVEL / 20.0)
        if self.level is not None:
            strength = np.sqrt(np.mean(wave**2)) if wave.any() else 1.0
            unit = strength * 10.0 ** ((_UNIT_LEVEL - self.level) / 20.0)
        return np.asarray(wave / unit)


class _Filters:
    """Gammatone filters: four complex low-passes in a row, each turning at the centre's frequency."""

    def __init__(self, centres: np.ndarray, dt: float) -> None:
        width = 1.019 * 24.7 * (1.0 + 4.37e-3 * centres)
        self.turn = np.exp(2.0 * np.pi * dt * (1j * centres - width))
        self.gain = 1.0 - np.exp(-2.0 * np.pi * dt * width)
        self.states = np.zeros((4, len(centres)), np.complex128)

    def step(self, sample: float) -> np.ndarray:
        signal: Any = 2.0 * sample
        for state in self.states:
            state *= self.turn
            state += self.gain * signal
            signal = state
        return np.asarray(signal.real)


class _HairCells:
    """Hair cells of Meddis, each with its store, cleft and reprocessing."""

    def __init__(self, n: int, dt: float) -> None:
        self.dt = dt
        # The cleft empties within a sample or two: what flows in is held, and its decay is exact.
        self.emptying = np.exp(-dt * (2500.0 + 6580.0))
        k = 2000.0 * 5.0 / 305.0
        rest = 5.05 * k / (2500.0 * k + 5.05 * (2500.0 + 6580.0))
        self.cleft = np.full(n, rest)
        self.store = np.full(n, rest * (2500.0 + 6580.0) / k)
        self.taken_back = np.full(n, rest * 6580.0 / 66.31)

    def step(self, displacement: np.ndarray) -> np.ndarray:
        """Return the rate of a fibre in each channel, per second."""
        opened = np.maximum(displacement + 5.0, 0.0)
        released = 2000.0 * opened / (opened + 300.0) * self.store
        reprocessed = 66.31 * self.taken_back
        self.taken_back += self.dt * (6580.0 * self.cleft - reprocessed)
        self.store += self.dt * (5.05 * (1.0 - self.store) + reprocessed - released)
        steady = released / (2500.0 + 6580.0)
        self.cleft = steady + (self.cleft - steady) * self.emptying
        return 50_000.0 * self.cleft


class _Fibres:
    """Fibres of the nerve: those of a channel that are not refractory fire independently."""

    def __init__(self, n: int, fibres: int, dt: float, rng: np.random.Generator) -> None:
        self.dt, self.rng = dt, rng
        self.waiting = np.full(n, fibres)
        self.spent = np.zeros((max(1, round(1e-3 / dt)), n), np.int64)
        self.at = 0

    def step(self, rates: np.ndarray) -> np.ndarray:
        """Return how many fire in each channel."""
        self.waiting += self.spent[self.at]
        fired = self.rng.binomial(self.waiting, np.minimum(rates * self.dt, 1.0))
        self.waiting -= fired
        self.spent[self.at] = fired
        self.at = (self.at + 1) % len(self.spent)
        return fired


class _BushyCells:
    """Integrate-and-fire neurons that hear the fibres of their channel."""

    def __init__(self, n: int, weight: float, tau: float, dt: float) -> None:
        self.weight, self.decay = weight, np.exp(-dt / tau)
        self.blind = max(1, round(1e-3 / dt))
        self.v, self.rest = np.zeros(n), np.zeros(n, np.int64)

    def step(self, spikes: np.ndarray) -> np.ndarray:
        """Return which fire."""
        self.v *= self.decay
        self.v += self.weight * spikes
        self.rest -= 1
        self.v[self.rest > 0] = 0.0
        fired = np.flatnonzero(self.v >= 1.0)
        self.v[fired] = 0.0
        self.rest[fired] = self.blind
        return fired
