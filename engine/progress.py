"""How far a run has come, for people at a terminal."""

from __future__ import annotations

import sys
import time
from typing import Any

#: Runs shorter than this many seconds show nothing, unless a bar was asked for.
_PATIENCE_S = 0.5
_STYLE = "{percentage:3.0f}%|{bar}| {n:.4g} of {total:.4g} s{postfix}, {elapsed} gone, {remaining} to go"


class Progress:
    """A bar that shows simulated time, the real-time factor and how long it will still take.

    The real-time factor is wall seconds per model second, of the run so far.

    Parameters
    ----------
    seconds : float
        Model time of the run.
    shown : bool or None
        Whether to show it; None shows it for runs of more than half a second where standard error is
        a terminal.
    """

    def __init__(self, seconds: float, shown: bool | None) -> None:
        self._began, self._done, self._bar = time.perf_counter(), 0.0, None
        if _at_terminal() if shown is None else shown:
            self._bar = _bar(seconds, 0.0 if shown else _PATIENCE_S)

    def add(self, seconds: float) -> None:
        """Go on by some seconds of model time."""
        self._done += seconds
        if self._bar is not None:
            factor = (time.perf_counter() - self._began) / self._done
            self._bar.set_postfix_str(f"real-time factor {factor:.3g}", refresh=False)
            self._bar.update(seconds)

    def close(self) -> None:
        """Leave the bar as it is and end its line."""
        if self._bar is not None:
            self._bar.close()


def _at_terminal() -> bool:
    # Programs without a console have no standard error at all.
    return sys.stderr is not None and sys.stderr.isatty()


def _bar(seconds: float, delay: float) -> Any:
    from tqdm import tqdm

    return tqdm(total=seconds, file=sys.stderr, bar_format=_STYLE, delay=delay)
