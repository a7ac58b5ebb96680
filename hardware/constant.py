"""One sourced number: what it is worth, in which unit, at which node, from where, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..neurons.errors import FormatError, nearest

#: How a figure came about, best first.
EVIDENCE = {
    "measured": "measured on silicon",
    "simulated": "simulated from the circuit before silicon",
    "datasheet": "worked out from the maker's data sheet: a bound, not a measurement",
    "derived": "worked out here from measured figures, as the note says",
    "calibrated": "fitted to silicon by the makers of a simulator",
    "published": "stated in the publication, which does not say how it was obtained",
}
_PREFIXES = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}
_REQUIRED = ("value", "unit", "node", "source", "evidence")
_LONGEST_TEXT = 2000


@dataclass(frozen=True)
class Constant:
    """A number with its provenance.

    Attributes
    ----------
    value : float
        The number in `unit`, positive and finite.
    unit : str
        A unit with a prefix (f, p, n, u, m or none), such as "pJ/event" or "mW".
    node : str
        The technology node, such as "14 nm".
    source : str
        Publication and table, or data sheet.
    evidence : str
        A key of `EVIDENCE`: "measured", "simulated", "datasheet", "derived", "calibrated" or
        "published".
    note : str
        What else a reader must know: the operating point, what is included, what contradicts it.

    Examples
    --------
    >>> price = Constant(23.6, "pJ/event", "14 nm", "Davies et al. 2018, table 2", "simulated")
    >>> round(price.si * 1e12, 6)
    23.6
    """

    value: float
    unit: str
    node: str
    source: str
    evidence: str
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", _number(self.value))
        for name in ("unit", "node", "source", "evidence", "note"):
            text(getattr(self, name), name, empty=name == "note")
        if self.evidence not in EVIDENCE:
            raise FormatError(f"evidence is {self.evidence!r}; it must be one of {', '.join(EVIDENCE)}")
        _scale(self.unit)

    @property
    def si(self) -> float:
        """The value in joules (per what is counted) or watts."""
        return self.value * _scale(self.unit)

    @property
    def base_unit(self) -> str:
        """The unit without its prefix, such as "J/event"."""
        return _split(self.unit)[1]

    def __str__(self) -> str:
        return f"{self.value:g} {self.unit} ({self.evidence}, {self.node}; {self.source})"

    @classmethod
    def from_table(cls, table: Any, unit: str) -> Constant:
        """Return the constant that a TOML table describes.

        Parameters
        ----------
        table
            The parsed table, with value, unit, node, source, evidence and perhaps note.
        unit
            The base unit that this constant must have, such as "J/event".

        Raises
        ------
        FormatError
            If a key is missing, unknown, of the wrong type or out of range, or the unit is another.
        """
        if not isinstance(table, Mapping):
            raise FormatError(f"got {table!r}; a table with {', '.join(_REQUIRED)} is needed")
        only_keys(table, required=_REQUIRED, optional=("note",))
        constant = cls(**table)
        if constant.base_unit != unit:
            raise FormatError(
                f"unit is {constant.unit!r}; it must be {unit!r}, or that with a prefix f p n u m"
            )
        return constant


def only_keys(table: Mapping[str, Any], *, required: tuple[str, ...], optional: tuple[str, ...]) -> None:
    """Raise FormatError unless the table has all required keys and no unknown one."""
    missing = [key for key in required if key not in table]
    if missing:
        raise FormatError(f"{', '.join(missing)} missing; required are {', '.join(required)}")
    unknown = [key for key in table if key not in required + optional]
    if unknown:
        known = ", ".join(required + optional)
        near = nearest(unknown[0], required + optional)
        raise FormatError(f"unknown key {', '.join(repr(k) for k in unknown)}{near}; known are {known}")


def text(value: Any, name: str, *, empty: bool = False) -> str:
    """Return a printable string, or raise FormatError."""
    if not isinstance(value, str) or not (value.strip() or empty):
        raise FormatError(f"{name} is {value!r}; it must be text that is not empty")
    # Control characters could rewrite the terminal that a report is printed on.
    if len(value) > _LONGEST_TEXT or not value.isprintable():
        raise FormatError(f"{name} must be one line of printable text of at most {_LONGEST_TEXT} characters")
    return value


def with_prefix(value: float, unit: str) -> str:
    """Return a quantity for people, such as "16.6 uJ".

    Examples
    --------
    >>> with_prefix(1.66e-5, "J")
    '16.6 uJ'
    """
    prefix, scale = "f", 1e-15
    for candidate, size in _PREFIXES.items():
        if abs(value) >= size:
            prefix, scale = candidate, size
            break
    return f"{value / scale:.3g} {prefix}{unit}" if value else f"0 {unit}"


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise FormatError(f"value is {value!r}; it must be a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    # Zero is refused too: a chip that charges nothing for a term must leave the term out, so that the
    # report can say it is not priced.
    if not (math.isfinite(number) and number > 0.0):
        raise FormatError(
            f"value is {number!r}; it must be finite and above zero (leave out what is not known)"
        )
    return number


def _split(unit: str) -> tuple[str, str]:
    for base in ("J/", "W"):
        at = unit.find(base)
        if 0 <= at <= 1 and unit[:at] in _PREFIXES:
            return unit[:at], unit[at:]
    raise FormatError(
        f"unit is {unit!r}; it must be joules per something or watts, with a prefix f p n u m or none"
    )


def _scale(unit: str) -> float:
    return _PREFIXES[_split(unit)[0]]
