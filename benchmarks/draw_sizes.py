"""Draw the figures of docs/performance.md: `python benchmarks/draw_sizes.py benchmarks/results/FILE.jsonl`.

One figure for each workload: what an event (or an update, where these rule) costs against the size of the
network, with the spread of turns, beside the machine's own limit measured in the same runs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

#: Workload -> its threads in the figure, what stands on the horizontal axis, and which limit is drawn.
WORKLOADS = {
    "cuba": (1, "n_neurons", "increments_32kb_ns"),
    "brunel": (1, "n_neurons", "increments_32kb_ns"),
    "microcircuit": (2, "n_synapses", "increments_256kb_ns"),
    "sparse": (2, "n_synapses", "increments_256kb_ns"),
    "stdp": (1, "n_synapses", None),
    "mlp": (1, "n_synapses", None),
    "conv": (1, "n_neurons", None),
}
LABELS = {"n_neurons": "neurons", "n_synapses": "synapses"}


def main() -> None:
    """Read the lines and write a figure for each workload into docs/figures."""
    lines = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
    folder = Path(__file__).parents[1] / "docs" / "figures"
    folder.mkdir(exist_ok=True)
    for name, (threads, axis, limit) in WORKLOADS.items():
        mine = [
            line
            for line in lines
            if line.get("benchmark") == name
            and (line["threads"], line["batch"], line.get("activity", 0.05)) == (threads, 1, 0.05)
        ]
        figure = draw(mine, axis, limit)
        figure.suptitle(f"{name}, {threads} thread{'s' if threads > 1 else ''}", fontsize=10)
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
        plt.close(figure)


def draw(lines: list[dict[str, Any]], axis: str, limit: str | None) -> Any:
    """Return a figure of nanoseconds per synaptic event and per neuron update against size."""
    plt.rcParams["svg.hashsalt"] = "rheobase"
    figure, place = plt.subplots(figsize=(4.8, 3.2), layout="constrained")
    best: dict[int, dict[str, Any]] = {}
    for line in lines:  # the same size may have been run beside several peers
        known = best.get(line[axis])
        if known is None or line["wall_s"] < known["wall_s"]:
            best[line[axis]] = line
    rows = [best[size] for size in sorted(best)]
    sizes = [row[axis] for row in rows]
    for key, label in (("ns_per_event", "per synaptic event"), ("ns_per_update", "per neuron update")):
        middle = [row[key] for row in rows]
        low = [row[key] * row["wall_min_s"] / row["wall_s"] for row in rows]
        high = [row[key] * row["wall_max_s"] / row["wall_s"] for row in rows]
        below = [m - a for m, a in zip(middle, low, strict=True)]
        spread = [below, [b - m for m, b in zip(middle, high, strict=True)]]
        place.errorbar(sizes, middle, spread, marker="o", markersize=4, capsize=2, label=f"whole run {label}")
    if limit is not None:
        place.plot(
            sizes, [row["limits"][limit] / row["threads"] for row in rows], "k:",
            label=f"random increments within {limit.split('_')[1].replace('kb', ' kB')}",
        )  # fmt: skip
    place.set(xscale="log", yscale="log", xlabel=LABELS[axis], ylabel="ns")
    place.set_xticks(sizes, [f"{size:,}" for size in sizes], fontsize=7)
    place.set_xticks([], minor=True)
    place.yaxis.set_major_formatter("{x:g}")
    place.yaxis.set_minor_formatter("{x:g}")
    place.tick_params(axis="y", which="both", labelsize=7)
    place.grid(alpha=0.3)
    place.legend(fontsize=7)
    return figure


if __name__ == "__main__":
    main()
