"""Weights and biases on grids: what makes the totals of a circuit exact, whatever the order of events."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...neurons.errors import ConversionError
from ..graphs.maps import windows
from .evaluate import heard
from .forms import taking

if TYPE_CHECKING:
    from .circuit import Cell, Circuit, Code, Term

#: Whole numbers up to here are exact in single precision.
EXACT = 2**24
#: The largest weight in steps: the engine keeps them in 16 bits.
LARGEST = 2**15 - 1


def on_grid(circuit: Circuit) -> Circuit:
    """Return the circuit with terms that weigh whole numbers, by multiples of a power of two for each cell.

    Weights are multiplied by the thetas of their sources, and rounded; so are biases. The step is as small as
    may be such that no sum of weights times counts, at any time, in any order, exceeds 2^24 of them.

    Parameters
    ----------
    circuit : Circuit
        All cells that tell something have a code.

    Raises
    ------
    ConversionError
        If weights that are shared would need different thetas, or are not finite.
    """
    return replace(circuit, cells={name: _on_grid(cell, circuit) for name, cell in circuit.cells.items()})


def _on_grid(cell: Cell, circuit: Circuit) -> Cell:
    if cell.step is not None or not cell.terms:
        return cell
    codes = [code_of(circuit, term.source) for term in cell.terms]
    terms = [
        whole for term, code in zip(cell.terms, codes, strict=True) for whole in _weighing(term, code, cell)
    ]
    bias = np.zeros(cell.n) if cell.bias is None else np.asarray(cell.bias, np.float64)
    largest = max(float(np.abs(term.values["weight"]).max(initial=0.0)) for term in terms)
    top = max(_largest_sum(terms, bias, circuit) / EXACT, largest / LARGEST)
    if not math.isfinite(top):
        raise ConversionError(f"{cell.name}: its weights or biases are not finite")
    step = 2.0 ** math.ceil(math.log2(top)) if top > 0 else 1.0
    while True:  # rounding up may lead past what is exact
        rounded = [
            replace(term, values={"weight": np.rint(term.values["weight"] / step) * step}) for term in terms
        ]
        whole = np.rint(bias / step) * step
        if _largest_sum(rounded, whole, circuit) <= EXACT * step:
            return replace(cell, terms=tuple(rounded), bias=whole, step=step)
        step *= 2


def code_of(circuit: Circuit, name: str) -> Code:
    """Return the code of a cell, or raise ConversionError."""
    code = circuit.cells[name].code
    if code is None:
        raise ConversionError(
            f"{name}: has no code, and others need what it tells; calibrate the circuit first"
        )
    return code


def _reach(circuit: Circuit, name: str) -> int:
    """Return the largest |n| at any time: a power of two may lead past a range by a third of its width."""
    code = code_of(circuit, name)
    past = 0 if name == circuit.input.name else math.ceil((code.high - code.low) / 3)
    return max(code.high, -code.low) + past


def _largest_sum(terms: list[Term], bias: np.ndarray, circuit: Circuit) -> float:
    """Return the largest sum of magnitudes that any neuron may see."""
    sums = np.abs(bias)
    for term in terms:
        counts = np.full((1, circuit.cells[term.source].n), float(_reach(circuit, term.source)))
        sums = sums + heard(replace(term, values={"weight": np.abs(term.values["weight"])}), counts)[0]
    return float(sums.max(initial=0.0))


def _weighing(term: Term, code: Code, cell: Cell) -> list[Term]:
    """Return a term as terms that weigh counts."""
    index = np.arange(len(code.theta)) if term.index is None else term.index
    theta = np.where(index >= 0, np.asarray(code.theta, np.float64)[index], np.nan)
    if term.op == "mean_pool":
        return _pooling(term, index, theta)
    values = taking(term.op, term.values, term.options, theta)
    if values is None:
        raise ConversionError(
            f"{cell.name}: weights of {term.place or term.op} are shared by neurons of {term.source} with "
            "different thetas; allowed is one for all that share them"
        )
    return [replace(term, values={"weight": np.nan_to_num(values["weight"])})]


def _pooling(term: Term, index: np.ndarray, theta: np.ndarray) -> list[Term]:
    """Return mean pooling as a convolution of each channel with itself, or entry by entry of its window."""
    size, options = tuple(term.options["size"]), term.options
    padded = any(side for axis in options["padding"] for side in axis)
    if options["count_padding"] or not padded:
        channels = options["image"][0]
        kernel = {"weight": np.full((channels, 1, *size), 1.0 / math.prod(size))}
        described: dict[str, Any] = {
            "image": options["image"], "stride": options["stride"], "padding": options["padding"],
            "dilation": (1, 1), "groups": channels,
        }  # fmt: skip
        values = taking("conv", kernel, described, theta)
        if values is not None:
            return [replace(term, op="conv", values=values, options=described)]
    seen = windows(np.arange(len(index))[None], options, size, (1, 1), -1).reshape(-1, math.prod(size))
    held = (seen >= 0).sum(axis=1) if not options["count_padding"] else math.prod(size)
    return [
        replace(
            term, op="wire", options={}, index=np.where(entry >= 0, index[entry], -1),
            values={"weight": np.where(entry >= 0, np.nan_to_num(theta)[entry], 0.0) / held},
        )
        for entry in seen.T
    ]  # fmt: skip
