"""Few recordings of digits, and many images: what a network learns of events with images, and without."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "17_images_to_events.py"

pytestmark = pytest.mark.slow


def recognised(folder, how, *seeds):
    """Return which share of events each seed recognised, and how alike features were, at first and later."""
    options = ["--images", how, "--seeds", *map(str, seeds)]
    run = subprocess.run(
        [sys.executable, str(EXAMPLE), *options], cwd=folder, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert "50 recordings and 1066 images, 1002 recordings" in run.stdout
    lines = re.findall(rf"{how} +\d+: ([\d.]+)%(?:, CKA ([\d.]+), by half time ([\d.]+))?", run.stdout)
    shares, first, later = zip(*lines, strict=True)
    assert len(shares) == len(seeds)
    return np.array(shares, float), np.array(first), np.array(later)


def test_images_help_to_learn_events_and_more_so_as_a_camera_sees_them_move(tmp_path):
    alone, *_ = recognised(tmp_path, "alone", 0, 1, 2)
    still, first, later = recognised(tmp_path, "still", 0, 1, 2)
    moving, *_ = recognised(tmp_path, "moving", 0)
    assert still.mean() >= alone.mean() + 3.0
    assert moving[0] >= still[0] + 3.0
    # At half time, when seven images in eight are still shown.
    assert (later.astype(float) >= first.astype(float) + 0.2).all()
