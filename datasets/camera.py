"""An event camera: frames in, events out, one pixel model for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..neurons.errors import SpecError
from .arrays import numbers_of
from .events import Events

#: No pixel's threshold lies below this part of the nominal one, however much pixels differ.
_LEAST = 0.1


@dataclass(frozen=True)
class EventCamera:
    r"""Pixels that tell when the logarithm of their brightness has changed by a threshold.

    A pixel sees L = ln(intensity + floor), linear in time between frames, and remembers the level M that it
    told last. Where L reaches M + on, it sends an event of polarity 1, where L reaches M - off one of
    polarity 0, at the time of the crossing, between frames; that level is the new M. For a `refractory`
    time after an event the pixel is held in reset, and M is L at its end.

    Parameters
    ----------
    on, off : float
        Thresholds, in natural logarithms: 0.25 is a change by 28 %.
    mismatch : float
        Standard deviation of thresholds between pixels, as a part of the threshold.
    refractory : float
        Seconds for which a pixel is blind after an event.
    noise : float
        Events per second that each pixel sends of itself, of either polarity; they change no memory.
    cutoff : float, optional
        Bandwidth of the photoreceptor, in hertz: L follows the logarithm as a low-pass of first order does.
    chip : int
        Which specimen it is: draws the thresholds of its pixels.
    floor : float
        What dark current adds to every intensity, so that the logarithm of black is finite.

    Notes
    -----
    Sources: P. Lichtsteiner, C. Posch and T. Delbruck, IEEE Journal of Solid-State Circuits 43
    (2008) (pixel); H. Rebecq, D. Gehrig and D. Scaramuzza, Conference on Robot Learning (2018) (times
    between frames); Y. Hu, S.-C. Liu and T. Delbruck, CVPR workshops (2021) (mismatch, noise, bandwidth).

    Examples
    --------
    A pixel whose brightness grows e-fold in a second tells it four times:

    >>> camera = EventCamera(on=0.24, floor=0.0)
    >>> camera.watch(np.array([1.0, np.e]).reshape(2, 1, 1), [0.0, 1.0]).t_us.tolist()
    [240000, 480000, 720000, 960000]
    """

    on: float = 0.25
    off: float = 0.25
    mismatch: float = 0.0
    refractory: float = 0.0
    noise: float = 0.0
    cutoff: float | None = None
    chip: int = 0
    floor: float = 0.02

    def __post_init__(self) -> None:
        for name in ("on", "off", "mismatch", "refractory", "noise", "floor"):
            self._check(name, getattr(self, name), above_zero=name in ("on", "off"))
        if self.cutoff is not None:
            self._check("cutoff", self.cutoff, above_zero=True)
        if not isinstance(self.chip, int | np.integer) or self.chip < 0:
            raise SpecError(f"EventCamera.chip: got {self.chip!r}; allowed is a whole number from 0")

    def _check(self, name: str, value: Any, *, above_zero: bool) -> None:
        good = isinstance(value, int | float | np.number) and np.isfinite(value) and value >= 0
        if not good or (above_zero and value == 0):
            sign = ">" if above_zero else ">="
            raise SpecError(f"EventCamera.{name}: got {value!r}; allowed is a finite number {sign} 0")

    def watch(self, frames: Any, times: Any, *, seed: int | Sequence[int] = 0) -> Events:
        """Return the events of a film.

        Parameters
        ----------
        frames : array, shape (n, height, width)
            Intensities, linear and not negative, on any scale that `floor` is on too.
        times : array, shape (n,)
            Seconds of each frame, from 0, ascending.
        seed : int, or several
            Draws the noise.

        Returns
        -------
        Events
            Of the shape (2, height, width).

        Raises
        ------
        SpecError
            If frames and times do not belong together, or an intensity has no logarithm.
        """
        film, at = self._checked(frames, times)
        height, width = film.shape[1:]
        light = np.log(film.reshape(len(film), -1) + self.floor)
        rng = np.random.default_rng(seed)
        if self.cutoff is not None:
            light = _low_passed(light, at, 1.0 / (2.0 * np.pi * self.cutoff))
        t, pixel, p = (np.concatenate(part) for part in zip(
            self._crossings(light, at), self._noise(light.shape[1], at, rng), strict=True
        ))  # fmt: skip
        y, x = np.divmod(pixel, width)
        return Events(np.rint(t * 1e6).astype(np.int64), x, y, p, (2, height, width))

    def _checked(self, frames: Any, times: Any) -> tuple[np.ndarray, np.ndarray]:
        film = numbers_of(frames, "EventCamera.watch.frames").astype(np.float64)
        at = numbers_of(times, "EventCamera.watch.times").astype(np.float64)
        if film.ndim != 3 or at.shape != film.shape[:1] or not film.size:
            raise SpecError(
                f"EventCamera.watch: got frames of shape {film.shape} and times of shape {at.shape}; "
                f"allowed are (n, height, width) and (n,)"
            )
        if not (at[0] >= 0 and (np.diff(at) > 0).all()):
            raise SpecError("EventCamera.watch.times: allowed are seconds that ascend from 0 or later")
        low = film.min() + self.floor
        if not (film.min() >= 0 and low > 0):
            raise SpecError(
                f"EventCamera.watch.frames: got intensities from {film.min():g} to {film.max():g}; allowed "
                f"are those from 0 on, and above 0 where floor is 0"
            )
        return film, at

    def _thresholds(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        deviations = np.random.default_rng(self.chip).standard_normal((2, n))
        up, down = np.maximum(1.0 + self.mismatch * deviations, _LEAST)
        return self.on * up, self.off * down

    def _crossings(self, light: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return time, pixel and polarity of every crossing of a threshold."""
        pixels = _Pixels(light[0], *self._thresholds(light.shape[1]), self.refractory)
        found = [(np.empty(0), np.empty(0, np.intp), np.empty(0, np.int8))]
        for piece in map(_Piece, at[:-1], at[1:], light[:-1], light[1:]):
            found.extend(pixels.follow(piece))
        t, pixel, p = (np.concatenate(part) for part in zip(*found, strict=True))
        return t, pixel, p

    def _noise(
        self, n: int, at: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        count = rng.poisson(self.noise * n * (at[-1] - at[0]))
        polarity = rng.integers(0, 2, count, dtype=np.int8)
        return rng.uniform(at[0], at[-1], count), rng.integers(0, n, count), polarity


@dataclass(frozen=True, slots=True)
class _Piece:
    """What pixels see from one frame to the next: a straight line each."""

    start: float
    stop: float
    before: np.ndarray
    after: np.ndarray

    def seen(self, pixels: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Return what some pixels see at a time each."""
        before, share = self.before[pixels], (t - self.start) / (self.stop - self.start)
        return np.asarray(before + share * (self.after[pixels] - before))

    def when(self, pixels: np.ndarray, level: np.ndarray) -> np.ndarray:
        """Return when some pixels see a level each."""
        before = self.before[pixels]
        share = (level - before) / (self.after[pixels] - before)
        return np.asarray(self.start + share * (self.stop - self.start))


class _Pixels:
    """Pixels with the level that each told last, and those that are blind with the time when they wake."""

    def __init__(self, light: np.ndarray, up: np.ndarray, down: np.ndarray, refractory: float) -> None:
        self.up, self.down, self.refractory = up, down, refractory
        self.memory, self.ready = light.copy(), np.zeros(len(light))
        self.blind = np.empty(0, np.intp)

    def follow(self, piece: _Piece) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield time, pixel and polarity of the first events between two frames, of the second, and so on."""
        self._wake(piece)
        beyond = (piece.after >= self.memory + self.up) | (piece.after <= self.memory - self.down)
        beyond[self.blind] = False
        active = np.flatnonzero(beyond)
        while len(active):
            told, after = self.memory[active], piece.after[active]
            rising = after > told
            goal = np.where(rising, told + self.up[active], told - self.down[active])
            reached = np.where(rising, after >= goal, after <= goal)
            active, rising, goal = active[reached], rising[reached], goal[reached]
            t = piece.when(active, goal)
            yield t, active, rising.astype(np.int8)
            self.memory[active] = goal
            if self.refractory:
                self.ready[active] = t + self.refractory
                self.blind = np.union1d(self.blind, active)
                active = self._wake(piece)

    def _wake(self, piece: _Piece) -> np.ndarray:
        """Let pixels whose blind time ends between two frames begin with what they see then; return them."""
        ends = self.ready[self.blind] < piece.stop
        waking, self.blind = self.blind[ends], self.blind[~ends]
        self.memory[waking] = piece.seen(waking, self.ready[waking])
        return waking


def _low_passed(light: np.ndarray, at: np.ndarray, tau: float) -> np.ndarray:
    """Return what a low-pass of first order makes of a signal that is linear between samples."""
    out = light.copy()
    for k, step in enumerate(np.diff(at)):
        lag = tau * (light[k + 1] - light[k]) / step
        out[k + 1] = light[k + 1] - lag + (out[k] - light[k] + lag) * np.exp(-step / tau)
    return out
