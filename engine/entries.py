"""Which entry of a table of weights or delays a synapse takes: what loops that draw rows ask for."""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiled import compiled

#: What chooses a synapse's entry from a table: nothing (it has but one), its quantile or length
#: (see `draw.choose_entries`), or the order in which synapses are listed.
BY_NOTHING, BY_CHOICE, BY_ORDER = range(3)


def chosen_by(table: np.ndarray, drawn: bool) -> int:
    """Return what chooses from a table; `drawn` says whether it holds what is chosen for each synapse."""
    return BY_CHOICE if drawn else BY_ORDER if table.size > 1 else BY_NOTHING


@compiled()
def entry_of(by: Any, choice: Any, order: Any) -> Any:
    """Return a synapse's entry, by what was chosen for it and its place in the order of synapses."""
    return np.int64(choice) if by == BY_CHOICE else order if by == BY_ORDER else 0
