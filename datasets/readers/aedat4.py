"""AEDAT 4.0, the files of iniVation's cameras: packets in the form of Flatbuffers, perhaps compressed.

They are taken apart here, and every offset in them is checked, so that a broken file is an error and nothing
worse. Times in a file are Unix time.

Source: https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-4.0.html
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from xml.etree import ElementTree

import numpy as np

from ...neurons.errors import FormatError, MissingExtra
from ..events import Events

_MAGIC = b"#!AER-DAT4.0\r\n"
_EVENT = np.dtype(
    {
        "names": ["t", "x", "y", "p"],
        "formats": ["<i8", "<i2", "<i2", "u1"],
        "offsets": [0, 8, 10, 12],
        "itemsize": 16,
    }
)
#: Events that are written into a packet, and bytes that one which is read may become.
_PACKET, _LARGEST_PACKET = 1 << 14, 1 << 28


def decode(data: bytes) -> tuple[dict[str, np.ndarray], tuple[int, int, int] | None]:
    """Return t, x, y and p of the events in a file's bytes, and the shape of the camera if it is told."""
    size = struct.unpack_from("<I", data, len(_MAGIC))[0]
    start = len(_MAGIC) + 4 + size
    compression, table, text = _header(data[len(_MAGIC) + 4 : start])
    stream, shape = _stream_of(text)
    unpack = _unpacker(compression)
    end = table if start <= table <= len(data) else len(data)
    packets = [_events_of(unpack(body)) for number, body in _packets(data, start, end) if number == stream]
    found = np.concatenate([np.zeros(0, _EVENT), *packets])
    return {name: found[name] for name in "txy"} | {"p": found["p"] != 0}, shape


def encode(t: np.ndarray, events: Events) -> bytes:
    """Return the bytes of a file of events, at Unix time."""
    shape = events.shape_of()
    rows = np.zeros(len(events), _EVENT)
    for name, values in (("t", t), ("x", events.x), ("y", events.y), ("p", events.p)):
        rows[name] = values
    parts = [_MAGIC, _header_for(*shape[1:])]
    for first in range(0, len(rows), _PACKET):
        part = rows[first : first + _PACKET]
        body = struct.pack("<II4s2xHHHiII", 28 + part.nbytes, 16, b"EVTS", 6, 8, 4, 6, 4, len(part))
        parts += [struct.pack("<ii", 0, len(body) + part.nbytes), body, part.tobytes()]
    return b"".join(parts)


def _header_for(height: int, width: int) -> bytes:
    """Return a header that names one stream of events, number 0, and no table of packets."""
    where = "/mainloop/Recorder/outInfo/"
    texts = {
        "compression": "NONE",
        "originalModuleName": "rheobase",
        "originalOutputName": "events",
        "typeDescription": "Array of events (polarity ON/OFF).",
        "typeIdentifier": "EVTS",
    }
    stream = "".join(f'<attr key="{key}" type="string">{value}</attr>' for key, value in texts.items())
    sides = "".join(f'<attr key="size{k}" type="int">{n}</attr>' for k, n in (("X", width), ("Y", height)))
    source = '<attr key="source" type="string">rheobase</attr>'
    text = (
        f'<dv version="2.0"><node name="outInfo" path="{where}"><node name="0" path="{where}0/">{stream}'
        f'<node name="info" path="{where}0/info/">{sides}{source}</node></node></node></dv>'
    ).encode()
    text += bytes(4 - len(text) % 4)
    fields = struct.pack("<I4s6xHHHHHiiIq", 24, b"IOHE", 10, 20, 4, 12, 8, 10, 0, 12, -1)
    body = fields + struct.pack("<I", len(text.rstrip(b"\0"))) + text
    return struct.pack("<I", len(body)) + body


def _header(buffer: bytes) -> tuple[int, int, str]:
    """Return how packets are compressed, where their table begins, and the text about streams."""
    at = _Table(buffer, b"IOHE")
    compression, table = at.number(0, "<i", 0), at.number(1, "<q", -1)
    first, length = at.vector(2, 1)
    return compression, table, buffer[first : first + length].decode("utf-8")


def _stream_of(text: str) -> tuple[int, tuple[int, int, int] | None]:
    """Return the number of the first stream of events, and the shape of its sensor if it is told."""
    if "<!" in text:
        raise FormatError("its text about streams declares entities")
    found: dict[int, tuple[int, int, int] | None] = {}
    try:
        nodes = ElementTree.fromstring(text).iter("node")
    except ElementTree.ParseError as error:
        raise FormatError(f"its text about streams is no XML ({error})") from None
    for node in nodes:
        attributes = {one.get("key"): one.text or "" for one in node.findall("attr")}
        if attributes.get("typeIdentifier") == "EVTS":
            inside = {one.get("key"): one.text or "" for one in node.findall("node/attr")}
            sides = [int(inside.get(key, "0")) for key in ("sizeY", "sizeX")]
            found[int(node.get("name", ""))] = (2, sides[0], sides[1]) if min(sides) > 0 else None
    if not found:
        raise FormatError("it has no stream of events")
    return min(found.items())


def _packets(data: bytes, start: int, end: int) -> Iterator[tuple[int, memoryview]]:
    """Yield the stream and the content of each packet."""
    view = memoryview(data)
    while start < end:
        number, size = struct.unpack_from("<ii", data, start)
        if size < 0 or start + 8 + size > end:
            raise FormatError(f"a packet of {size} bytes begins at {start}, and {end - start - 8} are left")
        yield number, view[start + 8 : start + 8 + size]
        start += 8 + size


def _unpacker(compression: int) -> Callable[[memoryview], bytes | memoryview]:
    """Return what opens a packet: nothing, LZ4's frames or Zstandard's."""
    if compression == 0:
        return lambda body: body
    if compression in (1, 2):
        try:
            import lz4.frame
        except ImportError:
            raise MissingExtra("lz4", "data", "Reading a compressed AEDAT4 file") from None
        return lambda body: _bounded(lz4.frame.LZ4FrameDecompressor().decompress, body)
    if compression in (3, 4):
        try:
            import zstandard
        except ImportError:
            raise MissingExtra("zstandard", "data", "Reading a compressed AEDAT4 file") from None
        return lambda body: _bounded(lambda b, n: zstandard.ZstdDecompressor().stream_reader(b).read(n), body)
    raise FormatError(f"its compression is {compression}; known are 0 to 4")


def _bounded(unpack: Callable[[memoryview, int], bytes], body: memoryview) -> bytes:
    try:
        opened = unpack(body, _LARGEST_PACKET + 1)
    except Exception as error:  # each package has errors of its own
        raise FormatError(f"a packet cannot be unpacked ({str(error)[:60]})") from None
    if len(opened) > _LARGEST_PACKET:
        raise FormatError(f"a packet becomes more than {_LARGEST_PACKET >> 20} MiB")
    return opened


def _events_of(packet: bytes | memoryview) -> np.ndarray:
    first, length = _Table(packet[4:], b"EVTS").vector(0, _EVENT.itemsize)
    return np.frombuffer(packet, _EVENT, length, first + 4)


class _Table:
    """The root table of a Flatbuffer: where its fields lie, from the list of offsets that it points to.

    https://flatbuffers.dev/internals
    """

    def __init__(self, buffer: bytes | memoryview, identifier: bytes) -> None:
        self.buffer = buffer
        self.at, kind = struct.unpack_from("<I4s", buffer)
        if kind != identifier:
            raise FormatError(f"holds {kind!r} where {identifier!r} is due")
        self.offsets = self.at - struct.unpack_from("<i", buffer, self.at)[0]
        self._check(self.offsets, 4)
        self.fields = struct.unpack_from("<H", buffer, self.offsets)[0] // 2 - 2

    def number(self, field: int, form: str, default: int) -> int:
        """Return a number, or its default where the table leaves it out."""
        place = self._place(field)
        return int(struct.unpack_from(form, self.buffer, place)[0]) if place else default

    def vector(self, field: int, size: int) -> tuple[int, int]:
        """Return where a vector of entries of `size` bytes begins, and its length."""
        place = self._place(field)
        if not place:
            return 0, 0
        place += struct.unpack_from("<I", self.buffer, place)[0]
        self._check(place, 4)
        length = struct.unpack_from("<I", self.buffer, place)[0]
        self._check(place + 4, length * size)
        return place + 4, length

    def _place(self, field: int) -> int:
        if field >= self.fields:
            return 0
        offset = struct.unpack_from("<H", self.buffer, self.offsets + 4 + 2 * field)[0]
        return self.at + offset if offset else 0

    def _check(self, start: int, size: int) -> None:
        if not 0 <= start <= len(self.buffer) - size:
            raise FormatError(f"points to byte {start} of {len(self.buffer)}")
