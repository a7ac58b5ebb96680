"""`rheobase bench train`: a step of training, forward and back, beside a library of torch.

The peer gets the same weights, input, labels and surrogate; ours gets its convention of the reset. That both
have the same spikes and the same gradients is measured before the times are.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np

from . import __version__
from .bench_learner import Case, Training, memory_of, values_of
from .bench_ours import turn
from .bench_peer import check_peer, find_script, in_turns, told_alone
from .models.learners import BETA, LONGEST
from .neurons.errors import MissingExtra, RunError, SpecError

#: Steps and samples, where nothing else is asked for.
SIZES = {"dense": (100, 64), "recurrent": (100, 64), "conv": (20, 32), "delayed": (100, 256)}
#: Backend -> torch's device.
DEVICES = {"numba": "cpu", "cuda": "cuda"}
#: Peers whose neurons fire at the threshold and are reset at once, not above it and a step later.
AT_ONCE = ("spikingjelly",)
_FACTS = ("build_s",)


def bench_training(
    model: str = "dense",
    *,
    steps: int | None = None,
    batch: int | None = None,
    activity: float = 0.1,
    repeats: int = 5,
    threads: int = 1,
    seed: int = 0,
    method: Literal["bptt", "sltt"] = "bptt",
    backend: Literal["numba", "cuda"] = "numba",
    peer: str | None = None,
    peer_python: str | None = None,
    peer_script: str | Path | None = None,
    peer_device: str | None = None,
) -> dict[str, Any]:
    """Time a step of training (forward, loss, back; no optimiser), and return a line of figures.

    Parameters
    ----------
    model : "dense", "recurrent", "conv" or "delayed"
        See `rheobase.models.learners.learner`.
    steps, batch : int, optional
        Of the input: 100 steps of 64 samples, 20 of 32 for "conv", 100 of 256 for "delayed".
    activity : float
        Share of input channels that fire in a step. 0.1 is that of the Spiking Heidelberg Digits in bins of
        10 ms: some 7,600 spikes of 700 channels in a second.
    repeats : int
        Turns; their median counts.
    threads : int
        Threads of torch, on both sides.
    seed : int
        Seed of weights and input.
    method : "bptt" or "sltt"
        Gradients through all steps, or within each, which takes the same memory for any number of them: see
        `rheobase.learning.sltt.sltt`. Peers train by the first.
    backend : "numba" or "cuda"
        Whose loops the neurons run in: on a processor, or on a GPU, of which torch must know too.
    peer : "snntorch" or "spikingjelly", optional
        Train with this one too, in turns: "spikingjelly" for all but "recurrent".
    peer_python : str, optional
        The Python that has the peer installed; this one if left out.
    peer_script : path, optional
        The script that runs the peer, if not benchmarks/peers of a checkout.
    peer_device : "cpu" or "cuda", optional
        The same as ours, which it is if left out.

    Returns
    -------
    dict
        `spikes_per_step` are shares of neurons that fire, by population. `peak_mb` is the most memory that
        a process held that did nothing else, `base_mb` what it had held after training on a single step of
        the input, with all code loaded; on a GPU both are of its memory, by torch's count. A peer's figures
        begin with `peer_`; `ratio` is its time over ours, `spikes_differ` counts spikes of all layers that
        only one side has, and `gradients_differ` is the largest difference of a gradient, over the largest
        one of that parameter.

    Raises
    ------
    SpecError
        If a name is unknown or a number out of range.
    MissingExtra
        If torch is not installed.
    """
    _check(model, activity, method, backend, steps=steps, batch=batch, repeats=repeats)
    if peer is not None:
        check_peer(peer, "train", DEVICES[backend])
        if peer_device not in (None, DEVICES[backend]):
            raise SpecError(
                f"bench.peer_device: got {peer_device!r}; allowed is that of ours, {DEVICES[backend]!r}"
            )
        if why := refused(model, peer) or (method != "bptt" and "peers train by 'bptt' only"):
            raise SpecError(f"bench.peer: {why}")
    few, samples = (given or usual for given, usual in zip((steps, batch), SIZES[model], strict=True))
    case = Case(model, few, samples, activity, seed, threads, peer in AT_ONCE, method, DEVICES[backend])
    line: dict[str, Any] = {"benchmark": "train", "model": model, "backend": backend, "threads": threads}
    line |= {"version": __version__, "steps": few, "batch": samples, "activity": activity}
    line |= {"method": method, "seed": seed, "repeats": repeats} | _memory(case)
    ours = Training(case)
    spikes = ours.spikes()
    line["spikes_per_step"] = {name: float(sent.mean()) for name, sent in spikes.items()}
    ours.run()
    if peer is None:
        return line | _times([turn(ours.run) for _ in range(repeats)], samples)
    with tempfile.TemporaryDirectory() as folder:
        arguments, found = _arguments(ours, case, Path(folder)), Path(folder, "found.npz")
        walls, beside = in_turns(
            ours.run, repeats, peer, "train", peer_python, peer_script, arguments, _FACTS
        )
        line |= _times(walls, samples)
        if beside["peer_wall_s"] is not None:
            beside |= {"ratio": beside["peer_wall_s"] / line["wall_s"], **_differences(ours, spikes, found)}
            script = find_script(peer, "train", peer_script)
            alone = told_alone(peer_python, script, [*arguments, "--mode", beside["peer_mode"]])
            beside |= {f"peer_{name}": alone[name] for name in ("peak_mb", "base_mb")}
    return line | beside


def in_words(line: Mapping[str, Any]) -> str:
    """Return how long a step takes, and how much memory, as a line of text."""
    text = f"{line['model']} by {line['method']}, {line['steps']} steps: {line['wall_s'] * 1e3:.3g} ms"
    text += f" [{line['wall_min_s'] * 1e3:.3g} to {line['wall_max_s'] * 1e3:.3g}], {line['peak_mb']:.0f} MB"
    if line.get("ratio") is not None:
        text += f", {line['peer']} takes {line['ratio']:.3g} times as long and {line['peer_peak_mb']:.0f} MB"
        return text + f"; gradients differ by {line['gradients_differ']:.1e}"
    return text + (f", {line['peer']} {line['peer_note']}" if "peer" in line else "")


def refused(model: str, peer: str | None) -> str | None:
    """Return why a peer does not train a network; None if it does."""
    if peer == "spikingjelly" and model == "recurrent":
        return "spikingjelly has no such neurons as 'recurrent' needs; it trains all others"
    return None


def _check(model: str, activity: float, method: str, backend: str, **numbers: int | None) -> None:
    if model not in SIZES:
        raise SpecError(f"bench.model: got {model!r}; for train there are {[*SIZES]}")
    if method not in ("bptt", "sltt"):
        raise SpecError(f"bench.method: got {method!r}; allowed are 'bptt' and 'sltt'")
    if backend not in DEVICES:
        raise SpecError(f"bench.backend: got {backend!r}; for train allowed are {[*DEVICES]}")
    if not 0 <= activity <= 1:
        raise SpecError(f"bench.activity: got {activity!r}; allowed is a share from 0 to 1")
    for field, number in numbers.items():
        if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
            raise SpecError(f"bench.{field}: got {number!r}; allowed is a whole number from 1")
    if find_spec("torch") is None:
        raise MissingExtra("torch", "torch", "bench train")
    if backend == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise RunError("bench.backend: got 'cuda', and torch finds no GPU; use 'numba'")


def _memory(case: Case) -> dict[str, Any]:
    """Return what a process holds that does nothing but train."""
    with ProcessPoolExecutor(1, get_context("spawn")) as alone:
        return alone.submit(memory_of, case).result()


def _arguments(ours: Training, case: Case, folder: Path) -> list[str]:
    """Write a case for a peer, and return the arguments of its script."""
    x, labels = case.arrays()
    given: dict[str, Any] = {f"weight {k}": values_of(w) for k, w in enumerate(ours.module.parameters())}
    np.savez(folder / "case.npz", x=x, labels=labels, beta=BETA, longest=round(LONGEST / 1e-3), **given)
    named: dict[str, object] = {"case": folder / "case.npz", "found": folder / "found.npz"}
    named |= {"model": case.model, "threads": case.threads, "device": case.device}
    return [text for name, value in named.items() for text in (f"--{name}", str(value))]


def _differences(ours: Training, spikes: Mapping[str, np.ndarray], found: Path) -> dict[str, Any]:
    """Return how many spikes of a peer differ from ours, and by how much its gradients do."""
    ours.run()
    with np.load(found, allow_pickle=False) as theirs:
        pairs = [(values_of(w.grad), theirs[f"gradient {k}"]) for k, w in enumerate(ours.module.parameters())]
        rasters = [(sent, theirs[f"spikes {k}"]) for k, sent in enumerate(spikes.values())]
    away = [float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs]
    differ = sum(int(np.unpackbits(np.packbits(a != 0) ^ b).sum()) for a, b in rasters)
    return {"spikes_differ": differ, "gradients_differ": max(away)}


def _times(walls: Sequence[float], batch: int) -> dict[str, float]:
    wall = median(walls)
    line = {"wall_s": wall, "wall_min_s": min(walls), "wall_max_s": max(walls)}
    return line | {"samples_per_s": batch / wall}
