"""A comparison as text and as a figure."""

from __future__ import annotations

from typing import Any

from ...hardware.constant import with_prefix
from .became import share
from .comparison import Comparison, Point


def text(found: Comparison) -> str:
    """Return a comparison as text."""
    dense = share(found.accuracy_original)
    lines = [
        f"{found.n_inputs} inputs; the original: accuracy {dense}, {found.macs:,.0f} multiplications per "
        f"input ({found.macs_first:,.0f} in its first layer, {found.macs_nonzero:,.0f} without zeros)",
        "",
        f"{'':<10}{'accuracy':>10}{'agreement':>11}{'error':>9}{'sweeps':>8}{'operations':>12}"
        f"{'per MAC':>9}{'pays below':>12}",
    ]
    lines += [_row(point) for point in found.points]
    lines += [f"and {found.first_layer:,.0f} events of the first layer's synapses", ""]
    lines.append(f"{'energy per input':<32}{'':>12}  arithmetic alone, 45 nm")
    lines += [f"  {name:<30}{with_prefix(joules, 'J'):>12}" for name, joules in found.joules.items()]
    lines += [
        f"  {one.chip.name:<30}{with_prefix(one.per(found.n_inputs), 'J'):>12}  {'; '.join(one.sources)}"
        + (f" (not priced: {', '.join(one.unpriced)})" if one.unpriced else "")
        for one in found.energies
    ]
    lines += ["", f"{'cell':<24}{'error':>9}{'operations':>12}  stands for"]
    lines += [
        f"{layer.name:<24}{share(layer.error):>9}{layer.operations:>12,.0f}  {', '.join(layer.places)}"
        for layer in found.layers
    ]
    lines += ["", *(f"spiking loses: {reason}" for reason in found.loses)]
    return "\n".join(lines).rstrip()


def _row(point: Point) -> str:
    return (
        f"{point.when:<10}{share(point.accuracy):>10}{point.agreement:>11.2%}{point.error:>9.2%}{point.sweeps:>8.2f}"
        f"{point.operations:>12,.0f}{point.events_per_mac:>9.3f}{point.break_even:>12.2f}"
    )


def draw(found: Comparison) -> Any:
    """Return a matplotlib figure: agreement over operations, loss by cell, energy by machine."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4), layout="constrained")
    over, by_cell, energy = figure.subplots(1, 3)
    for point in found.points:
        value = point.agreement if point.accuracy is None else point.accuracy
        over.plot(point.operations, 100 * value, "o")
        over.annotate(
            point.when, (point.operations, 100 * value), textcoords="offset points", xytext=(5, -10)
        )
    if found.accuracy_original is not None:
        over.axhline(100 * found.accuracy_original, linestyle=":", color="gray", label="original")
        over.legend()
    over.set(
        xlabel="operations per input",
        ylabel="agreement (%)" if found.accuracy_original is None else "accuracy (%)",
    )
    names = [layer.name for layer in found.layers]
    by_cell.barh(names, [100 * (layer.error or 0.0) for layer in found.layers])
    by_cell.invert_yaxis()
    by_cell.set(xlabel="error (% of the signal)")
    machines = found.joules | {one.chip.name: one.per(found.n_inputs) for one in found.energies}
    energy.barh([*machines], [*machines.values()])
    energy.invert_yaxis()
    energy.set(xlabel="joules per input", xscale="log")
    return figure
