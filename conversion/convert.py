"""The one call from a trained network to a spiking one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from ..neurons.errors import ConversionError
from .circuits.circuit import Circuit
from .circuits.codes import Events, Grain, trained_code, without_staircases
from .circuits.fuse import fuse
from .circuits.losses import losses, mixed_bits
from .circuits.rates import calibrate_rates
from .circuits.thresholds import calibrate
from .circuits.windows import require_first_spikes
from .inputs import check_choice, check_sample
from .layers import graph_of_layers, is_layers
from .spiking.converted import Converted
from .spiking.populations import CHOICES, WHOLE, Law, Schedule
from .trace import graph_of

#: So many inputs are enough to see the error of each cell.
ENOUGH = 256


def convert(
    model: Any,
    sample: Any,
    *,
    law: Law = "delta",
    events: Events = "pow2",
    bits: int | Mapping[str, int] | Literal["auto"] = 4,
    thresholds: Grain = "neuron",
    schedule: Schedule = "depth",
    input: Literal["current", "spikes"] = "current",
    signed: bool = False,
    horizon: int = 8,
    allow_dense: bool = False,
    bias_correction: bool = True,
    input_bits: int = 8,
    dt: float = 1e-3,
) -> Converted:
    """Turn a trained network into neurons that tell changes, without training.

    Parameters
    ----------
    model : torch.nn.Module, path, or sequence of Layer
        The trained network, in evaluation; a file of `torch.export` (.pt2) or ONNX; or a list of
        `rheobase.conversion.layers`.
    sample : array (n, features...)
        A few hundred typical inputs, by which steps are chosen.
    law : "delta", "rate", "ttfs" or "value"
        What events mean. "delta": by how much a value has changed, so events stop. "rate": the mean number of
        spikes of a neuron is its value; integrate-and-fire neurons with soft reset, for one-bit machines.
        "ttfs": the time to its first spike, which is its only one: layers take turns in windows of 2^bits - 1
        steps, see `FirstSpike`; for networks of ReLUs.
        "value": the value itself, zeros skipped; the trained network as it is.
    events : "pow2", "unit" or "graded"
        What one event can tell: a signed power of two, one unit, or any whole number.
    bits : int, dict or "auto"
        Bits of what a neuron tells; of cells by name, where "" stands for all others. Cells that were trained
        in steps (`quantise_activations`) have the thresholds and levels of these. "auto" starts from 4,
        and tells more where it matters to the answer, less where it does not, at no more operations.
    thresholds : "neuron", "channel" or "tensor"
        Which neurons share a step. Those whose weights are shared always do.
    schedule : "depth" or "concurrent"
        Whether layers settle one behind the other, or all at once, answer by answer.
    input : "current" or "spikes"
        Under "rate", whether the input is there in every step as it is, or told in spikes like all else.
        Under "ttfs", whether it is told at once, or by the time of a spike, in 2^input_bits - 1 steps.
    signed : bool
        Under "rate", whether a neuron may take a spike back by a negative one, as ternary integrate-and-fire
        neurons do: right after fewer sweeps, but not for machines that send one bit, nor for NIR.
    horizon : int
        Under "rate", after about how many sweeps answers are wanted: steps are chosen for these.
    allow_dense : bool
        Whether operations that have no counterpart are left as they are: torch computes them between
        sweeps, where what they read has changed, and no energy includes them.
    bias_correction : bool
        Whether biases take back the mean error that rounding makes on the sample.
    input_bits : int
        Bits of the input.
    dt : float
        Seconds per sweep, under "ttfs" per step. It changes only what a run costs in time, and so its static
        energy.

    Returns
    -------
    Converted
        With the network, ready to run; `print` shows what became of each operation.

    Raises
    ------
    ConversionError
        If the model, the sample or an option cannot be used. Operations without a counterpart are all named,
        with their place and what to use instead.
    MissingExtra
        For a torch module if torch is not installed, for an ONNX file if onnx is not.

    Notes
    -----
    At silence a converted network is the trained one with rounded values, bit for bit: `Converted.verify`.
    Weights times steps are multiples of a power of two, so sums do not depend on the order of events.

    Examples
    --------
    >>> import numpy as np
    >>> from rheobase.conversion.layers import Affine, ReLU
    >>> layers = [Affine([[1.0, -1.0], [0.5, 0.5]]), ReLU(), Affine([[1.0, 1.0]])]
    >>> sample = np.random.default_rng(0).uniform(size=(200, 2))
    >>> snn = convert(layers, sample, bits=6)
    >>> snn.original([[1.0, 0.5]])
    array([[1.25]], dtype=float32)
    >>> bool(abs(snn.run([[1.0, 0.5]], backend="reference").outputs[0, 0] - 1.25) < 0.05)
    True
    """
    chosen = {"law": law, "events": events, "schedule": schedule}
    for field, value in chosen.items():
        check_choice(f"convert.{field}", value, CHOICES[field])
    check_choice("convert.thresholds", thresholds, ("neuron", "channel", "tensor"))
    check_choice("convert.input", input, ("current", "spikes"))
    for field, flag in (
        ("signed", signed),
        ("allow_dense", allow_dense),
        ("bias_correction", bias_correction),
    ):
        check_choice(f"convert.{field}", flag, (True, False))
    _check_whole("input_bits", input_bits, 16)
    _check_whole("horizon", horizon, 1024)
    if bits != "auto":
        for width in bits.values() if isinstance(bits, Mapping) else (bits,):
            _check_whole("bits", width, 12)
    if isinstance(dt, bool) or not isinstance(dt, (int, float, np.number)) or not 0 < dt < np.inf:
        raise ConversionError(f"convert.dt: got {dt!r}; allowed is a time above 0 s")
    inputs = check_sample(sample)
    graph = (
        graph_of_layers(model, inputs.shape[1:])
        if is_layers(model)
        else graph_of(model, sample, allow_dense=allow_dense)
    )
    circuit = fuse(graph)
    how: dict[str, Any] = {"grain": thresholds, "input_bits": input_bits}
    if law == "rate":
        coded = calibrate_rates(circuit, inputs, horizon=horizon, signed=signed, **how)
    else:
        how["correct"] = bias_correction and law in WHOLE
        coded = _calibrated(circuit, inputs, law, bits, how)
    if law != "value":
        coded = without_staircases(coded)
    if law == "ttfs":
        require_first_spikes(coded, input == "spikes")
    coded = coded.on_grid() if law in WHOLE else coded
    found = losses(circuit, coded, inputs[:ENOUGH]) if law in WHOLE else {}
    errors = {name: float(np.sqrt(error)) for name, error in found.items()}
    return Converted(graph, coded, law, events, schedule, input == "spikes", errors, float(dt))


def _calibrated(circuit: Circuit, inputs: np.ndarray, law: Law, bits: Any, how: dict[str, Any]) -> Circuit:
    """Return a circuit with codes for whole numbers."""
    if bits == "auto":
        mixing = {key: value for key, value in how.items() if key != "correct"}
        bits = mixed_bits(circuit, inputs, **mixing) if law == "delta" else 4
    if isinstance(bits, Mapping):
        free = {"", *(name for name, cell in circuit.cells.items() if trained_code(cell) is None)}
        if not free.issuperset(bits):
            raise ConversionError(
                f"convert.bits: got {[*bits]}; allowed are '' and cells whose levels were not trained: "
                f"{sorted(free - {''})}"
            )
    elif (
        law == "ttfs"
    ):  # a window is as long as the largest range: no cell gets a bit more than was asked for
        bits = {"": bits}
    return calibrate(circuit, inputs, bits=bits, rest=law != "ttfs", **how)


def _check_whole(field: str, value: Any, most: int) -> None:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or not 1 <= value <= most:
        raise ConversionError(f"convert.{field}: got {value!r}; allowed is a whole number from 1 to {most}")
