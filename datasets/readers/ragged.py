"""Lists of lists in an HDF5 file, taken out of it by hand.

HDF5 keeps lists of different lengths in heaps that entries of a data set point to, and its library trusts
what an entry says of a length: a damaged file can end the process. So where the entries lie is asked of the
library, and what they point to is looked up here, within bounds.

Source: HDF5 File Format Specification 3.0, sections III.E (global heap) and VIII.B,
https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
"""

from __future__ import annotations

import mmap
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ...neurons.errors import FormatError

#: An entry: how long its list is, at which address the heap begins, and the list's number in it.
_ENTRY = np.dtype([("length", "<u4"), ("address", "<u8"), ("number", "<u4")])
_DEFLATE = 1  # HDF5's number of this filter


class Ragged:
    """A list of lists of numbers, or of texts, of which one is read at a time.

    Parameters
    ----------
    path : Path
        The file.
    data : h5py.Dataset
        The list, in that file.
    """

    def __init__(self, path: Path, data: Any) -> None:
        import h5py

        kind, create = data.id.get_type(), data.file.id.get_create_plist()
        text = isinstance(kind, h5py.h5t.TypeStringID) and kind.is_variable_str()
        if data.ndim != 1 or not (text or kind.get_class() == h5py.h5t.VLEN):
            raise FormatError(f"{data.name}: holds {data.dtype} of shape {data.shape}; allowed are lists")
        self.dtype = np.dtype("S1") if text else np.dtype(kind.get_super().dtype)
        if self.dtype.kind not in "iufS" or (not text and self.dtype.itemsize != kind.get_super().get_size()):
            raise FormatError(f"{data.name}: holds lists of {self.dtype}; allowed are numbers")
        if create.get_sizes() != (8, 8) or create.get_userblock():
            raise FormatError(f"{data.name}: has addresses of another form than files of today")
        with path.open("rb") as file:
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._entries = self._entries_of(data)
        self._heaps: dict[int, dict[int, tuple[int, int]]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> np.ndarray:
        """Return one list, or raise FormatError where the file does not hold it."""
        length, address, number = (int(part) for part in self._entries[index])
        if length == 0:
            return np.zeros(0, self.dtype)
        if address not in self._heaps:
            self._heaps = {address: self._heap(address)}  # lists that follow one another share one
        start, size = self._heaps[address].get(number, (0, 0))
        if length * self.dtype.itemsize > size:
            raise FormatError(f"list {index} has {length} entries, and {size} bytes to hold them")
        return np.frombuffer(self._bytes, self.dtype, length, start)

    def _heap(self, address: int) -> dict[int, tuple[int, int]]:
        """Return where each list of a heap begins, and how many bytes it has."""
        signature, version, size = struct.unpack_from("<4sB3xQ", self._bytes, address)
        if signature != b"GCOL" or version != 1 or address + size > len(self._bytes):
            raise FormatError(f"has no heap at {address}")
        found, at = {}, address + 16
        while at + 16 <= address + size:
            number, length = struct.unpack_from("<H6xQ", self._bytes, at)
            if number == 0:  # the space that is left
                break
            if at + 16 + length > address + size:
                raise FormatError(f"list {number} of the heap at {address} ends outside of it")
            found[number] = (at + 16, length)
            at += 16 + -(-length // 8) * 8
        return found

    def _entries_of(self, data: Any) -> np.ndarray:
        """Return the entries, from one piece of the file or from chunks."""
        import h5py

        create = data.id.get_create_plist()
        if create.get_layout() == h5py.h5d.CONTIGUOUS:
            offset = data.id.get_offset()
            return np.zeros(len(data), _ENTRY) if offset is None else self._piece(offset, len(data))
        if create.get_layout() != h5py.h5d.CHUNKED:
            raise FormatError(f"{data.name}: is laid out in a way that is not known here")
        filters = [create.get_filter(k)[0] for k in range(create.get_nfilters())]
        (width,), entries = data.chunks, np.zeros(len(data), _ENTRY)
        for k in range(data.id.get_num_chunks()):
            chunk = data.id.get_chunk_info(k)
            applied = [one for bit, one in enumerate(filters) if not chunk.filter_mask >> bit & 1]
            if applied not in ([], [_DEFLATE]):
                raise FormatError(
                    f"{data.name}: its entries went through filters {applied}; known is deflate"
                )
            first = chunk.chunk_offset[0]
            entries[first : first + width] = self._chunk(chunk, bool(applied), width)[: len(data) - first]
        return entries

    def _chunk(self, chunk: Any, packed: bool, width: int) -> np.ndarray:
        if not packed:
            return self._piece(chunk.byte_offset, width)
        content = self._bytes[chunk.byte_offset : chunk.byte_offset + chunk.size]
        return np.frombuffer(zlib.decompressobj().decompress(content, width * _ENTRY.itemsize), _ENTRY, width)

    def _piece(self, offset: int, length: int) -> np.ndarray:
        return np.frombuffer(self._bytes, _ENTRY, length, offset)
