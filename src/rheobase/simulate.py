"""The command `run`: an experiment, what to record besides, what to feed its sources, where to write."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

from .answer import INTERRUPTED, Answer, given
from .engine.archive import check_target, read_arrays
from .engine.experiment import Experiment, read_experiment
from .engine.feeds import is_fed
from .engine.network import Network
from .engine.parts import Probe
from .engine.simulator import Simulator
from .engine.sources import SpikeSource
from .hardware import Chip
from .neurons.errors import FormatError, SpecError, nearest

_ARRAYS = ("times", "ids", "trials", "dense")


def run_file(args: Namespace) -> Answer:
    """Simulate an experiment or a NIR file; after Ctrl-C, write what there is."""
    path = Path(args.experiment)
    experiment = _experiment(path, args.dt)
    net = experiment.network
    for text in args.probe or ():
        net.add(probe_of(net, text))
    batch = experiment.simulator.get("batch", 1)
    inputs = read_inputs(net, args.input, batch) if args.input else None
    overrides = given(dt=args.dt, backend=args.backend, threads=args.threads)
    simulator = Simulator(net, **{**experiment.simulator, **overrides})
    duration = args.duration if args.duration is not None else experiment.run.get("duration")
    if duration is None:
        raise SpecError(f"{path}: no duration; add [run] with duration = seconds, or give --duration")
    # A run may be long: what would fail after it is tried before.
    for file in (args.out, args.report):
        if file:
            check_target(file)
    chips = [Chip.load(name) for name in args.chip or ()]
    result = simulator.run(duration, inputs=inputs)
    written = {}
    if args.out:
        result.save(args.out)
        written["out"] = args.out
    if args.report:
        from .report import write_report

        write_report(result, args.report, chips=chips or None)
        written["report"] = args.report
    text = "\n".join([str(result), *(f"wrote {file}" for file in written.values())])
    return Answer({**result.to_dict(), **written}, text, INTERRUPTED if result.info.interrupted else 0)


def _experiment(path: Path, dt: float | None) -> Experiment:
    if path.suffix == ".toml":
        return read_experiment(path)
    if path.suffix != ".nir":
        raise FormatError(f"{path}: allowed is an experiment that ends in .toml, or a NIR file, in .nir")
    from .conversion.nir import nir_step, read_nir

    step = dt if dt is not None else nir_step(path)
    if step is None:
        raise SpecError(f"{path}: does not say for which step it was made; give --dt in seconds")
    return Experiment(read_nir(path, dt=step), {"dt": step})


def probe_of(net: Network, text: str) -> Probe:
    """Return the probe that NAME, NAME:VARIABLE or NAME:VARIABLE:EVERY describes.

    Raises
    ------
    SpecError
        If there is no such part or variable, or EVERY is not a number of seconds.
    """
    name, *rest = [text] if text in net else text.split(":")
    target: Any = net[name]
    try:
        variable, every = rest + ["spikes", ""][len(rest) :]
        return Probe(target, variable, every=float(every) if every else None)
    except ValueError as error:
        if isinstance(error, SpecError):
            raise
        raise SpecError(
            f"--probe {text}: allowed is NAME, NAME:VARIABLE or NAME:VARIABLE:EVERY, EVERY in seconds"
        ) from None


def read_inputs(net: Network, path: str | Path, batch: int = 1) -> dict[str, Any]:
    """Return what a file feeds to each source that has no events or values of its own.

    The file is an `.npz` of plain arrays. Where one source is fed: `times` (k,) in seconds from the
    beginning of the run and `ids` (k,), with `trials` (k,) in a batch; or `dense`, an array of spike
    counts [steps, n], of values or of frames, as `Simulator.run` takes them. Where there are several
    sources, NAME/times, NAME/ids, NAME/trials and NAME/dense are those of source NAME.

    Raises
    ------
    FormatError
        If the file is broken, holds other arrays, or arrays that do not belong together.
    """
    fed = {source.label: source for source in net.sources if is_fed(source)}
    if not fed:
        raise SpecError(f"--input {path}: every source of this network has events or values of its own")
    found: dict[str, dict[str, np.ndarray]] = {}
    for key, array in read_arrays(path).items():
        name, _, kind = key.rpartition("/")
        if not name and len(fed) == 1:
            name = next(iter(fed))
        if name not in fed or kind not in _ARRAYS:
            prefix = "" if len(fed) == 1 else "NAME/"
            near = nearest(name, fed) if name else ""
            raise FormatError(
                f"{path}: got an array {key[:60]!r}{near}; allowed are {prefix}times with {prefix}ids (and "
                f"{prefix}trials), or {prefix}dense, for the sources {[*fed]}"
            )
        found.setdefault(name, {})[kind] = array
    return {
        name: _input(f"{path}: source {name!r}", arrays, fed[name], batch) for name, arrays in found.items()
    }


def _input(where: str, arrays: dict[str, np.ndarray], source: Any, batch: int) -> Any:
    """Return the arrays of one source as `Simulator.run` takes them."""
    if set(arrays) == {"dense"}:
        return arrays["dense"]
    spikes = isinstance(source, SpikeSource)
    if not spikes or set(arrays) not in ({"times", "ids"}, {"times", "ids", "trials"}):
        allowed = "times with ids (and trials), or dense" if spikes else "dense"
        raise FormatError(
            f"{where}: got {sorted(arrays)}; allowed for a {type(source).__name__} is {allowed}"
        )
    times, ids, trials = arrays["times"], arrays["ids"], arrays.get("trials")
    if times.ndim != 1 or times.shape != ids.shape or (trials is not None and trials.shape != ids.shape):
        raise FormatError(f"{where}: its times, ids and trials must be lists of one length")
    if trials is None:
        return times, ids
    if trials.dtype.kind not in "iu" or trials.min(initial=0) < 0 or trials.max(initial=0) >= batch:
        raise FormatError(f"{where}: its trials must be whole numbers below [simulator].batch, {batch}")
    return [(times[trials == k], ids[trials == k]) for k in range(batch)]
