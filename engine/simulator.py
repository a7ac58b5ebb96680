"""The simulator: a network, planned and bound to a backend, that runs as long as it is told to."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .. import __version__
from ..learning.rules.rule import PlasticityRule
from ..neurons.errors import FormatError, RunError, SpecError, UnitWarning
from ..neurons.model import NeuronModel
from .access import Access
from .backends.private import drawn_flight, private_sources
from .backends.registry import GRID_EVENT_BACKENDS, event_backend
from .backends.registry import backend as find_backend
from .changes import change_of
from .checks import check_positive
from .choice import Choice, choose
from .clocked import Collector, run_clocked
from .connections import Connections
from .doubts import doubts
from .ending import Ending, Until, check_halting, check_steps, check_until, chosen_trials
from .feeds import Stretch, described_feeds, given_feeds, most_steps
from .groups import Group, Part, Slice, group_of
from .interrupt import CtrlC
from .network import Network
from .parts import Operator, Population, Projection
from .plan import Plan
from .planning import make_plan
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
    dt : float, optional
        Seconds per step. From event to event there are none: then it is only what a delay or a probe's
        interval is where they were left out, and may be left out itself.
    backend : str
        "numba" (compiled) or "reference" (plain NumPy).
    method : "clocked", "event" or "auto"
        How time goes: step by step, or from event to event, with times that are not rounded to steps. "auto"
        goes by the steps of the clock, but skips those in which nothing happens if that costs less and
        changes no result: `print(sim)` says why it does or does not (see docs/events.md).
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
        _check_choices(method, batch, threads)
        gridless = method == "event"
        if dt is None and not gridless:
            raise SpecError(
                "Simulator.dt: got None; a clocked simulation needs seconds per step, such as 1e-3"
            )
        began = time.perf_counter()
        self._dt, self._method = dt, method
        self._backend = event_backend(backend) if gridless else find_backend(backend)
        self._batch, self._precision, self._threads = batch, precision, threads
        # Users hold its parts, also where `set` has put others in their places.
        self._given = net.copy() if isinstance(net, Network) else net
        self.plan: Plan = make_plan(
            net, dt, precision=precision, trials=1 if batch is None else int(batch), gridless=gridless
        )
        if dt is not None and not gridless:
            for doubt in doubts(net, dt, single=self.plan.real == np.float32):
                warnings.warn(doubt, UnitWarning, stacklevel=2)
        self._bind()
        self._torn: str | None = None
        self._build_s = time.perf_counter() - began

    def _bind(self) -> None:
        """Make the plan ready to run, at time 0."""
        # The accountant asks how many synapses there are, the machine draws them and lays them out.
        self._accountant = Accountant(self.plan, self._threads or available_cores())
        self._choice = self._choose()
        skips = self._choice.method == "event" and not self.plan.gridless
        backend = GRID_EVENT_BACKENDS[self._backend.name] if skips else self._backend
        self._machine = backend.bind(self.plan, self._threads)
        self.plan.release()
        self._described = described_feeds(self.plan)
        for source, feeds in self._described.items():
            self._machine.feed(source, feeds)
        self._first = {key: _once(array) for key, array in self._machine.snapshot().items()}
        self._facts = self._describe()
        self._access = Access(self.plan, self._machine, self._batch is not None)
        for probe in self.plan.synaptic_probes:
            self._access.sample(probe)  # refuses synapses that there are none of

    def _choose(self) -> Choice:
        if self._method == "auto":
            return choose(self.plan, self._backend.name)
        return Choice("event" if self.plan.gridless else "clocked")

    @property
    def now(self) -> float:
        """Seconds simulated so far."""
        return self._machine.now * self.plan.dt

    @property
    def device(self) -> str:
        """The name of the GPU that it runs on; empty where it runs on the processor."""
        return self._machine.device

    def run(
        self,
        duration: float,
        *,
        inputs: Mapping[Any, Any] | None = None,
        until: Until | None = None,
        progress: bool | None = None,
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
        until
            What may end the run before `duration`, looked at after every step. "silent": nothing is sent any
            more, nothing is under way, and no input is left (`result.info.silent` says whether it came to
            that). A function without arguments: it returns whether each trial is done, bool (trials,), and
            may look at `state`. Where all delays are zero, trials that are done stand still meanwhile; a
            function is allowed only there.
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
        check_until(until, self.plan, self._choice.method)
        seconds = check_positive("Simulator.run.duration", duration, "s")
        machine, start = self._machine, self._machine.now
        steps = max(int(np.floor(seconds / self.plan.dt + 0.5)), 1)
        most = most_steps(self.plan)
        if start + steps > most:
            raise SpecError(
                f"Simulator.run.duration: got {duration} s, which ends at step {start + steps}; allowed are "
                f"up to {most} steps of {self.plan.dt:g} s"
            )
        stretch = Stretch(self.plan, self._batch is not None, start, steps)
        given = given_feeds(stretch, self._by_name(inputs or {}))
        for source, feeds in given.items():
            machine.feed(source, feeds)
        fed = (feed for feeds in (self._described | given).values() for feed in feeds)
        ending = None if until is None else Ending(machine, until, fed)
        collector = Collector(self.plan, start, start + steps, self._batch is not None, self._access.sample)
        with CtrlC() as ctrl_c:
            # What escapes from here leaves steps half done, or records and counts half taken.
            self._torn = "it was interrupted"
            try:
                result = self._advance(steps, collector, progress, ctrl_c, ending)
            except Exception as error:
                self._torn = str(error)
                raise
            finally:
                collector.close()
                if ending is not None:
                    ending.close()
            self._torn = None
        return result

    def _advance(
        self, steps: int, collector: Collector, progress: bool | None, ctrl_c: CtrlC, ending: Ending | None
    ) -> Result:
        began = time.perf_counter()
        done = run_clocked(self._machine, steps, collector, progress, ctrl_c, ending)
        wall_s = time.perf_counter() - began
        records = collector.records(done)
        counts = self._accountant.counts(self._machine.take_tally(), done, collector.ran)
        info = self._info(
            start_step=collector.start,
            steps=done,
            wall_s=wall_s,
            interrupted=ctrl_c.met > 0,
            silent=ending is not None and ending.silent,
            trial_steps=tuple(collector.ran.tolist()),
        )
        sizes = {group.label: group.n for group in self.plan.network.of(Group)}
        return Result(records=records, counts=counts, info=info, populations=sizes)

    def _check_whole(self, caller: str) -> None:
        if self._torn is not None:
            raise RunError(
                f"Simulator.{caller}: an earlier run ended amid its steps ({self._torn}); call reset(), "
                "which goes back to time 0"
            )

    def _info(self, **of_run: Any) -> RunInfo:
        build_s, self._build_s = self._build_s, 0.0
        return RunInfo(**self._facts, **of_run, build_s=build_s)

    def _describe(self) -> dict[str, Any]:
        """Return what is the same in the info of every run."""
        return {
            "backend": self._backend.name,
            "method": self._choice.method,
            "choice": self._choice.why,
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
        """Go back to time 0: initial states, no events in flight, the same noise again; all trials go on."""
        self._machine.restore(self._first)
        if self._machine.halted.any():
            self._machine.halt(np.zeros(self.plan.trials, bool))
        self._machine.take_tally()
        self._torn = None

    def halt(self, trials: Any) -> None:
        """Let some trials stand still from now on, and no others.

        They are left out of further runs: their state does not change, they send nothing, and nothing of
        theirs is counted; samples of their state show it as it is. An empty choice lets all go on, and so
        does `reset`.

        Parameters
        ----------
        trials
            Which ones: indices, or bool (trials,).

        Raises
        ------
        SpecError
            If there are no such trials, a projection has a delay, so that something could be under way
            meanwhile, or the simulation goes from event to event.

        Examples
        --------
        >>> import rheobase as rb
        >>> net = rb.Network()
        >>> cell = net.add(rb.Population(1, rb.LI(20e-3, drive=1.0)))
        >>> sim = rb.Simulator(net, dt=1e-3, backend="reference", batch=3)
        >>> sim.halt([1])
        >>> sim.run(1.0).info.trial_steps
        (1000, 0, 1000)
        """
        check_steps("halt", self._choice.method)
        check_halting("halt", self.plan)
        self._machine.halt(chosen_trials(trials, self.plan.trials))

    def state(self, population: Group | Projection | str) -> dict[str, np.ndarray]:
        """Return the state variables of a population, an operator, or a projection's rule, by name.

        Arrays are by the user's index: (n,), or (trials, n) from a batch. A projection whose rule is
        TsodyksMarkram, or another ShortTermRule, has one of each for every neuron of its `pre`. One that
        learns has the traces of its rule, for each neuron of `pre` or `post`, as the last step left them;
        those of arrivals are (n_delays, n), by ascending delay, where delays differ, and that of a modulator
        is a number. What synapses keep besides their weights, such as the eligibility `c` of RewardSTDP, has
        the shape of `weights`, and is as it is now.

        Raises
        ------
        SpecError
            If this network has no such part, or a projection no rule.
        """
        return self._access.state(self._part(population, (Population, Operator, Projection), "state"))

    def weights(self, projection: Projection | str) -> Any:
        """Return a projection's weights as they are now; `set` and `Network.with_weights` take them.

        They have the shape and order of the projection's description: [n_post, n_pre] of dense ones, a
        kernel, one for each pair of a list, as it was listed. Those of patterns that are drawn,
        (n_synapses,), stand by source and then as drawn; `synapses` says which they are. Plastic ones from
        a batch have an axis of trials before. Others never change while a network runs: they are returned
        before any rounding to a grid.

        Raises
        ------
        SpecError
            If this network has no such projection.
        """
        return self._access.weights(self._part(projection, (Projection,), "weights").label)

    def synapses(self, projection: Projection | str) -> Connections:
        """Return who a projection connects, with weights as they are now, in the order of `weights`.

        A convolution's or pooling's connections are listed by target, each with the weight that it shares.

        Raises
        ------
        SpecError
            If this network has no such projection.
        """
        return self._access.synapses(self._part(projection, (Projection,), "synapses").label)

    def set(self, part: Group | Slice | Projection | str, /, **values: Any) -> None:
        """Change parameters, state variables, rates or weights between runs.

        The simulator goes on from the state that it has, and a checkpoint holds what has been set.
        `reset` goes back to time 0 with the new parameters, rates and static weights, and with the initial
        values of state variables and plastic weights.

        Parameters
        ----------
        part
            A population or a source, or a slice of one; a projection; or the name of one of these.
        **values
            Of a population: parameters of its model (a number, or one per neuron) and state variables (also
            (trials, n) in a batch). Of a PoissonSource `rate`, of a RateSource `times` and `rates`, of other
            sources that hold them `values`. Of a projection `weight`, as it was described or as `weights`
            returns it, parameters of its rule, and state variables of a short-term rule.

        Notes
        -----
        Where more than state variables and plastic weights change, the plan is made again (so a grid suits
        its new weights) and bound again. For weights and parameters of rules, and rates that ask
        for another grid, this takes about as long as making the simulator; else synapses stay where they
        lie (on the backend "numba"). Spikes of a
        Poisson source that are on their way to one target each are then drawn anew, with the new rate.

        Raises
        ------
        SpecError
            If the network has no such part, it has nothing of such a name, a value is not allowed, or it is
            fixed when a simulator is made, as delays, connectivity and options of models are.
        PlanError
            If the network cannot be built with what is set. Whatever is refused, nothing has changed.

        Examples
        --------
        >>> import rheobase as rb
        >>> net = rb.Network()
        >>> cells = net.add(rb.Population(3, rb.LI(20e-3, drive=1.0), name="cells"))
        >>> sim = rb.Simulator(net, dt=1e-3, backend="reference")
        >>> sim.set(cells[:2], v=0.5, drive=[0.5, 2.0])
        >>> _ = sim.run(1.0)
        >>> sim.state(cells)["v"].round(3).tolist()
        [0.5, 2.0, 1.0]
        """
        if self.plan.gridless:
            raise SpecError(
                "Simulator.set: a simulation from event to event cannot be changed, since it has foreseen "
                "what will happen; describe another network, or use method='clocked'"
            )
        self._check_whole("set")
        current = self._part(group_of(part) if isinstance(part, Slice) else part, (Part,), "set")
        end = part if isinstance(part, Slice) else current if isinstance(current, Group) else None
        if isinstance(current, Projection) and self._access.has_weights(current, values.get("weight")):
            del values["weight"]
            if not values:
                return
        change = change_of(current, end, values, self.plan.network.seed, self.plan.trials)
        snapshot = self._machine.snapshot()
        self._access.put(current, change, snapshot)
        if change.part is not None:
            self._replace(change.part, snapshot)
        self._machine.restore(snapshot)

    def _replace(self, part: Part, snapshot: dict[str, np.ndarray]) -> None:
        """Go on with a network in which this part takes the place of that of its name."""
        network = self.plan.network.with_part(part)
        plan = make_plan(network, self.plan.dt, precision=self._precision, trials=self.plan.trials)
        if not isinstance(part, Projection):
            plan.take_over(self.plan)
        kept, halted = vars(self).copy(), self._machine.halted
        try:
            self.plan = plan
            self._bind()
            if halted.any():
                self._machine.halt(halted)
        except Exception:
            vars(self).update(kept)
            raise
        if part.name in private_sources(plan) and f"flight/{part.name}/steps" in snapshot:
            snapshot |= drawn_flight(plan, part.label, int(snapshot["now"][0]))

    def _by_name(self, inputs: Any) -> Any:
        """Return inputs by names, where users hold the parts of this network."""
        if not isinstance(inputs, Mapping):
            return inputs
        return {
            key.label if isinstance(key, Part) and key in self._given else key: value
            for key, value in inputs.items()
        }

    def _part(self, key: Any, kinds: tuple[type[Any], ...], caller: str) -> Any:
        name = key.label if isinstance(key, Part) and key in self._given else key
        part = self.plan.network[name] if isinstance(name, str) else name
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
            "dt": self._dt, "method": self._method, "backend": self._backend.name,
            "precision": self._precision, "batch": self._batch, "threads": self._threads,
            "halted": np.flatnonzero(self._machine.halted).tolist(),
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
                method=info.get("method", "clocked"),
                precision=info["precision"],
                batch=info["batch"],
                threads=info["threads"] if threads is None else threads,
            )
            check_state(path, simulator.plan, simulator._first, state)
            if info.get("halted"):
                simulator.halt(info["halted"])
        except KeyError as error:
            raise FormatError(
                f"{path}: its header does not say {error}; it is no checkpoint of ours"
            ) from None
        try:
            simulator._machine.restore(state)
        except FormatError as error:
            raise FormatError(f"{path}: {error}") from None
        return simulator

    def __str__(self) -> str:
        """Say what runs, on what, how its synapses lie in memory, and what "auto" has chosen and why."""
        choice = [f"method 'auto' is {self._choice.method!r}: {self._choice.why}"] * (self._method == "auto")
        return "\n".join([repr(self), *(f"  {line}" for line in [*choice, *self._machine.layout])])

    def __repr__(self) -> str:
        trials = f", {self.plan.trials} trials" if self._batch is not None else ""
        grid = "no grid" if self.plan.gridless else f"dt {self.plan.dt:g} s"
        where = f"on {self.device}" if self.device else f"{self._machine.threads} thread(s)"
        return (
            f"Simulator: {len(self.plan.network)} parts, {grid}{trials}, "
            f"{self._backend.name} backend, {where}, at {self.now:g} s"
        )


def _once(array: np.ndarray) -> np.ndarray:
    """Return an array whose rows, if all are alike, lie in memory but once: less of it to read at a reset."""
    alike = array.ndim > 1 and len(array) > 1 and bool((array[1:] == array[0]).all())
    return np.broadcast_to(array[0].copy(), array.shape) if alike else array


def _check_choices(method: Any, batch: Any, threads: Any) -> None:
    if method not in ("clocked", "event", "auto"):
        raise SpecError(f"Simulator.method: got {method!r}; allowed is 'clocked', 'event' or 'auto'")
    for name, value in (("batch", batch), ("threads", threads)):
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if value is not None and not (whole and value >= 1):
            raise SpecError(f"Simulator.{name}: got {value!r}; allowed is a whole number from 1, or None")
