"""Of what network and with which options a module was made: as plain data, back, and what differs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from ...engine.encoding import Classes
from ...engine.network import Network
from ...engine.serialise import network_from_dict, network_to_dict
from ...learning import surrogate as surrogates
from ...learning.delays import LearnedDelays
from ...learning.surrogate import Surrogate
from ...neurons.errors import FormatError, SpecError
from ..torch_bridge import to_torch
from .module import NetworkModule
from .outputs import Output, outputs_of

#: Options that change neither what is computed nor what is learned.
_FREE = ("compiled", "outputs")


def networks_in(module: torch.nn.Module) -> dict[str, NetworkModule]:
    """Return the networks within a module by their names: "" for itself."""
    return {name: one for name, one in module.named_modules() if isinstance(one, NetworkModule)}


def described(module: NetworkModule) -> dict[str, Any]:
    """Return the network and the options as plain data."""
    arrays: dict[str, np.ndarray] = {}
    description = network_to_dict(module.plan.network, arrays)
    return {"description": description, "arrays": arrays, "options": _plain(module)}


def network_of(
    made: Any, origin: str, *, models: Classes | None = None, rules: Classes | None = None
) -> Network:
    """Return the network of what `described` returned, or raise FormatError."""
    return network_from_dict(made["description"], made["arrays"], models=models, rules=rules, origin=origin)


def made_again(network: Network, options: Any, surrogate: Any, origin: str) -> NetworkModule:
    """Return a module with the options that `described` returned, and a surrogate that only its author has.

    Raises
    ------
    SpecError
        If a surrogate of one's own is not given, or is another one.
    FormatError
        If there are no such options.
    """
    options = dict(options)
    saved = options.get("surrogate")
    if surrogate is None:
        surrogate = _surrogate(saved, origin)
    elif _plain_surrogate(surrogate) != saved:
        raise SpecError(f"surrogate: got {surrogate!r}; {origin} holds a module with {saved}")
    delays = options.get("delays")
    try:
        options["delays"] = {name: LearnedDelays(**one) for name, one in dict(delays or {}).items()}
        outputs = options.pop("outputs")
        pairs = outputs and [tuple(one) if isinstance(one, list) else one for one in outputs]
        return to_torch(network, **{**options, "surrogate": surrogate, "outputs": pairs})
    except (TypeError, ValueError, KeyError) as error:
        raise FormatError(f"{origin}: holds options of no module of this network: {error}") from None


def difference(module: NetworkModule, made: Any, origin: str) -> str | None:
    """Return in what a module was made otherwise than one that was described; None if in nothing.

    Weights do not matter, nor do delays that are learned: they are restored.
    """
    own, saved = _plain(module), made["options"]
    for name, value in own.items():
        if name not in _FREE and value != saved.get(name):
            return f"has {name} = {value}, where {saved.get(name)} was"
    arrays: dict[str, np.ndarray] = {}
    network = {"description": network_to_dict(module.plan.network, arrays), "arrays": arrays}
    return next((f"has another {what}" for what in _differing(network, made, own["delays"])), None)


def _differing(mine: Any, theirs: Any, learned: Mapping[str, Any]) -> Iterator[str]:
    """Yield in what two networks as plain data differ, but for probes and for what is restored."""
    for section in ("population", "source", "operator", "projection"):
        tables = [of["description"].get(section, []) for of in (mine, theirs)]
        names = [[table.get("name") for table in found] for found in tables]
        if names[0] != names[1]:
            yield f"{section}: {names[0]} instead of {names[1]}"
            return
        for k, (one, other) in enumerate(zip(*tables, strict=True)):
            restored = {"weight", "delay" if one["name"] in learned else "weight"}
            for name in {*one, *other} - (restored if section == "projection" else set()):
                of_field = f"{section}{k}/{name}"
                arrays = [
                    {key: x.tolist() for key, x in of["arrays"].items() if key.startswith(of_field)}
                    for of in (mine, theirs)
                ]
                if one.get(name) != other.get(name) or arrays[0] != arrays[1]:
                    yield f"{one['name']}.{name}"


def _plain(module: NetworkModule) -> dict[str, Any]:
    """Return options as `to_torch` takes them, as plain data; outputs are None where a network says them."""
    options = dict(module.options)
    return {
        **options,
        "surrogate": _plain_surrogate(options["surrogate"]),
        "train": {name: list(names) for name, names in options["train"].items()},
        "batch_norm": list(options["batch_norm"]),
        "delays": {name: dataclasses.asdict(one) for name, one in options["delays"].items()},
        "outputs": _plain_outputs(module),
    }


def _plain_outputs(module: NetworkModule) -> list[Any] | None:
    def names(outputs: tuple[Output, ...]) -> list[tuple[str, str, str]]:
        return [(one.name, one.group, one.variable) for one in outputs]

    if names(module.outputs) == names(outputs_of(module.plan.network, None)):
        return None
    return [one.group if one.name == one.group else [one.group, one.variable] for one in module.outputs]


def _plain_surrogate(surrogate: Any) -> dict[str, Any]:
    name = getattr(surrogate, "__name__", type(surrogate).__name__)
    return {"name": name, **(dataclasses.asdict(surrogate) if isinstance(surrogate, Surrogate) else {})}


def _surrogate(plain: Any, origin: str) -> Surrogate:
    """Return a surrogate of this package, or raise SpecError if it is somebody's own."""
    fields = dict(plain) if isinstance(plain, Mapping) else {}
    name = fields.pop("name", None)
    if name not in surrogates.__all__ or name == "Surrogate":
        raise SpecError(f"surrogate: {origin} holds a module with one of your own, {plain}; give it")
    try:
        found: Surrogate = getattr(surrogates, name)(**fields)
    except (TypeError, SpecError) as error:
        raise FormatError(f"{origin}: holds a surrogate that is none: {error}") from None
    return found
