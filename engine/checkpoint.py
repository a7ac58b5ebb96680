"""Checkpoints: a network and the whole state of its simulation in one file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..neurons.errors import FormatError
from .archive import field, read_archive, write_archive
from .encoding import Classes
from .feeds import most_steps
from .network import Network
from .plan import Plan
from .planned import GroupPlan
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


def check_state(
    path: str | Path, plan: Plan, fresh: Mapping[str, np.ndarray], state: Mapping[str, np.ndarray]
) -> None:
    """Raise FormatError unless a checkpoint holds the state of this network, and events that it can send.

    Parameters
    ----------
    path : str or Path
        The file, for messages.
    plan : Plan
        The network's.
    fresh : mapping of str to array
        The state of the network at time 0.
    state : mapping of str to array
        What the checkpoint holds.
    """
    wrong = [key for key, array in fresh.items() if key not in state or not _fits(key, state[key], array)]
    if not wrong and not 0 <= state["now"][0] <= most_steps(plan):
        wrong.append("now")
    if not wrong:
        flying = [group for group in plan.groups.values() if f"flight/{group.name}/steps" in fresh]
        wrong += [f"flight/{group.name}" for group in flying if not _can_fly(plan, group, state)]
    if wrong:
        raise FormatError(f"{path}: does not hold the state of its network: {wrong[:5]}")


def _fits(key: str, array: np.ndarray, fresh: np.ndarray) -> bool:
    """Return whether an array has the kind and shape of the fresh one; events may have any number."""
    same = array.ndim == 1 if key.startswith(("flight/", "queue/")) else array.shape == fresh.shape
    return same and array.dtype.kind == fresh.dtype.kind


def _can_fly(plan: Plan, group: GroupPlan, state: Mapping[str, np.ndarray]) -> bool:
    """Return whether the events in flight are some that a group may have sent: each once, in range."""
    trials, steps, places, payloads = (
        state[f"flight/{group.name}/{name}"] for name in ("trials", "steps", "places", "payloads")
    )
    if not trials.size == steps.size == places.size == payloads.size:
        return False
    now = int(state["now"][0])
    reach = max(p.delays[-1] for p in plan.projections.values() if p.part.source.label == group.name)
    columns = ((trials, 0, plan.trials), (steps, now - reach, now), (places, 0, group.n))
    if any(column.size and (column.min() < low or column.max() >= high) for column, low, high in columns):
        return False
    distinct = np.unique(np.stack([trials, steps, places]), axis=1).shape[1]
    return distinct == trials.size and bool(np.isfinite(payloads).all())
