"""Steps that say more than when: never, and that a neuron is held beyond what happened to it last."""

from __future__ import annotations

import numpy as np

#: The step of what never happens.
NEVER = 2**62
#: What is added to the last step of a neuron that is held beyond it, so that one look at it says so.
HELD = -(2**62 + 2**61)
#: Steps below this one are marked so; times do not begin earlier.
FREE = -(2**61)


def marked(last: np.ndarray, hold: np.ndarray | None) -> np.ndarray:
    """Return the steps as of which neurons keep their state, marked where they are held beyond them.

    Parameters
    ----------
    last
        The steps.
    hold
        From which step on each neuron moves; None if all do.
    """
    return last if hold is None else np.where(hold > last + 1, last + HELD, last)


def unmarked(last: np.ndarray) -> np.ndarray:
    """Return the steps that were marked."""
    return np.where(last < FREE, last - HELD, last)
