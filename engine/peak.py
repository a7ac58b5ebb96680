"""The most memory that a process has held."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def peak_mb() -> float | None:
    """Return the most memory that this process has held so far, in MB; None where the system does not say."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage tells of a process begins with what the one that started it held
        held = next((line for line in status.read_text().splitlines() if line.startswith("VmHWM:")), None)
        if held is not None:
            return int(held.split()[1]) * 1024 / 1e6
    try:
        import resource
        import sys
    except ImportError:
        return None
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def forget_peak() -> None:
    """Let `peak_mb` count from now on, where the system can do that: Linux."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
