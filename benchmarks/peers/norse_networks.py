"""`mlp` and `conv` in Norse: `python norse_networks.py mlp --batch 64`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch_library import Neurons, time_library
from torch_networks import BETA, STEP_S, THRESHOLD


def load(device: str) -> tuple[str, Neurons]:
    """Return Norse's version and its neurons, whose v, and so its threshold, is a tenth of ours.

    Theirs is v += dt / tau (input - v): the input counts as little as the leak.
    """
    import norse
    import torch
    from norse.torch import LIFBoxCell, LIFBoxParameters, Lift
    from norse.torch.functional.reset import reset_subtract

    share = 1 - BETA
    parameters = LIFBoxParameters(
        tau_mem_inv=torch.tensor(share / STEP_S),
        v_th=torch.tensor(share * THRESHOLD),
        method="heaviside",  # no gradient: half the time
        reset_method=reset_subtract,
    )
    cell = Lift(LIFBoxCell(parameters, dt=STEP_S))

    def fire(blocks: Iterable[Any]) -> Iterator[Any]:
        state = None
        for currents in blocks:
            spikes, state = cell((currents, state))
            yield spikes

    return norse.__version__, fire


if __name__ == "__main__":
    time_library("norse", load)
