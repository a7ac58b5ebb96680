"""A chip is a data file: what each counted thing costs, every figure with its source."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..neurons.errors import FormatError, SpecError, nearest
from .constant import Constant, only_keys, text

#: The two kinds of machine, and the constants that each understands with their units.
KINDS: dict[str, dict[str, str]] = {
    "event": {
        "synaptic_event": "J/event",
        "ac": "J/event",
        "mac": "J/event",
        "weight_bit": "J/bit",
        "weight_update": "J/update",
        "neuron_update": "J/update",
        "state_bit": "J/bit",
        "spike": "J/spike",
        "packet": "J/packet",
        "static_power": "W",
    },
    "dense": {"mac": "J/mac", "neuron_update": "J/update"},
}
PASSES = ("once", "every step")
#: What a constant of the operations table is priced in.
OPERATION_UNIT = "J/operation"

_FORMAT = 1
_LARGEST_FILE = 65536
_KEYS = ("format", "name", "title", "kind", "constants")
_OPTIONAL = ("passes", "includes", "operations", "notes")


@dataclass(frozen=True, kw_only=True)
class Chip:
    """What each counted thing costs on one machine, according to one model of it.

    Attributes
    ----------
    name, title : str
        Short name, and the full one.
    kind : "event" or "dense"
        An event-driven machine pays for what happens; a dense one for every synapse of a pass. The
        equations are in `rheobase.hardware.energy`.
    constants : mapping of str to Constant
        The prices, by the names of `KINDS`.
    operations : mapping of str to Constant
        Joules per arithmetic operation of neuron updates and operators, by kind ("add", ...).
    passes : "once" or "every step"
        For a dense machine: whether it runs the whole network once per trial, as the network that a
        spiking one was converted from would, or once per time step. None for event machines.
    includes : tuple of str
        Names of `KINDS` whose cost the source has folded into another constant.
    notes : tuple of str
        What a reader of an estimate must know.

    Examples
    --------
    >>> Chip.load("loihi").constants["synaptic_event"].value
    23.6
    """

    name: str
    title: str
    kind: str
    constants: Mapping[str, Constant]
    operations: Mapping[str, Constant] = field(default_factory=dict)
    passes: str | None = None
    includes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("name", "title"):
            text(getattr(self, name), name)
        known = _units_of(self.kind)
        unknown = [name for name in (*self.constants, *self.includes) if name not in known]
        if unknown:
            raise FormatError(
                f"{', '.join(unknown)} is no cost of a machine of kind {self.kind!r}; "
                f"known are {', '.join(known)}"
            )
        self._check_prices()
        for name in ("constants", "operations"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def _check_prices(self) -> None:
        for group, units in (("constants", KINDS[self.kind]), ("operations", None)):
            for name, constant in getattr(self, group).items():
                unit = units[name] if units else OPERATION_UNIT
                if constant.base_unit != unit:
                    raise FormatError(f"{group}.{name}: unit is {constant.unit!r}; it must be {unit!r}")
        if not self.constants:
            raise FormatError("constants is empty; give at least one price")
        if ("mac" in self.constants) != ("ac" in self.constants) and self.kind == "event":
            raise FormatError("constants.ac and constants.mac must both be given, or neither")
        twice = [name for name in self.includes if name in self.constants]
        if "synaptic_event" in self.constants and "ac" in self.constants:
            twice.append("synaptic_event beside ac and mac")
        if "neuron_update" in self.constants and self.operations:
            twice.append("neuron_update beside operations")
        if twice:
            raise FormatError(f"{', '.join(twice)} would be charged twice; keep one of the two")
        allowed = PASSES if self.kind == "dense" else (None,)
        if self.passes not in allowed:
            raise FormatError(
                f"passes is {self.passes!r}; a machine of kind {self.kind!r} takes one of {allowed}"
            )

    @property
    def sources(self) -> tuple[str, ...]:
        """Every source that the prices cite, once each."""
        everything = [*self.constants.values(), *self.operations.values()]
        return tuple(dict.fromkeys(constant.source for constant in everything))

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.title} ({self.kind})"]
        for name, constant in {**self.constants, **self.operations}.items():
            lines.append(f"  {name:<16}{constant}")
            if constant.note:
                lines.append(f"  {'':<16}{constant.note}")
        return "\n".join(lines + [f"  note: {note}" for note in self.notes])

    @classmethod
    def load(cls, name_or_path: str | Path) -> Chip:
        """Read a chip that comes with the package, or a file of your own.

        Parameters
        ----------
        name_or_path
            A name from `chips()`, or the path of a TOML file (ending in .toml).

        Raises
        ------
        SpecError
            If there is no such chip or file.
        FormatError
            If the file is not a chip: not TOML, truncated, too large, an unknown or missing key, a
            wrong unit, a negative or NaN value, a figure without a source.

        Examples
        --------
        >>> print(Chip.load("odin").title)
        ODIN
        """
        if isinstance(name_or_path, Path) or str(name_or_path).endswith(".toml"):
            path = Path(name_or_path)
            if not path.is_file():
                raise SpecError(f"Chip.load: {str(path)!r} is no file; give the path of a TOML file")
            with path.open("rb") as file:
                data = file.read(_LARGEST_FILE + 1)
            return cls.from_bytes(data, str(path))
        name = str(name_or_path)
        if name not in chips():
            near = nearest(name, chips())
            raise SpecError(
                f"Chip.load: no chip is called {name!r}{near}; there are {', '.join(chips())}, "
                "or give the path of a .toml file"
            )
        return cls.from_bytes((_folder() / f"{name}.toml").read_bytes(), name)

    @classmethod
    def from_bytes(cls, data: bytes, origin: str) -> Chip:
        """Return the chip that the bytes of a TOML file describe; `origin` names it in errors.

        Raises
        ------
        FormatError
            As `load`.
        """
        if len(data) > _LARGEST_FILE:
            raise FormatError(
                f"chip file {origin}: larger than {_LARGEST_FILE} bytes; a chip is a few kilobytes"
            )
        try:
            table = tomllib.loads(data.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise FormatError(f"chip file {origin}: not TOML, or truncated: {error}") from None
        try:
            return cls._from_table(table)
        except FormatError as error:
            raise FormatError(f"chip file {origin}: {error}") from None

    @classmethod
    def _from_table(cls, table: dict[str, Any]) -> Chip:
        only_keys(table, required=_KEYS, optional=_OPTIONAL)
        if table["format"] != _FORMAT or isinstance(table["format"], bool):
            raise FormatError(f"format is {table['format']!r}; this version reads format {_FORMAT}")
        units = _units_of(table["kind"])
        lists = {name: _strings(table.get(name, []), name) for name in ("includes", "notes")}
        return cls(
            name=table["name"],
            title=table["title"],
            kind=table["kind"],
            constants=_prices(table["constants"], "constants", units),
            operations=_prices(table.get("operations", {}), "operations", None),
            passes=table.get("passes"),
            **lists,
        )


def chips() -> tuple[str, ...]:
    """Return the names of the chips that come with the package, in alphabetical order.

    Examples
    --------
    >>> "loihi" in chips()
    True
    """
    return tuple(
        sorted(f.name.removesuffix(".toml") for f in _folder().iterdir() if f.name.endswith(".toml"))
    )


def _folder() -> Any:
    return resources.files(__package__) / "chips"


def _units_of(kind: Any) -> dict[str, str]:
    if not isinstance(kind, str) or kind not in KINDS:
        raise FormatError(f"kind is {kind!r}; it must be one of {', '.join(KINDS)}")
    return KINDS[kind]


def _prices(table: Any, group: str, units: dict[str, str] | None) -> dict[str, Constant]:
    if not isinstance(table, dict):
        raise FormatError(f"{group} is {table!r}; it must be a table of tables")
    prices = {}
    for name, entry in table.items():
        if units is not None and name not in units:
            raise FormatError(f"{group}.{name} is unknown; known are {', '.join(units)}")
        try:
            prices[name] = Constant.from_table(entry, OPERATION_UNIT if units is None else units[name])
        except FormatError as error:
            raise FormatError(f"{group}.{name}: {error}") from None
    return prices


def _strings(value: Any, name: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise FormatError(f"{name} is {value!r}; it must be a list of texts")
    return tuple(text(item, name) for item in value)
