"""Labelled recordings, read one at a time from files that stay where they are."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, overload

import numpy as np

from ...neurons.errors import SpecError
from ..binning import Binned, bin_events
from ..events import Events
from .origin import broken
from .store import Store, key_of


class Recordings(Protocol):
    """Where recordings are read from."""

    def read(self, index: int) -> Events:
        """Return one of them."""

    def identity(self, index: int) -> tuple[Any, ...]:
        """Return what changes when the file of one of them does."""


@dataclass(frozen=True)
class Files:
    """Recordings in a file each.

    Attributes
    ----------
    paths : tuple of Path
        The files.
    decode : callable
        From a path to events.
    """

    paths: tuple[Path, ...]
    decode: Callable[[Path], Events]

    def read(self, index: int) -> Events:
        """Return what is in one of the files."""
        with broken(self.paths[index]):
            return self.decode(self.paths[index])

    def identity(self, index: int) -> tuple[Any, ...]:
        """Return a file's place, size and time of change, and how it is decoded."""
        return *identity_of(self.paths[index]), self.decode


@dataclass(frozen=True, eq=False)
class Chosen:
    """Some of other recordings.

    Attributes
    ----------
    recordings : Recordings
        The others.
    rows : array of int
        Which of them.
    """

    recordings: Recordings
    rows: np.ndarray

    def read(self, index: int) -> Events:
        """Return one of them."""
        return self.recordings.read(int(self.rows[index]))

    def identity(self, index: int) -> tuple[Any, ...]:
        """Return what changes when its file does."""
        return self.recordings.identity(int(self.rows[index]))


def identity_of(path: Path) -> tuple[Any, ...]:
    """Return a file's place, size and time of change."""
    known = path.stat()
    return str(path.resolve()), known.st_size, known.st_mtime_ns


@dataclass(frozen=True, eq=False)
class EventDataset(Sequence[tuple[Any, Any]]):
    """Labelled recordings: a sequence of (events, label), as a torch DataLoader takes it too.

    Nothing is read before it is asked for. A slice, a mask or a list of indices gives a part of the dataset.

    Attributes
    ----------
    name, split : str
        Which dataset it is, and which part of it.
    labels : array (n,)
        The class of each recording, int64; texts where a recording has several.
    classes : tuple of str
        What each class is called.
    shape : tuple of int
        The units that send events, for `rb.SpikeSource(data.shape)`.
    about : mapping of str to array
        What else is known of each recording: "speaker", "user", "lighting", ...
    transform : callable, optional
        Takes a structured array with the fields x, y, t (microseconds) and p, or t, x and p where there is
        but one row, as tonic's transforms do. What it returns is the sample: events, where it is again such
        an array.
    functions : tuple of callables
        What a sample goes through after that, see `through`.
    """

    name: str
    split: str
    recordings: Recordings = field(repr=False)
    labels: np.ndarray
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    about: Mapping[str, np.ndarray] = field(default_factory=dict)
    transform: Callable[[np.ndarray], Any] | None = None
    functions: tuple[Callable[[Any], Any], ...] = ()

    def __post_init__(self) -> None:
        for name, function in (("transform", self.transform), *(("through", one) for one in self.functions)):
            if function is not None and not callable(function):
                raise SpecError(f"{self.name}.{name}: got {function!r}; allowed is a function")

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return (
            f"EventDataset({self.name} {self.split}: {len(self)} recordings of {len(self.classes)} classes, "
            f"shape={self.shape})"
        )

    @overload
    def __getitem__(self, index: int) -> tuple[Any, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> EventDataset: ...

    def __getitem__(self, index: Any) -> Any:
        """Return a recording and its label, or a part of the dataset."""
        row = _row_of(index, len(self))
        if row is None:
            about = {name: values[index] for name, values in self.about.items()}
            recordings = Chosen(self.recordings, np.arange(len(self))[index])
            return replace(self, recordings=recordings, labels=self.labels[index], about=about)
        sample: Any = self.recordings.read(row)
        if self.transform is not None:
            sample = self._transformed(sample)
        for function in self.functions:
            sample = function(sample)
        return sample, self.labels[row].item()

    def through(self, function: Callable[[Any], Any]) -> EventDataset:
        """Return the dataset whose samples are what a function makes of them: `denoise`, for example."""
        return replace(self, functions=(*self.functions, function))

    @property
    def speakers(self) -> np.ndarray:
        """Who is recorded, for each recording.

        Raises
        ------
        SpecError
            If the files do not say.
        """
        if "speaker" not in self.about:
            raise SpecError(f"{self.name}.speakers: are not told; known is {sorted(self.about) or 'nothing'}")
        return self.about["speaker"]

    def divided(self, share: float) -> tuple[EventDataset, EventDataset]:
        """Return the first recordings of each class, `share` of them, and the others, in two parts.

        What datasets without parts of their own are commonly divided by: CIFAR10-DVS by `divided(0.9)`.
        """
        if not 0 < share < 1:
            raise SpecError(f"{self.name}.divided.share: got {share!r}; allowed is a number between 0 and 1")
        first = np.zeros(len(self), bool)
        for label in np.unique(self.labels):
            members = np.flatnonzero(self.labels == label)
            first[members[: round(share * len(members))]] = True
        return self[first], self[~first]  # type: ignore[call-overload]

    def binned(
        self,
        dt: float,
        steps: int,
        *,
        shape: tuple[int, ...] | None = None,
        clip: bool = False,
        cache: str | Path | None = None,
    ) -> BinnedDataset:
        """Return the dataset with events counted in steps.

        Parameters
        ----------
        dt, steps, shape, clip
            As for `bin_events`.
        cache : path, optional
            A folder to keep the counts in. They are found again as long as the recording, the transform and
            these parameters are what they were, so a transform that draws random numbers draws them once for
            all.
        """
        chosen = self.shape if shape is None else tuple(shape)
        return BinnedDataset(self, dt, steps, chosen, clip, None if cache is None else Store(cache))

    def _transformed(self, events: Events) -> Any:
        order = "xytp" if len(self.shape) == 3 else "txp"
        sample = self.transform(events.to_structured(order))  # type: ignore[misc]
        if not getattr(getattr(sample, "dtype", None), "names", None):
            return sample
        try:
            return Events.from_structured(sample, shape=self.shape)
        except SpecError as error:
            raise SpecError(f"{self.name}.transform: what it returns cannot be events: {error}") from None


@dataclass(frozen=True, eq=False)
class BinnedDataset(Sequence[tuple[Binned, Any]]):
    """A dataset whose samples are counts in steps of a fixed length: a sequence of (Binned, label).

    It is made by `EventDataset.binned`. `collate` makes batches of it.
    """

    data: EventDataset
    dt: float
    steps: int
    shape: tuple[int, ...]
    clip: bool
    store: Store | None = None

    def __len__(self) -> int:
        return len(self.data)

    @overload
    def __getitem__(self, index: int) -> tuple[Binned, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> BinnedDataset: ...

    def __getitem__(self, index: Any) -> Any:
        """Return the counts of a recording and its label, or a part of the dataset."""
        data, row = self.data, _row_of(index, len(self))
        if row is None:
            return replace(self, data=data[index])
        if self.store is None:
            events, label = data[row]
            return self._counted(events), label
        how = self.dt, self.steps, self.shape, self.clip
        key = key_of(data.recordings.identity(row), data.shape, data.transform, data.functions, how)
        found = self.store.get(key)
        if found is None or found.keys() != {"steps", "ids", "counts"}:
            binned = self._counted(data[row][0])
            found = {"steps": binned.steps, "ids": binned.ids, "counts": binned.counts}
            self.store.put(key, {n: v.astype(np.min_scalar_type(v.max(initial=0))) for n, v in found.items()})
        whole = {name: values.astype(np.int64) for name, values in found.items()}
        return Binned(**whole, n_steps=self.steps, shape=self.shape, dt=self.dt), data.labels[row].item()

    def _counted(self, sample: Any) -> Binned:
        if not isinstance(sample, Events):
            raise SpecError(
                f"{self.data.name}.binned: the transform returns {type(sample).__name__}; allowed are events"
            )
        return bin_events(sample, self.dt, self.steps, self.shape, clip=self.clip)


def _row_of(index: Any, n: int) -> int | None:
    """Return which of n rows is meant, or None where several are."""
    if isinstance(index, slice) or np.ndim(index):
        return None
    try:
        return range(n)[operator.index(index)]
    except TypeError:
        raise SpecError(
            f"dataset[{index!r}]: allowed is a whole number, or a slice, a mask or a list of them"
        ) from None
    except IndexError:
        raise IndexError(f"dataset[{index}]: there are {n} recordings") from None
