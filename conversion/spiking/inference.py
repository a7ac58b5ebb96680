"""What a converted network answered to a batch of inputs, sweep by sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...engine import joined
from ...engine.result import Result


@dataclass(frozen=True, eq=False)
class Inference:
    """What a converted network said about a batch of inputs, and what that took.

    Attributes
    ----------
    outputs : float32 array (n, ...)
        The outputs of each input when it stopped, in the unit of the original network's.
    over_time : float32 array (sweeps, n, ...)
        The outputs after each sweep.
    steps : int64 array (n,)
        Sweeps that each input took.
    silent : bool array (n,)
        Whether nothing was told any more: then the outputs are those of the quantised original.
    operations_over_time : int64 array (sweeps, n)
        Events up to each sweep that are added somewhere: synaptic ones, and those of a factor that meet the
        other factor of a product of matrices; those of the input's own synapses are left out.
    first_layer : int64 array (n,)
        Events of the synapses of the input, which are multiplications.
    dense : int64 array (n,)
        Numbers that operations that were left dense have computed for each input.
    result : Result
        What the run recorded and counted, over all inputs and sweeps; what only brings the sample to the
        input is left out.
    """

    outputs: np.ndarray
    over_time: np.ndarray
    steps: np.ndarray
    silent: np.ndarray
    operations_over_time: np.ndarray
    first_layer: np.ndarray
    dense: np.ndarray
    result: Result

    def __len__(self) -> int:
        return len(self.outputs)

    @property
    def labels(self) -> np.ndarray:
        """The class with the largest output, for each input."""
        return winners(self.outputs)

    @property
    def operations(self) -> np.ndarray:
        """Those of `operations_over_time` until each input stopped, int64 (n,)."""
        return np.asarray(self.operations_over_time[self.steps - 1, np.arange(len(self))])

    @property
    def spikes_per_input(self) -> float:
        """Events of all neurons for one input, on average."""
        return self.result.counts.spikes / len(self)

    @property
    def synaptic_events_per_input(self) -> float:
        """Synaptic events for one input, on average, with those of the input's synapses."""
        return float((self.operations + self.first_layer).mean())

    def __repr__(self) -> str:
        n, sweeps = len(self), len(self.over_time)
        return (
            f"Inference: {n} input{'s' if n != 1 else ''}, {self.steps.mean():.3g} of {sweeps} "
            f"sweep{'s' if sweeps != 1 else ''} on average, {self.silent.sum()} silent, "
            f"{self.operations.mean():,.0f} operations and {self.first_layer.mean():,.0f} of the first layer "
            "per input" + (f", {self.dense.mean():,.0f} numbers left dense" if self.dense.any() else "")
        )


def side_by_side(parts: Sequence[Inference]) -> Inference:
    """Return what several batches came to as what one did; those that were done earlier stay as they are."""
    if len(parts) == 1:
        return parts[0]
    length = max(len(part.over_time) for part in parts)

    def all_of(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])

    def at_length(name: str) -> np.ndarray:
        rows = [getattr(part, name) for part in parts]
        return np.concatenate([row[np.minimum(np.arange(length), len(row) - 1)] for row in rows], axis=1)

    return Inference(
        outputs=all_of("outputs"),
        over_time=at_length("over_time"),
        steps=all_of("steps"),
        silent=all_of("silent"),
        operations_over_time=at_length("operations_over_time"),
        first_layer=all_of("first_layer"),
        dense=all_of("dense"),
        result=joined.side_by_side([part.result for part in parts]),
    )


def winners(outputs: np.ndarray) -> np.ndarray:
    """Return the class with the largest output of each input, int64 (n,)."""
    return np.asarray(outputs.reshape(len(outputs), -1).argmax(axis=1))
