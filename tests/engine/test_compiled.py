"""Functions kept on disk are compiled again when any file of the room has changed."""

from pathlib import Path

import pytest

from rheobase.engine import binning, compiled, draw, recipes, sampling
from rheobase.engine.backends.numba_cpu import drive, fill

_KEPT = [
    draw.choose_entries, binning.bin_in_order, recipes.draw_row, sampling.sample, fill.draw_share,
    drive.drive,
]  # fmt: skip


@pytest.mark.parametrize("function", _KEPT, ids=lambda f: f.__name__)
def test_every_file_of_the_room_decides_whether_what_was_kept_is_used(function):
    if not hasattr(function, "_cache"):
        pytest.skip("nothing is compiled under NUMBA_DISABLE_JIT")
    assert function._cache._cache_file._source_stamp == compiled._stamp()


def test_a_stamp_is_the_time_and_size_of_every_file():
    root = Path(compiled.__file__).parent
    expected = {
        (str(path.relative_to(root)), path.stat().st_mtime_ns, path.stat().st_size)
        for path in root.rglob("*.py")
    }
    assert set(compiled._stamp()) == expected
    assert {"recipes.py", str(Path("backends", "numba_cpu", "fill.py"))} < {name for name, *_ in expected}
