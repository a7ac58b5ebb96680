"""Neurons of one model as a torch module: its rules, bound to torch's words, in a loop over time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ...neurons.errors import ConversionError
from ...neurons.model import NeuronModel
from ...neurons.specialise import Variant
from ..surrogate import Surrogate
from .trained import Trained
from .words import WORDS, Spike, spike_of, step, words_with

#: What a reset changes: with `detach_reset` no gradient passes from the spike to these state variables.
RESET = ("v", "pending")

#: What a cell makes of its model, and makes anew when it is copied.
_BOUND = ("_moves", "_fire", "_fire_apart")

#: State variable -> values (batch, n).
State = dict[str, torch.Tensor]


def without_history(state: State) -> State:
    """Return the same values, at which gradients end."""
    return {name: values.detach() for name, values in state.items()}


def refuse_untrainable(name: str, model: NeuronModel) -> None:
    """Raise ConversionError where a model uses words without a derivative."""
    rules = model.rules
    used = set().union(*(rule.words for rule in (rules.flow, rules.jump, rules.fire))) - set(WORDS)
    if used:
        chance = "Leave out noise and escape, or choose" if used & {"normal", "uniform"} else "Choose"
        raise ConversionError(
            f"{name}: {type(model).__name__} uses {sorted(used)}, which no gradient passes; allowed are "
            f"models made of arithmetic and {WORDS}. {chance} another model"
        )


class Cell(torch.nn.Module):
    """n neurons of one model, updated step by step.

    Parameters
    ----------
    model : NeuronModel
        The neurons.
    dt : float
        Seconds per step.
    surrogate : Surrogate or function of a tensor
        What takes the place of the derivative of `spike`; or a function with a derivative of its own, of the
        distance above threshold, instead of `spike`.
    detach_reset : bool
        Whether gradients pass over the reset, as in snnTorch. What else a spike changes (an adaptation) keeps
        its gradient.
    train : sequence of str
        Parameters of the model that are parameters here too: see `Trained`.

    Examples
    --------
    >>> import torch
    >>> from rheobase.learning.surrogate import ATan
    >>> from rheobase.neurons import Leaky
    >>> cell = Cell(Leaky(0.5), dt=1e-3, surrogate=ATan())
    >>> first = {"v": torch.zeros(1, 1), "pending": torch.zeros(1, 1)}
    >>> sent, traces, _ = cell({"input": torch.full((4, 1, 1), 0.75)}, first, 0, ["v"])
    >>> sent.flatten().tolist()
    [0.0, 1.0, 0.0, 0.0]
    >>> traces["v"].flatten().tolist()
    [0.75, 1.125, 0.3125, 0.90625]
    """

    def __init__(
        self,
        model: NeuronModel,
        *,
        dt: float,
        surrogate: Surrogate | Spike,
        detach_reset: bool = True,
        train: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.model, self.dt, self.surrogate, self.detach_reset = model, dt, surrogate, detach_reset
        self.trained = Trained(model, train, dt=dt) if train else None
        for name, value in model.constants(dt).items():
            self.register_buffer(f"k_{name}", torch.as_tensor(_stored(value)), persistent=False)
        self._bind()

    def _bind(self) -> None:
        """Give the rules the words of torch."""
        spike = spike_of(self.surrogate) if isinstance(self.surrogate, Surrogate) else self.surrogate
        words, rules = words_with(spike), self.model.rules
        self._moves = [(rule, rule.bind(words)) for rule in (rules.flow, rules.jump)]
        self._fire = rules.fire.bind(words)
        resets = "spike" in rules.fire.words and set(RESET) & set(self.model.written(rules.fire))
        self._fire_apart = rules.fire.bind(words_with(step)) if self.detach_reset and resets else None

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: functions are bound anew."""
        return {name: value for name, value in self.__dict__.items() if name not in _BOUND}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._bind()

    def forward(
        self,
        inputs: Mapping[str, torch.Tensor],
        state: State,
        now: int,
        wanted: Collection[str] = (),
        *,
        detached: bool = False,
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], State]:
        """Run through the steps of an input.

        Parameters
        ----------
        inputs
            Receptor -> summed input (steps, batch, n); nothing arrives at those left out.
        state
            At the beginning.
        now
            The number of the first step.
        wanted
            State variables to keep.
        detached
            Whether no gradient passes from a step's state to the steps before.

        Returns
        -------
        sent : tensor (steps, batch, n)
            What the neurons send.
        traces : dict of str to tensor (steps, batch, n)
            The variables wanted, as they are at the end of each step.
        state : dict
            At the end.
        """
        constants, sent = self.constants(), []
        kept: dict[str, list[torch.Tensor]] = {name: [] for name in wanted}
        for t in range(len(next(iter(inputs.values())))):
            state = without_history(state) if detached else state
            event, state = self.step({name: x[t] for name, x in inputs.items()}, state, now + t, constants)
            sent.append(event)
            for name, trace in kept.items():
                trace.append(state[name])
        return torch.stack(sent), {name: torch.stack(trace) for name, trace in kept.items()}, state

    def extra_repr(self) -> str:
        """Say which model it is."""
        return type(self.model).__name__

    def constants(self) -> dict[str, torch.Tensor]:
        """Return the constants of a step, as they are now."""
        still = {name: getattr(self, f"k_{name}") for name in self.model.constant_names}
        return still if self.trained is None else {**still, **self.trained.constants()}

    def step(
        self,
        inputs: Mapping[str, torch.Tensor],
        state: State,
        now: int,
        constants: Mapping[str, torch.Tensor],
    ) -> tuple[torch.Tensor, State]:
        """Run one step: return what is sent (batch, n), and the state after it."""
        known, state = self.moved(inputs, state, now, constants)
        model, shape = self.model, next(iter(state.values())).shape
        fire = model.rules.fire
        sent, *left = _called(fire, self._fire, {**known, **state})
        if self._fire_apart is not None:
            apart = _called(fire, self._fire_apart, {**known, **state})[1:]
            written = model.written(fire)
            left = [a if name in RESET else b for name, a, b in zip(written, apart, left, strict=True)]
        self._write(state, fire, left, shape)
        if not torch.is_tensor(sent):
            sent = torch.full_like(next(iter(state.values())), sent)
        return sent.expand(shape), state

    def moved(
        self,
        inputs: Mapping[str, torch.Tensor],
        state: State,
        now: int,
        constants: Mapping[str, torch.Tensor],
    ) -> tuple[dict[str, Any], State]:
        """Return what a step knows, and the state before neurons fire: time has passed, input has arrived."""
        known: dict[str, Any] = {name: inputs.get(name, 0.0) for name in self.model.receptors}
        known |= {**constants, "now": now}
        state, shape = dict(state), next(iter(state.values())).shape
        for rule, function in self._moves:
            self._write(state, rule, _called(rule, function, {**known, **state}), shape)
        return known, state

    def _write(self, state: State, rule: Variant, values: list[Any], shape: torch.Size) -> None:
        for name, value in zip(self.model.written(rule), values, strict=True):
            state[name] = value.expand(shape)


def _called(rule: Variant, function: Callable[..., Any], known: Mapping[str, Any]) -> list[Any]:
    returned = function(*(known[name] for name in rule.arguments))
    return list(returned) if rule.n_returned > 1 else [returned]


def _stored(value: Any) -> np.ndarray:
    """Return a constant as the engine stores it: whole numbers with 32 bits, all else in single precision."""
    whole = isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "iu"
    return np.array(value, np.int32 if whole else np.float32)
