"""A parameter declares what it may be; its value is checked when a model is made."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import SpecError

#: The largest magnitude that anybody can mean, by unit: a hundred times what membranes have, and less
#: than what is left where a prefix was forgotten, such as -65 for -65 * mV or 250 for 250 * pF.
LARGEST = {"V": 10.0, "F": 1.0}
_PREFIXED = {"V": "mV", "F": "pF"}


@dataclass(frozen=True)
class Limits:
    """What a parameter may be."""

    unit: str = "1"
    above: float | None = None
    low: float | None = None
    high: float | None = None
    below: float | None = None
    choices: tuple[Any, ...] | None = None
    optional: bool = False
    scalar: bool = False
    whole: bool = False

    def describe(self) -> str:
        """Say in words what is allowed."""
        if self.choices is not None:
            return f"one of {self.choices}"
        bounds = [
            f"{sign} {bound:g}"
            for sign, bound in ((">", self.above), (">=", self.low), ("<", self.below), ("<=", self.high))
            if bound is not None
        ]
        what = "a whole number" if self.whole else "a finite number"
        if not (self.scalar or self.whole):
            what += ", or an array with one per neuron"
        unit = "" if self.unit == "1" else f", in {self.unit}"
        return what + ("".join(f", {b}" for b in bounds)) + unit + (", or None" if self.optional else "")

    def check(self, owner: str, name: str, value: Any) -> Any:
        """Return the value in its stored form, or raise SpecError."""
        if isinstance(value, np.generic):
            value = value.item()
        if self.choices is not None:
            if not any(type(value) is type(c) and value == c for c in self.choices):
                raise SpecError(f"{owner}.{name}: got {value!r}; allowed is {self.describe()}")
            return value
        if value is None and self.optional:
            return None
        array = self._numbers(value)
        if array is None:
            raise SpecError(f"{owner}.{name}: got {value!r}; allowed is {self.describe()}")
        most = LARGEST.get(self.unit, np.inf)
        if np.max(np.abs(array)) > most:
            raise SpecError(
                f"{owner}.{name}: got {value!r}, which cannot be meant in {self.unit}; allowed are up to "
                f"{most:g} {self.unit}, such as {value!r} * {_PREFIXED[self.unit]}"
            )
        if array.ndim == 0:
            return int(array) if self.whole else float(array)
        array.setflags(write=False)
        return array

    def _numbers(self, value: Any) -> np.ndarray | None:
        """Return the value as an array of its own, or None if it is not allowed."""
        try:
            array = np.array(value, dtype=np.float64)
        except (TypeError, ValueError):
            return None
        one = array.ndim == 0 or (array.ndim == 1 and not (self.whole or self.scalar))
        good = np.asarray(value).dtype.kind in "iuf" and array.size > 0 and one and self._within(array)
        return array if good and (not self.whole or array == np.floor(array)) else None

    def _within(self, array: np.ndarray) -> bool:
        tests = (
            np.isfinite(array),
            True if self.above is None else array > self.above,
            True if self.low is None else array >= self.low,
            True if self.below is None else array < self.below,
            True if self.high is None else array <= self.high,
        )
        return all(bool(np.all(test)) for test in tests)


@dataclass(frozen=True, eq=False)
class Parameterised:
    """What frozen dataclasses of parameters share: checked when made, and compared by value, arrays too."""

    def check_fields(self, owner: str) -> None:
        """Put every parameter in its stored form, or raise SpecError naming `owner`."""
        for field in dataclasses.fields(self):
            limits = field.metadata.get("limits")
            if limits is not None:
                checked = limits.check(owner, field.name, getattr(self, field.name))
                object.__setattr__(self, field.name, checked)

    def options(self) -> dict[str, object]:
        """Return the static options; by default every field with choices."""
        return {
            f.name: getattr(self, f.name)
            for f in dataclasses.fields(self)
            if "limits" in f.metadata and f.metadata["limits"].choices is not None
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name, arrays included."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the fields that are arrays, those of parts included, by name."""
        found: dict[str, np.ndarray] = {}
        for name, value in self.to_dict().items():
            if isinstance(value, np.ndarray):
                found[name] = value
            for k, part in enumerate(value if isinstance(value, tuple) else ()):
                if isinstance(part, Parameterised):
                    found |= {f"{name}[{k}].{key}": array for key, array in part.arrays().items()}
        return found

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        mine, theirs = self.to_dict(), other.to_dict()
        return all(np.array_equal(mine[name], theirs[name]) for name in mine)

    def __hash__(self) -> int:
        values = self.to_dict().values()
        return hash((type(self), *(v.size if isinstance(v, np.ndarray) else v for v in values)))


def all_zero(spec: Any, name: str) -> bool:
    """Return whether a parameter that is not negative is 0 for all neurons, which switches something off.

    Raises
    ------
    SpecError
        If it is 0 for some of them only.
    """
    value = np.asarray(getattr(spec, name))
    if np.any(value > 0) and not np.all(value > 0):
        raise SpecError(
            f"{type(spec).__name__}.{name}: got an array with zeros and other values; allowed is 0 for all "
            "neurons of a population or for none. Make two populations"
        )
    return not np.any(value > 0)


def Parameter(default: Any = dataclasses.MISSING, **limits: Any) -> Any:
    """Declare one parameter of a model: a dataclass field that knows its unit and its limits.

    Parameters
    ----------
    default
        The default value; none means that the user must give one.
    **limits
        `unit` (text), `above`, `low`, `below`, `high` (bounds), `choices` (makes it a static
        option), `optional` (None allowed), `scalar` (one value for the whole population), `whole`
        (one whole number).

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from rheobase.neurons import NeuronModel
    >>> @dataclass(frozen=True, eq=False)
    ... class Toy(NeuronModel):
    ...     tau: float = Parameter(unit="s", above=0.0)
    >>> Toy(tau=-1.0)
    Traceback (most recent call last):
    ...
    rheobase.neurons.errors.SpecError: Toy.tau: got -1.0; allowed is a finite number, or an array ...
    """
    return dataclasses.field(default=default, metadata={"limits": Limits(**limits)})
