"""The errors of the whole house: each says which object and field, what was got, and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RheobaseError(Exception):
    """Base class of every error that rheobase raises on purpose."""


class SpecError(RheobaseError, ValueError):
    """A description is wrong: a parameter out of range, a wrong shape, an unknown name."""


class PlanError(RheobaseError, ValueError):
    """A network cannot be built as described: a zero-delay cycle, an overflow, too little memory."""


class RunError(RheobaseError, RuntimeError):
    """A run went wrong: an input out of range, a NaN in a neuron's state."""


class FormatError(RheobaseError, ValueError):
    """A file is truncated, of another format, or hostile."""


class ConversionError(RheobaseError, ValueError):
    """A trained model cannot be converted as asked."""


class UnitWarning(UserWarning):
    """A value is possible, but hardly meant: a time constant of 20 s, a delay shorter than a step."""


class MissingExtra(RheobaseError, ImportError):
    """An optional dependency is needed; the message says which extra installs it."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed. "
            f'Install it with: pip install "rheobase[{extra}]"'
        )
        self.package = package
        self.extra = extra


def nearest(name: object, known: Iterable[object]) -> str:
    """Return what an error adds where an unknown name resembles a known one; nothing where none does.

    Examples
    --------
    >>> "unknown key 'tua'" + nearest("tua", ["tau", "v_rest"])
    "unknown key 'tua' (the nearest is 'tau')"
    """
    names = [str(one) for one in known]
    lower = {one.lower(): one for one in reversed(names)}
    found = difflib.get_close_matches(str(name).lower(), lower, n=1)
    return f" (the nearest is {lower[found[0]]!r})" if found else ""
