"""Experiments as TOML files: a network, and perhaps how to simulate it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..neurons.errors import FormatError, SpecError, nearest
from .archive import read_arrays, replace_file, write_archive
from .arguments import check_path
from .encoding import Classes
from .network import Network
from .serialise import network_from_dict, network_to_dict
from .toml_text import toml_text

ARRAYS_KIND = "rheobase network arrays"
_LARGEST_TEXT = 64 << 20
_SIMULATOR = ("dt", "backend", "method", "precision", "batch", "threads")
_RUN = ("duration",)


@dataclass(frozen=True)
class Experiment:
    """What an experiment file holds.

    Attributes
    ----------
    network : Network
        The network.
    simulator : dict
        Arguments of Simulator, from [simulator].
    run : dict
        Arguments of its `run`, from [run].
    """

    network: Network
    simulator: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)


def save_network(net: Network, path: str | Path) -> None:
    """Write a network as TOML; arrays of more than 16 entries go to an `.npz` of the same stem beside it.

    Parameters
    ----------
    net : Network
        The network.
    path : str or Path
        The TOML file.

    Raises
    ------
    SpecError
        If two classes of models or rules in it share a name, or the file is to be called .npz.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import rheobase as rb, tempfile
    >>> net = rb.Network(seed=3)
    >>> exc = net.add(rb.Population(400, rb.LIF(tau=20e-3), name="exc"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     net.save(f"{folder}/net.toml")
    ...     rb.Network.load(f"{folder}/net.toml")["exc"].n
    400
    """
    if check_path("Network.save.path", path).suffix == ".npz":
        raise SpecError(f"save: got {str(path)!r}; allowed is a .toml file, with an .npz of arrays beside it")
    arrays: dict[str, np.ndarray] = {}
    text = toml_text(network_to_dict(net, arrays))
    if arrays:
        write_archive(_companion(path), ARRAYS_KIND, {}, arrays)
    replace_file(path, lambda file: file.write(text.encode("utf-8")))


def load_network(path: str | Path, *, models: Classes | None = None, rules: Classes | None = None) -> Network:
    """Read a network that `save_network` or a person wrote; [simulator] and [run] are left aside.

    Parameters
    ----------
    path : str or Path
        The TOML file; a file of the same stem that ends in `.npz` holds its large arrays.
    models, rules : dict, optional
        Name -> class of neuron models and plasticity rules of your own: files name them, and never
        import or execute anything.

    Raises
    ------
    FormatError
        If the file is not TOML, or has unknown or missing tables or keys; the message names them.
    SpecError
        If a value is not allowed.
    OSError
        If there is no such file.
    """
    return read_experiment(path, models=models, rules=rules).network


def read_experiment(
    path: str | Path, *, models: Classes | None = None, rules: Classes | None = None
) -> Experiment:
    """Read an experiment: a network with its [simulator] and [run] tables. Errors as in `load_network`."""
    path = check_path("Network.load.path", path)
    if path.stat().st_size > _LARGEST_TEXT:
        raise FormatError(
            f"{path}: larger than {_LARGEST_TEXT} bytes; large arrays belong in {_companion(path)}"
        )
    try:
        data = tomllib.loads(path.read_bytes().decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: not TOML: {str(error)[:200]}") from None
    options = {
        section: _options(path, data.pop(section, {}), section, known)
        for section, known in (("simulator", _SIMULATOR), ("run", _RUN))
    }
    if not data:
        raise FormatError(f"{path}: describes no network; start with [network] and [[population]]")
    companion = _companion(path)
    arrays = read_arrays(companion) if companion.is_file() else {}
    net = network_from_dict(data, arrays, models=models, rules=rules, origin=str(path))
    return Experiment(net, **options)


def _companion(path: str | Path) -> Path:
    return Path(path).with_suffix(".npz")


def _options(path: Path, table: Any, section: str, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise FormatError(f"{path}: {section}: allowed is one table [{section}]")
    for key, value in table.items():
        if key not in known:
            near = nearest(key, known)
            raise FormatError(f"{path}: [{section}]: unknown key {key!r}{near}; allowed are {list(known)}")
        if not isinstance(value, (bool, int, float, str)):
            raise FormatError(
                f"{path}: [{section}].{key}: got {str(value)[:60]!r}; allowed is a number or a text"
            )
    return table
