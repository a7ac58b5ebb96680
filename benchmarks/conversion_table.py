"""The table of conversion in docs/performance.md, of lines that `rheobase bench convert --json` has printed.

    python benchmarks/conversion_table.py benchmarks/results/2026-11-26-zen4-4.jsonl

Of several lines for one network, bits and peer the last counts. benchmarks/measure.sh prints all that it
needs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

HEAD = (
    "network, bits", "trained", "after 1, 2, 4, 8 sweeps", "settled", "operations, by depth (at once)",
    "of dense energy", "stopping by itself", "time an image", "beside",
)  # fmt: skip


def lines_of(paths: Iterable[str]) -> list[dict[str, Any]]:
    """Return the last line of each conversion under the law "delta"."""
    found = {}
    for path in paths:
        for line in map(json.loads, Path(path).read_text().splitlines()):
            if line.get("benchmark") == "convert" and line.get("law") == "delta" and "error" not in line:
                found[line["model"], line["bits"], line.get("peer")] = line
    return [*found.values()]


def row(line: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a line of figures as cells of the table."""
    beside = "-"
    if line.get("ratio"):
        after = f"{100 * line['peer_accuracy'][-1]:.1f} % after {line['steps'][-1]} steps"
        beside = f"{line['peer']} {after}, {line['peer_ms_per_image']:.2g} ms: {line['ratio']:.1f}x"
    return (
        f"{line['model']}, {line['bits']}",
        f"{100 * line['accuracy_dense']:.1f} %",
        ", ".join(f"{100 * one:.1f}" for one in line["accuracy"]) + " %",
        f"{100 * line['accuracy_depth']:.1f} %",
        f"{_thousands(line['operations_depth'])} ({_thousands(line['operations_silent'])})",
        f"{line['energy_over_dense']:.1%}",
        f"{100 * line['accuracy_exit']:.1f} %, {line['operations_exit'] / line['operations_silent']:.2f}",
        f"{line['ms_per_image']:.2g} ms",
        beside,
    )


def _thousands(count: float) -> str:
    return f"{count / 1e6:.2f} M" if count >= 1e6 else f"{count / 1e3:.1f} k"


def main() -> None:
    """Print the table."""
    for cells in (HEAD, ("---",) * len(HEAD), *map(row, lines_of(sys.argv[1:]))):
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
