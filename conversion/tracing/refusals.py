"""What has no counterpart in a graph, kept until all of it can be named at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...neurons.errors import ConversionError
from .draft import Value

#: Why an operator is refused where nothing more is known.
NO_COUNTERPART = (
    "it has no counterpart; use sums, products, linear maps, convolutions, pooling, softmax, "
    "normalisations, rearrangements and functions of one number (rheobase.neurons.scalars)"
)
COMPARES = "comparisons of values have no steady value to be told; use relu, clamp or sigmoid"
MOVES_BY_VALUE = "where it takes values from depends on the sample; only fixed places can be converted"
NEEDS_BATCH = "it normalises by the batch that it gets; keep running statistics and call model.eval()"
OF_THE_ANSWER = "leave it out, and take it of the answer"
ROUNDS = "leave rounding out"


@dataclass(frozen=True)
class Refusal:
    """An operator that has no counterpart, and where it stands."""

    operator: str
    place: str
    reason: str


def check_refusals(refusals: Sequence[Refusal], left_to: str) -> None:
    """Raise ConversionError that names everything that has no counterpart, if there is anything.

    Parameters
    ----------
    refusals : sequence of Refusal
        In order; what is said twice is named once.
    left_to : str
        What computes such operations where they are allowed.

    Examples
    --------
    >>> check_refusals([], "torch")
    """
    if not refusals:
        return
    each = dict.fromkeys(refusals)
    listed = "\n".join(f"  {r.place}: {r.operator}: {r.reason}" for r in each)
    raise ConversionError(
        f"model: {len(each)} of its operations cannot be converted:\n{listed}\n"
        f"  allow_dense=True leaves what is not random to {left_to}, and says what that costs"
    )


def advice(name: str, table: Mapping[str, str]) -> str:
    """Return what to use instead of an operator, by the beginning of its name."""
    return next((text for start, text in table.items() if name.startswith(start)), NO_COUNTERPART)


def depends(args: Any) -> bool:
    """Return whether any of the arguments, also in lists of them, depends on the sample."""
    return any(isinstance(arg, Value) or (isinstance(arg, (list, tuple)) and depends(arg)) for arg in args)
