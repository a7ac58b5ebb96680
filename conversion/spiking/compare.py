"""How a converted network is compared with the original: runs, baselines, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine.counts import Counts
from ...hardware import Chip, compare_chips
from ...neurons.errors import ConversionError
from ..circuits.fuse import fuse
from ..circuits.losses import losses
from ..graphs.forward import values_of
from ..graphs.work import first_layers, multiplications, nonzero_multiplications
from ..inputs import check_labels, check_steps
from ..torch_bridge import is_torch_module
from .became import shown
from .comparison import Comparison, Loss, Point
from .inference import Inference, winners
from .populations import WHOLE

if TYPE_CHECKING:
    from .converted import Converted

#: So many inputs run side by side.
_BATCH = 200
#: Bits of a weight of the quantised dense network.
_WEIGHT_BITS = 8
#: Bits of a value of the input, for which all quantised networks pay.
_INPUT_BITS = 8


def compare(
    converted: Converted, batch: np.ndarray, labels: Any, *, model: Any, steps: Sequence[int],
    chips: Sequence[str], backend: str, threads: int | None,
) -> Comparison:  # fmt: skip
    """Run inputs through both networks: see `Converted.compare`."""
    known = check_labels(labels, len(batch))
    looks = sorted({check_steps(step) for step in steps})
    if not looks:
        raise ConversionError("compare.steps: got none; allowed is one number of sweeps or more")
    expected = _expected(converted, model, batch)
    machine: dict[str, Any] = {"backend": backend, "threads": threads}
    if converted.law == "ttfs":
        in_time = in_depth = converted.run(batch, **machine)
    elif converted.law == "delta":
        in_time = converted.run(batch, schedule="concurrent", **machine)
        in_depth = converted.run(batch, schedule="depth", **machine)
    else:
        in_time = in_depth = converted.run(batch, steps=max(looks), **machine)
    counts = in_depth.result.counts
    work = _Work(converted, batch, in_depth)
    judge = _Judge(expected, known, work.beyond)
    bits = max((row.bits or 0) for row in converted.operations[1:]) or 1
    if converted.law == "ttfs":
        points = [judge.settled(f"{converted.steps_per_sweep} steps", in_depth, bits)]
    else:
        points = [judge.after(in_time, look) for look in looks]
    if converted.law == "delta":
        points += [judge.settled("silent", in_time, bits), judge.settled("in depth", in_depth, bits)]
    settled_operations = points[-1].operations
    return Comparison(
        n_inputs=len(batch),
        accuracy_original=judge.accuracy(expected),
        points=tuple(points),
        layers=_layers(converted, batch, counts),
        macs=work.all,
        macs_nonzero=work.nonzero,
        macs_first=work.first,
        first_layer=work.told_first,
        joules=_arithmetic(work, settled_operations, bits, spikes_in=converted.spikes_in),
        energies=tuple(compare_chips(counts, chips)),
        seconds_per_input=in_depth.result.info.wall_s / len(batch),
        inference=in_depth,
    )


def _expected(converted: Converted, model: Any, batch: np.ndarray) -> np.ndarray:
    """Return the original's outputs, (n, classes)."""
    if model is None:
        outputs = np.concatenate([converted.original(part) for part in _parts(batch)])
    elif is_torch_module(model):
        import torch

        with torch.no_grad():
            outputs = np.concatenate([model(torch.from_numpy(part)).numpy() for part in _parts(batch)])
    else:
        outputs = np.asarray(model(batch), np.float32)
    size = math.prod(converted.output_shape)
    if outputs.size != len(batch) * size:
        raise ConversionError(
            f"compare.model: answers with shape {outputs.shape}; allowed is ({len(batch)}, {size})"
        )
    return outputs.reshape(len(batch), -1)


def _parts(batch: np.ndarray) -> Iterator[np.ndarray]:
    return (batch[i : i + _BATCH] for i in range(0, len(batch), _BATCH))


class _Judge:
    """Scores answers against the original's and against labels."""

    def __init__(self, expected: np.ndarray, labels: np.ndarray | None, macs: float) -> None:
        self.expected, self.labels, self.macs = expected, labels, macs
        self.scale = float(np.sqrt(np.mean(expected.astype(np.float64) ** 2))) or 1.0

    def accuracy(self, outputs: np.ndarray) -> float | None:
        """Return the part of the inputs that are recognised."""
        return None if self.labels is None else float((winners(outputs) == self.labels).mean())

    def after(self, run: Inference, sweeps: int) -> Point:
        """Return what the network answers after so many sweeps."""
        last = min(sweeps, len(run.over_time)) - 1
        taken = np.minimum(run.steps, sweeps)
        outputs, spent = run.over_time[last], run.operations_over_time[last]
        return self._point(f"T = {sweeps}", outputs, spent, taken, math.ceil(math.log2(sweeps + 1)))

    def settled(self, when: str, run: Inference, bits: int) -> Point:
        """Return what the network answers at silence."""
        return self._point(when, run.outputs, run.operations, run.steps, bits)

    def _point(
        self, when: str, outputs: np.ndarray, spent: np.ndarray, taken: np.ndarray, bits: int
    ) -> Point:
        outputs = outputs.reshape(len(outputs), -1)
        error = float(np.sqrt(np.mean((outputs - self.expected).astype(np.float64) ** 2)))
        return Point(
            when=when,
            accuracy=self.accuracy(outputs),
            agreement=float((winners(outputs) == winners(self.expected)).mean()),
            error=error / self.scale,
            sweeps=float(taken.mean()),
            operations=float(spent.mean()),
            events_per_mac=float(spent.mean()) / max(self.macs, 1.0),
            break_even=quantised_mac(bits) / _price("cmos45-int32", "ac"),
            bits=bits,
        )


class _Work:
    """Multiplications of the original for an input, on average, and of the spiking network's first layer."""

    def __init__(self, converted: Converted, batch: np.ndarray, settled: Inference) -> None:
        graph, first = converted.graph, first_layers(converted.graph)
        self.all = float(sum(multiplications(node) for node in graph.nodes.values()))
        self.first = float(sum(multiplications(graph.nodes[name]) for name in first))
        # An input that is told spends a multiplication only in the layers that read it.
        self.beyond = self.all - self.first
        nonzero = 0
        for part in _parts(batch):
            values = values_of(graph, part)
            for node in graph.nodes.values():
                inputs = [values[name] for name in node.inputs]
                nonzero += int(nonzero_multiplications(node, inputs).sum()) if inputs else 0
        self.nonzero = nonzero / len(batch)
        self.told_first = float(settled.first_layer.mean())


def _layers(converted: Converted, batch: np.ndarray, counts: Counts) -> tuple[Loss, ...]:
    """Return, cell by cell, how far the settled signal is from the original's, and what it causes."""
    settles = converted.law in WHOLE
    errors = losses(fuse(converted.graph), converted.circuit, batch[:_BATCH]) if settles else {}
    caused = dict.fromkeys(converted.circuit.cells, 0)
    for p in counts.projections:
        caused[p.pre] += p.events
    return tuple(
        Loss(name, tuple(map(shown, cell.places)), _root(errors.get(name)), caused[name] / len(batch))
        for name, cell in converted.circuit.cells.items()
    )


def _root(error: float | None) -> float | None:
    return None if error is None else math.sqrt(error)


def quantised_mac(bits: int) -> float:
    """Return joules of a product of so many bits by 8, added in 32; it grows with the bits."""
    product = _price("cmos45-int8", "mac") - _price("cmos45-int8", "ac")
    return product * bits / _WEIGHT_BITS + _price("cmos45-int32", "ac")


def _price(chip: str, what: str) -> float:
    return Chip.load(chip).constants[what].si


def _arithmetic(work: _Work, operations: float, bits: int, *, spikes_in: bool) -> dict[str, float]:
    """Return joules for an input from additions and multiplications alone.

    Values of the input are multiplied in the first layer, its spikes only added.
    """
    mac, ac, whole = _price("cmos45", "mac"), _price("cmos45", "ac"), _price("cmos45-int32", "ac")
    quantised = work.first * quantised_mac(_INPUT_BITS) + work.beyond * quantised_mac(bits)
    first, first_whole = (ac, whole) if spikes_in else (mac, quantised_mac(_INPUT_BITS))
    return {
        "dense": work.all * mac,
        "dense, zeros skipped": work.nonzero * mac,
        "spiking": work.told_first * first + operations * ac,
        f"quantised dense, {bits} bits": quantised,
        "spiking, int32 sums": work.told_first * first_whole + operations * whole,
    }
