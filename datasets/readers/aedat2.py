"""AEDAT 2.0, the files of jAER: an address and a time for each event, most significant byte first.

A camera has addresses of its own. Those of the DVS128 are known here: bit 0 is 0 where it became brighter,
bits 1 to 7 are the column from the right, bits 8 to 14 the row from below; with other bits it is no pixel's.

Sources: https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-2.0.html; columns and
polarities as jAER's own functions for Matlab take them.
"""

from __future__ import annotations

import numpy as np

from ...neurons.errors import FormatError
from ..events import Events

SHAPE = (2, 128, 128)
_EVENT = np.dtype([("address", ">u4"), ("t", ">u4")])
_HEADER = (
    b"#!AER-DAT2.0\r\n# This is a raw AE data file\r\n"
    b"# Data format is int32 address, int32 timestamp (8 bytes total), repeated for each event\r\n"
    b"# Timestamps tick is 1 us\r\n# AEChip: DVS128\r\n"
)


def decode(data: bytes) -> tuple[dict[str, np.ndarray], tuple[int, int, int]]:
    """Return t, x, y and p of the events in a file's bytes, and the shape of the camera."""
    start = _end_of_header(data)
    if (len(data) - start) % _EVENT.itemsize:
        raise FormatError(
            f"{len(data) - start} bytes follow its header at byte {start}; an event takes {_EVENT.itemsize}, "
            "so it is truncated"
        )
    rows = np.frombuffer(data, _EVENT, offset=start)
    address, t = rows["address"].astype(np.int64), rows["t"].astype(np.int64)
    seen = address < 1 << 15
    if 2 * np.count_nonzero(seen) < len(seen):  # a few are from the clock, or glitches
        first = int(np.argmin(seen))
        raise FormatError(
            f"{address[first]:#x} at byte {start + first * _EVENT.itemsize}, like most of its addresses, is "
            "none of a DVS128, the only camera that is known here"
        )
    # The clock has 32 bits, and begins anew.
    t += np.cumsum(np.diff(t, prepend=t[:1]) < -(1 << 31)) << 32
    address, t = address[seen], t[seen]
    x, y = 127 - (address >> 1 & 127), 127 - (address >> 8 & 127)
    return {"t": t, "x": x, "y": y, "p": 1 - (address & 1)}, SHAPE


def encode(t: np.ndarray, events: Events) -> bytes:
    """Return the bytes of a file of events, at times of its clock."""
    rows = np.empty(len(events), _EVENT)
    x, y, p = (getattr(events, name).astype(np.int64) for name in "xyp")
    rows["address"], rows["t"] = 127 - y << 8 | 127 - x << 1 | 1 - p, t
    return _HEADER + rows.tobytes()


def _end_of_header(data: bytes) -> int:
    at = 0
    while data[at : at + 1] == b"#":
        end = data.find(b"\n", at)
        if end < 0:
            raise FormatError(f"the line of its header at byte {at} does not end")
        at = end + 1
    return at
