"""What commands answer, as data and as text."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: Exit code of what Ctrl-C has ended, as shells have it.
INTERRUPTED = 130


@dataclass(frozen=True)
class Answer:
    """What a command found: plain data for --json, a text for people, and the exit code."""

    data: Any
    text: str
    code: int = 0


def given(**options: Any) -> dict[str, Any]:
    """Return the options that were given: those that are not None."""
    return {name: value for name, value in options.items() if value is not None}


def show(answers: Answer | Iterable[Answer], *, as_json: bool) -> int:
    """Print an answer, or several as they come, and return the exit code."""
    code = 0
    for answer in [answers] if isinstance(answers, Answer) else answers:
        print(json.dumps(_finite(answer.data), allow_nan=False) if as_json else answer.text, flush=True)
        code = max(code, answer.code)
    return code


def _finite(data: Any) -> Any:
    """Return the data with None in place of NaN and infinities, which JSON does not have."""
    if isinstance(data, float) and not math.isfinite(data):
        return None
    if isinstance(data, Mapping):
        return {str(key): _finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_finite(value) for value in data]
    return data


def pairs(data: Mapping[str, Any]) -> str:
    """Return names and values in two columns."""
    width = max(map(len, data), default=0)
    return "\n".join(
        f"{key:<{width}}  {f'{value:.6g}' if isinstance(value, float) else value}"
        for key, value in data.items()
    )


def table(rows: Iterable[tuple[str, ...]]) -> str:
    """Return rows of text in columns."""
    listed = list(rows)
    widths = [max(len(row[k]) for row in listed) for k in range(len(listed[0]))]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in listed)
