"""Checkpoints of training: a module, its optimiser and all that is random; resumed is never stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engine.encoding import Classes
from ..engine.network import Network
from ..neurons.errors import FormatError, MissingExtra, SpecError

if TYPE_CHECKING:
    from .modules.module import NetworkModule

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
        Its parameters and buffers are written; of what `to_torch` returns, and of such modules within it, the
        network and the options too.
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
        If there is anything to be written but tensors, arrays, and plain data, or an argument is of another
        kind.
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
    from .modules.fitting import check_kinds
    from .modules.made import described, networks_in
    from .modules.random_states import global_states, state_of
    from .modules.tensor_file import pack, write_tensors

    generators, extra = generators or {}, {} if extra is None else extra
    check_kinds("save_checkpoint", module, optimiser, schedulers, generators, extra)
    parts = {
        "module": module.state_dict(),
        "optimiser": None if optimiser is None else optimiser.state_dict(),
        "schedulers": [one.state_dict() for one in schedulers],
        "generators": {name: state_of(name, one) for name, one in generators.items()},
        "global": global_states(),
        "extra": dict(extra),
        "networks": {name: described(one) for name, one in networks_in(module).items()},
    }
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
    from .modules.fitting import SOUND
    from .modules.tensor_file import read_tensors, unpack

    content, tensors = read_tensors(path, KIND)
    parts = {name: unpack(part, tensors, str(path)) for name, part in content.items()}
    wrong = [name for name, sound in SOUND.items() if not sound(parts.get(name))]
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

    def network(
        self, *, name: str | None = None, models: Classes | None = None, rules: Classes | None = None
    ) -> Network:
        """Return the network whose module was saved, as before training.

        Parameters
        ----------
        name : str, optional
            Of the module within the one that was saved, if several in it were made of networks.
        models, rules : dict, optional
            Name -> class of neuron models and plasticity rules of your own.

        Raises
        ------
        FormatError
            If it was no module of a network, or the network needs other classes.
        SpecError
            If there are several, and none is named.
        """
        from .modules.made import network_of

        return network_of(self._made(name)[1], self.path, models=models, rules=rules)

    def module(
        self,
        *,
        name: str | None = None,
        surrogate: Any = None,
        models: Classes | None = None,
        rules: Classes | None = None,
    ) -> NetworkModule:
        """Return the module that was saved: its network, its options, and its parameters as they were.

        Parameters
        ----------
        name, models, rules
            As for `network`.
        surrogate : Surrogate or function, optional
            The one that it was made with, if that is your own.

        Raises
        ------
        FormatError, SpecError
            As from `network`, or if there is no such module in the file.
        """
        from .modules.fitting import check_states
        from .modules.made import made_again, network_of

        name, made = self._made(name)
        network = network_of(made, self.path, models=models, rules=rules)
        module = made_again(network, made["options"], surrogate, self.path)
        within = f"{name}." if name else ""
        saved = self._parts["module"].items()
        state = {key.removeprefix(within): value for key, value in saved if key.startswith(within)}
        check_states(state, module.state_dict(), self.path)
        module.load_state_dict(state)
        return module

    def _made(self, name: str | None) -> tuple[str, Any]:
        """Return the name of a network within the module, and how it was made."""
        made = self._parts["networks"]
        if not made:
            raise FormatError(f"{self.path}: holds the state of a module, but no network")
        if (name is None and len(made) > 1) or (name is not None and name not in made):
            raise SpecError(f"checkpoint.name: got {name!r}; {self.path} holds networks called {[*made]}")
        name = next(iter(made)) if name is None else name
        return name, made[name]

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
            If they are not those that were saved, or the module was made of another network or with other
            options; then nothing has changed.
        """
        from .modules.fitting import check_fits, check_kinds
        from .modules.random_states import set_global_states, set_state

        generators = {} if generators is None else generators
        check_kinds("restore", module, optimiser, schedulers, generators, {})
        check_fits(self._parts, module, optimiser, schedulers, generators, self.path)
        module.load_state_dict(self._parts["module"])
        if optimiser is not None:
            optimiser.load_state_dict(self._parts["optimiser"])
        for scheduler, state in zip(schedulers, self._parts["schedulers"], strict=False):
            scheduler.load_state_dict(state)
        for name, generator in generators.items():
            set_state(generator, self._parts["generators"][name])
        set_global_states(self._parts["global"])


def _need() -> None:
    for package in ("torch", "safetensors"):
        try:
            __import__(package)
        except ImportError:
            raise MissingExtra(package, "torch", "A checkpoint of training") from None
