"""Examples that train on spikes recognise what they should, and simulated spikes are those of torch."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "options", "floor"),
    [
        ("13_digits_as_spikes.py", ["--epochs", "15"], 75.0),
        ("13_digits_as_spikes.py", ["--epochs", "20", "--code", "latency"], 75.0),
        # Twenty words: chance is 5 %, and a ridge read-out of each channel's count finds 27 %.
        ("14_spoken_digits.py", ["--epochs", "30"], 40.0),
        ("15_moving_digits.py", ["--epochs", "8", "--recordings", "400"], 50.0),
    ],
)
def test_an_example_learns_and_is_simulated_spike_for_spike(name, options, floor, tmp_path):
    run = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    found = re.findall(r"accuracy in (torch|the simulator) +([\d.]+)%", run.stdout)
    assert [where for where, _ in found] == ["torch", "the simulator"]
    assert all(float(share) >= floor for _, share in found)
    # On a grid or not, an answer can differ where two are within rounding of each other.
    assert abs(float(found[0][1]) - float(found[1][1])) <= 1.0
    differing = re.search(r"spikes that differ +(\d+) of ([\d,]+)", run.stdout)
    assert differing is not None
    assert int(differing.group(1)) == 0
    assert int(differing.group(2).replace(",", "")) > 100_000
