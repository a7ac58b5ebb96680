"""Generated modules: source written once into a folder of the user's, so that what is compiled is kept.

A module's name is a hash of its text, of the files that it depends on, and of what compiles it: a new network
of a known kind compiles nothing, and a second start loads everything from the folder.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType

import numba
import numpy as np


def cache_folder() -> Path:
    """Return the folder of compiled kernels: RHEOBASE_CACHE, or one in the user's cache folder."""
    root = os.environ.get("RHEOBASE_CACHE")
    if root:
        return Path(root)
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(home) / "rheobase"


@cache
def _fingerprint(sources: tuple[Path, ...]) -> str:
    """Return a hash of some files, and of what compiles them."""
    text = b"".join(path.read_bytes() for path in sources)
    return hashlib.blake2b(text + numba.__version__.encode() + np.__version__.encode()).hexdigest()


@lru_cache(maxsize=1024)
def load_module(source: str, depends_on: tuple[Path, ...]) -> ModuleType:
    """Write a generated module into the cache folder, unless it is there, and import it.

    Parameters
    ----------
    source
        Its text.
    depends_on
        Files of everything that it imports: where one changes, it is another module.
    """
    key = (source + _fingerprint(depends_on)).encode()
    name = "rheobase_" + hashlib.blake2b(key, digest_size=12).hexdigest()
    try:
        path = _write(cache_folder(), name, source)
    except OSError:
        path = _write(Path(tempfile.gettempdir()) / "rheobase-kernels", name, source)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _write(folder: Path, name: str, source: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.py"
    if not path.exists():
        # Another process may write the same file at the same time: rename is atomic.
        handle, temporary = tempfile.mkstemp(dir=folder, suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(source)
        os.replace(temporary, path)
    return path
