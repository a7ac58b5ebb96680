"""What the commands do: each takes its parsed arguments and returns data with a text.

Everything heavy is imported where it is used.
"""

from __future__ import annotations

import inspect
import platform
import re
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .answer import Answer, given, pairs, table
from .neurons.errors import ConversionError, FormatError, SpecError

if TYPE_CHECKING:
    from .conversion import Converted


def demo(args: Namespace) -> Answer:
    """Run the demonstration."""
    from .demo import run_demo

    report = run_demo(
        args.out, **given(n=args.digits, steps=args.steps, backend=args.backend, threads=args.threads)
    )
    return Answer(report.to_dict(), str(report))


#: What a converted network can be written as.
_FORMATS = (".npz", ".toml", ".nir")
_PARAMETER = re.compile(r"(weight|bias)([1-9]\d{0,3})")


def convert(args: Namespace) -> Answer:
    """Convert a trained network, and show what that cost."""
    from .conversion import convert as convert_model
    from .engine.archive import read_arrays

    path = Path(args.model)
    model = _layers(path) if path.suffix == ".npz" else path
    sample = read_arrays(args.sample, {"x", "labels"}.__contains__)
    if "x" not in sample:
        raise FormatError(f"{args.sample}: has no array 'x'; allowed is an .npz with x, and perhaps labels")
    names = ("law", "events", "bits", "thresholds", "schedule", "input", "signed", "horizon", "allow_dense")
    if args.out and Path(args.out).suffix not in _FORMATS:
        raise ConversionError(f"{args.out}: allowed are {', '.join(_FORMATS)}")
    if str(args.out).endswith(".nir") and args.law != "rate":
        raise ConversionError(
            f"{args.out}: NIR knows no events that carry numbers; convert with --law rate, and "
            "--input spikes if the input shall be told in spikes too"
        )
    converted = convert_model(model, sample["x"], **{name: getattr(args, name) for name in names})
    dense = dict.fromkeys(row.reason.partition(":")[0] for row in converted.operations if row.kind == "dense")
    if dense and args.out and not args.out.endswith(".npz"):
        raise ConversionError(
            f"{args.out}: {', '.join(dense)} were left dense; allowed is .npz, since others cannot run them"
        )
    if args.out:
        _keep(converted, Path(args.out))
    comparison = converted.compare(
        sample["x"],
        sample.get("labels"),
        **given(steps=args.steps, backend=args.backend, threads=args.threads),
    )
    data = {**comparison.to_dict(), **given(out=args.out)}
    wrote = f"\nwrote {args.out}" if args.out else ""
    return Answer(data, f"{converted!r}\n\n{comparison!r}{wrote}")


def _keep(converted: Converted, path: Path) -> None:
    """Write a converted network in the format that a file's name asks for."""
    from .conversion import write_nir

    if path.suffix == ".npz":
        converted.save(path)
    elif path.suffix == ".nir":
        write_nir(converted.network, path, dt=converted.dt)
    else:
        converted.network.save(path)


def _layers(path: Path) -> list[Any]:
    from .conversion.layers import Affine, ReLU
    from .engine.archive import read_arrays

    arrays = read_arrays(path, lambda name: _PARAMETER.fullmatch(name) is not None)
    n = sum(name.startswith("weight") for name in arrays)
    known = {f"{kind}{i}" for i in range(1, n + 1) for kind in ("weight", "bias")}
    if not n or any(f"weight{i}" not in arrays for i in range(1, n + 1)) or not known.issuperset(arrays):
        raise FormatError(
            f"{path}: allowed are arrays weight1, weight2, ... without a gap, and a bias1, bias2, ... for "
            f"each; it has {sorted(arrays)}"
        )
    layers: list[Any] = []
    for i in range(1, n + 1):
        bias = {"bias": arrays[f"bias{i}"]} if f"bias{i}" in arrays else {}
        layers += [Affine(arrays[f"weight{i}"], **bias), ReLU()]
    return layers[:-1]


def energy(args: Namespace) -> Answer:
    """Estimate what a saved run would cost."""
    from .engine.result import Result
    from .hardware import compare_chips
    from .hardware import energy as estimate

    result = Result.load(args.result)
    if args.chip and len(args.chip) == 1:
        one = estimate(result, args.chip[0], passes=args.passes)
        return Answer(one.to_dict(), str(one))
    several = compare_chips(result, args.chip, passes=args.passes)
    return Answer(several.to_dict(), str(several))


def bench(args: Namespace) -> Answer | Iterator[Answer]:
    """Measure one workload, beside a peer if one is named, or all of them."""
    from .bench_all import cases, peers_of

    common = ("name", "repeats", "seconds", "scale", "threads", "batch", "seed", "backend")
    named = (
        *common,
        "activity",
        "rate",
        "model",
        "law",
        "bits",
        "events",
        "images",
        "steps",
        "method",
        "rule",
    )
    options = given(**{name: getattr(args, name) for name in named})
    peers = peers_of(args.peer, args.peer_python, args.peer_script, args.peer_device)
    if args.all == bool(args.name):
        raise SpecError("bench: got neither a workload nor --all, or both; give one of them")
    measure = _measure(options)
    if args.all:
        return _bench_all(args, cases(options, peers))
    if len(peers) > 1:
        raise SpecError(f"bench.peer: got {len(peers)}; allowed is one, or any number with --all")
    line = measure(**options, **(given(**peers[0]) if peers else {}))
    return Answer(line, pairs({name: _shown(value) for name, value in line.items()}))


def _measure(options: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """Return what measures a workload, and take the name out where that is all it stands for."""
    from .bench import run_benchmark
    from .bench_convert import bench_conversion
    from .bench_train import bench_training

    own: dict[Any, Callable[..., dict[str, Any]]] = {"convert": bench_conversion, "train": bench_training}
    name = options.get("name")
    measure = own.get(name, run_benchmark)
    known = inspect.signature(measure).parameters
    wrong = next((option for option in options if option not in known and option != "name"), None)
    if wrong is not None:
        others = [other for other, one in own.items() if wrong in inspect.signature(one).parameters]
        what = f"{name} takes no --{wrong}" if name in own else f"--{wrong} is for {' and '.join(others)}"
        raise SpecError(f"bench: {what}; allowed are {', '.join(f'--{name}' for name in known)}")
    if name in own:
        del options["name"]
    return measure


def _shown(value: Any) -> Any:
    """Return a figure as text shows it: several of a kind, such as rates, on one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {number:.3g}" for name, number in value.items())
    if isinstance(value, list):
        return ", ".join(_shown(number) if number is None else f"{number:.4g}" for number in value)
    return "-" if value is None else value


def _bench_all(args: Namespace, found: list[dict[str, Any]]) -> Iterator[Answer]:
    from .bench_all import run_case, summary

    yield _installed()
    for line in map(run_case, found):
        yield Answer(line, summary(line), 1 if "error" in line else 0)


def chips(args: Namespace) -> Answer:
    """List the chips, or show one."""
    from .hardware import Chip
    from .hardware import chips as names

    if args.name:
        chip = Chip.load(args.name)
        prices = {**chip.constants, **chip.operations}
        data = _about(chip) | {
            "constants": {
                name: {
                    "value": c.value,
                    "unit": c.unit,
                    "node": c.node,
                    "source": c.source,
                    "evidence": c.evidence,
                }
                for name, c in prices.items()
            }
        }
        return Answer(data, str(chip))
    found = [Chip.load(name) for name in names()]
    return Answer(
        [_about(chip) for chip in found], table((chip.name, chip.kind, chip.title) for chip in found)
    )


def _about(chip: Any) -> dict[str, Any]:
    return {"name": chip.name, "title": chip.title, "kind": chip.kind, "sources": list(chip.sources)}


def backends(args: Namespace) -> Answer:
    """List the backends, and which can be used here."""
    from .engine.backends.registry import BACKENDS

    found = list(BACKENDS.values())
    missing = {b.name: b.missing for b in found}
    data = [
        {
            "name": b.name,
            "available": not missing[b.name],
            "needs": missing[b.name] or b.needs,
            "about": b.about,
        }
        for b in found
    ]
    rows = ((b.name, f"needs {missing[b.name]}" if missing[b.name] else "ready", b.about) for b in found)
    return Answer(data, table(rows))


def cache(args: Namespace) -> Answer:
    """Show the folder of compiled kernels, or empty it."""
    from .engine.backends.generated import cache_folder

    folder = cache_folder()
    # Only files of our naming: the folder may be one that the user shares with other things.
    files = [*folder.glob("rheobase_*.py"), *(folder / "__pycache__").glob("rheobase_*")]
    size = sum(path.stat().st_size for path in files)
    if args.clear:
        for path in files:
            path.unlink(missing_ok=True)
    data = {"folder": str(folder), "files": len(files), "bytes": size, "cleared": bool(args.clear)}
    what = f"{len(files)} files, {size / 1e6:.1f} MB"
    return Answer(data, f"{folder}: {'deleted ' if args.clear else ''}{what}")


_PACKAGES = (
    "numpy",
    "numba",
    "scipy",
    "matplotlib",
    "nir",
    "torch",
    "snntorch",
    "tonic",
    "onnx",
    "neo",
    "numba-cuda",
    "cupy",
    "mpi4py",
)
#: Names under which a package comes, where they are others than its own.
_WHEELS = {"cupy": ("cupy-cuda13x", "cupy-cuda12x", "cupy")}


def run(args: Namespace) -> Answer:
    """Simulate an experiment file."""
    from .simulate import run_file

    return run_file(args)


def info(args: Namespace) -> Answer:
    """Say what a file is; without one, show versions and the machine."""
    if args.file:
        from .describe import describe

        return describe(Path(args.file))
    return _installed()


def _installed() -> Answer:
    from . import __version__
    from .bench_device import gpu_name
    from .engine.backends.generated import cache_folder
    from .engine.workers import available_cores

    data: dict[str, Any] = {"version": __version__, "python": platform.python_version()}
    data |= {package: _version(package) for package in _PACKAGES}
    data |= {
        "system": platform.platform(),
        "cpu": _cpu(),
        "gpu": gpu_name(),
        "threads": available_cores(),
        "cache": str(cache_folder()),
    }
    shown = {k: "not installed" if v is None else v for k, v in data.items()}
    return Answer(data, pairs(shown | {"gpu": data["gpu"] or "none that CuPy finds"}))


def _version(package: str) -> str | None:
    from importlib import metadata

    for name in _WHEELS.get(package, (package,)):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    return None


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
