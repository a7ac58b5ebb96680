"""The soak script runs in stretches, reports, and fails where memory grows or nothing happens."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "soak.py"


@pytest.fixture
def soak(monkeypatch):
    spec = importlib.util.spec_from_file_location("soak", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "resident_mb", lambda: 107.0)
    return module


def test_a_short_soak_reports_and_says_that_it_judges_nothing():
    arguments = ["--minutes", "0.01", "--stretch", "0.25", "--report", "0.25", "--scale", "0.1"]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("400 neurons")
    assert len([line for line in lines if " MB " in line]) == 3
    assert lines[-1].startswith("not judged")


@pytest.mark.parametrize(
    ("settled", "allowed", "latest", "code"), [(105.0, 4.0, 9, 0), (100.0, 4.0, 9, 1), (105.0, 4.0, 0, 1)]
)
def test_growth_and_silence_fail(soak, settled, allowed, latest, code, capsys):
    assert soak.verdict(settled, allowed, latest) == code
    assert capsys.readouterr().out.startswith("failed" if code else "passed")
