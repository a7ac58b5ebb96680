"""When a run ends before its time: once nothing happens any more, or once its answers have been taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import numpy as np

from ..neurons.errors import SpecError
from ..neurons.model import NeuronModel
from .backends.base import NEVER, Feed, Machine
from .plan import Plan
from .sources import PoissonSource, RateSource

#: What ends a run: that nothing is sent any more, or who is done according to a function.
Until = Literal["silent"] | Callable[[], Any]


class Ending:
    """Runs steps one by one, and looks after each which trials are done.

    Where all delays are zero, so that nothing is under way between steps, trials that are done stand still
    while the others go on.

    Parameters
    ----------
    machine : Machine
        What runs.
    until : "silent" or function
        What ends the run. A function returns whether each trial is done, bool (trials,).
    feeds : iterable of Feed
        What sources are fed with: nobody is silent before it ends, or before models stop to wait.

    Attributes
    ----------
    done : bool (trials,)
        Which trials are done, or stood still before.
    """

    def __init__(self, machine: Machine, until: Until, feeds: Iterable[Feed]) -> None:
        plan = machine.plan
        self.machine, self.done = machine, machine.halted.copy()
        self._until, self._before = until, machine.halted.copy()
        self._fed = max((feed.end for feed in feeds), default=0)
        self._fed = max(self._fed, *(1 + model.waits for model in _models(plan)))
        if any(isinstance(source, PoissonSource | RateSource) for source in plan.network.sources):
            self._fed = NEVER
        self._wait = max(plan.reach.values(), default=0) + (not _tells_at_once(plan))
        self._apart = not outlives(plan)
        self._last = np.full(plan.trials, machine.now - 1)

    def advance(self) -> None:
        """Run one step, and note who has sent something."""
        busy = self.machine.watch_step()
        self._last[busy] = self.machine.now - 1

    def look(self) -> None:
        """Find out who is done."""
        if self._until == "silent":
            now = self.machine.now
            if now >= self._fed:
                self.done |= self._last < now - self._wait
        else:
            self.done |= _checked(self._until(), self.done.size)
        if self._apart and not self.done.all():
            self.machine.halt(self.done)

    @property
    def silent(self) -> bool:
        """Whether the run was to end in silence, and did."""
        return self._until == "silent" and bool(self.done.all())

    def close(self) -> None:
        """Let trials go on that did before."""
        if not np.array_equal(self.machine.halted, self._before):
            self.machine.halt(self._before)


def outlives(plan: Plan) -> bool:
    """Return whether some event arrives in a later step than that in which it is sent."""
    return any(p.delays[-1] > 0 for p in plan.projections.values())


def _tells_at_once(plan: Plan) -> bool:
    """Return whether nobody keeps something back for later steps."""
    return all(model.tells_at_once for model in _models(plan))


def _models(plan: Plan) -> list[NeuronModel]:
    return [plan.population(group.name).model for group in plan.populations]


def _checked(done: Any, trials: int) -> np.ndarray:
    array = np.atleast_1d(np.asarray(done))
    if array.dtype != np.bool_ or array.shape != (trials,):
        raise SpecError(
            f"Simulator.run.until: it returned {array.dtype} of shape {array.shape}; allowed is whether each "
            f"trial is done, bool ({trials},)"
        )
    return array


def check_until(until: Any, plan: Plan, method: str) -> None:
    """Raise SpecError if a run cannot end so."""
    if until is None:
        return
    if until != "silent" and not callable(until):
        raise SpecError(f"Simulator.run.until: got {until!r}; allowed is None, 'silent' or a function")
    check_steps("run.until", method)
    if until != "silent":
        check_halting("run.until", plan)


def check_steps(what: str, method: str) -> None:
    """Raise SpecError if a simulation has no steps after which to look."""
    if method == "event":
        raise SpecError(
            f"Simulator.{what}: this simulation goes from event to event; give method='clocked' to look at "
            "its trials after each step"
        )


def check_halting(what: str, plan: Plan) -> None:
    """Raise SpecError if trials of a network cannot stand still: spikes would be under way meanwhile."""
    if outlives(plan):
        late = next(p.name for p in plan.projections.values() if p.delays[-1] > 0)
        raise SpecError(
            f"Simulator.{what}: {late} has a delay; trials can stand still where all delays are zero, so "
            "that nothing is under way between steps"
        )


def chosen_trials(trials: Any, n: int) -> np.ndarray:
    """Return a choice of n trials, as indices or bool (n,), as bool (n,), or raise SpecError."""
    array = np.asarray(trials)
    if array.dtype == np.bool_ and array.shape == (n,):
        return array.copy()
    inside = array.ndim == 1 and array.dtype.kind in "iu" and np.all((array >= 0) & (array < n))
    if array.size and not inside:
        raise SpecError(
            f"Simulator.halt.trials: got {trials!r}; allowed are indices from 0 to {n - 1}, or bool ({n},)"
        )
    chosen = np.zeros(n, bool)
    chosen[array.astype(np.int64)] = True
    return chosen
