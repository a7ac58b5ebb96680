"""NIR files, opened with suspicion: HDF5 as a nested dict, of bounded size, from this one file alone.

Besides what any HDF5 file must be held to, a group may hold itself, and texts may be as long as the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...datasets.hdf5 import LINK, fault_of, is_own
from ...engine.memory import available_bytes
from ...neurons.errors import FormatError
from .graph import DEEPEST, MOST_NODES

#: Fields of all nodes together, and rows of texts that are read at a time.
_MOST_FIELDS, _ROWS = 20 * MOST_NODES, 256
_BROKEN = (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError, UnicodeError)


def read_tree(path: str | Path) -> dict[str, Any]:
    """Return what a NIR file holds: groups as dicts, data sets as arrays, numbers and texts.

    Raises
    ------
    FormatError
        If it is not a NIR file, or truncated, too large for this machine, or reaches outside itself.
    OSError
        If there is no such file, or it cannot be read.
    """
    import h5py

    with open(path, "rb"):
        pass  # what the system has to say of the path is told as it is
    try:
        with h5py.File(path, "r") as file:
            if "node" not in file or not is_own(file, "node"):
                raise FormatError(f"{path}: an HDF5 file, but not of NIR: it has no group 'node'")
            return _Reader(h5py, path).group(file["node"], "node", ())
    except FormatError:
        raise
    except (*_BROKEN, RecursionError, MemoryError) as error:
        raise FormatError(f"{path}: not a NIR file, or damaged: {str(error)[:200]}") from None


class _Reader:
    """Reads one file within a budget of bytes and fields."""

    def __init__(self, h5py: Any, path: str | Path) -> None:
        self.h5py, self.path = h5py, path
        self.bytes_left, self.fields_left = available_bytes() / 4, _MOST_FIELDS

    def refuse(self, where: str, why: str) -> FormatError:
        """Return the error of one place in the file."""
        return FormatError(f"{self.path}: {where}: {why}")

    def group(self, group: Any, where: str, above: tuple[Any, ...]) -> dict[str, Any]:
        """Return a group as a dict."""
        if not isinstance(group, self.h5py.Group):
            raise self.refuse(where, "allowed is a group")
        address = self.h5py.h5o.get_info(group.id).addr
        if address in above:
            raise self.refuse(where, "the group lies within itself")
        if len(above) > 3 * DEEPEST:
            raise self.refuse(where, f"graphs lie more than {DEEPEST} deep within each other")
        tree: dict[str, Any] = {}
        for name in group:
            place = f"{where}/{name}"
            self.fields_left -= 1
            if self.fields_left < 0:
                raise self.refuse(place, f"there are more than {_MOST_FIELDS} fields")
            if not is_own(group, name):
                raise self.refuse(place, LINK)
            entry = group[name]
            inner = isinstance(entry, self.h5py.Group)
            tree[name] = self.group(entry, place, (*above, address)) if inner else self.data(entry, place)
        return tree

    def data(self, data: Any, where: str) -> Any:
        """Return a data set as an array, a number or a text."""
        if not isinstance(data, self.h5py.Dataset):
            raise self.refuse(where, "allowed are groups and data sets")
        if data.shape is None:
            return None
        if why := fault_of(data, self.bytes_left):
            raise self.refuse(where, why)
        text = self.h5py.check_string_dtype(data.dtype)
        if text is None and data.dtype.kind not in "biuf":
            raise self.refuse(where, f"got {data.dtype}; allowed are numbers and texts")
        self.bytes_left -= data.size * data.dtype.itemsize
        return self._texts(data, where) if text is not None else data[()]

    def _texts(self, data: Any, where: str) -> Any:
        """Return texts, read a few at a time: each may be as long as the file."""
        if data.shape == ():
            return self._decoded([data[()]], where)[0]
        rows = [data[i : i + _ROWS] for i in range(0, data.shape[0], _ROWS) if self.bytes_left >= 0]
        flat = self._decoded([text for block in rows for text in block.reshape(-1)], where)
        return np.array(flat, dtype=object).reshape(data.shape)

    def _decoded(self, texts: list[Any], where: str) -> list[str]:
        self.bytes_left -= sum(map(len, texts))
        if self.bytes_left < 0:
            raise self.refuse(where, "its texts are too long")
        return [text.decode("utf-8") if isinstance(text, bytes) else str(text) for text in texts]
