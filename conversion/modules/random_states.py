"""States of random generators, torch's and NumPy's, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ...neurons.errors import SpecError


def state_of(name: str, generator: Any) -> Any:
    """Return the state of a random generator, or raise SpecError."""
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    if isinstance(generator, torch.Generator):
        return generator.get_state()
    raise SpecError(
        f"save_checkpoint.generators: got {name!r}, a {type(generator).__name__}; allowed are "
        "torch.Generator and numpy.random.Generator"
    )


def set_state(generator: Any, state: Any) -> None:
    """Put a random generator into a state."""
    if isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    else:
        generator.set_state(state)


def kind_of(generator: Any) -> str:
    """Return which algorithm draws a generator's numbers."""
    numpys = isinstance(generator, np.random.Generator)
    return type(generator.bit_generator).__name__ if numpys else "torch.Generator"


def kind_of_state(state: Any) -> str:
    """Return of which algorithm a state is."""
    return str(state.get("bit_generator")) if isinstance(state, dict) else "torch.Generator"


def global_states() -> dict[str, Any]:
    """Return the states of torch's own generators."""
    cuda: Any = torch.cuda  # some of its functions have no types
    cards = cuda.get_rng_state_all() if cuda.is_initialized() else []
    return {"cpu": torch.get_rng_state(), "cuda": cards}


def set_global_states(states: Mapping[str, Any]) -> None:
    """Put torch's own generators into states."""
    torch.set_rng_state(states["cpu"])
    if torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])


def are_global(states: Any) -> bool:
    """Say whether this can be what `global_states` returned."""
    own = torch.get_rng_state()
    cpu = states.get("cpu") if isinstance(states, dict) and isinstance(states.get("cuda"), list) else None
    return torch.is_tensor(cpu) and cpu.dtype == own.dtype and cpu.shape == own.shape
