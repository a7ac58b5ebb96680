"""What operators know of neurons by a name, and what is in the lists that they take and return."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor

from ...engine.backends.sequence import Form, Passage
from ...neurons.errors import RunError
from ...neurons.model import NeuronModel
from ...neurons.specialise import Variant
from .loops import Given, Loops, loops_on


@dataclass(frozen=True, eq=False)
class Kind:
    """Neurons that share their rules and the form of their numbers, whatever these are.

    Attributes
    ----------
    model : NeuronModel
        One of them.
    numbers : tuple of str
        Constants that are one number for all neurons, unless they are trained.
    integers : frozenset of str
        Constants that are whole numbers.
    apart : tuple of str
        State variables whose gradients do not pass the spike.
    surrogate : Variant
        The derivative of a spike.
    """

    model: NeuronModel
    numbers: tuple[str, ...]
    integers: frozenset[str]
    apart: tuple[str, ...]
    surrogate: Variant

    @property
    def name(self) -> str:
        """What operators know it by: the same for the same source, in any process."""
        model, rules = self.model, self.model.rules
        sources = [one.source() for one in (rules.flow, rules.jump, rules.fire, self.surrogate)]
        states = [(state.name, state.kind) for state in model.used_states]
        rest = states, model.constant_names, model.receptors, self.numbers, sorted(self.integers), self.apart
        digest = hashlib.blake2b(repr((sources, rest)).encode(), digest_size=8).hexdigest()
        return f"{type(model).__name__} {digest}"


#: Name -> neurons of which a module was made in this process.
_KINDS: dict[str, Kind] = {}


def register(kind: Kind) -> str:
    """Let operators know neurons, and return the name by which they do."""
    name = kind.name
    _KINDS.setdefault(name, kind)
    return name


def run_of(
    kind: str,
    arriving: Iterable[str],
    wanted: Iterable[str],
    trained: Iterable[str],
    backs: Iterable[tuple[str, int]] = (),
    *,
    detached: bool = False,
) -> str:
    """Return the name of a run of neurons.

    Parameters
    ----------
    kind
        Their name.
    arriving, wanted, trained
        Receptors to which something comes, state variables asked for of every step, constants with gradients.
    backs
        Receptor and delay, in steps, of each projection by which they hear themselves.
    detached
        Whether no gradient passes from a step's state to the steps before.

    Examples
    --------
    >>> run_of("LIF 0f", ["input"], ["v"], [], [("input", 1)])
    'LIF 0f;input;v;;input 1;'
    """
    heard = (f"{receptor} {delay}" for receptor, delay in backs)
    names = arriving, wanted, trained, heard, ["detached"] if detached else []
    return ";".join([kind, *(",".join(each) for each in names)])


@dataclass(frozen=True)
class Lists:
    """What is in the lists of one run's operators, in order.

    Attributes
    ----------
    passage : Passage
        A neuron's way through a step.
    arrays, numbers : tuple of str
        Constants that are tensors, and those that are numbers.
    backs : tuple of (receptor, delay)
        By what the neurons hear themselves.
    """

    passage: Passage
    arrays: tuple[str, ...]
    numbers: tuple[str, ...]
    backs: tuple[tuple[str, int], ...]

    @cached_property
    def states(self) -> tuple[str, ...]:
        """State variables."""
        return tuple(name for name, _ in self.passage.states)

    @cached_property
    def arriving(self) -> tuple[str, ...]:
        """Receptors to which something comes."""
        return self.passage.form.arriving

    @cached_property
    def totals(self) -> tuple[str, ...]:
        """Receptors whose sums, what comes back included, the way back reads."""
        return self.passage.totals if self.backs else ()

    def there(self, device: torch.device) -> Callable[[Given], None]:
        """Return what runs through steps on a device: see `Loops`."""
        return self._kept("there", device, lambda loops: loops.there(self.passage))

    def back(self, device: torch.device) -> Callable[[Given], None]:
        """Return what goes back through them."""
        return self._kept("back", device, lambda loops: loops.back(self.passage))

    def whole(self, device: torch.device) -> tuple[Callable[[Given], None], Callable[[Given], None]] | None:
        """Return what runs through all steps in which neurons hear themselves, and back, if anything does."""
        return self._kept("whole", device, lambda loops: loops.whole(self.passage, self.backs))

    def _kept(self, what: str, device: torch.device, find: Callable[[Loops], Any]) -> Any:
        """Return what is found on a device, once: to look for it takes as long as a step."""
        if (what, device.type) not in self._found:
            self._found[what, device.type] = find(loops_on(device.type))
        return self._found[what, device.type]

    @cached_property
    def _found(self) -> dict[tuple[str, str], Any]:
        return {}

    def room(self, sent: Tensor, state: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return tensors (steps, batch, n) for what the way there writes of each step, without values."""
        like = dict(zip(self.states, state, strict=True))
        made = {
            name: torch.empty_like(sent, dtype=like[name.partition("_")[2]].dtype)
            for name in self.passage.traced
        }
        return made | {f"in_{name}": torch.empty_like(sent) for name in self.totals}

    def kept(self, inputs: Sequence[Tensor], found: Sequence[Tensor]) -> list[Tensor]:
        """Return what the way back reads, from what came in and all that was returned."""
        names = *self.passage.traced, *(f"in_{name}" for name in self.totals)
        values = named("in_", dict(zip(self.arriving, inputs, strict=True)))
        values |= dict(zip(names, found[1:], strict=False))
        return [values[name] for name in self.passage.kept]

    def constants(
        self, like: Tensor, constants: Sequence[Tensor], numbers: Sequence[float]
    ) -> dict[str, Any]:
        """Return constants as kernels take them, of as many neurons as `like`, (batch, n), has."""
        arrays = (value.expand(like.shape).contiguous().view(-1) for value in constants)
        given = named("k_", dict(zip(self.arrays, arrays, strict=True)))
        return given | named("k_", dict(zip(self.numbers, numbers, strict=True)))


@lru_cache(maxsize=1024)
def lists_of(run: str) -> Lists:
    """Return what is in the lists of a run, by its name."""
    neurons, *rest = run.split(";")
    arriving, wanted, trained, backs, detached = (tuple(filter(None, names.split(","))) for names in rest)
    kind = _KINDS.get(neurons)
    if kind is None:
        raise RunError(
            f"operator of neurons {neurons!r}: none are known by this name in this process; make a module of "
            "their network first, with rb.to_torch"
        )
    names = kind.model.constant_names
    numbers = tuple(name for name in names if name in kind.numbers and name not in trained)
    arrays = tuple(name for name in names if name not in numbers)
    form = Form(
        frozenset(arrays),
        kind.integers,
        arriving,
        wanted,
        kind.apart,
        kind.surrogate,
        trained,
        bool(detached),
    )
    pairs = (back.rsplit(" ", 1) for back in backs)
    return Lists(
        Passage.of(kind.model, form), arrays, numbers, tuple((name, int(delay)) for name, delay in pairs)
    )


def named(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by the names that kernels have for them."""
    return {f"{prefix}{name}": x for name, x in values.items()}
