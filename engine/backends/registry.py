"""The backends by name: known without being loaded; one line adds one."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

from ...neurons.errors import MissingExtra, RunError, SpecError, nearest
from ..plan import Plan
from .base import Machine


@dataclass(frozen=True)
class Backend:
    """One way to run a plan.

    Attributes
    ----------
    name : str
        How users call it.
    module, factory : str
        Where `factory(plan, threads)` returns its machine.
    needs : str
        The package that must be installed.
    extra : str
        The extra that installs it; empty if it is part of the core.
    about : str
        One line for users.
    asks : str
        The module whose `open_card()` raises an error if there is nothing to run on; empty if there is.
    """

    name: str
    module: str
    factory: str
    needs: str
    extra: str
    about: str
    asks: str = ""

    @property
    def available(self) -> bool:
        """Whether its package is installed, and what it runs on is there."""
        return not self.missing

    @property
    def missing(self) -> str:
        """What it needs and does not find; empty if it can be used."""
        try:
            self._check()
        except MissingExtra as error:
            return error.package
        except RunError:
            return "a device"
        return ""

    def _check(self) -> None:
        if importlib.util.find_spec(self.needs) is None:
            raise MissingExtra(self.needs, self.extra, f"the backend {self.name!r}")
        if self.asks:
            importlib.import_module(f".{self.asks}", __package__).open_card()

    def bind(self, plan: Plan, threads: int | None) -> Machine:
        """Return a machine that runs the plan.

        Raises
        ------
        MissingExtra
            If a package is not installed.
        RunError
            If there is no device to run on.
        """
        self._check()
        factory: Callable[[Plan, int | None], Machine] = getattr(
            importlib.import_module(f".{self.module}", __package__), self.factory
        )
        return factory(plan, threads)


BACKENDS = {
    backend.name: backend
    for backend in (
        Backend(
            "numba", "numba_cpu.machine", "NumbaMachine", "numba", "", "compiled kernels, one or more threads"
        ),
        Backend(
            "cuda", "cuda.machine", "CudaMachine", "numba", "gpu", "one kernel on an NVIDIA GPU", "cuda.card"
        ),
        Backend("reference", "reference", "ReferenceMachine", "numpy", "", "plain NumPy: slow and obvious"),
    )
}

#: Those that run from event to event.
EVENT_BACKENDS = {
    backend.name: backend
    for backend in (Backend("numba", "event.machine", "EventMachine", "numba", "", "compiled, one thread"),)
}
#: Those that do so over the steps of a clocked run.
GRID_EVENT_BACKENDS = {
    backend.name: backend
    for backend in (Backend("numba", "event.grid", "GridMachine", "numba", "", "compiled, one thread"),)
}


def event_backend(name: str) -> Backend:
    """Return what runs from event to event, without a grid, under a backend's name.

    Raises
    ------
    SpecError
        If there is no such backend, or it goes step by step only.
    """
    known = backend(name).name
    if known not in EVENT_BACKENDS:
        raise SpecError(
            f"Simulator.backend: got {name!r}, which goes step by step; without a grid there is "
            f"{sorted(EVENT_BACKENDS)}"
        )
    return EVENT_BACKENDS[known]


def backend(name: str) -> Backend:
    """Return a backend by name.

    Raises
    ------
    SpecError
        If there is none of this name.

    Examples
    --------
    >>> backend("reference").available
    True
    """
    try:
        return BACKENDS[name]
    except KeyError:
        near = nearest(name, BACKENDS)
        raise SpecError(f"Simulator.backend: got {name!r}{near}; there are {sorted(BACKENDS)}") from None
