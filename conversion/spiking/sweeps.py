"""A circuit's network with a batch of inputs in it, sweep by sweep until nothing is told any more."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...engine.joined import joined
from ...engine.network import Network
from ...engine.parts import Population
from ...engine.plan import Plan
from ...engine.simulator import Precision, Simulator
from ...neurons import EventNeuron
from ...neurons.errors import ConversionError, RunError
from ..circuits.circuit import Circuit
from ..circuits.codes import Events, tell, waits_of
from ..circuits.evaluate import Signals
from ..circuits.windows import windows_of
from .between import Between
from .build import FRAME, frame_of
from .exit import Exit
from .inference import Inference
from .populations import WHOLE, Law, Schedule

if TYPE_CHECKING:
    from ...engine.result import Result


class Sweeps:
    """A batch of inputs side by side, each in a copy of the network that keeps its state.

    Parameters
    ----------
    circuit : Circuit
        What runs.
    network : Network
        What `build` made of it, perhaps with probes.
    n : int
        Inputs side by side.
    law, schedule, events, spikes_in
        As `build` was told.
    dt, backend, threads
        As for `Simulator`.

    Raises
    ------
    ConversionError
        If weights lie on no grid, so that sums of whole numbers would not be exact.
    """

    def __init__(
        self, circuit: Circuit, network: Network, n: int, *, law: Law, schedule: Schedule, events: Events,
        dt: float, backend: str, threads: int | None, spikes_in: bool = False,
    ) -> None:  # fmt: skip
        self.circuit, self.n, self.law = circuit, n, law
        precision: Precision = "fixed" if law in WHOLE else "float32"
        self.simulator = Simulator(
            network, dt, backend=backend, batch=n, threads=threads, precision=precision
        )
        if law in WHOLE:
            _refuse_rounding(self.simulator.plan)
        #: Whether one sweep settles everything.
        alone = law in ("ttfs", "value") or (law == "delta" and schedule == "depth")
        self.settles = alone and not circuit.dense
        self.between = Between(circuit, n, law)
        self._waits = waits_of(circuit, events) if law == "delta" and schedule != "depth" else 0
        self.longest = longest(circuit, events) + self._waits
        self.done = 0
        #: Seconds of one sweep: under "ttfs" it goes through all windows.
        self._span = dt * (windows_of(circuit, spikes_in).steps if law == "ttfs" else 1)
        code = circuit.input.code
        at_rest = np.zeros(circuit.input.n) if code is None or code.rest is None else code.rest
        #: What the input has told before the first frame.
        self._rest = np.tile(at_rest.astype(np.int64), (n, 1)) if law in WHOLE else None
        self._frame = self._rest
        self._change: np.ndarray | None = None

    def feed(self, frame: np.ndarray) -> None:
        """Give the inputs, (n, k): their whole numbers, whose change is told, if such are told."""
        self._change = None if self._rest is None else (frame - self._frame).astype(np.float32)[:, None]
        self._frame = frame

    def hold(self, units: float) -> None:
        """Let changes of less than so many units beyond what is rounded off go untold, in a held network."""
        for name, cell in self.circuit.cells.items():
            if cell.code is not None and cell is not self.circuit.input:
                self.simulator.set(name, hold=units)

    def reset(self) -> None:
        """Go back to the initial state, in which nothing has been told."""
        self.simulator.reset()
        self._frame, self._change, self.done = self._rest, None, 0
        self.between.reset()

    def sweep(self) -> Result:
        """Run one sweep and return what happened in it."""
        if self.law in WHOLE:
            inputs = {} if self._change is None else {FRAME: self._change}
        else:
            assert self._frame is not None
            inputs = {FRAME: self._frame.reshape(self.n, *self.circuit.input.shape)}
        self._change = None
        inputs |= self.between.frames()
        result = self.simulator.run(self._span, inputs=inputs, progress=False)
        if result.info.interrupted:
            raise KeyboardInterrupt
        self.done += 1
        self.between.renew(self)
        return result

    @property
    def waits(self) -> bool:
        """Whether something may be told in the next sweep though nothing was in this one."""
        return self.done <= self._waits

    def quiet(self, result: Result) -> np.ndarray:
        """Return whether an input told nothing in a sweep: nor will it again, unless this `waits`."""
        if self.law == "rate":
            return np.zeros(self.n, bool)
        told = result.counts.by_trial("spikes") > 0 if self.law == "delta" else np.zeros(self.n, bool)
        return np.asarray(~(told | self.between.busy))

    def totals(self, name: str) -> np.ndarray:
        """Return the totals u of a cell, float32 (n, neurons)."""
        state = self.simulator.state(name)
        return next(state[variable] for variable in ("u", "v", "value") if variable in state)

    def mean_totals(self, name: str) -> np.ndarray:
        """Return the totals of a cell as operators read them: under "rate" means over the sweeps so far."""
        part = self.simulator.plan.network[name]
        if self.law != "rate" or not isinstance(part, Population):
            return self.totals(name)
        model, state = part.model, self.simulator.state(name)
        assert isinstance(model, EventNeuron)
        straight = bool(model.options()["straight"])
        mean = model.total(state["u"], state["n"], model.theta, self.done - 1, self.law, straight)
        return np.asarray(mean, np.float32)

    def told_frame(self) -> np.ndarray:
        """Return the inputs as they are told, float32 (n, k)."""
        assert self._frame is not None
        if self.law != "delta":
            return np.asarray(self._frame, np.float32)
        signals = Signals()
        tell(self.circuit.input, self._frame.astype(np.float32), signals)
        return signals.values[self.circuit.input.name]

    def outputs(self) -> np.ndarray:
        """Return the answer, float32 (n, shape of the output): totals, under "rate" their mean."""
        output = self.circuit.output
        totals = self.totals(output.name).reshape(self.n, *output.shape)
        if self.law == "rate" and (output.rows is None or output.rows.dense):
            totals = totals / np.float32(self.done)
        return totals

    def settle(self, steps: int | None, exit: Exit | None) -> Inference:
        """Run until all inputs are silent or may stop, or for a number of sweeps.

        Parameters
        ----------
        steps : int or None
            Sweeps at most; None for as many as it takes.
        exit : Exit or None
            When an input may stop before it is silent.

        Raises
        ------
        KeyboardInterrupt
            At Ctrl-C: an unsettled answer would pass for the settled one.
        """
        course = _Course(self, exit)
        # What is done stands still, and costs nothing more.
        while len(course.results) < (steps or self.longest) and not course.done.all():
            self.simulator.halt(course.done)
            course.take(self.sweep())
        self.simulator.halt([])
        if steps is None and not course.done.all():
            raise RunError(f"Converted.run: not silent after {self.longest} sweeps, which none should take")
        return course.inference(steps)


class _Course:
    """What happened to a batch of inputs so far, sweep by sweep."""

    def __init__(self, sweeps: Sweeps, exit: Exit | None) -> None:
        self.sweeps, self.exit = sweeps, exit
        self.results: list[Result] = []
        self.outputs: list[np.ndarray] = []
        self.operations: list[np.ndarray] = []
        self.dense = np.zeros(sweeps.n, np.int64)
        self.silent = np.zeros(sweeps.n, bool)
        # The sweep that brought each input what it has told last, and the one after which it could stop.
        self.last = np.ones(sweeps.n, np.int64)
        self.stopped = np.zeros(sweeps.n, np.int64)

    def take(self, result: Result) -> None:
        """Add one sweep."""
        self.results.append(result)
        sweep, now, waiting = len(self.results), self.sweeps.outputs(), ~self.done
        quiet = self.sweeps.quiet(result)
        self.silent |= (quiet & (not self.sweeps.waits) | self.sweeps.settles) & waiting
        self.last = np.where(waiting & ~quiet, sweep, self.last)
        if self.exit is not None:
            before = self.outputs[-1].reshape(len(now), -1) if self.outputs else None
            met = self.exit.met(before, now.reshape(len(now), -1))
            self.stopped = np.where(met & waiting & ~self.silent, sweep, self.stopped)
        self.outputs.append(now)
        self.operations.append(operations_by_input(self.sweeps.circuit, result))
        self.dense += self.sweeps.between.computed

    @property
    def done(self) -> np.ndarray:
        """Whether nobody waits for an input any more, since it is silent or has stopped; boolean (n,)."""
        return np.asarray(self.silent | (self.stopped > 0))

    def inference(self, steps: int | None) -> Inference:
        """Return what it came to; steps that were not run, since all were silent, change nothing."""
        taken = np.where(self.stopped > 0, self.stopped, self.last)
        if steps is not None:
            taken = np.where((self.stopped == 0) & ~self.silent, steps, taken)
        length = int(taken.max()) if steps is None else steps
        missing = max(length - len(self.outputs), 0)
        over_time = np.stack([*self.outputs[:length], *[self.outputs[-1]] * missing])
        told = np.stack([*self.operations[:length], *[np.zeros_like(taken)] * missing])
        return Inference(
            outputs=over_time[taken - 1, np.arange(len(taken))],
            over_time=over_time,
            steps=taken,
            silent=self.silent,
            operations_over_time=np.cumsum(told, axis=0),
            first_layer=first_layer(self.sweeps.circuit, self.results),
            dense=self.dense,
            result=_without_frames(joined(self.results), self.sweeps.circuit),
        )


def _frames(circuit: Circuit) -> frozenset[str]:
    """Return the names of sources, which only bring what comes from elsewhere."""
    return frozenset({FRAME, *map(frame_of, circuit.dense)})


def _without_frames(result: Result, circuit: Circuit) -> Result:
    """Return a result without what only brings numbers to the network, which no machine pays for."""
    frames = _frames(circuit)
    counts = replace(
        result.counts,
        populations=tuple(p for p in result.counts.populations if p.name not in frames),
        projections=tuple(p for p in result.counts.projections if p.pre not in frames),
    )
    return replace(result, counts=counts)


def operations_by_input(circuit: Circuit, result: Result) -> np.ndarray:
    """Return the events of each input that are added somewhere, int64 (n,); the first layer's are left out.

    That is synaptic events, and events of a factor that meet the other factor of a product of matrices.
    """
    left_out = _frames(circuit) | {circuit.input.name}
    synaptic = _events(result, lambda pre: pre not in left_out)
    return np.asarray(sum((np.array(o.events_by_trial) for o in result.counts.operators), synaptic))


def first_layer(circuit: Circuit, results: Sequence[Result]) -> np.ndarray:
    """Return the events of the input's own synapses, int64 (n,)."""
    return np.asarray(sum(_events(result, lambda pre: pre == circuit.input.name) for result in results))


def _events(result: Result, counted: Callable[[str], bool]) -> np.ndarray:
    total = np.zeros(result.info.trials, np.int64)
    for projection in result.counts.projections:
        if counted(projection.pre):
            total += np.array(projection.events_by_trial)
    return total


def longest(circuit: Circuit, events: Events) -> int:
    """Return how many sweeps no circuit exceeds: what each cell may need once those before it are silent."""
    spans = [cell.code.high - cell.code.low for cell in circuit.cells.values() if cell.code is not None]
    least = 2 + len(circuit.dense)
    if events == "graded":
        return least + len(spans)
    return least + sum(span if events == "unit" else math.ceil(math.log2(span)) + 1 for span in spans)


def _refuse_rounding(plan: Plan) -> None:
    for group in plan.groups.values():
        for receptor in group.receptors:
            if receptor.grid is not None and receptor.grid.rounding > 0:
                raise ConversionError(
                    f"{group.name}: its weights times the steps of their sources lie on no grid (rounding "
                    f"would move them by up to {receptor.grid.rounding:.2g}); make them multiples of a power "
                    "of two, as Circuit.on_grid does"
                )
