"""`rheobase bench`: time a workload, and a peer simulator beside it in the same run.

Every run starts afresh from the same seed, so all do the same work, and a peer takes turns with ours.
A network that takes a while to settle is warmed up before every run, untimed.
What compiles is compiled before the first turn. A turn of short runs starts with one that is not
counted, and is the mean of the others: a processor that has waited for the other side starts cold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import __version__
from .bench_device import on_device
from .bench_event import RATES, compare_methods
from .bench_ours import WORKLOADS, Ours, Workload, turn
from .bench_peer import check_peer, in_turns
from .engine.simulator import Simulator
from .models.benchmarks import spike_inputs
from .neurons.errors import SpecError

#: What a line repeats of a peer's own.
_FACTS = (
    "device", "ways_s", "upload_s", "build_s", "rate_hz", "rates_hz", "cv", "spikes", "synaptic_events",
    "weight_mean", "weight_sd",
)  # fmt: skip


def run_benchmark(
    name: str,
    *,
    repeats: int = 5,
    seconds: float | None = None,
    scale: float = 1.0,
    threads: int = 1,
    batch: int = 1,
    seed: int = 0,
    activity: float = 0.05,
    rate: Sequence[float] = RATES,
    model: str = "LIF",
    rule: str = "pair",
    backend: str = "numba",
    peer: str | None = None,
    peer_python: str | None = None,
    peer_script: str | Path | None = None,
    peer_device: str | None = None,
) -> dict[str, Any]:
    """Time one workload and return a line of figures, ready for JSON.

    Parameters
    ----------
    name : str
        "cuba", "coba", "adex", "brunel", "microcircuit", "sparse", "stdp", "mlp", "conv" or
        "event".
    repeats : int
        Turns; their median counts, the fastest and the slowest are kept.
    seconds : float, optional
        Model time of one run; the workload's own if left out.
    scale : float
        Size, relative to the published one. A smaller `microcircuit` also has fewer synapses onto
        each neuron.
    threads, backend
        As for `Simulator`; the peer gets the same number of threads.
    batch : int
        Samples (or, for recurrent networks, trials) side by side.
    seed : int
        Seed of the network and of the inputs, for the peer too.
    activity : float
        Share of input channels that fire per step, for `mlp` and `conv`.
    rate, model
        Synaptic events per neuron and second to compare at, and the neurons, "LIF" or "CurrentLIF", for
        `event`.
    rule : str
        By which synapses learn in `stdp`: "pair", "triplet" or "reward".
    peer : str, optional
        Run this one too, in turns: "brian2", "nest" or, for `cuba`, "annarchy"; for `mlp` and `conv`
        "torch", "torch_fused" (torch with a fused kernel of ours, on a GPU), "spikingjelly", "sinabs",
        "norse" or "snntorch".
    peer_python : str, optional
        The Python that has the peer installed; this one if left out.
    peer_script : path, optional
        The script that runs the peer, if not benchmarks/peers of a checkout.
    peer_device : str, optional
        "cpu" or, for "torch", "torch_fused" and "spikingjelly", "cuda"; a processor if left out.

    Returns
    -------
    dict
        Times end in `_s`. `synaptic_events` leaves out the private Poisson drive, which is
        `drive_events`. `rates_hz` has the rate of each population where there are several. Where
        synapses learn, `ns_per_plastic_event` is the time per application of a rule to a synapse
        (`weight_updates`), and `weight_mean` and `weight_sd` are shares of the weights' range.
        `limits` is what the machine itself could do just then, and `of_limit` the fraction of it that was
        reached: see `bench_limits` and, for the backend "cuda", which also has a `device` and the time
        of a step, `bench_device`. With a peer, `ratio` is its time over ours; if it could not be run,
        `peer_wall_s` is None and `peer_note` says why. For `event`: see `bench_event.compare_methods`.

    Raises
    ------
    SpecError
        If a name is unknown or a number out of range.

    Examples
    --------
    >>> line = run_benchmark("cuba", scale=0.05, seconds=0.01, repeats=1, backend="reference")
    >>> line["n_neurons"]
    200
    """
    workload = check_settings(name, repeats, seconds, batch, activity)
    if peer is not None:
        check_peer(peer, name, peer_device)
    seconds = workload.seconds if seconds is None else float(seconds)
    options: dict[str, Any] = {"backend": backend, "threads": threads, "batch": batch if batch > 1 else None}
    line: dict[str, Any] = {"benchmark": name, "backend": backend, "threads": threads, "version": __version__}
    line |= {"seed": seed, "scale": scale, "batch": batch, "repeats": repeats}
    if name == "event":
        return line | compare_methods(
            seconds, repeats, options, seed=seed, scale=scale, rates=rate, model=model
        )
    learns = {"rule": rule} if name == "stdp" else {}
    network = workload.build(seed=seed, scale=scale, **learns)
    inputs: Mapping[Any, Any] = {}
    if workload.fed:
        steps = round(seconds / workload.dt)
        inputs = spike_inputs(network, seed=seed, steps=steps, dt=workload.dt, batch=batch, activity=activity)
        inputs = on_device(inputs, steps, workload.dt) if backend == "cuda" else inputs
    ours = Ours(lambda: Simulator(network, workload.dt, **options), workload, inputs, seconds)
    line |= {"activity": activity} if workload.fed else learns
    if peer is None:
        return line | ours.figures([turn(ours.run) for _ in range(repeats)])
    settings: dict[str, Any] = {
        "seconds": seconds,
        "scale": scale,
        "seed": seed,
        "threads": threads,
        "batch": batch,
    }
    if workload.warmup:
        settings["warmup"] = workload.warmup
    settings |= {"activity": activity} if workload.fed else learns
    if peer_device is not None:
        settings["device"] = peer_device
    arguments = [name, *(text for key, value in settings.items() for text in (f"--{key}", str(value)))]
    walls, beside = in_turns(ours.run, repeats, peer, name, peer_python, peer_script, arguments, _FACTS)
    line |= ours.figures(walls)
    if beside["peer_wall_s"] is not None:
        beside["ratio"] = beside["peer_wall_s"] / line["wall_s"]
        if workload.fed:
            beside["peer_samples_per_s"] = batch / beside["peer_wall_s"]
    return line | beside


def check_settings(
    name: str, repeats: int = 1, seconds: float | None = None, batch: int = 1, activity: float = 0.05
) -> Workload:
    """Return a workload; raise SpecError if there is none of this name, or a setting is out of range."""
    if name not in WORKLOADS:
        raise SpecError(f"bench: got {name!r}; there are {sorted(WORKLOADS)}")
    for field, number in (("repeats", repeats), ("batch", batch)):
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise SpecError(f"bench.{field}: got {number!r}; allowed is a whole number from 1")
    workload = WORKLOADS[name]
    if seconds is not None and not workload.dt <= seconds < float("inf"):
        raise SpecError(f"bench.seconds: got {seconds!r}; allowed is at least one step, {workload.dt} s")
    if not 0 <= activity <= 1:
        raise SpecError(f"bench.activity: got {activity!r}; allowed is a share from 0 to 1")
    return workload
