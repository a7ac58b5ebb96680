"""AEDAT 3.1, the files of cAER: packets of events of one kind, of which those of pixels are taken.

A packet begins with 28 bytes: kind and source of its events, how many bytes one has, where in it the time is,
how often the 31 bits of time have run over, for how many there is room, how many there are, how many count.
An event of a pixel has a bit that says whether it counts, one of polarity, 15 of its row, 15 of its column,
and its time.

Source: https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-3.1.html
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ...neurons.errors import FormatError
from ..events import Events

_PACKET = struct.Struct("<hhiiiiii")
_TIME = struct.Struct("<i")
_EVENT = np.dtype([("bits", "<u4"), ("t", "<i4")])
_PIXELS, _TIME_BITS = 1, 31
_END = b"#!END-HEADER\r\n"
#: Events that are written into a packet.
_LARGEST = 4096


class Recording:
    """A file whose packets have been found, so that a part of it can be read alone.

    Parameters
    ----------
    data : bytes or mmap
        The file's bytes.

    Attributes
    ----------
    shape : tuple of int, optional
        That of the camera, if it is known.
    """

    def __init__(self, data: Any) -> None:
        header = data[: data.find(_END) + len(_END)]
        if not header.endswith(_END):
            raise FormatError(f"its header does not end with {_END.decode().strip()}")
        form = re.search(rb"^#Format: *(.*?)\r?$", header, re.MULTILINE)
        if form and form[1] != b"RAW":
            raise FormatError(f"its format is {form[1].decode('ascii', 'replace')}; known is RAW")
        packets = [one for one in _packets(data, len(header)) if one.kind == _PIXELS and one.n]
        source = min((one.source for one in packets), default=0)
        camera = re.search(rb"^#Source %d: *DVS128" % source, header, re.MULTILINE)
        self.shape = (2, 128, 128) if camera else None
        self._data, self._packets = data, [one for one in packets if one.source == source]
        firsts = [_TIME.unpack_from(data, one.start + 4)[0] for one in self._packets]
        self._begins = np.array(firsts, np.int64) + (
            np.array([one.overflow for one in self._packets], np.int64) << _TIME_BITS
        )

    def between(self, start: int = 0, stop: int = 2**62) -> dict[str, np.ndarray]:
        """Return t, x, y and p of the valid events from one time of the clock to before another."""
        first, last = 0, len(self._packets)
        if np.all(self._begins[1:] >= self._begins[:-1]):
            first = max(int(np.searchsorted(self._begins, start)) - 1, 0)
            last = int(np.searchsorted(self._begins, stop))
        chosen = self._packets[first:last]
        t = np.concatenate([np.zeros(0, np.int64), *(self._times(one) for one in chosen)])
        bits = np.concatenate([np.zeros(0, np.uint32), *(self._rows(one)["bits"] for one in chosen)])
        counts = (bits & 1 == 1) & (t >= start) & (t < stop)
        t, bits = t[counts], bits[counts]
        return {"t": t, "x": bits >> 17, "y": bits >> 2 & 0x7FFF, "p": bits >> 1 & 1}

    def _rows(self, packet: _Packet) -> np.ndarray:
        return np.frombuffer(self._data, _EVENT, packet.n, packet.start)

    def _times(self, packet: _Packet) -> np.ndarray:
        t = self._rows(packet)["t"]
        if t.min() < 0:
            first = int(np.argmax(t < 0))
            raise FormatError(
                f"the event at byte {packet.start + first * _EVENT.itemsize} has the time {t[first]}; "
                "allowed is from 0"
            )
        return np.asarray(t + (np.int64(packet.overflow) << _TIME_BITS))


def decode(data: bytes) -> tuple[dict[str, np.ndarray], tuple[int, int, int] | None]:
    """Return t, x, y and p of the valid events in a file's bytes, and the camera's shape if it is known."""
    recording = Recording(data)
    return recording.between(), recording.shape


def encode(t: np.ndarray, events: Events) -> bytes:
    """Return the bytes of a file of events, at times of its clock."""
    rows = np.empty(len(events), _EVENT)
    x, y, p = (getattr(events, name).astype(np.uint32) for name in "xyp")
    overflow, rows["t"] = t >> _TIME_BITS, t & (1 << _TIME_BITS) - 1
    rows["bits"] = x << 17 | y << 2 | p << 1 | 1
    camera = b"DVS128" if events.shape == (2, 128, 128) else b"other"
    parts = [b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 0: ", camera, b"\r\n"]
    parts += [b"#Start-Time: 1970-01-01 00:00:00 (TZ+0000)\r\n", _END]
    cuts = {*range(0, len(t), _LARGEST), *(np.flatnonzero(np.diff(overflow)) + 1).tolist(), len(t)}
    for first, last in zip(sorted(cuts), sorted(cuts)[1:], strict=False):
        n = last - first
        parts += [_PACKET.pack(_PIXELS, 0, _EVENT.itemsize, 4, int(overflow[first]), n, n, n)]
        parts += [rows[first:last].tobytes()]
    return b"".join(parts)


class _Packet(NamedTuple):
    """What a packet says of itself, and the byte at which its events begin."""

    kind: int
    source: int
    overflow: int
    start: int
    n: int


def _packets(data: Any, at: int) -> Iterator[_Packet]:
    while at < len(data):
        left = len(data) - at - _PACKET.size
        if left < 0:
            raise FormatError(f"a packet begins at byte {at}, and ends before its header does")
        kind, source, size, _, overflow, room, n, _ = _PACKET.unpack_from(data, at)
        good = size > 0 and overflow >= 0 and 0 <= n <= room and room * size <= left
        if not good or (kind == _PIXELS and size != _EVENT.itemsize):
            raise FormatError(
                f"the packet at byte {at} declares {n} events of {size} bytes, room for {room} and "
                f"{overflow} overflows of time; {left} bytes are left"
            )
        yield _Packet(kind, source, overflow, at + _PACKET.size, n)
        at += _PACKET.size + room * size
