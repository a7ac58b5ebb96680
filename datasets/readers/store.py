"""Arrays that took time to make, kept in a folder by what they were made of: nothing old is ever found."""

from __future__ import annotations

import hashlib
import os
import secrets
import sys
import types
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ...neurons.errors import SpecError

#: What may be wrong with a file that somebody else wrote: it is then made again.
_BROKEN = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


class Store:
    """Arrays in a folder, each group under a key; no pickle is written or opened.

    Parameters
    ----------
    folder : path
        Made when it is first written to. What is in it may be deleted at any time.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).expanduser()

    def get(self, key: str) -> dict[str, np.ndarray] | None:
        """Return the arrays under a key, or None where there are none or they cannot be read."""
        try:
            with np.load(self._path(key), allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        except _BROKEN:
            return None

    def put(self, key: str, arrays: dict[str, np.ndarray]) -> None:
        """Keep arrays under a key: all of them or nothing, whoever else writes or reads."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            with part.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.npz"


def key_of(*parts: Any) -> str:
    """Return a key that changes with whatever is in its parts.

    Raises
    ------
    SpecError
        If something is in them of which nobody can say whether it has changed.
    """
    digest = hashlib.sha256()
    for text in _told(parts, 0):
        digest.update(text + b"\0")
    return digest.hexdigest()


def _told(value: Any, depth: int) -> Iterable[bytes]:
    """Yield what tells a value from others: functions are told by their code, objects by their state."""
    if depth > 20:
        raise SpecError("cache: a transform holds itself, so nobody can say whether it has changed")
    kind = type(value)
    yield f"{kind.__module__}.{kind.__qualname__}".encode()
    if value is None or isinstance(
        value, (bool, int, float, complex, str, bytes, np.generic, type, os.PathLike)
    ):
        yield repr(value).encode()
    elif isinstance(value, np.ndarray) and value.dtype != object:
        yield f"{value.dtype}{value.shape}".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _told(one, depth + 1)
        yield b"end"
    elif isinstance(value, (set, frozenset)):
        yield from sorted(key_of(one).encode() for one in value)
    elif isinstance(value, (dict, types.MappingProxyType)):
        yield from _told([*value.items()], depth + 1)
    elif isinstance(value, (types.FunctionType, types.CodeType, types.MethodType)):
        yield from _told(_code_of(value), depth + 1)
    elif isinstance(value, (types.BuiltinFunctionType, np.ufunc)):
        yield repr(value.__name__).encode()
    else:
        yield _version_of(kind).encode()
        yield from _told(_state_of(value), depth + 1)


def _code_of(value: Any) -> tuple[Any, ...]:
    """Return what a function does: its code and the values that it takes from elsewhere."""
    if isinstance(value, types.MethodType):
        return value.__func__, value.__self__
    if isinstance(value, types.CodeType):
        return value.co_code, value.co_consts, value.co_names, value.co_varnames
    cells = tuple(cell.cell_contents for cell in value.__closure__ or ())
    used = {n: value.__globals__[n] for n in value.__code__.co_names if n in value.__globals__}
    named = {n: v for n, v in used.items() if not isinstance(v, types.ModuleType) and v is not value}
    return value.__code__, value.__defaults__, value.__kwdefaults__, cells, sorted(named.items())


def _state_of(value: Any) -> Any:
    """Return what an object is made of, as pickle would take it apart."""
    try:
        made_of = value.__reduce_ex__(4)
    except Exception:  # whatever a class says of itself that cannot be taken apart
        raise SpecError(
            f"cache: the transform holds a {type(value).__name__}, of which nobody can say whether it has "
            "changed; leave cache out, or make the transform of functions, numbers and arrays"
        ) from None
    return (
        made_of if isinstance(made_of, str) else [*made_of[:3], *(list(part or ()) for part in made_of[3:5])]
    )


def _version_of(kind: type) -> str:
    """Return the version of the package that a class is from, as far as it tells."""
    return str(getattr(sys.modules.get(kind.__module__.partition(".")[0]), "__version__", ""))
