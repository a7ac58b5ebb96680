"""Whether what is to be saved or put back is what a checkpoint of training holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from ...neurons.errors import SpecError
from .made import difference, networks_in
from .random_states import are_global, kind_of, kind_of_state


def check_kinds(
    caller: str, module: Any, optimiser: Any, schedulers: Any, generators: Any, extra: Any
) -> None:
    """Raise SpecError where an argument is of another kind than is wanted."""

    def has_state(one: Any) -> bool:
        return hasattr(one, "state_dict") and not isinstance(one, type)

    several = isinstance(schedulers, list | tuple) and all(map(has_state, schedulers))
    for name, value, sound, allowed in (
        ("module", module, isinstance(module, torch.nn.Module), "a torch.nn.Module"),
        ("optimiser", optimiser, optimiser is None or has_state(optimiser), "a torch.optim.Optimizer"),
        ("schedulers", schedulers, several, "a list of schedulers"),
        ("generators", generators, isinstance(generators, Mapping), "a dict by name"),
        ("extra", extra, isinstance(extra, Mapping), "a dict"),
    ):
        if not sound:
            raise SpecError(f"{caller}.{name}: got a {type(value).__name__}; allowed is {allowed}")


def check_fits(
    parts: Mapping[str, Any], module: Any, optimiser: Any, schedulers: Any, generators: Any, origin: str
) -> None:
    """Raise SpecError where something is not what the parts of a checkpoint can be put back into."""
    _check_made(parts["networks"], module, origin)
    check_states(parts["module"], module.state_dict(), origin)
    _check_optimiser(parts["optimiser"], optimiser, origin)
    if len(schedulers) not in (0, len(parts["schedulers"])):
        saved = len(parts["schedulers"])
        raise SpecError(f"restore.schedulers: got {len(schedulers)}; {origin} holds {saved}")
    states = parts["generators"]
    for name, generator in generators.items():
        if name not in states or kind_of(generator) != kind_of_state(states[name]):
            raise SpecError(
                f"restore.generators: got {name!r}, a {type(generator).__name__}; {origin} holds "
                f"{ {key: kind_of_state(state) for key, state in states.items()} }"
            )


def check_states(saved: Mapping[str, Any], own: Mapping[str, Any], origin: str) -> None:
    """Raise SpecError where the parameters and buffers of a module are not those of another."""
    wrong = sorted(saved.keys() ^ own.keys())
    wrong += [name for name in saved if not wrong and _shape(saved[name]) != _shape(own[name])]
    if wrong:
        raise SpecError(
            f"restore.module: {wrong[:3]} differ in name or shape from those in {origin}; give the module "
            "that was saved"
        )


def _check_made(saved: Mapping[str, Any], module: torch.nn.Module, origin: str) -> None:
    for name, one in networks_in(module).items():
        found = difference(one, saved[name], origin) if name in saved else None
        if found is not None:
            raise SpecError(
                f"restore.module: {name or 'it'} {found} in {origin}; make it with checkpoint.module(), or "
                "take the numbers alone: load_state_dict(checkpoint.module().state_dict())"
            )


def _check_optimiser(saved: Any, optimiser: Any, origin: str) -> None:
    if optimiser is None:
        return
    own = optimiser.state_dict()
    groups = [[len(g.get("params", ())) for g in (s or {}).get("param_groups", ())] for s in (saved, own)]
    if groups[0] != groups[1]:
        raise SpecError(
            f"restore.optimiser: has groups of {groups[1]} parameters; {origin} holds {groups[0]}"
        )
    options = [set().union(*(g.keys() for g in state["param_groups"])) for state in (saved, own)]
    if options[0] != options[1]:
        raise SpecError(
            f"restore.optimiser: got a {type(optimiser).__name__}; {origin} holds one of another kind "
            f"(with {sorted(options[0] ^ options[1])[:4]})"
        )


def _shape(value: Any) -> Any:
    return tuple(value.shape) if hasattr(value, "shape") else type(value)


def _is_optimiser(state: Any) -> bool:
    groups = state.get("param_groups") if isinstance(state, dict) else None
    return state is None or (isinstance(groups, list) and all(isinstance(group, dict) for group in groups))


def _are_made(part: Any) -> bool:
    kinds = ("description", "arrays", "options")
    return isinstance(part, dict) and all(
        isinstance(one, dict) and all(isinstance(one.get(kind), dict) for kind in kinds)
        for one in part.values()
    )


#: Part of a checkpoint -> whether it can be one.
SOUND: dict[str, Callable[[Any], bool]] = {
    "module": lambda part: isinstance(part, dict),
    "optimiser": _is_optimiser,
    "schedulers": lambda part: isinstance(part, list),
    "generators": lambda part: isinstance(part, dict),
    "global": are_global,
    "extra": lambda part: isinstance(part, dict),
    "networks": _are_made,
}
