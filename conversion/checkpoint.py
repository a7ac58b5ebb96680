"""Checkpoints of training: a module, its optimiser and all that is random; resumed is never stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.encoding import Classes
from ..engine.network import Network
from ..engine.serialise import network_from_dict, network_to_dict
from ..neurons.errors import FormatError, MissingExtra, SpecError

KIND = "rheobase training checkpoint"


def save_checkpoint(
    path: str | Path,
    module: Any,
    optimiser: Any = None,
    *,
    schedulers: Sequence[Any] = (),
    generators: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Write all that training needs to go on as if it had never stopped, to one safetensors file.

    Parameters
    ----------
    path : str or Path
        The file; an older one is replaced in one step, when the new one is complete.
    module : torch.nn.Module
        Its parameters and buffers are written; of what `to_torch` returns, the network too.
    optimiser : torch.optim.Optimizer, optional
        Its state is written: moments, steps, learning rates.
    schedulers : sequence, optional
        Of learning rates, or anything with `state_dict` and `load_state_dict`.
    generators : dict, optional
        Name -> `torch.Generator` or `numpy.random.Generator`. The states of torch's own global generators,
        from which dropout draws, are always written.
    extra : dict, optional
        Plain data and tensors of your own, such as epoch and step.

    Raises
    ------
    SpecError
        If there is anything to be written but tensors, arrays, and plain data.
    MissingExtra
        If torch or safetensors is not installed.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile, torch
    >>> model = torch.nn.Linear(2, 1)
    >>> adam = torch.optim.Adam(model.parameters(), lr=0.1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_checkpoint(f"{folder}/c.safetensors", model, adam, extra={"epoch": 3})
    ...     checkpoint = load_checkpoint(f"{folder}/c.safetensors")
    >>> other = torch.nn.Linear(2, 1)
    >>> checkpoint.restore(other, torch.optim.Adam(other.parameters()))
    >>> torch.equal(other.weight, model.weight), checkpoint.extra
    (True, {'epoch': 3})
    """
    _need()
    from .modules.tensor_file import pack, write_tensors

    parts = {
        "module": module.state_dict(),
        "optimiser": None if optimiser is None else optimiser.state_dict(),
        "schedulers": [one.state_dict() for one in schedulers],
        "generators": {name: _state_of(name, one) for name, one in (generators or {}).items()},
        "global": _global_states(),
        "extra": dict(extra or {}),
    }
    network = getattr(getattr(module, "plan", None), "network", None)
    if isinstance(network, Network):
        arrays: dict[str, np.ndarray] = {}
        description = network_to_dict(network, arrays)
        parts["network"] = {"description": description, "arrays": arrays}
    tensors: dict[str, Any] = {}
    write_tensors(path, KIND, {name: pack(part, tensors, name) for name, part in parts.items()}, tensors)


def load_checkpoint(path: str | Path) -> TrainingCheckpoint:
    """Read a checkpoint that `save_checkpoint` wrote; nothing in it is executed.

    Raises
    ------
    FormatError
        If the file is truncated, changed, of another format or version, or hostile.
    MissingExtra
        If torch or safetensors is not installed.
    OSError
        If there is no such file.
    """
    _need()
    from .modules.tensor_file import read_tensors, unpack

    content, tensors = read_tensors(path, KIND)
    parts = {name: unpack(part, tensors, str(path)) for name, part in content.items()}
    wrong = [name for name, sound in _SOUND.items() if not sound(parts.get(name))]
    if wrong:
        raise FormatError(f"{path}: lacks {wrong}, or holds something else in their place")
    return TrainingCheckpoint(str(path), parts["extra"], parts)


@dataclass(frozen=True)
class TrainingCheckpoint:
    """What a checkpoint of training holds.

    Attributes
    ----------
    path : str
        The file.
    extra : dict
        What the one who saved it gave.
    """

    path: str
    extra: dict[str, Any]
    _parts: dict[str, Any] = field(repr=False)

    def network(self, *, models: Classes | None = None, rules: Classes | None = None) -> Network:
        """Return the network whose module was saved, as before training, for `to_torch` to make it anew.

        Parameters
        ----------
        models, rules : dict, optional
            Name -> class of neuron models and plasticity rules of your own.

        Raises
        ------
        FormatError
            If it was no module of a network, or the network needs other classes.
        """
        described = self._parts.get("network")
        if not isinstance(described, dict) or not described.keys() >= {"description", "arrays"}:
            raise FormatError(f"{self.path}: holds the state of a module, but no network")
        return network_from_dict(
            described["description"], described["arrays"], models=models, rules=rules, origin=self.path
        )

    def restore(
        self,
        module: Any,
        optimiser: Any = None,
        *,
        schedulers: Sequence[Any] = (),
        generators: Mapping[str, Any] | None = None,
    ) -> None:
        """Put everything back: all of it, or nothing if something does not fit.

        Torch's own global generators are put back too.

        Parameters
        ----------
        module, optimiser, schedulers, generators
            As they were saved, made anew with the same shapes; any that were saved may be left out.

        Raises
        ------
        SpecError
            If they are not those that were saved; then nothing has changed.
        """
        generators = generators or {}
        self._check_module(module)
        self._check_optimiser(optimiser)
        if len(schedulers) not in (0, len(self._parts["schedulers"])):
            saved = len(self._parts["schedulers"])
            raise SpecError(f"restore.schedulers: got {len(schedulers)}; {self.path} holds {saved}")
        states = self._parts["generators"]
        for name, generator in generators.items():
            if name not in states or _kind_of(generator) != _kind_of_state(states[name]):
                raise SpecError(
                    f"restore.generators: got {name!r}, a {type(generator).__name__}; {self.path} holds "
                    f"{ {key: _kind_of_state(state) for key, state in states.items()} }"
                )
        module.load_state_dict(self._parts["module"])
        if optimiser is not None:
            optimiser.load_state_dict(self._parts["optimiser"])
        for scheduler, state in zip(schedulers, self._parts["schedulers"], strict=False):
            scheduler.load_state_dict(state)
        for name, generator in generators.items():
            _set_state(generator, states[name])
        _set_global_states(self._parts["global"])

    def _check_module(self, module: Any) -> None:
        saved, own = self._parts["module"], module.state_dict()
        wrong = sorted(saved.keys() ^ own.keys())
        wrong += [name for name in saved if not wrong and _shape(saved[name]) != _shape(own[name])]
        if wrong:
            raise SpecError(
                f"restore.module: {wrong[:3]} differ in name or shape from those in {self.path}; give the "
                "module that was saved"
            )

    def _check_optimiser(self, optimiser: Any) -> None:
        if optimiser is None:
            return
        saved, own = self._parts["optimiser"], optimiser.state_dict()
        groups = [[len(g.get("params", ())) for g in (s or {}).get("param_groups", ())] for s in (saved, own)]
        if groups[0] != groups[1]:
            raise SpecError(
                f"restore.optimiser: has groups of {groups[1]} parameters; {self.path} holds {groups[0]}"
            )
        options = [set().union(*(g.keys() for g in state["param_groups"])) for state in (saved, own)]
        if options[0] != options[1]:
            raise SpecError(
                f"restore.optimiser: got a {type(optimiser).__name__}; {self.path} holds one of another kind "
                f"(with {sorted(options[0] ^ options[1])[:4]})"
            )


def _is_optimiser(state: Any) -> bool:
    groups = state.get("param_groups") if isinstance(state, dict) else None
    return state is None or (isinstance(groups, list) and all(isinstance(group, dict) for group in groups))


def _is_global(states: Any) -> bool:
    import torch

    own = torch.get_rng_state()
    cpu = states.get("cpu") if isinstance(states, dict) and isinstance(states.get("cuda"), list) else None
    return torch.is_tensor(cpu) and cpu.dtype == own.dtype and cpu.shape == own.shape


#: Part of a checkpoint -> whether it can be one.
_SOUND: dict[str, Callable[[Any], bool]] = {
    "module": lambda part: isinstance(part, dict),
    "optimiser": _is_optimiser,
    "schedulers": lambda part: isinstance(part, list),
    "generators": lambda part: isinstance(part, dict),
    "global": _is_global,
    "extra": lambda part: isinstance(part, dict),
}


def _need() -> None:
    for package in ("torch", "safetensors"):
        try:
            __import__(package)
        except ImportError:
            raise MissingExtra(package, "torch", "A checkpoint of training") from None


def _shape(value: Any) -> Any:
    return tuple(value.shape) if hasattr(value, "shape") else type(value)


def _state_of(name: str, generator: Any) -> Any:
    """Return the state of a random generator, or raise SpecError."""
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    if hasattr(generator, "get_state") and hasattr(generator, "manual_seed"):
        return generator.get_state()
    raise SpecError(
        f"save_checkpoint.generators: got {name!r}, a {type(generator).__name__}; allowed are "
        "torch.Generator and numpy.random.Generator"
    )


def _set_state(generator: Any, state: Any) -> None:
    if isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    else:
        generator.set_state(state)


def _kind_of(generator: Any) -> str:
    numpys = isinstance(generator, np.random.Generator)
    return type(generator.bit_generator).__name__ if numpys else "torch.Generator"


def _kind_of_state(state: Any) -> str:
    return str(state.get("bit_generator")) if isinstance(state, dict) else "torch.Generator"


def _global_states() -> dict[str, Any]:
    import torch

    cuda: Any = torch.cuda  # some of its functions have no types
    cards = cuda.get_rng_state_all() if cuda.is_initialized() else []
    return {"cpu": torch.get_rng_state(), "cuda": cards}


def _set_global_states(states: Mapping[str, Any]) -> None:
    import torch

    torch.set_rng_state(states["cpu"])
    if torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
