"""Plain data out of files as dataclasses, each field of the type that it declares."""

from __future__ import annotations

import math
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from ..neurons.errors import FormatError

T = TypeVar("T")


def typed(kind: type[T], data: Any, **given: Any) -> T:
    """Return a dataclass made from a table of plain data, or raise FormatError naming the field.

    Parameters
    ----------
    kind : type
        A dataclass of numbers (finite; whole ones from 0), texts, and tables and tuples of them.
    data : dict
        Its fields by name.
    **given
        Fields that are there already.

    Examples
    --------
    >>> from rheobase.engine.counts import OperatorCounts
    >>> typed(OperatorCounts, {"name": "soft", "kind": "softmax", "rows": 3, "spikes": 2}).rows
    3
    """
    hints = get_type_hints(kind)
    if not isinstance(data, dict):
        raise FormatError(f"{kind.__name__}: got {str(data)[:60]!r}; allowed is a table")
    for name, value in data.items():
        if name not in hints or not _is(value, hints[name]):
            raise FormatError(f"{kind.__name__}: got {name} = {str(value)[:60]!r}")
    lists = {name: tuple(value) for name, value in data.items() if isinstance(value, list)}
    try:
        return kind(**{**data, **lists}, **given)
    except TypeError as error:
        raise FormatError(f"{kind.__name__}: {error}") from None


def _is(value: Any, hint: Any) -> bool:
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) is dict:
        return isinstance(value, dict) and all(_is(entry, get_args(hint)[1]) for entry in value.values())
    if get_origin(hint) is tuple:
        return isinstance(value, list) and all(_is(entry, get_args(hint)[0]) for entry in value)
    if get_args(hint):
        return any(_is(value, one) for one in get_args(hint))
    if hint is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is hint and (hint is not int or value >= 0)
