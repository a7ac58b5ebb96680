"""How far a step moves a membrane whose input is held over it."""

from __future__ import annotations

from typing import Literal

import numpy as np

from .errors import SpecError
from .model import Value, decay_of

Integration = Literal["exact", "euler"]


def held_step(
    owner: str, tau: Value, elapsed: float, resistance: Value | None, integration: Integration
) -> dict[str, Value]:
    """Return `decay`, what a step leaves of v, and `gain`, by how much a unit input held over it lifts v.

    Without a resistance input is a jump of v, and the gain is not used.

    Raises
    ------
    SpecError
        If an Euler step would be longer than the time constant, so that v overshoots.
    """
    gain = 1.0 if resistance is None else resistance
    if integration == "exact":
        return {
            "decay": decay_of(tau, elapsed),
            "gain": np.multiply(-np.expm1(-elapsed / np.asarray(tau)), gain),
        }
    share = elapsed / np.asarray(tau)
    if np.any(share > 1.0):
        raise SpecError(
            f"{owner}: Euler steps of {elapsed:g} s with a time constant of {np.min(tau):g} s; allowed are "
            "steps no longer than it: take a smaller dt, or integration='exact'"
        )
    return {"decay": 1.0 - share, "gain": np.multiply(share, gain)}
