"""Write the spoken digits that rheobase ships, from files in the layout of the Spiking Heidelberg Digits.

    python benchmarks/pack_spoken_digits.py --data FOLDER

FOLDER holds shd_train.h5.zip and shd_test.h5.zip: twenty words, said by synthetic voices (espeak-ng and
flite), turned into spikes of 700 channels by the inner-ear model of B. Cramer et al. (2020). They were made
for rheobase and are free, and no voice of one is in the other; the real recordings of the same layout are
read by rheobase.datasets.shd.

Written is datasets/data/spoken_digits_{train,test}.npz. Times are rounded to milliseconds. Spikes are
sorted by time, then by channel: `counts` is how many there are in each millisecond of each recording,
`gaps` how much a channel lies above the one before it in the same millisecond, which deflates to less than
half of what the files were.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SOURCE = (
    "synthetic voices of espeak-ng and flite, made for rheobase with the inner-ear model of B. Cramer, "
    "Y. Stradmann, J. Schemmel and F. Zenke (2020); free"
)


def packed(times: np.ndarray, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the spikes in each millisecond of a recording, and the gaps between their channels."""
    steps = np.rint(times.astype(np.float64) * 1e3).astype(np.int64)
    order = np.lexsort((units, steps))
    steps, units = steps[order], units[order].astype(np.int64)
    begins = np.diff(steps, prepend=-1) > 0
    gaps = np.where(begins, units, np.diff(units, prepend=0))
    return np.bincount(steps).astype(np.uint16), gaps.astype(np.uint16)


def write(part: str, file: h5py.File, first_speaker: int) -> int:
    """Write one part, with its speakers numbered from a first one, and return the number after them."""
    pairs = zip(file["spikes/times"][:], file["spikes/units"][:], strict=True)
    counts, gaps = zip(*(packed(*pair) for pair in pairs), strict=True)
    arrays: dict[str, Any] = {
        "counts": np.concatenate(counts),
        "gaps": np.concatenate(gaps),
        "lengths": np.array([len(one) for one in counts], np.uint16),
        "labels": file["labels"][:].astype(np.uint8),
        "speakers": (file["extra/speaker"][:] + first_speaker).astype(np.uint8),
    }
    sha = hashlib.sha256(b"".join(array.tobytes() for array in arrays.values())).hexdigest()
    path = ROOT / f"datasets/data/spoken_digits_{part}.npz"
    voices = file["extra/meta_info/voice"][:].astype(str)
    np.savez_compressed(
        path, **arrays, voices=voices, classes=file["extra/keys"][:].astype(str), source=SOURCE, sha256=sha
    )
    print(
        f"{path.name}: {len(gaps)} recordings, {len(arrays['gaps']):,} spikes, {path.stat().st_size:,} bytes"
    )
    return first_speaker + len(voices)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the two files")
    options = parser.parse_args()
    speaker = 0
    for part in ("train", "test"):
        with zipfile.ZipFile(options.data / f"shd_{part}.h5.zip") as archive:
            content = io.BytesIO(archive.read(archive.namelist()[0]))
        with h5py.File(content) as file:
            speaker = write(part, file, speaker)


if __name__ == "__main__":
    main()
