"""Ctrl-C during a run: the first ends it in good order, a second one at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class CtrlC:
    """While it is open, the first interrupt is only noted, and whoever runs looks when it suits.

    The second raises KeyboardInterrupt wherever it strikes. Later ones are swallowed, so that nothing
    interrupts what clears up after the second. The old handler comes back at the end. While compiled code
    runs Python does not hear them: any number of them are one, as soon as it returns.

    Python gives signals to its main thread alone: in any other thread nothing is installed, and nothing
    where somebody else handles or ignores interrupts already.

    Attributes
    ----------
    met : int
        Interrupts so far.

    Examples
    --------
    >>> with CtrlC() as ctrl_c:
    ...     steps = 0
    ...     while steps < 10 and not ctrl_c.met:
    ...         steps += 1
    >>> steps
    10
    """

    def __init__(self) -> None:
        self.met = 0
        self._before: Any = None

    def __enter__(self) -> CtrlC:
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ):
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.met += 1
        leaving = frame is not None and frame.f_code is CtrlC.__exit__.__code__
        if self.met == 2 and not leaving:
            raise KeyboardInterrupt
