"""The simulator: a network, planned and bound to a backend, that runs as long as it is told to."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .. import __version__
from ..learning.rule import PlasticityRule
from ..learning.short_term import ShortTermRule
from ..neurons.errors import FormatError, RunError, SpecError, UnitWarning
from ..neurons.model import MOST_STEPS, NeuronModel
from .backends.registry import backend as find_backend
from .checks import check_positive
from .clocked import Collector, run_clocked
from .doubts import doubts
from .feeds import Stretch, described_feeds, given_feeds
from .groups import Group
from .interrupt import CtrlC
from .layout import described_weights
from .network import Network
from .parts import Operator, Population, Projection
from .plan import Plan
from .planning import make_plan
from .relays import relay_name
from .result import Result, RunInfo
from .tally import Accountant
from .workers import available_cores

Precision = Literal["fixed", "float32", "float64"]


class Simulator:
    """A network made ready to run.

    Parameters
    ----------
    net : Network
        What to simulate.
    dt : float
        Seconds per step.
    backend : str
        "numba" (compiled) or "reference" (plain NumPy).
    method : "clocked", "event" or "auto"
        How time goes: step by step; "auto" means the same, "event" is not available yet.
    precision : "fixed", "float32", "float64" or None
        How input is summed and state is held; None chooses per projection (`print(sim.plan)` says which).
    batch : int, optional
        Copies of the network, with noise of their own, that run side by side; their records and
        states get an axis of trials. One copy without that axis if left out.
    threads : int, optional
        Threads to use; the backend chooses if left out. Results do not depend on it.

    Raises
    ------
    SpecError, PlanError
        If an argument is not allowed or the network cannot be built: see `Plan`.

    Examples
    --------
    >>> import rheobase as rb
    >>> net = rb.Network(seed=0)
    >>> source = net.add(rb.SpikeSource(1, times=[0.0], ids=[0]))
    >>> neuron = net.add(rb.Population(1, rb.IF(threshold=1.0)))
    >>> p = net.add(rb.Projection(source, neuron, rb.one_to_one(), weight=1.0))
    >>> spikes = net.add(rb.Probe(neuron))
    >>> result = rb.Simulator(net, dt=1e-3, backend="reference").run(5e-3)
    >>> result[spikes].times.tolist()
    [0.001]
    """

    def __init__(
        self,
        net: Network,
        dt: float | None = None,
        *,
        backend: str = "numba",
        method: Literal["clocked", "event", "auto"] = "clocked",
        precision: Precision | None = None,
        batch: int | None = None,
        threads: int | None = None,
    ) -> None:
        if dt is None:
            raise SpecError(
                "Simulator.dt: got None; a clocked simulation needs seconds per step, such as 1e-3"
            )
        _check_choices(method, batch, threads)
        began = time.perf_counter()
        self._backend = find_backend(backend)
        self._batch, self._precision, self._threads = batch, precision, threads
        self.plan: Plan = make_plan(net, dt, precision=precision, trials=1 if batch is None else int(batch))
        for doubt in doubts(net, dt, single=self.plan.real == np.float32):
            warnings.warn(doubt, UnitWarning, stacklevel=2)
        # The accountant asks how many synapses there are, the machine draws them and lays them out.
        self._accountant = Accountant(self.plan, threads or available_cores())
        self._machine = self._backend.bind(self.plan, threads)
        self.plan.release()
        for source, feeds in described_feeds(self.plan).items():
            self._machine.feed(source, feeds)
        self._first = self._machine.snapshot()
        self._facts = self._describe()
        self._torn: str | None = None
        self._build_s = time.perf_counter() - began

    @property
    def now(self) -> float:
        """Seconds simulated so far."""
        return self._machine.now * self.plan.dt

    @property
    def device(self) -> str:
        """The name of the GPU that it runs on; empty where it runs on the processor."""
        return self._machine.device

    def run(
        self, duration: float, *, inputs: Mapping[Any, Any] | None = None, progress: bool | None = None
    ) -> Result:
        """Go on for a while and return what happened meanwhile.

        The first Ctrl-C ends the run within about a quarter of a second: it returns what was recorded so
        far, `result.info.interrupted` is true, and a further run goes on from there. A second one raises
        KeyboardInterrupt as soon as compiled code returns. Both only in Python's main thread, and where
        nobody else handles SIGINT.

        Parameters
        ----------
        duration
            Seconds, rounded to whole steps, at least one.
        inputs
            Source (or its name) -> spikes, values or frames for this run; see `engine.feeds.given_feeds`.
            Times count from the beginning of the run. A source left empty is silent.
        progress
            Whether to show a bar with simulated time, real-time factor (wall seconds per model second)
            and time to go; None shows it on a terminal, for runs of more than half a second.

        Raises
        ------
        SpecError
            If the duration or an input is not allowed.
        RunError
            If a state variable becomes NaN, or if an earlier run ended by an error or a second Ctrl-C: the
            simulator then stays unusable until `reset`.
        """
        self._check_whole("run")
        seconds = check_positive("Simulator.run.duration", duration, "s")
        machine, start = self._machine, self._machine.now
        steps = max(int(np.floor(seconds / self.plan.dt + 0.5)), 1)
        if start + steps > MOST_STEPS:
            raise SpecError(
                f"Simulator.run.duration: got {duration} s, which ends at step {start + steps}; allowed are "
                f"up to {MOST_STEPS} steps"
            )
        stretch = Stretch(self.plan, self._batch is not None, start, steps)
        for source, feeds in given_feeds(stretch, inputs or {}).items():
            machine.feed(source, feeds)
        collector = Collector(self.plan, start, start + steps, self._batch is not None)
        with CtrlC() as ctrl_c:
            # What escapes from here leaves steps half done, or records and counts half taken.
            self._torn = "it was interrupted"
            try:
                result = self._advance(steps, collector, progress, ctrl_c)
            except Exception as error:
                self._torn = str(error)
                raise
            finally:
                collector.close()
            self._torn = None
        return result

    def _advance(self, steps: int, collector: Collector, progress: bool | None, ctrl_c: CtrlC) -> Result:
        began = time.perf_counter()
        done = run_clocked(self._machine, steps, collector, progress, ctrl_c)
        wall_s = time.perf_counter() - began
        records = collector.records(done)
        counts = self._accountant.counts(self._machine.take_tally(), done)
        info = self._info(collector.start, done, wall_s, interrupted=ctrl_c.met > 0)
        sizes = {group.label: group.n for group in self.plan.network.of(Group)}
        return Result(records=records, counts=counts, info=info, populations=sizes)

    def _check_whole(self, caller: str) -> None:
        if self._torn is not None:
            raise RunError(
                f"Simulator.{caller}: an earlier run ended amid its steps ({self._torn}); call reset(), "
                "which goes back to time 0"
            )

    def _info(self, start: int, steps: int, wall_s: float, *, interrupted: bool) -> RunInfo:
        build_s, self._build_s = self._build_s, 0.0
        return RunInfo(
            **self._facts,
            start_step=start,
            steps=steps,
            interrupted=interrupted,
            wall_s=wall_s,
            build_s=build_s,
        )

    def _describe(self) -> dict[str, Any]:
        """Return what is the same in the info of every run."""
        return {
            "backend": self._backend.name,
            "threads": self._machine.threads,
            "precision": self._precision or "auto",
            "dt": self.plan.dt,
            "trials": self.plan.trials,
            "seed": self.plan.network.seed,
            "version": __version__,
            "n_neurons": sum(p.n for p in self.plan.network.populations),
            "n_synapses": self._accountant.n_synapses,
            "synapse_bytes": self._machine.synapse_bytes,
        }

    def reset(self) -> None:
        """Go back to time 0: initial states, no events in flight, the same noise again."""
        self._machine.restore(self._first)
        self._machine.take_tally()
        self._torn = None

    def state(self, population: Group | Projection | str) -> dict[str, np.ndarray]:
        """Return the state variables of a population, an operator, or a short-term rule, by name.

        Arrays are by the user's index: (n,), or (trials, n) from a batch. A projection whose rule is
        TsodyksMarkram, or another ShortTermRule, has one of each for every neuron of its `pre`.

        Raises
        ------
        SpecError
            If this network has no such part.
        """
        part = self._part(population, (Population, Operator, Projection), "state")
        group = self.plan.groups[part.label if isinstance(part, Group) else self._relay(part, "state")]
        names = ["value"]
        if isinstance(group.part, Population):
            names = [state.name for state in group.part.model.used_states]
        values = {name: group.unstored(self._machine.state(group.name, name)) for name in names}
        return {name: value if self._batch is not None else value[0] for name, value in values.items()}

    def weights(self, projection: Projection | str) -> Any:
        """Return a projection's weights as they are now.

        Those of a plastic projection: (n_synapses,), or (trials, n_synapses) from a batch, ordered by
        source, delay, and then as drawn or listed. Others never change: they are returned before any
        rounding to a grid, in the shape of their description (dense: [n_post, n_pre]) or, of lists and
        random patterns, by source and then as drawn or listed.

        Raises
        ------
        SpecError
            If this network has no such projection.
        """
        part = self._part(projection, (Projection,), "weights")
        if isinstance(part.rule, PlasticityRule):
            weights = self._machine.weights(part.label)
            return weights if self._batch is not None else weights[0]
        if self.plan.projections[part.label].storage == "sparse":
            weights = self.plan.synapses(part.label).weight_values()
            self.plan.release()
            return weights
        return described_weights(self.plan, self.plan.projections[part.label]).copy()

    def _relay(self, part: Projection, caller: str) -> str:
        if not isinstance(part.rule, ShortTermRule):
            raise SpecError(
                f"Simulator.{caller}: got {part.label}, which has no state of its own; allowed is a "
                "population, an operator, or a projection with a short-term rule such as TsodyksMarkram"
            )
        return relay_name(part)

    def _part(self, key: Any, kinds: tuple[type[Any], ...], caller: str) -> Any:
        part = self.plan.network[key] if isinstance(key, str) else key
        if part not in self.plan.network or not isinstance(part, kinds):
            allowed = " or ".join(kind.__name__ for kind in kinds)
            raise SpecError(f"Simulator.{caller}: got {key!r}; allowed is a {allowed} of this network")
        return part

    def checkpoint(self, path: str | Path) -> None:
        """Write the network and everything that changes during a run; `resume` goes on as if never stopped.

        Raises
        ------
        RunError
            If the last run ended by an error or a second Ctrl-C: what it left is no state to go on from.
        OSError
            If the file cannot be written.
        """
        self._check_whole("checkpoint")
        from .checkpoint import write_checkpoint

        info = {
            "dt": self.plan.dt, "backend": self._backend.name, "precision": self._precision,
            "batch": self._batch, "threads": self._threads,
        }  # fmt: skip
        write_checkpoint(path, self.plan.network, self._machine.snapshot(), info)

    @classmethod
    def resume(
        cls,
        path: str | Path,
        *,
        threads: int | None = None,
        backend: str | None = None,
        models: Mapping[str, type[NeuronModel]] | None = None,
        rules: Mapping[str, type[PlasticityRule]] | None = None,
    ) -> Simulator:
        """Return a simulator that goes on from a checkpoint.

        Parameters
        ----------
        path
            What `checkpoint` wrote.
        threads, backend
            Other than before, if given; results do not depend on them.
        models, rules
            Name -> class of neuron models and plasticity rules of your own that the network uses.

        Raises
        ------
        FormatError
            If the file is truncated, changed, hostile or of another format, or names a class that
            neither rheobase nor `models` or `rules` know.
        """
        from .checkpoint import check_state, read_checkpoint

        network, state, info = read_checkpoint(path, models=models, rules=rules)
        try:
            simulator = cls(
                network,
                info["dt"],
                backend=backend or info["backend"],
                precision=info["precision"],
                batch=info["batch"],
                threads=info["threads"] if threads is None else threads,
            )
            check_state(path, simulator.plan, simulator._first, state)
        except KeyError as error:
            raise FormatError(
                f"{path}: its header does not say {error}; it is no checkpoint of ours"
            ) from None
        simulator._machine.restore(state)
        return simulator

    def __str__(self) -> str:
        """Say what runs, on what, and how its synapses lie in memory."""
        return "\n".join([repr(self), *(f"  {line}" for line in self._machine.layout)])

    def __repr__(self) -> str:
        trials = f", {self.plan.trials} trials" if self._batch is not None else ""
        where = f"on {self.device}" if self.device else f"{self._machine.threads} thread(s)"
        return (
            f"Simulator: {len(self.plan.network)} parts, dt {self.plan.dt:g} s{trials}, "
            f"{self._backend.name} backend, {where}, at {self.now:g} s"
        )


def _check_choices(method: Any, batch: Any, threads: Any) -> None:
    if method not in ("clocked", "event", "auto"):
        raise SpecError(f"Simulator.method: got {method!r}; allowed is 'clocked', 'event' or 'auto'")
    if method == "event":
        raise SpecError("Simulator.method: got 'event', which is not available yet; use 'clocked'")
    for name, value in (("batch", batch), ("threads", threads)):
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if value is not None and not (whole and value >= 1):
            raise SpecError(f"Simulator.{name}: got {value!r}; allowed is a whole number from 1, or None")
