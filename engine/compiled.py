"""Functions compiled once and kept on disk, until any source of this room changes.

Numba's own cache of a function looks at the file that the function stands in, not at those whose
functions it calls: after a change there it would go on running what it had. Here the time and size of
every file of the room decide.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(signature: str | None = None) -> Callable[[Function], Function]:
    """Return a decorator that compiles a function, without the interpreter's lock, and keeps it on disk.

    Parameters
    ----------
    signature
        Types to compile at once, the only ones to be accepted; types of arguments when called if None.
    """

    def bind(function: Function) -> Function:
        dispatcher: Any = njit(nogil=True, no_cfunc_wrapper=True)(function)
        if hasattr(dispatcher, "enable_caching"):  # with NUMBA_DISABLE_JIT it is the function itself
            dispatcher.enable_caching()
            kept = getattr(dispatcher._cache, "_cache_file", None)
            if kept is not None:
                kept._source_stamp = _stamp()
            if signature is not None:
                dispatcher.compile(signature)
                dispatcher.disable_compile()
        return dispatcher  # type: ignore[no-any-return]

    return bind


def inlined(function: Function) -> Function:
    """Return a function that compiled ones take into themselves: its arguments cost nothing.

    LLVM does so, and the function is compiled once for its types. Were it Numba that took it in, its lines
    would be copied and typed again wherever it is called, which takes longer than all else, and a function
    of two results would keep the loop that calls it from becoming one of vectors.
    """
    # It keeps the interpreter's lock where Python calls it: that is one act to threads of a simulated card.
    return njit(error_model="numpy", forceinline=True, no_cfunc_wrapper=True)(function)  # type: ignore[no-any-return]


@cache
def _stamp() -> tuple[tuple[str, int, int], ...]:
    """Return name, time and size of every source file of this room."""
    folder = Path(__file__).parent
    files = [(str(path.relative_to(folder)), path.stat()) for path in sorted(folder.rglob("*.py"))]
    return tuple((name, status.st_mtime_ns, status.st_size) for name, status in files)
