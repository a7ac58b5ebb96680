"""How a synapse changes: data about its traces and bounds, and two pure functions over scalars.

A rule is a frozen dataclass. Its fields are its parameters; its functions say how it learns:

* `on_pre` returns the weight after a spike has arrived at the synapse;
* `on_post` returns the weight after the neuron behind the synapse has fired.

The functions name what they need as arguments: `weight`, traces, constants of `derive`, or static
options, which are folded away before any backend sees the function (see `neurons.model`, whose
vocabulary and folding rules share). A trace is a decaying memory of one neuron's spikes.

In every step learning comes last, in this order: all traces decay; `on_pre` runs for each synapse at
which a spike arrives, then `on_post` for each synapse onto a neuron that fired, both with traces
that know nothing yet of this step's spikes; then the traces of the spiking neurons are bumped. Delays
are axonal: with a delay of d steps a spike of step n acts, and bumps its trace, in step n + d. A rule
sees that an event came, not its payload.

A rule may do more where it needs to:

* each synapse keeps numbers of its own, named in `synaptic`, which the functions get and return after
  the weight;
* a trace of the side "modulator" is one number for the whole projection, to which the events of its
  `modulator` add what they carry;
* numbers that all synapses have in common are named in `shared`; `on_step` returns them anew at the end of
  each step, before the traces of the modulator decay;
* `on_sweep` returns the weight, and what the synapse keeps, of every synapse each `sweep_every` seconds, at
  the end of a step, after which `shared` begins anew. It may ask for traces of the target and for `total`,
  the sum of the weights of all synapses of the projection onto it;
* `present` returns what the synapse keeps as users should see it, where `on_step` has gone on since.

A `Homeostasis` comes after all of these, and after a sweep that is made for it, so that it finds weights as
they are then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

from ...neurons import vocabulary
from ...neurons.errors import SpecError
from ...neurons.model import Parameter, decay_of
from ...neurons.parameters import Parameterised
from ...neurons.specialise import Variant, specialise
from ...neurons.vocabulary import DRAWS, maximum, where

Side = Literal["pre", "post", "modulator"]
Pairing = Literal["all", "nearest"]


@dataclass(frozen=True)
class Trace:
    r"""A memory of one neuron's spikes: one number per neuron that decays by exp(-dt / tau) in every step.

    Attributes
    ----------
    name
        How the rule's functions call it.
    side
        Whose spikes it remembers: those of the "pre" or of the "post" synaptic neuron; or what the events
        of the projection's "modulator" carry, which adds up in one number for all synapses.
    tau
        Time constant in seconds.
    pairing
        What a spike does to it: "all" adds 1, so that all earlier spikes count; "nearest" sets it
        to 1, so that only the last one does.
    adds
        Another trace of the same neuron, which adds none itself: a spike then adds what that one holds
        before the spike, instead of 1. So with a trace y of a rate, this one is of its square.

    Examples
    --------
    >>> Trace("x", "pre", tau=20e-3).bump.source()
    'def bump(trace):\n    return trace + 1.0'
    """

    name: str
    side: Side
    tau: float
    pairing: Pairing = "all"
    adds: str | None = None

    @cached_property
    def fade(self) -> Variant:
        """The function (trace, decay) -> trace of one step."""
        return specialise(fade, {})

    @cached_property
    def bump(self) -> Variant:
        """The function trace -> trace of one spike, or (trace, added) -> trace if it adds a number."""
        follows = self.adds is not None or self.side == "modulator"
        return specialise(bump, {"pairing": self.pairing, "follows": follows})


def fade(trace: Any, decay: Any) -> Any:
    """Let a trace decay over one step; below 2**-100 it is gone.

    Without the cut a trace would stay at the smallest subnormal for ever, where arithmetic is slow.
    """
    return where(trace < 7.888609052210118e-31, 0.0, trace * decay)


def bump(trace: Any, added: Any, pairing: Any, follows: Any) -> Any:
    """Let a trace take a spike."""
    if follows:
        return trace + added
    if pairing == "nearest":
        return maximum(trace, 1.0)
    return trace + 1.0


@dataclass(frozen=True, eq=False)
class Homeostasis(Parameterised):
    """Base class of what looks at all synapses of a rule every so often: see `homeostasis.py`.

    A subclass has the static function `on_balance`, which returns the new weight; it may take what a rule's
    `on_sweep` may, and constants of `derive`, which must not be named as the rule's own.

    Parameters
    ----------
    every : float
        Seconds between two times, rounded to whole steps.
    """

    on_balance: ClassVar[Callable[..., Any]]

    _: KW_ONLY
    every: float = Parameter(unit="s", above=0.0, scalar=True)

    def __post_init__(self) -> None:
        self.check_fields(type(self).__name__)

    @property
    def traces(self) -> tuple[Trace, ...]:
        """The traces of the target's spikes that it needs besides the rule's."""
        return ()

    def derive(self, elapsed: float) -> dict[str, float]:
        """Return the constants that its function reads."""
        raise NotImplementedError


@dataclass(frozen=True)
class LearningRules:
    """The functions of one variant of a rule, with their options folded; None where it has none."""

    on_pre: Variant
    on_post: Variant
    on_step: Variant | None = None
    on_sweep: Variant | None = None
    on_balance: Variant | None = None
    present: Variant | None = None


@dataclass(frozen=True, eq=False)
class PlasticityRule(Parameterised):
    """Base class of every rule by which synapses learn; see the module's text for how to write one.

    A subclass adds its parameters (`Parameter` fields, scalars), the property `traces`, and the
    static functions `on_pre` and `on_post`, which return the new weight within its bounds.

    Parameters
    ----------
    w_min, w_max : float
        Bounds of the weight, in the unit of the weights. Initial weights must lie within them.
    homeostasis : Homeostasis, optional
        What keeps weights or rates in place while the rule learns.

    Raises
    ------
    SpecError
        If a parameter is not allowed, or w_min is not below w_max.

    Examples
    --------
    >>> from rheobase.neurons.vocabulary import minimum
    >>> @dataclass(frozen=True, eq=False)
    ... class Grow(PlasticityRule):
    ...     step: float = Parameter(scalar=True)
    ...     @staticmethod
    ...     def on_pre(weight, step, w_max):
    ...         return minimum(weight + step, w_max)
    ...     @staticmethod
    ...     def on_post(weight):
    ...         return weight
    >>> Grow(0.1, w_max=1.0).bounds
    (0.0, 1.0)
    """

    on_pre: ClassVar[Callable[..., Any]]
    on_post: ClassVar[Callable[..., Any]]
    on_step: ClassVar[Callable[..., Any] | None] = None
    on_sweep: ClassVar[Callable[..., Any] | None] = None
    present: ClassVar[Callable[..., Any] | None] = None
    #: What each synapse keeps besides its weight, 0 at first.
    synaptic: ClassVar[tuple[str, ...]] = ()
    #: What all synapses have in common, with its value at first and after each sweep.
    shared: ClassVar[Mapping[str, float]] = {}

    _: KW_ONLY
    w_min: float = Parameter(0.0, scalar=True)
    w_max: float = Parameter(scalar=True)
    homeostasis: Homeostasis | None = None

    def __post_init__(self) -> None:
        owner = type(self).__name__
        self.check_fields(owner)
        if self.w_min >= self.w_max:
            raise SpecError(
                f"{owner}.w_min: got {self.w_min:g}; allowed is a number below w_max ({self.w_max:g})"
            )
        given: object = self.homeostasis
        if not isinstance(given, Homeostasis | None):
            raise SpecError(
                f"{owner}.homeostasis: got {given!r}; allowed is Normalise(...), Scale(...), or None"
            )
        self.check()
        self._check_traces()

    def _check_traces(self) -> None:
        sides = {trace.name: trace.side for trace in self.memories if trace.adds is None}
        for trace in self.memories:
            if trace.adds is not None and (sides.get(trace.adds) != trace.side or trace.pairing != "all"):
                raise SpecError(
                    f"{type(self).__name__}.traces: {trace.name} adds {trace.adds!r}; allowed is, with "
                    "pairing='all', a trace of its own side that adds none itself: "
                    f"{[name for name, side in sides.items() if side == trace.side]}"
                )

    def check(self) -> None:
        """Raise SpecError where parameters contradict each other; rules override it."""

    @property
    def traces(self) -> tuple[Trace, ...]:
        """The traces that the functions may name."""
        return ()

    @property
    def memories(self) -> tuple[Trace, ...]:
        """The traces, with those that homeostasis needs."""
        return (*self.traces, *(() if self.homeostasis is None else self.homeostasis.traces))

    @property
    def modulated(self) -> bool:
        """Whether it listens to a modulator."""
        return any(trace.side == "modulator" for trace in self.traces)

    @property
    def sweep_every(self) -> float | None:
        """Seconds between two sweeps of the rule itself over all synapses; None if there are none."""
        return None

    def sweep_steps(self, elapsed: float) -> int:
        """Return the whole number of steps between two sweeps, 0 without sweeps."""
        return _steps(self.sweep_every, elapsed)

    def balance_steps(self, elapsed: float) -> int:
        """Return the whole number of steps between two times of its homeostasis, 0 without one."""
        return _steps(None if self.homeostasis is None else self.homeostasis.every, elapsed)

    @property
    def bumped(self) -> tuple[Trace, ...]:
        """The traces in the order in which they take a spike: those that add others, then these."""
        return tuple(sorted(self.memories, key=lambda trace: trace.adds is None))

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest weight."""
        return self.w_min, self.w_max

    def derive(self, elapsed: float) -> dict[str, float]:
        """Return the constants of one step of `elapsed` seconds; by default the parameters, by name."""
        options = self.options()
        return {name: value for name, value in self.to_dict().items() if name not in options}

    @cached_property
    def rules(self) -> LearningRules:
        """The functions with this rule's options folded.

        Raises
        ------
        SpecError
            If a function returns anything but what it should, or asks for a random number.
        """
        kept = ("the new weight", *self.synaptic)
        wanted = {"on_pre": kept, "on_post": kept, "on_step": tuple(self.shared), "on_sweep": kept}
        wanted |= {"on_balance": kept[:1], "present": self.synaptic}
        found: dict[str, Variant] = {}
        for name, returned in wanted.items():
            owner: Parameterised | None = self.homeostasis if name == "on_balance" else self
            function = None if owner is None else getattr(type(owner), name)
            if owner is None or function is None:
                continue
            found[name] = variant = specialise(function, owner.options())
            where_ = f"{type(owner).__name__}.{variant.name}"
            if variant.n_returned != len(returned):
                raise SpecError(
                    f"{where_}: returns {variant.n_returned} values; allowed is one for each of {returned}"
                )
            for word in sorted(variant.words & set(DRAWS)):
                raise SpecError(f"{where_}: uses {word}(); a synapse draws no random numbers, take it out")
        return LearningRules(**found)

    @cached_property
    def functions(self) -> tuple[Variant, ...]:
        """Those of the functions that there are and that a run needs."""
        r = self.rules
        there = (r.on_pre, r.on_post, r.on_step, r.on_sweep, r.on_balance)
        return tuple(variant for variant in there if variant is not None)

    def seen(
        self, kept: Mapping[str, Any], shared: Mapping[str, Any], steps: int, elapsed: float
    ) -> dict[str, Any]:
        """Return what synapses keep, by name, as it is after `steps`; given is what a run holds."""
        variant = self.rules.present
        if variant is None:
            return dict(kept)
        every = [e for e in (self.sweep_steps(elapsed), self.balance_steps(elapsed)) if e]
        # What is common begins anew when the step after a sweep does.
        swept = self.rules.on_sweep is not None and any(steps % e == 0 for e in every)
        known = {**kept, **{name: self.shared[name] if swept else value for name, value in shared.items()}}
        new = variant.bind({word: getattr(vocabulary, word) for word in vocabulary.WORDS})(
            *(known[name] for name in variant.arguments)
        )
        return dict(zip(self.synaptic, new if isinstance(new, tuple) else (new,), strict=True))

    @cached_property
    def constant_names(self) -> tuple[str, ...]:
        """The constants that the functions of this variant read, in order of first use."""
        known = {"weight", "total", *self.synaptic, *self.shared} | {t.name for t in self.memories}
        names = [name for variant in self.functions for name in variant.arguments]
        return tuple(dict.fromkeys(name for name in names if name not in known))

    def constants(self, elapsed: float) -> dict[str, float]:
        """Return the constants that the functions read, and `decay_NAME` of each trace.

        Raises
        ------
        SpecError
            If a function names something that nobody supplies.
        """
        derived = {"w_min": self.w_min, "w_max": self.w_max, **self.derive(elapsed)}
        for name, value in ({} if self.homeostasis is None else self.homeostasis.derive(elapsed)).items():
            if name in derived:
                owners = type(self.homeostasis).__name__, type(self).__name__
                raise SpecError(
                    f"{owners[0]}.derive: returns {name!r}, which {owners[1]} has too; give it another name"
                )
            derived[name] = value
        missing = [name for name in self.constant_names if name not in derived]
        if missing:
            raise SpecError(
                f"{type(self).__name__}: its functions take {missing}, which are neither `weight`, traces "
                f"({[t.name for t in self.traces]}), options, nor constants of derive() ({sorted(derived)})"
            )
        decays = {f"decay_{trace.name}": float(decay_of(trace.tau, elapsed)) for trace in self.memories}
        return {**{name: derived[name] for name in self.constant_names}, **decays}


def _steps(every: float | None, elapsed: float) -> int:
    return 0 if every is None else max(round(every / elapsed), 1)
