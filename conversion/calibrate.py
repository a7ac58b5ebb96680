"""How much one spike of each neuron shall mean, from what the neurons do on a sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from ..neurons.errors import ConversionError
from .layers import Pool, ReLU
from .stages import Stage

Grain = Literal["neuron", "channel", "tensor"]

#: No threshold lies below this part of its layer's largest one: a neuron that the sample hardly
#: moves would otherwise spike at every step for an input that the sample does not hold.
FLOOR = 0.1


def thresholds_of(values: np.ndarray, grain: Grain, percentile: float) -> np.ndarray:
    """Return the threshold of every neuron of a layer, shape of one output, float64.

    Parameters
    ----------
    values : array (n, ...)
        The layer's outputs on the sample, none negative.
    grain : "neuron", "channel" or "tensor"
        Which neurons share a threshold; of a flat layer, each neuron is a channel.
    percentile : float
        The threshold lies at this percentile of the values.

    Examples
    --------
    >>> thresholds_of(np.array([[1.0, 4.0], [2.0, 8.0]]), "neuron", 100)
    array([2., 8.])
    """
    shared = {"neuron": (0,), "channel": (0, *range(2, values.ndim)), "tensor": tuple(range(values.ndim))}
    level = np.percentile(values.astype(np.float64), percentile, axis=shared[grain], keepdims=True)[0]
    highest = float(level.max())
    if highest == 0:  # a layer that is silent on the sample: any threshold serves
        highest, level = 1.0, np.ones_like(level)
    return np.broadcast_to(np.maximum(level, FLOOR * highest), values.shape[1:]).copy()


def calibrate(
    stages: Sequence[Stage], sample: np.ndarray, *, grain: Grain, percentile: float
) -> list[np.ndarray]:
    """Return the thresholds of all stages but the last, from their activations on the sample.

    Where the next stage shares its weights, "neuron" becomes "channel".

    Raises
    ------
    ConversionError
        If a stage hands on negative values (pooling of a signed input).
    """
    thresholds = []
    signal = sample
    for stage in stages[:-1]:
        signal = stage.layer.forward(signal.reshape(len(sample), *stage.input_shape))
        if stage.rectified:
            signal = ReLU().forward(signal)
        elif isinstance(stage.layer, Pool) and signal.min() < 0:
            raise ConversionError(
                f"{stage.name} (Pool): its input is negative in places, which spikes cannot carry; "
                "shift the input to be positive, or put a convolution and a ReLU before it"
            )
        thresholds.append(thresholds_of(signal, grain_for(stage, grain), percentile))
    return thresholds


def grain_for(stage: Stage, grain: Grain) -> Grain:
    """Return which neurons of a stage share a threshold, given what was asked for."""
    return "channel" if grain == "neuron" and stage.shared else grain
