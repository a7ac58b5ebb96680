"""Checkpoints: a network and the whole state of its simulation in one file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..neurons.errors import FormatError
from .archive import field, read_archive, write_archive
from .encoding import Classes
from .network import Network
from .serialise import network_from_dict, network_to_dict

KIND = "rheobase checkpoint"


def write_checkpoint(
    path: str | Path,
    network: Network,
    state: Mapping[str, np.ndarray],
    info: Mapping[str, Any],
) -> None:
    """Write a checkpoint, all of it or nothing.

    Parameters
    ----------
    path : str or Path
        The file, a `.npz` without pickle; an older one is replaced in one step.
    network : Network
        What is simulated; it is written too.
    state : mapping of str to array
        Everything that changes during a run.
    info : mapping
        Plain data: step, dt, backend, and what else the simulator needs to go on.

    Raises
    ------
    SpecError
        If two classes of models or rules share a name, or the state holds anything but numbers.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import rheobase as rb, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_checkpoint(f"{folder}/c.npz", rb.Network(), {"v": np.zeros(3)}, {"step": 5})
    ...     network, state, info = read_checkpoint(f"{folder}/c.npz")
    >>> state["v"].shape, info
    ((3,), {'step': 5})
    """
    arrays: dict[str, np.ndarray] = {}
    description = network_to_dict(network, arrays)
    packed = {f"network/{key}": array for key, array in arrays.items()}
    packed |= {f"state/{key}": array for key, array in state.items()}
    write_archive(path, KIND, {"network": description, "info": dict(info)}, packed)


def read_checkpoint(
    path: str | Path, *, models: Classes | None = None, rules: Classes | None = None
) -> tuple[Network, dict[str, np.ndarray], dict[str, Any]]:
    """Return (network, state, info) of a checkpoint.

    Raises
    ------
    FormatError
        If the file is truncated, changed, of another format or version, or hostile, or its network
        needs classes that `models` or `rules` do not name.
    OSError
        If there is no such file.
    """
    content, arrays = read_archive(path, KIND)
    described = {k.removeprefix("network/"): v for k, v in arrays.items() if k.startswith("network/")}
    state = {k.removeprefix("state/"): v for k, v in arrays.items() if k.startswith("state/")}
    if len(described) + len(state) != len(arrays):
        raise FormatError(f"{path}: holds arrays that belong neither to the network nor to its state")
    network = network_from_dict(
        field(path, content, "network", dict), described, models=models, rules=rules, origin=str(path)
    )
    return network, state, field(path, content, "info", dict)
