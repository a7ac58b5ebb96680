"""Plain data as TOML text, for what networks need: tables, lists of tables, and inline values."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ..neurons.errors import SpecError

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(data: Mapping[str, Any]) -> str:
    """Return TOML text: a mapping becomes a [table], a list of mappings [[tables]], the rest inline.

    Raises
    ------
    SpecError
        If a value is neither text, number, boolean, list nor mapping.

    Examples
    --------
    >>> print(toml_text({"network": {"seed": 1}, "probe": [{"target": "exc", "every": 0.5}]}))
    [network]
    seed = 1
    <BLANKLINE>
    [[probe]]
    target = "exc"
    every = 0.5
    <BLANKLINE>
    """
    blocks = []
    for name, value in data.items():
        tables = value if isinstance(value, list) else [value]
        head = f"[[{_key(name)}]]" if isinstance(value, list) else f"[{_key(name)}]"
        for table in tables:
            lines = [f"{_key(key)} = {_inline(entry, f'{name}.{key}')}" for key, entry in table.items()]
            blocks.append("\n".join([head, *lines]) + "\n")
    return "\n".join(blocks)


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _text(key)


def _text(value: str) -> str:
    # JSON's escapes are TOML's too; only DEL must be escaped in addition.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


def _inline(value: Any, where: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_inline(entry, where) for entry in value) + "]"
    if isinstance(value, Mapping):
        pairs = (f"{_key(key)} = {_inline(entry, f'{where}.{key}')}" for key, entry in value.items())
        return "{" + ", ".join(pairs) + "}"
    raise SpecError(
        f"{where}: a {type(value).__name__} cannot be written; allowed are text, numbers, lists, tables"
    )
