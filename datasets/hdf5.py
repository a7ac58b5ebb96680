"""What an HDF5 file may hold, whoever made it: data of its own, of a size that it can account for.

HDF5 can ask for more memory than the file has bytes, point into other files, and load filters from a folder
of plug-ins; all of it is refused before any data are read.
"""

from __future__ import annotations

from typing import Any

from ..neurons.errors import FormatError

#: Filters that HDF5 and h5py bring along: deflate, shuffle, fletcher32, lzf.
_FILTERS = (1, 2, 3, 32000)
#: How many times larger than stored compressed data may be: deflate reaches 1032.
_LARGEST_EXPANSION = 1100
#: What is said of a name that stands for no data of the file's own.
LINK = "a link that may lead to another file; allowed are data"


def is_own(group: Any, name: str) -> bool:
    """Whether a name in a group stands for what lies in the same file."""
    import h5py

    return isinstance(group.get(name, getlink=True), h5py.HardLink)


def fault_of(data: Any, most_bytes: float) -> str | None:
    """Return why not to read a data set: it lies elsewhere, or has more bytes than it can have, or may."""
    layout = data.id.get_create_plist()
    filters = [layout.get_filter(i)[0] for i in range(layout.get_nfilters())]
    if data.is_virtual or data.external or any(number not in _FILTERS for number in filters):
        return "its data lie in another file, or need a filter that HDF5 does not bring along"
    size, stored = data.size * data.dtype.itemsize, data.id.get_storage_size()
    if size > _LARGEST_EXPANSION * max(stored, 1) or size > most_bytes:
        return f"declares {size:.3g} bytes, of which the file holds {stored}; damaged, or too large"
    return None


def check_contents(file: Any, most_bytes: float) -> None:
    """Refuse a file of which anything lies elsewhere or is larger than so many bytes.

    Raises
    ------
    FormatError
        Naming the first place at which it does or is.
    """
    import h5py

    seen, waiting = set(), [file]
    while waiting:
        group = waiting.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            continue
        seen.add(address)
        for name in group:
            place = f"{file.filename}: {group.name.rstrip('/')}/{name}"
            if not is_own(group, name):
                raise FormatError(f"{place}: {LINK}")
            entry = group[name]
            if isinstance(entry, h5py.Group):
                waiting.append(entry)
            elif isinstance(entry, h5py.Dataset) and entry.shape is not None:
                if why := fault_of(entry, most_bytes):
                    raise FormatError(f"{place}: {why}")
