"""The state of the one simulation that a PyNN script has: what was described, what was built, how far it ran.

PyNN lets a script create, connect, change and run in any order. Here everything is described first: the
network is built at the first run, or after a reset, and then advanced piece by piece.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyNN import common

from ..neurons.errors import RunError
from .build import Built

if TYPE_CHECKING:
    from .electrodes import Electrode
    from .populations import Population
    from .projections import Projection

name = "rheobase"


class ID(int, common.IDMixin):
    """A cell: its number, by which the population that holds it is asked."""

    def __init__(self, n: int) -> None:
        int.__init__(n)
        common.IDMixin.__init__(self)


class State(common.control.BaseState):
    """What `setup` begins and `run` moves on; times are in ms, as everywhere in PyNN."""

    mpi_rank = 0
    num_processes = 1

    def __init__(self) -> None:
        super().__init__()
        self.dt = 0.1
        self.min_delay: Any = "auto"
        self.max_delay: Any = "auto"
        self.seed = 0
        self.options: dict[str, Any] = {}
        self.clear()

    def clear(self) -> None:
        """Forget every population, projection and recording."""
        self.recorders: set[Any] = set()
        self.populations: list[Population] = []
        self.projections: list[Projection] = []
        self.current_sources: list[Electrode] = []
        self.id_counter = 0
        self.segment_counter = -1
        self.reset()

    def reset(self) -> None:
        """Go back to t = 0; noise is drawn anew."""
        self.running = False
        self.steps = 0
        self.t_start = 0
        self.built: Built | None = None
        self.segment_counter += 1
        for recorder in self.recorders:
            recorder.forget()

    @property
    def t(self) -> float:
        """The time reached, in ms."""
        return float(self.steps * self.dt)

    @property
    def shortest_delay(self) -> float:
        """The delay of a synapse that names none, in ms."""
        return float(self.dt if self.min_delay == "auto" else self.min_delay)

    def run(self, simtime: float) -> None:
        """Advance by so many ms."""
        self.run_until(self.t + simtime)

    def run_until(self, tstop: float) -> None:
        """Advance to a time in ms, rounded to a whole step."""
        if self.built is None:
            self.built = Built(self)
        self.running = True
        self.built.advance(round(tstop / self.dt))

    def changed(self, what: str) -> None:
        """Note that the description has changed; refuse what cannot be done to a network that runs.

        Raises
        ------
        RunError
            If the network has been built.
        """
        if self.built is not None:
            raise RunError(f"{what} after a run, which is not possible: do it before run(), or reset() first")


state = State()
