"""Files of tensors and plain data that are safe to open: safetensors with checksums, and no pickle."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ...engine.archive import replace_file
from ...engine.arguments import check_path
from ...neurons.errors import FormatError, SpecError

Tensors = MutableMapping[str, torch.Tensor]

#: What JSON has no word for, by the key under which it stands alone in a table.
_TAGS = ("tensor", "array", "dict", "counter", "tuple")


def pack(value: Any, tensors: Tensors, where: str) -> Any:
    """Return a value as JSON has it; tensors and arrays go into a dict, by where they were.

    Raises
    ------
    SpecError
        If there is anything but tensors, arrays, numbers, texts, truth values, None, lists, tuples and dicts.

    Examples
    --------
    >>> tensors = {}
    >>> packed = pack({0: (1.5, torch.zeros(2))}, tensors, "state")
    >>> packed, list(tensors)
    ({'dict': [[0, {'tuple': [1.5, {'tensor': 'state/0/1'}]}]]}, ['state/0/1'])
    >>> unpack(packed, tensors, "file")
    {0: (1.5, tensor([0., 0.]))}
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, torch.Tensor | np.ndarray):
        is_tensor = isinstance(value, torch.Tensor)
        tensors[where] = value.detach() if isinstance(value, torch.Tensor) else torch.from_numpy(value.copy())
        return {"tensor" if is_tensor else "array": where}
    if isinstance(value, Mapping):
        pairs = [[_key(key, where), pack(one, tensors, f"{where}/{key}")] for key, one in value.items()]
        return {"counter" if isinstance(value, Counter) else "dict": pairs}
    if isinstance(value, list | tuple):
        items = [pack(one, tensors, f"{where}/{k}") for k, one in enumerate(value)]
        return items if isinstance(value, list) else {"tuple": items}
    raise SpecError(
        f"{where}: got a {type(value).__name__}; allowed are tensors, arrays, numbers, texts, lists, tuples "
        "and dicts of these"
    )


def unpack(value: Any, tensors: Mapping[str, torch.Tensor], origin: str) -> Any:
    """Return what `pack` was given, or raise FormatError."""
    if isinstance(value, list):
        return [unpack(one, tensors, origin) for one in value]
    if not isinstance(value, dict):
        return value
    tag, inner = next(iter(value.items())) if len(value) == 1 else ("", None)
    if tag in ("tensor", "array") and isinstance(inner, str) and inner in tensors:
        return tensors[inner] if tag == "tensor" else tensors[inner].numpy()
    if tag == "tuple" and isinstance(inner, list):
        return tuple(unpack(one, tensors, origin) for one in inner)
    if tag in ("dict", "counter") and isinstance(inner, list) and all(map(_is_pair, inner)):
        found = {key: unpack(one, tensors, origin) for key, one in inner}
        return Counter(found) if tag == "counter" else found
    raise FormatError(f"{origin}: its header holds {str(value)[:60]}, which is none of {_TAGS}")


def write_tensors(
    path: str | Path, kind: str, content: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]
) -> None:
    """Write tensors and plain data to one safetensors file, all of it or nothing.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    # Tensors that share memory are stored one by one, as safetensors wants them.
    stored = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    text = json.dumps({**content, "digests": {name: _digest(value) for name, value in stored.items()}})
    metadata = {"format": kind, "version": "1", "content": text, "digest": _hash(text.encode())}
    data = save(stored, metadata)
    replace_file(path, lambda file: file.write(data))


def read_tensors(path: str | Path, kind: str) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Return plain data and tensors that `write_tensors` wrote.

    Raises
    ------
    FormatError
        If the file is no such file, of another kind or a later version, truncated, or changed.
    OSError
        If there is no such file, or it cannot be read.
    """
    target = check_path("path", path)
    with target.open("rb"):  # what cannot be read is an OSError, not a broken file
        pass
    try:
        with safe_open(str(target), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, ValueError, OSError, RuntimeError) as error:
        raise FormatError(
            f"{path}: no safetensors file, or truncated or damaged ({str(error)[:80]})"
        ) from None
    if metadata.get("format") != kind:
        raise FormatError(f"{path}: holds a {metadata.get('format', 'file of others')!r}, not a {kind!r}")
    if metadata.get("version") != "1":
        raise FormatError(
            f"{path}: has version {metadata.get('version')!r}; this version of rheobase reads 1"
        )
    text = metadata.get("content", "")
    if _hash(text.encode()) != metadata.get("digest"):
        raise FormatError(f"{path}: its header does not match its checksum; the file is damaged")
    return _checked(path, text, tensors)


def _checked(
    path: str | Path, text: str, tensors: dict[str, torch.Tensor]
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    try:
        content = json.loads(text)
        digests = content.pop("digests")
    except (ValueError, RecursionError, KeyError, AttributeError, TypeError) as error:
        raise FormatError(f"{path}: its header is none of ours ({str(error)[:80]})") from None
    wrong = [name for name in {*digests, *tensors} if name not in tensors or name not in digests]
    wrong += [name for name in tensors if not wrong and _digest(tensors[name]) != digests[name]]
    if wrong:
        raise FormatError(f"{path}: tensors {wrong[:3]} do not match their checksums; the file is damaged")
    return content, tensors


def _key(key: object, where: str) -> Any:
    if not isinstance(key, str | int) or isinstance(key, bool):
        raise SpecError(f"{where}: got the key {key!r}; allowed are texts and whole numbers")
    return key


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str | int)


def _digest(tensor: torch.Tensor) -> str:
    head = f"{tensor.dtype} {tuple(tensor.shape)} ".encode()
    return _hash(head + tensor.reshape(-1).view(torch.uint8).numpy().tobytes())


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
