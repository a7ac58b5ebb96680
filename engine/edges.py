"""Edge lists: pairs of neurons with weights and delays, from columns of a table or arrays."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..neurons.errors import FormatError, SpecError, nearest
from .arguments import check_path
from .connectivity import Explicit, explicit
from .groups import Group, Slice
from .parts import Projection

#: The names of columns, and others that they go by in files.
_COLUMNS = {
    "pre": ("pre", "source", "pre_id", "source_id", "from", "i"),
    "post": ("post", "target", "post_id", "target_id", "to", "j"),
    "weight": ("weight", "w", "syn_weight"),
    "delay": ("delay", "d"),
}
_KNOWN = {name: column for column, names in _COLUMNS.items() for name in names}


@dataclass(frozen=True, eq=False)
class Edges:
    """A list of synapses.

    Attributes
    ----------
    connectivity : Explicit
        The pairs.
    weight : float64 (k,), or None
        The weight of each, as listed.
    delay : float64 (k,), or None
        The delay of each in seconds.
    """

    connectivity: Explicit
    weight: np.ndarray | None = None
    delay: np.ndarray | None = None

    def __len__(self) -> int:
        return int(self.connectivity.pre_ids.size)

    def projection(self, pre: Group | Slice, post: Group | Slice, **options: Any) -> Projection:
        """Return a projection with these synapses; `options` are those of `Projection`, and come first.

        Examples
        --------
        >>> import rheobase as rb
        >>> pop = rb.Population(3, rb.IF())
        >>> edges = Edges(rb.explicit([0, 1], [1, 2]), weight=np.array([0.5, 0.25]))
        >>> edges.projection(pop, pop, delay=2e-3).weight.tolist()
        [0.5, 0.25]
        """
        given = {"weight": self.weight, "delay": self.delay}
        known = {name: values for name, values in given.items() if values is not None}
        return Projection(pre, post, self.connectivity, **(known | options))


def read_edges(
    path: str | Path, *, weight_unit: float = 1.0, delay_unit: float = 1.0, first: int = 0
) -> Edges:
    r"""Return the synapses that a text file lists, one a line.

    Columns are apart by commas, tabs or spaces. A first line of names says which is which: pre and post (or
    source and target), and perhaps weight and delay; without one they stand in this order. What follows
    a # is a comment.

    Parameters
    ----------
    path : str or Path
        The file.
    weight_unit, delay_unit : float
        What a weight or delay of 1 is in ours: `pA`, `ms`.
    first : int
        The number of the first neuron, 0 or 1.

    Raises
    ------
    FormatError
        If a line has other columns, or what is no number; NaN, an index below the first or one that is not
        whole; the message names the line.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "edges.csv"
    ...     _ = path.write_text("source,target,weight\n0,1,0.5\n2,0,-1.0\n")
    ...     edges = read_edges(path)
    >>> edges.connectivity.post_ids.tolist(), edges.weight.tolist()
    ([1, 0], [0.5, -1.0])
    """
    if first not in (0, 1) or isinstance(first, bool):
        raise SpecError(f"read_edges.first: got {first!r}; allowed is 0 or 1")
    names, rows, lines = _table(check_path("read_edges.path", path))
    columns = dict(zip(names, rows.T, strict=True))
    for name, column in columns.items():
        bad = ~np.isfinite(column)
        what = "is NaN or infinite"
        if name in ("pre", "post") and not bad.any():
            bad, what = column != np.floor(column), "is not a whole number"
            if not bad.any():
                bad, what = column < first, f"is below {first}, the first neuron"
        elif name == "delay" and not bad.any():
            bad, what = column < 0, "is a time below 0"
        if bad.any():
            k = int(bad.argmax())
            raise FormatError(f"{path}: line {lines[k]}: {name} {column[k]:g} {what}")
    pre, post = (columns[name].astype(np.int64) - first for name in ("pre", "post"))
    weight, delay = columns.get("weight"), columns.get("delay")
    return Edges(
        explicit(pre, post),
        None if weight is None else weight * weight_unit,
        None if delay is None else delay * delay_unit,
    )


def _table(path: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the names of columns, the numbers, and the line of each row."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise FormatError(f"{os.fspath(path)}: is not a text file") from None
    lines = [line.partition("#")[0] for line in text.splitlines()]
    filled = [number for number, line in enumerate(lines, 1) if line.strip()]
    if not filled:
        raise FormatError(f"{path}: lists nothing; allowed are lines of pre, post, weight and delay")
    comma = "," in lines[filled[0] - 1]

    def cells(number: int) -> list[str]:
        line = lines[number - 1]
        return [cell.strip() for cell in line.split(",")] if comma else line.split()

    head = cells(filled[0])
    named = not _is_number(head[0])
    names = _names(path, head) if named else [*_COLUMNS][: len(head)]
    if len(names) < 2 or len(head) != len(names):
        raise FormatError(f"{path}: line {filled[0]}: has {len(head)} columns; allowed are {[*_COLUMNS]}")
    places = filled[1:] if named else filled
    rows = np.empty((len(places), len(names)))
    for k, number in enumerate(places):
        row = cells(number)
        if len(row) != len(names):
            raise FormatError(f"{path}: line {number}: has {len(row)} columns; {len(names)} are needed")
        try:
            rows[k] = row
        except ValueError:
            raise FormatError(
                f"{path}: line {number}: got {' '.join(row)[:60]!r}; allowed are numbers"
            ) from None
    return names, rows, np.array(places)


def _names(path: Path, head: list[str]) -> list[str]:
    names = []
    for name in head:
        if name.lower() not in _KNOWN:
            raise FormatError(
                f"{path}: column {name[:40]!r} is not known{nearest(name, _KNOWN)}; there are {[*_COLUMNS]}"
            )
        names.append(_KNOWN[name.lower()])
    missing = [name for name in ("pre", "post") if name not in names]
    if missing or len(set(names)) < len(names):
        raise FormatError(f"{path}: columns are {head}; needed are pre and post, and none twice")
    return names


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
