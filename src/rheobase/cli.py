"""The command line: each command is a thin call into the library.

A user's mistake is one line on standard error and exit code 2, never a traceback. With --json a command
prints one line of JSON whose keys are stable and carry their unit.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from . import __version__

#: Exit code of a user's mistake, as argparse has it.
MISTAKE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0; 1 where a workload of a benchmark failed; 2 for a user's mistake; 130 after Ctrl-C.
    """
    args = _parser().parse_args(arguments)
    # Loaded only now: --help stays fast.
    from . import commands
    from .answer import INTERRUPTED, show
    from .neurons.errors import RheobaseError

    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            return show(getattr(commands, args.command)(args), as_json=args.json)
    except BrokenPipeError:
        # The reader has gone, as in `rheobase chips | head`; what is left must not go to a closed pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (RheobaseError, OSError) as error:
        return _mistake(str(error))
    except MemoryError as error:
        return _mistake(f"not enough memory ({error}); take a smaller network, batch or scale")
    except KeyboardInterrupt:
        print("rheobase: interrupted", file=sys.stderr)
        return INTERRUPTED


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"rheobase: warning: {message}", file=sys.stderr)


def _mistake(message: str) -> int:
    print(f"rheobase: error: {' '.join(message.split())}", file=sys.stderr)
    return MISTAKE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rheobase",
        description="Simulate spiking networks, convert trained ones, estimate what they cost.",
    )
    parser.add_argument("--version", action="version", version=f"rheobase {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (about, fill) in _COMMANDS.items():
        command = commands.add_parser(name, help=about, description=about)
        fill(command)
        command.add_argument("--json", action="store_true", help="print one line of JSON")
    return parser


def _demo(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", default="rheobase-demo", metavar="FOLDER", help="default: ./rheobase-demo")
    command.add_argument("--digits", type=_count, metavar="N", help="how many of the digits; default: 800")
    command.add_argument("--method", metavar="NAME", help="bptt or sltt, for train")
    command.add_argument("--steps", type=_count, metavar="N", help="sweeps per digit")
    _machine(command)


def _run(command: argparse.ArgumentParser) -> None:
    command.add_argument("experiment", metavar="EXPERIMENT.toml", help="or a NIR file, NETWORK.nir")
    command.add_argument("--duration", type=float, metavar="S", help="seconds; default: the file's [run]")
    command.add_argument(
        "--dt", type=float, metavar="S", help="seconds per step; default: the file's [simulator]"
    )
    command.add_argument(
        "--probe", action="append", metavar="NAME[:VARIABLE[:EVERY]]",
        help="record this too: spikes, or a variable every so many seconds; may be repeated",
    )  # fmt: skip
    command.add_argument(
        "--input", metavar="INPUT.npz", help="what to feed to sources: arrays times and ids, or dense"
    )
    command.add_argument("--out", metavar="RESULT.npz", help="write the result here")
    command.add_argument("--report", metavar="REPORT.html", help="write a report here")
    command.add_argument(
        "--chip", action="append", metavar="NAME", help="chips in the report; may be repeated"
    )
    _machine(command)


def _convert(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "model", metavar="MODEL",
        help=".pt2 of torch.export, .onnx, or .npz of arrays weight1, bias1, weight2, ... in torch's order",
    )  # fmt: skip
    command.add_argument(
        "--calibrate", "--sample", dest="sample", required=True, metavar="DATA.npz",
        help="array x, and perhaps labels: a few hundred typical inputs",
    )  # fmt: skip
    command.add_argument("--law", default="delta", choices=("delta", "rate", "ttfs", "value"))
    command.add_argument("--events", default="pow2", choices=("pow2", "unit", "graded"))
    command.add_argument("--bits", type=_count, default=4, metavar="N", help="default: 4")
    command.add_argument("--thresholds", default="neuron", choices=("neuron", "channel", "tensor"))
    command.add_argument("--schedule", default="depth", choices=("depth", "concurrent"))
    command.add_argument(
        "--input", default="current", choices=("current", "spikes"), help="of the laws 'rate' and 'ttfs'"
    )
    command.add_argument(
        "--signed",
        action="store_true",
        help="under the law 'rate', spikes may be taken back by negative ones",
    )
    command.add_argument(
        "--horizon", type=_count, default=8, metavar="N",
        help="sweeps after which answers are wanted under the law 'rate'; default: 8",
    )  # fmt: skip
    command.add_argument(
        "--allow-dense", action="store_true", help="leave operations without a counterpart as they are"
    )
    command.add_argument(
        "--steps", type=_count, action="append", metavar="N", help="look after N sweeps; may be repeated"
    )
    command.add_argument(
        "--out", metavar="FILE",
        help="write the spiking network here: .npz (all of it), .toml or .nir (the network alone)",
    )  # fmt: skip
    _machine(command)


def _energy(command: argparse.ArgumentParser) -> None:
    command.add_argument("result", metavar="RESULT.npz")
    command.add_argument(
        "--chip", action="append", metavar="NAME", help="a name or a .toml file; may be repeated"
    )
    command.add_argument("--passes", type=_count, metavar="N", help="for dense machines: passes per trial")


def _bench(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "name",
        nargs="?",
        help="cuba, coba, adex, brunel, microcircuit, sparse, stdp, mlp, conv, event, convert or train",
    )
    command.add_argument("--all", action="store_true", help="run every workload, one line each")
    command.add_argument("--repeats", type=_count, metavar="N", help="runs, of which the median is shown")
    command.add_argument("--seconds", type=float, metavar="S", help="model seconds")
    command.add_argument("--scale", type=float, metavar="X", help="size, 1 is the published one")
    command.add_argument("--batch", type=_count, metavar="N", help="inputs at once")
    command.add_argument("--seed", type=int, metavar="N")
    command.add_argument(
        "--activity", type=float, metavar="X", help="share of inputs that fire, for mlp, conv and train"
    )
    command.add_argument(
        "--rate", action="append", type=float, metavar="HZ",
        help="events per neuron and second, for event; may be repeated; default: 3 to 1000",
    )  # fmt: skip
    command.add_argument(
        "--model", metavar="NAME",
        help="neurons of event: LIF or CurrentLIF; "
        "network of convert: mlp, wide, cnn, mixer, vit, vit_mha or swiglu; "
        "of train: dense, recurrent, conv or delayed",
    )  # fmt: skip
    command.add_argument("--law", metavar="NAME", help="delta, rate, ttfs or value, for convert")
    command.add_argument("--bits", type=_count, metavar="N", help="bits of what a neuron tells, for convert")
    command.add_argument("--events", metavar="NAME", help="pow2, unit or graded, for convert")
    command.add_argument("--images", type=_count, metavar="N", help="digits to score, for convert")
    command.add_argument("--method", metavar="NAME", help="bptt or sltt, for train")
    command.add_argument("--steps", type=_count, metavar="N", help="steps of the input, for train")
    command.add_argument("--rule", metavar="NAME", help="pair, triplet or reward, for stdp")
    _machine(command)
    command.add_argument(
        "--peer", action="append", metavar="NAME", help="run this peer beside it; with --all, may be repeated"
    )
    command.add_argument(
        "--peer-python", action="append", metavar="PATH", help="the Python that has the peer, one for each"
    )
    command.add_argument(
        "--peer-script", action="append", metavar="PATH", help="the script that runs the peer, one for each"
    )
    command.add_argument(
        "--peer-device", action="append", metavar="NAME", help="cpu or cuda, one for each; default: cpu"
    )


def _chips(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", nargs="?", help="show this one with every price and source")


def _cache(command: argparse.ArgumentParser) -> None:
    command.add_argument("--clear", action="store_true", help="delete the compiled kernels")


def _info(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "file", nargs="?", help="a network, experiment, NIR file, result, checkpoint, chip, or arrays"
    )


def _nothing(command: argparse.ArgumentParser) -> None:
    """Add no arguments."""


def _machine(command: argparse.ArgumentParser) -> None:
    command.add_argument("--backend", metavar="NAME", help="see: rheobase backends")
    command.add_argument("--threads", type=_count, metavar="N")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1")
    return int(text)


_COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], Any]]] = {
    "demo": ("convert a trained network, run it on real digits, and show what it would cost", _demo),
    "run": ("simulate an experiment, or a NIR file", _run),
    "convert": ("turn a trained network into a spiking one", _convert),
    "energy": ("estimate what a run would cost", _energy),
    "bench": ("measure speed, beside a peer if one is named", _bench),
    "chips": ("list the chips that can be estimated", _chips),
    "backends": ("list the backends", _nothing),
    "cache": ("show or clear the folder of compiled kernels", _cache),
    "info": ("say what a file is; without one, show versions and the machine", _info),
}
