"""What a model gives beyond its rules to run without a grid: flow for any elapsed time, and when it fires.

These are rules too: pure functions over scalars that name what they need (state variables, constants of
`derive`, options), in the words of the vocabulary and a few more, which only processors have to supply.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from . import vocabulary
from .propagators import mean_decay
from .specialise import Variant, specialise

#: Words of the rules of this module beyond those of every rule; `mean_decay` is a function of them.
WORDS = (*vocabulary.WORDS, "absolute", "expm1", "log", "mean_decay")


def absolute(x: Any) -> Any:
    """Return the magnitude of x."""
    return np.abs(x)


def expm1(x: Any) -> Any:
    """Return e to the power x, less 1."""
    return np.expm1(x)


def log(x: Any) -> Any:
    """Return the natural logarithm of x."""
    return np.log(x)


@dataclass(frozen=True)
class ExactRules:
    """The rules of one variant of a model beyond flow, jump and fire; None where it has none."""

    propagate: Variant | None
    crossing: Variant | None
    slope: Variant | None
    pieces: Variant | None
    ceiling: Variant | None
    mean_decay: Variant


class ExactFlow:
    """Base class, beside `NeuronModel`, of models whose flow is exact for any elapsed time.

    They give, as static methods written like the other rules:

    * `propagate(elapsed, ...)`, which returns the constants named by `propagators` as `derive` does, which
      may call it (`propagated`); nothing where `flow` takes no constant that depends on time;
    * `crossing(..., never)`, which returns the seconds until the threshold is reached if no input comes:
      0 where it is reached already, `never` where it will not be;
    * or, where that has no closed form, `slope` and `pieces`, from which the driver finds it: it misses
      none. `slope` is tau dv/dt, how far v would still go if its input stood still. `pieces` returns
      (turn, end, falling): slope times exp(t / tau) falls up to `turn` and rises from there to `end`, or,
      where `falling` is negative, the other way round; after `end`, v stands still. The driver compares
      the state variable `v` with the constant `threshold`;
    * where there is one that costs little, `ceiling`, which v does not exceed from now on if no input comes,
      nor in the arithmetic of `flow`, be the neuron free or held first. Where that is below `threshold`,
      nothing more is asked. It may use no word but those of every rule, so that many are found at once.
    """

    #: The integer state variable that says from which step on the neuron moves; None if it always does. Rules
    #: compare it with `now` and no more, and only `fire` changes it, where it sends: which step before `now`
    #: it holds makes no difference.
    hold: ClassVar[str | None] = None
    propagate: ClassVar[Callable[..., Any] | None] = None
    crossing: ClassVar[Callable[..., Any] | None] = None
    slope: ClassVar[Callable[..., Any] | None] = None
    pieces: ClassVar[Callable[..., Any] | None] = None
    ceiling: ClassVar[Callable[..., Any] | None] = None

    @property
    def propagators(self) -> tuple[str, ...]:
        """Names of what `propagate` returns, in order."""
        return ()

    @property
    def fires_alone(self) -> bool:
        """Whether the threshold can be reached without an input at that very moment."""
        return True

    def needs_grid(self) -> str:
        """Say which parameter has no meaning without steps, and what to use instead; empty if none."""
        return ""

    def exact_options(self) -> dict[str, object]:
        """Return the static options of the rules of this module."""
        return self.options()  # type: ignore[attr-defined, no-any-return]  # a NeuronModel's

    @cached_property
    def exact_rules(self) -> ExactRules:
        """The rules of this module with the model's options folded."""
        options = self.exact_options()
        found = {
            name: None if function is None else specialise(function, options, words=WORDS)
            for name in ("propagate", "crossing", "slope", "pieces", "ceiling")
            for function in (getattr(type(self), name) if name != "propagate" or self.propagators else None,)
        }
        return ExactRules(**found, mean_decay=specialise(mean_decay, {}, words=WORDS))
