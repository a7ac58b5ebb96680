"""What is to lie on the card: vectors by type, put together on the host and loaded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .card import Card, Vector
from .kernel import memory_dtypes


@dataclass(frozen=True)
class Place:
    """Where an array lies: in which vector, from where on, and its shape."""

    vector: str
    start: int
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))


class Store:
    """Vectors that grow, and records of the table.

    Parameters
    ----------
    real : numpy.dtype
        Type of state and of real sums.
    """

    def __init__(self, real: np.dtype) -> None:
        self.dtypes = memory_dtypes(real)
        self.table: list[int] = []
        self._pieces: dict[str, list[tuple[int, np.ndarray]]] = {name: [] for name in self.dtypes}
        self._sizes = dict.fromkeys(self.dtypes, 0)

    def put(self, vector: str, values: Any) -> int:
        """Append values to a vector; return where they start."""
        array = np.ascontiguousarray(values, dtype=self.dtypes[vector]).reshape(-1)
        start = self.room(vector, array.size)
        if array.size:
            self._pieces[vector].append((start, array))
        return start

    def room(self, vector: str, size: int) -> int:
        """Append zeros to a vector; return where they start."""
        start = self._sizes[vector]
        self._sizes[vector] += int(size)
        return start

    def place(self, vector: str, values: np.ndarray | None, shape: tuple[int, ...]) -> Place:
        """Append an array, of zeros if no values are given."""
        place = Place(vector, self._sizes[vector], shape)
        self.room(vector, place.size) if values is None else self.put(vector, values)
        return place

    def record(self, size: int) -> int:
        """Append a record of zeros to the table; return where it starts."""
        self.table.extend([0] * size)
        return len(self.table) - size

    def fill(self, record: int, fields: dict[int, Any]) -> int:
        """Set fields of a record; return where it starts."""
        for field, value in fields.items():
            self.table[record + field] = int(value)
        return record

    def fields(self, values: Sequence[Any]) -> int:
        """Append a record that consists of these fields."""
        self.table.extend(int(value) for value in values)
        return len(self.table) - len(values)

    @property
    def n_bytes(self) -> int:
        """Bytes that the vectors take."""
        return 8 * len(self.table) + sum(
            size * self.dtypes[name].itemsize for name, size in self._sizes.items()
        )

    def load(self, card: Card) -> dict[str, Vector]:
        """Return the vectors on a card; what was put together here is let go."""
        vectors: dict[str, Vector] = {}
        for name, dtype in self.dtypes.items():
            if name == "table":
                self._pieces[name] = [(0, np.array(self.table, np.int64))]
                self._sizes[name] = len(self.table)
            vectors[name] = card.zeros(max(self._sizes[name], 1), dtype)
            for start, values in self._pieces.pop(name):
                card.write(vectors[name], start, values)
        return vectors
