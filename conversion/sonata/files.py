"""SONATA's files, opened safely: JSON with a manifest, tables of types, and HDF5 whose numbers are plain.

Nothing in a file is evaluated, and nothing asks for more memory than its file can account for.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ...datasets.hdf5 import check_contents
from ...engine.memory import available_bytes
from ...neurons.errors import FormatError, MissingExtra, RheobaseError

_LARGEST_TEXT = 64 << 20


class Config:
    """A circuit or simulation configuration with its manifest's variables put in.

    Parameters
    ----------
    path : Path
        The JSON file; relative paths in it count from its folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = read_json(path)
        self._variables = {"${configdir}": str(path.parent), "${workingdir}": "."}
        manifest = self.data.get("manifest", {})
        if not isinstance(manifest, dict) or not all(isinstance(v, str) for v in manifest.values()):
            raise FormatError(f"{path}: manifest: allowed is a table of texts")
        self._variables |= {"$" + name.lstrip("$"): text for name, text in manifest.items()}

    def file(self, named: Any, where: str) -> Path:
        """Return the path that an entry names."""
        value = str(named)
        if not isinstance(named, str) or not value or "\0" in value:
            raise FormatError(f"{self.path}: {where}: got {str(value)[:60]!r}; allowed is the path of a file")
        for _ in range(len(self._variables) + 1):  # they build on one another
            value = re.sub(r"\$\{?\w+\}?", lambda word: self._variables.get(word[0], word[0]), value)
            if len(value) > 4096:
                break
            if "$" not in value:
                return (self.path.parent / value).resolve()
        raise FormatError(
            f"{self.path}: {where}: {value[:80]!r} uses a variable that the manifest does not give"
        )

    def table(self, name: str, kind: type = dict) -> Any:
        """Return a section, empty if there is none."""
        section = self.data.get(name, kind())
        if not isinstance(section, kind):
            raise FormatError(f"{self.path}: {name}: allowed is a {'table' if kind is dict else 'list'}")
        return section

    def parameters(self, file: str, folder: str) -> dict[str, float]:
        """Return the numbers of a file in one of the folders of components."""
        where = self.file(self.table("components").get(folder, "."), f"components.{folder}") / file
        parameters = read_json(where)
        for name, value in parameters.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise FormatError(f"{where}: {name}: got {str(value)[:40]!r}; allowed is a number")
        return parameters


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object, or raise FormatError."""
    try:
        if path.stat().st_size > _LARGEST_TEXT:
            raise FormatError(f"{path}: is larger than any configuration")
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: is not JSON: {str(error)[:80]}") from None
    if not isinstance(data, dict):
        raise FormatError(f"{path}: allowed is a JSON object, got a {type(data).__name__}")
    return data


def read_types(path: Path, key: str) -> dict[int, dict[str, str]]:
    """Return the rows of a table of node or edge types by their id; entries of NULL are left out.

    Parameters
    ----------
    path
        Values apart by spaces, names of columns in the first line.
    key
        The column of ids: "node_type_id" or "edge_type_id".
    """
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines, delimiter=" ", skipinitialspace=True, strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: is not a table of types: {error}") from None
    types = {}
    for number, row in enumerate(rows, 2):
        try:
            id = int(row[key])
        except (KeyError, TypeError, ValueError):
            raise FormatError(f"{path}: line {number}: needs a whole number as {key}") from None
        if id in types:
            raise FormatError(f"{path}: line {number}: {key} {id} is listed twice")
        types[id] = {
            name: value
            for name, value in row.items()
            if name and isinstance(value, str) and value not in ("NULL", "")
        }
    return types


@contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """Open an HDF5 file to read; what is wrong with it becomes a FormatError that names it."""
    try:
        import h5py
    except ImportError:
        raise MissingExtra("h5py", "sonata", "Reading SONATA files") from None
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    try:
        with h5py.File(path, "r") as store:
            check_contents(store, available_bytes() / 4)
            yield store
    except (RheobaseError, FileNotFoundError):
        raise
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise FormatError(f"{path}: is truncated or no HDF5 file: {str(error)[:120]}") from None


def populations_of(store: Any, section: str) -> dict[str, Any]:
    """Return the populations of a file by name: the groups in /nodes, /edges or /spikes."""
    found = store.get(section)
    names = list(found) if hasattr(found, "keys") else []
    populations = {name: found[name] for name in names if hasattr(found[name], "keys")}
    if not populations:
        raise FormatError(f"{store.filename}: has no group /{section} with a population in it")
    return populations


def numbers_of(group: Any, name: str, size: int | None = None) -> np.ndarray:
    """Return a list of numbers from a group, or raise FormatError.

    Parameters
    ----------
    group
        Where it lies.
    name
        Its name.
    size
        How many numbers there must be, if that is known.
    """
    place = f"{group.file.filename}: {group.name}/{name}"
    data = group.get(name)
    if data is None or not hasattr(data, "dtype"):
        raise FormatError(f"{place}: is missing")
    if data.ndim != 1 or data.dtype.kind not in "biuf":
        raise FormatError(f"{place}: got {data.dtype} of shape {data.shape}; allowed is a list of numbers")
    if size is not None and data.size != size:
        raise FormatError(f"{place}: has {data.size} entries; {size} are needed")
    return np.asarray(data[()])


def ids_of(group: Any, name: str, size: int | None = None) -> np.ndarray:
    """Return a list of indices from 0, int64, or raise FormatError."""
    values = numbers_of(group, name, size)
    whole = values.dtype.kind in "iu"
    if not whole or (values.size and (values.min() < 0 or values.max() >= 2**31)):
        raise FormatError(f"{group.file.filename}: {group.name}/{name}: allowed are whole numbers from 0")
    return values.astype(np.int64)


def texts_of(group: Any, name: str) -> np.ndarray:
    """Return a list of texts, those of an enumeration (`@library`) too."""
    data, library = group[name], group.get("@library")
    if library is not None and name in library:
        words = library[name].asstr()[()]
        chosen = ids_of(group, name)
        if chosen.size and chosen.max() >= len(words):
            raise FormatError(
                f"{group.file.filename}: {group.name}/{name}: {chosen.max()} is not in its library"
            )
        return np.asarray(words[chosen], dtype=object)
    return np.asarray(data.asstr()[()], dtype=object)


class Attributes:
    """What is known of the members of a population: their own values, and behind them those of their type.

    Parameters
    ----------
    group
        The population's HDF5 group.
    types : mapping
        Rows of the table of types.
    kind : str
        "node" or "edge".
    size : int
        Number of members.
    """

    def __init__(self, group: Any, types: Mapping[int, Mapping[str, str]], kind: str, size: int) -> None:
        self.group, self.types, self.size = group, types, size
        self.place = f"{group.file.filename}: {group.name}"
        self.type_ids = ids_of(group, f"{kind}_type_id", size)
        unknown = sorted({*np.unique(self.type_ids).tolist()} - {*types})
        if types and unknown:
            raise FormatError(
                f"{self.place}: has {kind}_type_id {unknown[0]}, which the table of types does not list"
            )
        self._groups = self._own_groups(f"{kind}_group_id", f"{kind}_group_index")

    def _own_groups(self, id_name: str, index_name: str) -> list[tuple[Any, np.ndarray, np.ndarray]]:
        """Return each group of own values, its members, and the place of each in the group."""
        if id_name not in self.group:
            return (
                [(self.group["0"], np.arange(self.size), np.arange(self.size))] if "0" in self.group else []
            )
        ids, index = ids_of(self.group, id_name, self.size), ids_of(self.group, index_name, self.size)
        found = []
        for id in np.unique(ids).tolist():
            members = np.flatnonzero(ids == id)
            if str(id) in self.group:
                found.append((self.group[str(id)], members, index[members]))
        return found

    def names(self, folder: str = "") -> set[str]:
        """Return the names of all values, or of those in a folder of the groups."""
        found: set[str] = set()
        for group, _, _ in self._groups:
            place = group.get(folder) if folder else group
            found |= {name for name in (place or ()) if hasattr(place[name], "dtype")}
        return found if folder else found.union(*(row for row in self.types.values()))

    def numbers(self, name: str, folder: str = "") -> np.ndarray:
        """Return a number for each member, float64; NaN where nothing says any."""
        values = np.full(self.size, np.nan)
        for id, row in self.types.items() if not folder else ():
            if name in row:
                try:
                    values[self.type_ids == id] = float(row[name])
                except ValueError:
                    raise FormatError(
                        f"{self.place}: type {id}: {name} is {row[name][:40]!r}; allowed is a number"
                    ) from None
        for group, members, index in self._groups:
            place = group.get(folder) if folder else group
            if place is not None and name in place:
                own = numbers_of(place, name)
                if index.size and index.max() >= own.size:
                    raise FormatError(f"{self.place}: points to entry {index.max()} of {own.size} in {name}")
                values[members] = own[index]
        return values

    def texts(self, name: str) -> np.ndarray:
        """Return a text for each member; empty where nothing says any."""
        values = np.full(self.size, "", dtype=object)
        for id, row in self.types.items():
            values[self.type_ids == id] = row.get(name, "")
        for group, members, index in self._groups:
            if name in group:
                own = texts_of(group, name)
                if index.size and index.max() >= own.size:
                    raise FormatError(f"{self.place}: points to entry {index.max()} of {own.size} in {name}")
                values[members] = own[index]
        return values
