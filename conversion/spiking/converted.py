"""A converted network: run it, stop early, feed it streams, prove it, compare it, keep it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ...engine.network import Network
from ...neurons.errors import ConversionError
from ..circuits.circuit import Circuit
from ..circuits.codes import Events, aim
from ..circuits.evaluate import unfolded
from ..circuits.windows import windows_of
from ..graphs.forward import forward
from ..graphs.graph import Graph
from ..inputs import check_batch, check_choice, check_labels, check_steps
from .became import Became, became, table
from .build import build
from .exit import RULES, Exit, blends, tuned
from .inference import Inference, side_by_side
from .populations import CHOICES, WHOLE, Law, Schedule
from .sweeps import Sweeps

if TYPE_CHECKING:
    from .comparison import Comparison
    from .verify import Verification

#: So many inputs run side by side: more would only take more memory.
SIDE_BY_SIDE = 128
#: So many simulators are kept for further runs.
MOST_KEPT = 4


@dataclass(frozen=True, eq=False)
class Converted:
    """A trained network as neurons that tell changes. `convert` makes it.

    Attributes
    ----------
    graph : Graph
        The trained network.
    circuit : Circuit
        The cells that it became, with codes, and weights on grids.
    law : "delta", "rate", "ttfs" or "value"
        What events mean.
    events : "pow2", "unit" or "graded"
        What one event tells under "delta".
    schedule : "depth" or "concurrent"
        How a run goes under "delta", unless it is told otherwise.
    spikes_in : bool
        Whether the input is told in spikes under "rate" and "ttfs"; if not, it is a current.
    errors : mapping
        Cell -> root mean square error of its signal on the calibration sample, as a part of the signal's
        standard deviation.
    dt : float
        Seconds per sweep, under "ttfs" per step. It changes only what a run costs in time, and so its static
        energy.
    """

    graph: Graph
    circuit: Circuit
    law: Law = "delta"
    events: Events = "pow2"
    schedule: Schedule = "depth"
    spikes_in: bool = False
    errors: Mapping[str, float] = field(default_factory=dict)
    dt: float = 1e-3

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            check_choice(f"Converted.{name}", getattr(self, name), allowed)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return self.graph.input.shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one answer."""
        return self.graph.nodes[self.graph.output].shape

    @property
    def steps(self) -> int:
        """Sweeps of a run under other laws than "delta": those of "rate" never end by themselves."""
        return 16 if self.law == "rate" else 1 + len(self.circuit.dense)

    @property
    def steps_per_sweep(self) -> int:
        """Steps of the simulation from an input to its answer under "ttfs"; under other laws one."""
        return windows_of(self.circuit, self.spikes_in).steps if self.law == "ttfs" else 1

    @property
    def operations(self) -> tuple[Became, ...]:
        """What became of each operation: what prints as a table."""
        return became(self.circuit, self.errors)

    @cached_property
    def network(self) -> Network:
        """The network that runs; probes can be added before it does. See `build` for what feeds it."""
        return self._built(self.schedule)

    def _built(self, schedule: Schedule, held: bool = False) -> Network:
        how = {"law": self.law, "events": self.events, "spikes_in": self.spikes_in, "held": held}
        return build(self.circuit, schedule=schedule, **how)  # type: ignore[arg-type]

    def run(
        self, x: Any, *, steps: int | None = None, exit: Exit | None = None, schedule: Schedule | None = None,
        backend: str = "numba", threads: int | None = None,
    ) -> Inference:  # fmt: skip
        """Run a batch of inputs side by side, each from the initial state.

        Parameters
        ----------
        x : array (n, features...)
            The inputs; what lies beyond the range of the sample is told as its end.
        steps : int, optional
            Sweeps at most; if left out until nothing is told any more, and `steps` under other laws than
            "delta", where this never comes.
        exit : Stable or Confident, optional
            When an input may stop earlier, each by itself.
        schedule : "depth" or "concurrent", optional
            In order of depth one sweep settles everything, at the lowest cost; all at once gives an answer
            after every sweep, which gets better. The network's own if left out; "concurrent" with `steps`
            or `exit`.
        backend, threads
            As for `Simulator`.

        Returns
        -------
        Inference

        Raises
        ------
        ConversionError
            If the inputs have another shape than the sample, or are not finite.
        KeyboardInterrupt
            At Ctrl-C: an unsettled answer would pass for the settled one.
        """
        batch = self.checked(x)
        if exit is not None and not isinstance(exit, Exit):
            raise ConversionError(f"run.exit: got {exit!r}; allowed is Stable(eta), Confident(p) or None")
        steps = None if steps is None else check_steps(steps)
        if self.law == "ttfs" and (exit is not None or (steps or 1) > 1):
            raise ConversionError(
                f"run: got steps={steps!r}, exit={exit!r} with law='ttfs'; allowed is neither, since an "
                f"input takes one pass of {self.steps_per_sweep} steps, with no answer before its end"
            )
        if self.law != "delta":
            steps, schedule = steps or self.steps, self.schedule
        elif schedule is None:
            schedule = self.schedule if steps is None and exit is None else "concurrent"
        # Probes record one stretch of all inputs.
        size = len(batch) if self.network.probes else SIDE_BY_SIDE
        found = []
        for part in (batch[i : i + size] for i in range(0, len(batch), size)):
            sweeps = self.kept(len(part), schedule=schedule, backend=backend, threads=threads)
            sweeps.feed(self.whole(part))
            found.append(sweeps.settle(steps, exit))
        return side_by_side(found)

    def stream(
        self, frames: Iterable[Any], *, hold: float = 0.0, exit: Exit | None = None, backend: str = "numba",
        threads: int | None = None,
    ) -> Iterator[Inference]:  # fmt: skip
        """Yield the answer to each frame of a stream; it starts from the last one's and costs its change.

        Parameters
        ----------
        frames : iterable of array
            Each in the shape of one input, or (n, features...) for n streams side by side.
        hold : float
            A dead band, in thetas. After the first frame a cell tells nothing until its value has moved so
            far beyond what rounding allows, so its signal is within 0.5 + hold thetas of its value. With 0,
            each answer is that of the quantised network.
        exit, backend, threads
            As for `run`.

        Examples
        --------
        >>> import rheobase as rb
        >>> from rheobase.conversion.layers import Affine, ReLU
        >>> sample = np.random.default_rng(0).uniform(size=(50, 4))
        >>> snn = rb.convert([Affine(np.eye(4)), ReLU(), Affine(np.ones((1, 4)))], sample)
        >>> frames = [sample[0], sample[0], sample[1]]
        >>> [bool(answer.first_layer[0]) for answer in snn.stream(frames, backend="reference")]
        [True, False, True]
        """
        sweeps: Sweeps | None = None
        if not (isinstance(hold, (int, float, np.number)) and 0.0 <= hold < np.inf):
            raise ConversionError(f"stream.hold: got {hold!r}; allowed is a finite number from 0")
        for frame in frames:
            given = np.asarray(frame)
            alone = given.size == self.graph.input.n
            batch = self.checked(given.reshape(1, *self.input_shape) if alone else given)
            if self.law != "delta":
                raise ConversionError(
                    f"stream: got law={self.law!r}; allowed is 'delta', under which frames cost their change"
                )
            if sweeps is None:
                schedule = self.schedule if exit is None else "concurrent"
                sweeps = self.sweeps(
                    len(batch), schedule=schedule, held=hold > 0, backend=backend, threads=threads
                )
            if len(batch) != sweeps.n:
                raise ConversionError(
                    f"stream: got a frame of {len(batch)} inputs; allowed are {sweeps.n}, as the first had"
                )
            sweeps.feed(self.whole(batch))
            first = sweeps.done == 0
            yield sweeps.settle(None, exit)
            if first and hold > 0:
                sweeps.hold(hold)

    def tune_exit(
        self, x: Any, labels: Any = None, *, budget: float | None = None,
        rule: Literal["confident", "stable"] = "confident",
        backend: str = "numba", threads: int | None = None,
    ) -> Exit:  # fmt: skip
        """Return when to stop early: as cheaply as nothing is lost, or as carefully as a budget allows.

        Parameters
        ----------
        x : array (n, features...)
            Typical inputs, run to silence. Without labels and a budget, the cheapest rule is wanted under
            which no answer differs from that at silence, for these and for as many `blends` of them: few
            typical inputs lie so near to the border of two classes as some that are still to come.
        labels : array (n,), optional
            Their classes: then the cheapest rule that recognises no fewer of them, and may lose others.
        budget : float, optional
            Operations on average, as a share of those to silence: then the most careful rule that keeps to
            it.
        rule : "confident" or "stable"
            The kind of rule: `Confident`, which may stop after the first sweep, or `Stable`.
        backend, threads
            As for `run`.

        Raises
        ------
        ConversionError
            If no rule keeps to the budget, or both labels and a budget are given.
        """
        if self.law == "ttfs":
            raise ConversionError("tune_exit: got law='ttfs', by which there is no answer before the end")
        if labels is not None and budget is not None:
            raise ConversionError("tune_exit: got both labels and a budget; give one of them, or none")
        check_choice("tune_exit.rule", rule, tuple(RULES))
        batch = self.checked(x)
        # Indices of an embedding have no middle.
        if labels is None and budget is None and self.circuit.input.function != "one_hot":
            batch = np.concatenate([batch, blends(batch)])
        found = self.run(batch, schedule="concurrent", backend=backend, threads=threads)
        return tuned(found, RULES[rule], labels=check_labels(labels, len(found)), budget=budget)

    def original(self, x: Any) -> np.ndarray:
        """Return the trained network's outputs, computed with NumPy in float32."""
        return forward(self.graph, self.checked(x))

    def verify(
        self, x: Any, *, backends: Sequence[str] = ("numba", "reference"), threads: int | None = None
    ) -> Verification:
        """Prove on inputs that what is settled is the quantised network, bit for bit.

        On each backend, and under "delta" in either schedule, the totals of every cell and what it has told
        are compared with one pass through the circuit in NumPy.

        Parameters
        ----------
        x : array (n, features...)
            The inputs.
        backends : sequence of str
            What to run on.
        threads : int, optional
            As for `Simulator`.

        Raises
        ------
        ConversionError
            Naming the first difference.
        """
        from .verify import verify

        return verify(self, self.checked(x), backends, threads)

    def compare(
        self, x: Any, labels: Any = None, *, model: Any = None, steps: Sequence[int] = (1, 2, 4, 8),
        chips: Sequence[str] = ("cmos45", "loihi", "spinnaker2", "truenorth"), backend: str = "numba",
        threads: int | None = None,
    ) -> Comparison:  # fmt: skip
        """Run inputs through the original and through this, and show what was lost and what it costs.

        Parameters
        ----------
        x : array (n, features...)
            The inputs.
        labels : array (n,), optional
            The right classes.
        model : callable, optional
            What the original's outputs come from: a torch module, or any function of a batch. The operations
            that it was traced to, if left out.
        steps : sequence of int
            Sweeps after which to look.
        chips : sequence of str
            What to price.
        backend, threads
            As for `run`.
        """
        from .compare import compare

        how: dict[str, Any] = {"steps": steps, "chips": chips, "backend": backend, "threads": threads}
        return compare(self, self.checked(x), labels, model=model, **how)

    def save(self, path: str | Path) -> None:
        """Write everything to one `.npz`, without pickle; an older file is replaced in one step.

        Operations that were left dense are kept as names of torch's operators with their arguments.
        """
        from .stored import write

        write(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Converted:
        """Read what `save` wrote. Nothing in a file is ever executed.

        Raises
        ------
        FormatError
            If the file is truncated, changed, of another format, or describes no network.
        OSError
            If there is no such file.
        """
        from .stored import read

        return read(path)

    def sweeps(
        self, n: int, *, schedule: Schedule, held: bool = False, backend: str = "numba",
        threads: int | None = None,
    ) -> Sweeps:  # fmt: skip
        """Return n copies of the network, side by side in their initial state; probes are of its own only."""
        check_choice("run.schedule", schedule, CHOICES["schedule"])
        own = schedule == self.schedule and not held
        net = self.network if own else self._built(schedule, held)
        return Sweeps(
            self.circuit, net, n, law=self.law, schedule=schedule, events=self.events, dt=self.dt,
            backend=backend, threads=threads, spikes_in=self.spikes_in,
        )  # fmt: skip

    def kept(self, n: int, **machine: Any) -> Sweeps:
        """Return n copies in their initial state, perhaps of an earlier run: what is made is kept."""
        key = (n, len(self.network), *machine.items())
        if key not in self._kept:
            while len(self._kept) >= MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = self.sweeps(n, **machine)
        else:
            self._kept[key].reset()
        return self._kept[key]

    @cached_property
    def _kept(self) -> dict[Any, Sweeps]:
        return {}

    def whole(self, batch: np.ndarray) -> np.ndarray:
        """Return inputs as the network is fed, (n, k): as whole numbers where such are told, else values."""
        cell, values = self.circuit.input, unfolded(self.circuit, batch)
        if self.law == "value" or cell.code is None:
            return values
        n = aim(cell, values)
        return n.astype(np.int64) if self.law in WHOLE else n * cell.code.theta

    def checked(self, x: Any) -> np.ndarray:
        """Return a batch of inputs as float32, or raise ConversionError."""
        batch = check_batch("x", x)
        if batch.shape[1:] != self.input_shape and batch[0].size != self.graph.input.n:
            raise ConversionError(
                f"x: got shape {batch.shape}; allowed is (n, {', '.join(map(str, self.input_shape))})"
            )
        return batch.reshape(len(batch), *self.input_shape)

    def __repr__(self) -> str:
        how = ", in order of depth" if self.schedule == "depth" else ", all at once"
        told = f", {self.events} events{how}" if self.law == "delta" else ""
        told = f", {self.steps_per_sweep} steps" if self.law == "ttfs" else told
        return f"law {self.law}{told}\n{table(self.operations)}"
