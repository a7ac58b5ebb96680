"""The command `info FILE`: what a file is, what is in it, how large it is, what its parameters are."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np

from .answer import Answer, table
from .engine.archive import archive_kind, read_arrays
from .engine.checkpoint import KIND as CHECKPOINT
from .engine.checkpoint import read_checkpoint
from .engine.expected import expected_synapses
from .engine.experiment import ARRAYS_KIND as NETWORK_ARRAYS
from .engine.experiment import read_experiment
from .engine.network import Network
from .engine.result import KIND as RESULT
from .engine.result import Result
from .engine.serialise import network_to_dict
from .hardware import Chip
from .neurons.errors import FormatError

_LARGEST_TOML = 64 << 20
_HDF5 = b"\x89HDF\r\n\x1a\n"


def describe(path: Path) -> Answer:
    """Return what a file holds, told from its content.

    Raises
    ------
    FormatError
        If it is none of ours, or broken.
    OSError
        If there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: is no file")
    with open(path, "rb") as file:
        start = file.read(8)
    if start.startswith(b"PK"):
        return _archive(path)
    if start == _HDF5:
        return _nir(path)
    return _toml(path)


def _toml(path: Path) -> Answer:
    if path.stat().st_size > _LARGEST_TOML:
        raise FormatError(f"{path}: larger than {_LARGEST_TOML} bytes, and no archive")
    try:
        data = tomllib.loads(path.read_bytes().decode("utf-8"))
    except (ValueError, RecursionError):
        raise FormatError(
            f"{path}: is neither TOML, an .npz nor NIR; allowed are a network, an experiment, a chip, a "
            "result, a checkpoint, or arrays"
        ) from None
    if "constants" in data:
        chip = Chip.load(path)
        about = {"name": chip.name, "title": chip.title, "machine": chip.kind, "sources": list(chip.sources)}
        return _answer(path, "chip", about, str(chip))
    experiment = read_experiment(path)
    about = _network(experiment.network)
    options = {"simulator": dict(experiment.simulator), "run": dict(experiment.run)}
    what = "experiment" if any(options.values()) else "network"
    lines = [f"[{section}] {values}" for section, values in options.items() if values]
    return _answer(path, what, about | options, "\n".join([_text(about), *lines]))


def _nir(path: Path) -> Answer:
    from .conversion.nir import nir_step, read_nir

    about = _network(read_nir(path)) | {"dt": nir_step(path)}
    step = f"\nwritten for steps of {about['dt']:g} s" if about["dt"] else ""
    return _answer(path, "NIR graph", about, _text(about) + step)


def _archive(path: Path) -> Answer:
    kind = archive_kind(path)
    known = {RESULT: _result, CHECKPOINT: _checkpoint, NETWORK_ARRAYS: _arrays, "": _arrays}
    if kind not in known:
        raise FormatError(f"{path}: holds a {kind[:60]!r}, which this version does not know")
    return known[kind](path)


def _result(path: Path) -> Answer:
    result = Result.load(path)
    about = result.to_dict() | {
        "populations": dict(result.populations),
        "records": {name: repr(record) for name, record in result.records.items()},
    }
    return _answer(path, "result", about, str(result))


def _checkpoint(path: Path) -> Answer:
    network, state, info = read_checkpoint(path)
    about = _network(network) | {"state": {name: list(a.shape) for name, a in state.items()}, "info": info}
    size = sum(array.nbytes for array in state.values())
    text = f"{_text(about)}\nstate of {size / 1e6:.3g} MB in {len(state)} arrays; {_shown(info)}"
    return _answer(path, "checkpoint", about, text)


def _arrays(path: Path) -> Answer:
    about = {name: _shape(array) for name, array in read_arrays(path).items()}
    rows = [(name, a["type"], "x".join(map(str, a["shape"])) or "1", a["span"]) for name, a in about.items()]
    return _answer(path, "arrays", {"arrays": about}, table(rows) if rows else "empty")


def _shape(array: np.ndarray) -> dict[str, Any]:
    span = f"{array.min():g} to {array.max():g}" if array.size else "empty"
    return {"shape": list(array.shape), "type": str(array.dtype), "span": span}


def _network(network: Network) -> dict[str, Any]:
    """Return parts, sizes and parameters of a network as plain data."""
    arrays: dict[str, np.ndarray] = {}
    data = network_to_dict(network, arrays)
    return {
        "seed": network.seed,
        "n_neurons": sum(population.n for population in network.populations),
        "n_synapses": round(sum(map(expected_synapses, network.projections))),
        "parts": {section: tables for section, tables in data.items() if section != "network"},
        "arrays": {name: _shape(array) for name, array in arrays.items()},
    }


def _text(about: dict[str, Any]) -> str:
    lines = [f"{about['n_neurons']:,} neurons, about {about['n_synapses']:,} synapses, seed {about['seed']}"]
    for section, tables in about["parts"].items():
        for one in tables:
            rest = [f"{key} {_shown(value)}" for key, value in one.items() if key != "name"]
            lines.append(f"{section} {one['name']}: {', '.join(rest)}")
    return "\n".join(lines)


def _shown(value: Any) -> str:
    """Return a value of a description on one line: a name with its arguments, or a number."""
    if isinstance(value, dict):
        if len(value) == 1 and isinstance(inner := next(iter(value.values())), dict):
            return f"{next(iter(value))}({_shown(inner)})" if inner else next(iter(value))
        return ", ".join(f"{key}={_shown(entry)}" for key, entry in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def _answer(path: Path, what: str, about: dict[str, Any], text: str) -> Answer:
    return Answer({"file": str(path), "what": what, **about}, f"{path}: {what}\n{text}")
