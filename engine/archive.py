"""Files of arrays that are safe to open: one `.npz` with a JSON header, checksums, and no pickle.

A file is a ZIP archive of stored (uncompressed) members: `header.json`, which names the format, its
version and each array's checksum, and one `.npy` per array of plain numbers, so NumPy reads it too.
Nothing in a file is ever evaluated. Since members are not compressed, no file can ask for more memory
than it takes on disk.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import secrets
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..neurons.errors import FormatError, SpecError
from .arguments import check_path

HEADER = "header.json"
_LARGEST_HEADER = 64 << 20
#: How many times larger than the file the arrays of a compressed one may be.
_LARGEST_EXPANSION = 200
_NPY_START = re.compile(rb"\x93NUMPY([\x01\x02])\x00")
_NPY_HEADER = re.compile(
    rb"\{'descr': '([<|>=][A-Za-z]\d*)', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,18}, ?)*(?:\d{1,18})?,?)\), *\}\s*"
)
_NUMBERS = re.compile(r"[<|>=](b1|[iu][1248]|f[248])")

_BROKEN = (
    zipfile.BadZipFile,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    struct.error,
    zlib.error,
)


def write_archive(path: str | Path, kind: str, content: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Write arrays and plain data to one file, all of it or nothing.

    Parameters
    ----------
    path : str or Path
        The file; an older one of this name is replaced only when the new one is complete.
    kind : str
        What it holds, such as "rheobase result".
    content : mapping
        Plain data that JSON can hold.
    arrays : mapping of str to array
        Arrays of booleans, integers or floats.

    Raises
    ------
    SpecError
        If an array holds anything but numbers.
    OSError
        If the file cannot be written.
    """
    packed = {name: _pack(name, value) for name, value in arrays.items()}
    header = {
        "format": kind,
        "version": 1,
        "arrays": {name: _digest(data) for name, data in packed.items()},
        "content": content,
    }

    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            archive.writestr(HEADER, json.dumps(header, indent=1, default=_plain))
            for name, data in packed.items():
                archive.writestr(f"{name}.npy", data)

    replace_file(path, write)


def read_archive(path: str | Path, kind: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read what `write_archive` wrote.

    Returns
    -------
    content : dict
    arrays : dict of str to array

    Raises
    ------
    FormatError
        If the file is no such file, of another kind or a later version, truncated, changed, or holds
        anything but numbers.
    OSError
        If there is no such file, or it cannot be read.
    """
    members = _members(check_path("path", path))
    header = _header(path, members.pop(HEADER, None))
    found = header.get("format")
    if found != kind:
        raise FormatError(f"{path}: holds a {str(found)[:60]!r}, not a {kind!r}")
    if header.get("version") != 1:
        raise FormatError(
            f"{path}: has format version {str(header.get('version'))[:20]}; this version of rheobase reads 1"
        )
    digests, content = header.get("arrays"), header.get("content")
    if not isinstance(digests, dict) or not isinstance(content, dict):
        raise FormatError(f"{path}: its {HEADER} lacks 'arrays' or 'content'")
    if {f"{name}.npy" for name in digests} != set(members):
        raise FormatError(f"{path}: the arrays inside are not those that its {HEADER} lists")
    arrays = {}
    for name, digest in digests.items():
        data = members[f"{name}.npy"]
        if _digest(data) != digest:
            raise FormatError(f"{path}: array {name!r} does not match its checksum; the file is damaged")
        arrays[name] = _unpack(path, name, data)
    return content, arrays


def read_arrays(path: str | Path, wanted: Callable[[str], bool] = bool) -> dict[str, np.ndarray]:
    """Read a plain `.npz` of numbers, as NumPy writes it, compressed or not.

    Parameters
    ----------
    path : str or Path
        The file.
    wanted : function
        Says of an array's name whether to read it; all if left out.

    Raises
    ------
    FormatError, OSError
        As `read_archive`.
    """
    members = _members(check_path("path", path), expansion=_LARGEST_EXPANSION)
    names = [name for name in members if name != HEADER and wanted(name.removesuffix(".npy"))]
    return {name.removesuffix(".npy"): _unpack(path, name, members[name]) for name in names}


def archive_kind(path: str | Path) -> str:
    """Return what a file says that it holds; an empty text of a plain `.npz`. Errors as `read_archive`."""
    head = _members(check_path("path", path), expansion=_LARGEST_EXPANSION).get(HEADER)
    return "" if head is None else str(_header(path, head).get("format"))


def field(path: str | Path, data: Any, key: str, kind: type | tuple[type, ...]) -> Any:
    """Return data[key] if it is of this kind, or raise FormatError naming file and key."""
    value = data.get(key) if isinstance(data, dict) else None
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise FormatError(f"{path}: its header has no valid {key!r} (got {str(value)[:60]!r})")
    return value


def check_target(path: str | Path) -> Path:
    """Return where a file is to be written, or raise the OSError that writing it would meet."""
    target = check_path("path", path)
    if not target.name or target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder; allowed is a file", str(target))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "its folder does not exist; make it first", str(target))
    return target


def replace_file(path: str | Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a new file, then put it in the place of `path` in one step.

    Raises
    ------
    OSError
        If it cannot be written; the error names `path`.
    """
    target = check_target(path)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with open(temporary, "xb") as file:
            write(file)
        os.replace(temporary, target)
    except OSError as error:
        if error.errno is None:
            raise
        raise type(error)(error.errno, error.strerror, str(target)) from None
    finally:
        temporary.unlink(missing_ok=True)


def _pack(name: str, value: Any) -> bytes:
    array = np.asarray(value)
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise SpecError(f"array {name!r}: has type {array.dtype}; allowed are booleans, integers and floats")
    buffer = BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array).reshape(array.shape), allow_pickle=False)
    return buffer.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise SpecError(
        f"cannot write {type(value).__name__} to a file; allowed are numbers, texts, lists and tables"
    )


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _members(path: Path, expansion: int = 1) -> dict[str, bytes]:
    members = zip_members(path, expansion)
    for name, data in members.items():
        if name != HEADER and not name.endswith(".npy"):
            raise FormatError(f"{path}: member {name[:60]!r} is neither {HEADER} nor an array")
        if name == HEADER and len(data) > _LARGEST_HEADER:
            raise FormatError(
                f"{path}: its {HEADER} has {len(data)} bytes; at most {_LARGEST_HEADER} are read"
            )
    return members


def zip_members(path: Path, expansion: int = 1) -> dict[str, bytes]:
    """Return what a ZIP archive holds: stored members, or deflated ones up to `expansion` times its size.

    Raises
    ------
    FormatError
        If it is none, is truncated or damaged, or members are encrypted, doubled, or too large together.
    OSError
        If there is no such file, or it cannot be read.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                infos = archive.infolist()
                _check_members(path, infos, size, expansion)
                return {info.filename: archive.read(info) for info in infos}
        # Offsets that a damaged file claims can be such that seeking to them fails.
        except (*_BROKEN, OSError) as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError(f"{path}: not a file of ours, or truncated or damaged ({error})") from None


def _check_members(path: Path, infos: list[zipfile.ZipInfo], size: int, expansion: int) -> None:
    if len({info.filename for info in infos}) != len(infos):
        raise FormatError(f"{path}: holds two members of one name")
    for info in infos:
        packed = info.compress_type != zipfile.ZIP_STORED
        if info.flag_bits & 1 or (packed and (expansion == 1 or info.compress_type != zipfile.ZIP_DEFLATED)):
            raise FormatError(
                f"{path}: member {info.filename[:60]!r} is compressed or encrypted; "
                "allowed are stored members, as numpy.savez writes"
            )
    if sum(max(info.file_size, info.compress_size) for info in infos) > size * expansion:
        raise FormatError(f"{path}: its members claim more bytes than the file has ({size})")


def _header(path: str | Path, data: bytes | None) -> dict[str, Any]:
    if data is None:
        raise FormatError(f"{path}: has no {HEADER}; it was not written by rheobase")
    try:
        header = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: its {HEADER} is not JSON ({str(error)[:80]})") from None
    if not isinstance(header, dict):
        raise FormatError(f"{path}: its {HEADER} is not a table")
    return header


def _unpack(path: str | Path, name: str, data: bytes) -> np.ndarray:
    """Return the array of one `.npy`, whose header is matched, not evaluated."""
    start = _NPY_START.match(data)
    width = 4 if start and start[1] == b"\x02" else 2
    begin = 8 + width
    end = begin + int.from_bytes(data[8:begin], "little")
    header = _NPY_HEADER.fullmatch(data[begin:end]) if start else None
    descr = header[1].decode() if header else ""
    if "O" in descr:
        raise FormatError(f"{path}: array {name[:60]!r} holds pickled objects, which are never loaded")
    if not header or not _NUMBERS.fullmatch(descr):
        raise FormatError(f"{path}: array {name[:60]!r} is not a plain array of numbers")
    sizes = header[3].decode().replace(" ", "").rstrip(",")
    shape = tuple(int(n) for n in sizes.split(",")) if sizes else ()
    dtype = np.dtype(descr)
    if len(shape) > 32 or math.prod(shape) * dtype.itemsize != len(data) - end:
        raise FormatError(
            f"{path}: array {name[:60]!r} claims shape {str(shape)[:60]}, which its data does not have"
        )
    try:
        array = np.frombuffer(data, dtype, offset=end).reshape(
            shape, order="F" if header[2] == b"True" else "C"
        )
    except (ValueError, OverflowError):
        raise FormatError(
            f"{path}: array {name[:60]!r} claims an impossible shape {str(shape)[:60]}"
        ) from None
    return np.array(array.astype(dtype.newbyteorder("="), copy=False))
