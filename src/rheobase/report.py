"""A result as one HTML file that needs nothing else: tables, figures, energies with their sources."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

from .engine.archive import replace_file
from .engine.records import CountRecord, SpikeRecord
from .engine.result import Result
from .hardware import Chip, compare_chips

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .2rem .8rem; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child, td.text { text-align: left; }
img { max-width: 100%; }
"""


def write_report(
    result: Result, path: str | Path, *, chips: Iterable[str | Path | Chip] | None = None, title: str = "Run"
) -> None:
    """Write one self-contained HTML file about a run.

    Parameters
    ----------
    result : Result
        The run.
    path : str or Path
        The file; an older one is replaced in one step.
    chips : iterable of str, Path or Chip, optional
        For which chips to estimate the energy; all that come with the package if left out.
    title : str
        The report's title.

    Raises
    ------
    SpecError
        If a chip is not known.
    OSError
        If the file cannot be written.
    """
    body = [
        f"<h1>{escape(title)}</h1>",
        _run(result),
        _populations(result),
        _projections(result),
        *_figures(result),
        _energies(result, chips),
    ]
    page = (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )
    replace_file(path, lambda file: file.write(page.encode("utf-8")))


def _run(result: Result) -> str:
    rows = [(name, _number(value)) for name, value in result.to_dict().items() if value not in (None, "")]
    return "<h2>Run</h2>" + _table(("figure", "value"), rows)


def _populations(result: Result) -> str:
    seconds = result.duration * result.info.trials
    rows = [
        (
            p.name,
            p.kind,
            f"{p.n:,}",
            f"{p.spikes:,}",
            _number(p.spikes / (p.n * seconds) if seconds else None),
        )
        for p in result.counts.populations
    ]
    return "<h2>Populations</h2>" + _table(("name", "model", "neurons", "spikes", "rate (Hz)"), rows)


def _projections(result: Result) -> str:
    rows = [
        (p.name, p.kind, f"{p.n_synapses:,}", f"{p.events:,}", _grouped(p.dense_events), p.arithmetic)
        for p in result.counts.projections
    ]
    heads = ("name", "kind", "synapses", "events", "events of a dense machine", "arithmetic")
    return "<h2>Projections</h2>" + _table(heads, rows) if rows else ""


def _figures(result: Result) -> list[str]:
    records = result.records.values()
    figures: list[tuple[str, Any]] = []
    if any(isinstance(record, SpikeRecord) for record in records):
        figures.append(("Spikes", result.raster))
    if any(isinstance(record, (SpikeRecord, CountRecord)) for record in records):
        figures.append(("Rates", result.rates))
    return [f"<h2>{name}</h2><img alt='{name}' src='{_png(draw)}'>" for name, draw in figures]


def _png(draw: Any) -> str:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.5), layout="constrained")
    draw(ax=figure.add_subplot())
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _energies(result: Result, chips: Iterable[str | Path | Chip] | None) -> str:
    comparison = compare_chips(result, chips)
    rows = [
        (
            one.chip.title,
            f"{one.joules:.3g}",
            f"{one.per_inference:.3g}",
            ", ".join(dict.fromkeys(c.evidence for c in one.constants.values())),
            "; ".join(one.sources),
            ", ".join(one.unpriced) or "-",
        )
        for one in comparison
    ]
    heads = ("chip", "energy (J)", "per trial (J)", "evidence", "source", "not priced")
    return (
        "<h2>Energy</h2>"
        + _table(heads, rows)
        + f"<p>Highest over lowest estimate: {comparison.spread:.3g}.</p>"
    )


def _number(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _grouped(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    lines = ("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"
