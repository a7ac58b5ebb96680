"""A converted network: run it on inputs, and compare it with what it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.network import Network
from ..neurons.errors import ConversionError
from .inputs import check_batch, check_steps
from .layers import Layer, ReLU, forward
from .stages import Stage

if TYPE_CHECKING:
    from ..engine.result import Result


@dataclass(frozen=True, eq=False)
class Inference:
    """What a converted network said about a batch of inputs.

    Attributes
    ----------
    outputs : array (n, ...)
        The outputs after the last step, in the unit of the original network's.
    over_time : array (steps, n, ...)
        The outputs after each step.
    result : Result
        What the run recorded and counted, over all inputs.
    """

    outputs: np.ndarray
    over_time: np.ndarray
    result: Result

    @property
    def labels(self) -> np.ndarray:
        """The class with the largest output, for each input."""
        return _winners(self.outputs)

    @property
    def spikes_per_input(self) -> float:
        """Spikes of all neurons for one input, on average."""
        return self.result.counts.spikes / len(self.outputs)

    @property
    def synaptic_events_per_input(self) -> float:
        """Synaptic events for one input, on average."""
        return self.result.counts.synaptic_events / len(self.outputs)


@dataclass(frozen=True, eq=False)
class Comparison:
    """A converted network beside the original, on the same inputs.

    Attributes
    ----------
    n_inputs, steps : int
        Inputs, and steps for each.
    accuracy_original, accuracy_spiking : float or None
        Part of the inputs recognised, where labels were given.
    agreement : float
        Part of the inputs on which both name the same class.
    largest_error : float
        Largest difference of an output, as a part of the largest original output.
    spikes_per_input, synaptic_events_per_input, seconds_per_input : float
        What one input took, on average.
    inference : Inference
        The run itself.
    """

    n_inputs: int
    steps: int
    accuracy_original: float | None
    accuracy_spiking: float | None
    agreement: float
    largest_error: float
    spikes_per_input: float
    synaptic_events_per_input: float
    seconds_per_input: float
    inference: Inference

    def __repr__(self) -> str:
        rows = [f"{self.n_inputs} inputs, {self.steps} steps each"]
        if self.accuracy_original is not None and self.accuracy_spiking is not None:
            rows.append(
                f"accuracy         {self.accuracy_original:.1%} original, {self.accuracy_spiking:.1%} spiking"
            )
        rows += [
            f"agreement        {self.agreement:.1%}",
            f"largest error    {self.largest_error:.2%} of the largest output",
            f"spikes           {self.spikes_per_input:.0f} per input",
            f"synaptic events  {self.synaptic_events_per_input:.0f} per input",
            f"time             {1e3 * self.seconds_per_input:.3f} ms per input",
        ]
        return "\n".join(rows)


@dataclass(frozen=True, eq=False)
class Converted:
    """A trained network as spiking neurons. `convert` makes it.

    Attributes
    ----------
    network : Network
        The spiking network; its populations are "input" (unless the input is a current), "layer1",
        "layer2", ... and "output". Probes can be added before it is run.
    layers : tuple of Layer
        The original network.
    stages : tuple of Stage
        What each population stands for.
    thresholds : tuple of array
        What a spike of each neuron of "layer1", "layer2", ... stands for.
    input_shape : tuple of int
        Shape of one input.
    steps : int
        Steps for one input, unless `run` is told otherwise.
    dt : float
        Seconds per step.
    law, grain, coding : str
        Law, which neurons share a threshold, how the input enters.
    """

    network: Network
    layers: tuple[Layer, ...]
    stages: tuple[Stage, ...]
    thresholds: tuple[np.ndarray, ...]
    readout_unit: np.ndarray
    input_range: tuple[float, float]
    input_shape: tuple[int, ...]
    steps: int
    dt: float
    law: str
    grain: str
    coding: str

    def run(
        self, x: Any, *, steps: int | None = None, backend: str = "numba", threads: int | None = None
    ) -> Inference:
        """Run a batch of inputs side by side, each from the initial state.

        Parameters
        ----------
        x : array (n, features...)
            The inputs.
        steps : int, optional
            Steps for each input; more are slower and closer to the original.
        backend, threads
            As for `Simulator`.

        Raises
        ------
        ConversionError
            If the inputs have another shape than the sample, are not finite, or lie outside what the
            input neurons can send.
        KeyboardInterrupt
            At Ctrl-C: there is no answer before the last step.
        """
        from ..engine.simulator import Simulator

        batch = self._checked(x)
        steps = check_steps(self.steps if steps is None else steps)
        simulator = Simulator(self.network, self.dt, backend=backend, batch=len(batch), threads=threads)
        frames = batch.reshape(len(batch), *self.stages[0].input_shape)
        result = simulator.run(steps * self.dt, inputs={self.network["frame"]: frames})
        if result.info.interrupted:
            raise KeyboardInterrupt  # the readout of fewer steps would pass for that of all
        membrane = result["readout"].values
        membrane = np.asarray(membrane, np.float64).reshape(len(batch), steps, *self.stages[-1].shape)
        membrane = membrane.swapaxes(0, 1)
        so_far = np.arange(1, steps + 1).reshape(-1, *[1] * (membrane.ndim - 1))
        outputs = (membrane * self.readout_unit / so_far).astype(np.float32)
        if self.stages[-1].rectified:
            outputs = ReLU().forward(outputs)
        return Inference(outputs[-1], outputs, result)

    def original(self, x: Any) -> np.ndarray:
        """Return the original network's outputs, computed with NumPy in float32."""
        return forward(self.layers, self._checked(x))

    def compare(
        self, x: Any, labels: Any = None, *, steps: int | None = None, backend: str = "numba",
        threads: int | None = None,
    ) -> Comparison:  # fmt: skip
        """Run the inputs through both networks.

        Parameters
        ----------
        x : array (n, features...)
            The inputs.
        labels : array (n,), optional
            The right classes.
        steps, backend, threads
            As for `run`.
        """
        batch = self._checked(x)
        expected = self.original(batch)
        known = None if labels is None else np.asarray(labels)
        if known is not None and known.shape != (len(batch),):
            raise ConversionError(f"compare: labels have shape {known.shape}; allowed is ({len(batch)},)")
        inference = self.run(batch, steps=steps, backend=backend, threads=threads)
        winners = _winners(expected)
        scale = float(np.abs(expected).max()) or 1.0
        return Comparison(
            n_inputs=len(batch),
            steps=len(inference.over_time),
            accuracy_original=None if known is None else float((winners == known).mean()),
            accuracy_spiking=None if known is None else float((inference.labels == known).mean()),
            agreement=float((inference.labels == winners).mean()),
            largest_error=float(np.abs(inference.outputs - expected).max()) / scale,
            spikes_per_input=inference.spikes_per_input,
            synaptic_events_per_input=inference.synaptic_events_per_input,
            seconds_per_input=inference.result.info.wall_s / len(batch),
            inference=inference,
        )

    def _checked(self, x: Any) -> np.ndarray:
        batch = check_batch("x", x)
        if batch.shape[1:] != self.input_shape:
            raise ConversionError(
                f"x: got shape {batch.shape}; allowed is (n, {', '.join(map(str, self.input_shape))})"
            )
        low, high = self.input_range
        if batch.min() < low or batch.max() > high:
            raise ConversionError(
                f"x: got values from {batch.min():g} to {batch.max():g}; the input neurons can send {low:g} "
                f"to {high:g}; convert with peak={batch.max():g} or more, or with input='current'"
            )
        return batch

    def __repr__(self) -> str:
        header = f"{self.law} law, {self.steps} steps, thresholds per {self.grain}, input as {self.coding}"
        rows = [("population", "from", "shape", "neurons", "a spike stands for")]
        for i, stage in enumerate(self.stages):
            last = i == len(self.thresholds)
            worth = "never spikes: its sum is the output" if last else _span(self.thresholds[i])
            shape = "x".join(map(str, stage.shape))
            what = stage.layer.name + (" + ReLU" if stage.rectified else "")
            rows.append((stage.name, what, shape, str(int(np.prod(stage.shape))), worth))
        widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([header, *lines])


def _winners(outputs: np.ndarray) -> np.ndarray:
    return np.asarray(outputs.reshape(len(outputs), -1).argmax(axis=1))


def _span(values: Sequence[float] | np.ndarray) -> str:
    low, high = float(np.min(values)), float(np.max(values))
    return f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
