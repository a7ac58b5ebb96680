"""What may become a cell of a circuit, and the cells that are made of what the answer needs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...neurons.errors import ConversionError
from ..graphs.graph import Graph
from ..graphs.maps import windows
from .circuit import Cell, Circuit, Rows, Term
from .forms import Atom, Form, Part


@dataclass(frozen=True, eq=False)
class Read:
    """What an operator reads of one cell.

    Attributes
    ----------
    atom : Atom
        Whose totals (its function does not matter then), or what it tells.
    what : "total" or "told"
        Which of them.
    places : int64 array
        Where each value stands in the base, in the shape that the operator reads.
    """

    atom: Atom
    what: str
    places: np.ndarray


@dataclass(frozen=True, eq=False)
class Base:
    """Totals that one cell may hold: a sum, or what an operator computes; or the input.

    Attributes
    ----------
    name : str
        Name of the cell.
    shape : tuple of int
        Of the values, as the network's author sees it.
    place : str
        Where it comes from.
    form : Form or None
        The sum.
    kind : str
        Of the operator.
    reads : tuple of Read
        What it reads, argument by argument.
    options : mapping
        Of the operator.
    functions : dict
        The functions of them that cells are to tell, and where each comes from.
    vocabulary : int or None
        Of the input: how many indices there are, if it is made of such.
    """

    name: str
    shape: tuple[int, ...]
    place: str
    form: Form | None = None
    kind: str = ""
    reads: tuple[Read, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    functions: Mapping[Atom, str] = field(default_factory=dict)
    vocabulary: int | None = None

    def with_function(self, atom: Atom, place: str) -> Base:
        """Return it with one more function of its totals."""
        return replace(self, functions={**self.functions, atom: place})

    def one_hot(self, vocabulary: int, label: str) -> Base:
        """Return an input that is made of indices, each of which one neuron stands for."""
        if self.vocabulary not in (None, vocabulary):
            raise ConversionError(
                f"{label}: got a table of {vocabulary} rows for an input that another embedding reads with "
                f"{self.vocabulary}; allowed is one vocabulary"
            )
        return replace(self, vocabulary=vocabulary)

    def layout(self) -> np.ndarray | None:
        """Return where in the cell each value stands, as an operation leaves them; None if in order."""
        return next((part.out for part in _heavy(self.form)), None)

    def cell_shape(self) -> tuple[int, ...]:
        """Return the shape of the cell."""
        layout, shape = self.layout(), self.shape
        if layout is not None:
            shape = _natural(next(_heavy(self.form)), len(layout))
        return shape if self.vocabulary is None else (*shape, self.vocabulary)


def circuit_of(graph: Graph, bases: Mapping[str, Base], answer: str) -> Circuit:
    """Return the circuit of all bases that the answer needs.

    Parameters
    ----------
    graph : Graph
        Where they come from.
    bases : mapping
        By name, each behind those that it hears or reads.
    answer : str
        The one whose totals are the answer.
    """
    needed, tells = _needed(bases, answer)
    if graph.input.name not in needed:
        raise ConversionError(f"{graph.output}: the answer does not depend on the input")
    _check_indices(bases, graph.input.name)
    made: dict[str, Cell] = {}
    names: dict[Atom, str] = {}
    for name, base in bases.items():
        if name not in needed:
            continue
        atoms = [atom for atom in {**base.functions, Atom(name): ""} if atom in tells] or [Atom(name)]
        made[name] = _cell(base, atoms[0], bases, names)
        names.setdefault(Atom(name), name)
        for atom in atoms:
            names[atom] = name if atom == atoms[0] else f"{name}.{atom.function}.events"
        for atom in atoms[1:]:
            made[names[atom]] = _copy(made[name], names[atom], atom, base)
    return Circuit(made)


def _check_indices(bases: Mapping[str, Base], name: str) -> None:
    """Refuse an input of indices that is read as numbers, too."""
    vocabulary = bases[name].vocabulary
    if vocabulary is None:
        return
    parts = [part for base in bases.values() if base.form is not None for part in base.form.parts]
    numbers = [part.place for part in parts if part.atom.base == name and not _looks_up(part, vocabulary)]
    reads = [base.place for base in bases.values() for read in base.reads if read.atom.base == name]
    if numbers or reads:
        other = (numbers + reads)[0] or "others"
        raise ConversionError(
            f"{name}: is looked up by an embedding, and read as numbers by {other}; allowed is one of them"
        )


def _looks_up(part: Part, vocabulary: int) -> bool:
    return part.op == "linear" and part.values["weight"].shape[1] == vocabulary


def _needed(bases: Mapping[str, Base], answer: str) -> tuple[set[str], set[Atom]]:
    """Return the bases that an answer needs, and what of them is to be told."""
    needed, tells = {answer}, set[Atom]()
    for name in reversed([*bases]):
        if name not in needed:
            continue
        base = bases[name]
        heard = [part.atom for part in base.form.parts] if base.form is not None else []
        heard += [read.atom for read in base.reads if read.what == "told"]
        tells.update(heard)
        needed.update(atom.base for atom in heard)
        needed.update(read.atom.base for read in base.reads)
    return needed, tells


def _cell(base: Base, atom: Atom, bases: Mapping[str, Base], names: Mapping[Atom, str]) -> Cell:
    """Return the cell of a base that tells what an atom says."""
    form = base.form
    known = (*(() if form is None else form.places), base.place, base.functions.get(atom, ""))
    places = tuple(dict.fromkeys(filter(None, known)))
    cell = Cell(base.name, base.cell_shape(), (), None, None, atom.function, atom.parameters, None, places)
    if base.vocabulary is not None:
        return replace(cell, function="one_hot", parameters=(float(base.vocabulary),))
    if form is None:
        if not base.kind:
            return cell
        reads = tuple(_read(read, bases, names) for read in base.reads)
        return replace(cell, rows=Rows(base.kind, reads, base.options))
    layout = base.layout()
    order = np.arange(form.n) if layout is None else np.argsort(layout)
    terms = tuple(_term(part, order, form.n, bases, names) for part in form.parts)
    return replace(cell, terms=terms, bias=form.bias[order])


def _copy(cell: Cell, name: str, atom: Atom, base: Base) -> Cell:
    """Return a cell of the same totals that tells another function of them."""
    rows = Rows("map", ((cell.name, "total", np.arange(cell.n)),), {"function": "identity", "parameters": ()})
    places = tuple(filter(None, (base.functions.get(atom, ""),)))
    return Cell(name, cell.shape, (), None, rows, atom.function, atom.parameters, None, places)


def _read(read: Read, bases: Mapping[str, Base], names: Mapping[Atom, str]) -> tuple[str, str, np.ndarray]:
    layout = bases[read.atom.base].layout()
    places = read.places if layout is None else layout[read.places]
    return (names[read.atom] if read.what == "told" else read.atom.base), read.what, places


def _term(
    part: Part, order: np.ndarray, n: int, bases: Mapping[str, Base], names: Mapping[Atom, str]
) -> Term:
    """Return what a part adds to the totals of a cell that has them in an order of its own."""
    index, values = part.index, part.values
    layout = bases[part.atom.base].layout()
    if part.op == "wire":
        index = (np.arange(n) if index is None else index)[order]
        values = {key: value[order] for key, value in values.items()}
    if layout is not None:
        index = layout if index is None else np.where(index >= 0, layout[index], -1)
    if index is not None and np.array_equal(index, np.arange(math.prod(bases[part.atom.base].shape))):
        index = None
    return Term(names[part.atom], part.op, values, part.options, index, part.place)


def _heavy(form: Form | None) -> Iterator[Part]:
    return (part for part in (() if form is None else form.parts) if part.op != "wire")


def _natural(part: Part, n: int) -> tuple[int, ...]:
    """Return the shape in which a linear operation leaves n values."""
    if part.op == "linear":
        return n // len(part.values["weight"]), len(part.values["weight"])
    if part.op == "conv_transpose":
        channels = part.values["weight"].shape[1] * part.options["groups"]
        return channels, n // channels
    size = part.values["weight"].shape[2:] if part.op == "conv" else tuple(part.options["size"])
    image = np.zeros((1, int(np.prod(part.options["image"]))))
    height, width = windows(image, part.options, size, part.options.get("dilation", (1, 1))).shape[2:4]
    return n // (height * width), height, width
