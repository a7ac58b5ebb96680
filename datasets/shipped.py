"""Files of data that ship with the package: read whole, or named where they are damaged."""

from __future__ import annotations

import hashlib
import zipfile
from importlib.resources import files

import numpy as np


def shipped(name: str, summed: tuple[str, ...], others: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return arrays of `data/NAME.npz`, read-only.

    Parameters
    ----------
    name
        Of the file, and of the function that somebody called.
    summed
        Arrays of which the file holds the SHA-256, in this order.
    others
        Arrays without.

    Raises
    ------
    ValueError
        If the file is missing, damaged or changed.
    """
    path = files("rheobase.datasets") / "data" / f"{name}.npz"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            data = {key: stored[key] for key in (*summed, *others, "sha256")}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"datasets.{name}: {path} cannot be read ({error}); install rheobase again"
        ) from None
    expected = str(data.pop("sha256"))
    found = hashlib.sha256(b"".join(data[key].tobytes() for key in summed)).hexdigest()
    if found != expected:
        raise ValueError(
            f"datasets.{name}: {path} is damaged: its data have SHA-256 {found[:12]}..., "
            f"expected {expected[:12]}...; install rheobase again"
        )
    for array in data.values():
        array.setflags(write=False)
    return data
