"""The suite that every backend passes, on Numba's simulator of a card: kernels run by threads of Python.

The simulator must be chosen before Numba is imported, so each part of the suite runs in a process of its own.
Two warps of two lanes take turns there in any order, which is what a race needs to be seen.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
#: Parts of up to two minutes, and which of their tests. A real card runs all, with larger networks too.
PARTS = {
    "busy images": ["conformance/test_busy_images.py"],
    "runs": ["conformance/test_runs.py"],
    "learning": ["learning/test_in_network.py", "-k", "not same_bits and not slices or own and not dense"],
    "learning rules": ["conformance/test_learning_rules.py"],
    "short-term": ["learning/test_short_term.py", "-k", "cut or image or counts or several_spikes and mixed"],
    "random networks": ["properties/test_random_networks.py", "-k", "reference or pieces or checkpoint"],
    "dense": ["conformance/test_dense.py", "-k", "not values-other and not 37"],
    # Whose numbers are those of the reference need not be held to their laws again.
    "sources": [
        "conformance/test_sources.py",
        "conformance/test_timing.py",
        "conformance/test_draws.py",
        "-k",
        "not law and not probability and not own_rate and not independent_of_each",
    ],
    "event neurons": [
        "conformance/test_event_neurons.py",
        "conformance/test_silence.py",
        "conformance/test_training.py",
    ],
    "set": ["conformance/test_set.py", "-k", "amid or images or state or come_out and drawn"],
    "connectivity": [
        "conformance/test_connectivity.py",
        "conformance/test_probes.py",
        "conformance/test_synapse_probes.py",
    ],
    "images": [
        "conformance/test_images.py",
        "conformance/test_operators.py",
        "conformance/test_converted.py",
    ],
    "first network": ["conformance/test_first_network.py", "conformance/test_adapting_neurons.py"],
    "noisy neurons": ["conformance/test_noisy_neurons.py", "conformance/test_receptors.py"],
}


@pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is None, reason="numba-cuda is not installed")
@pytest.mark.parametrize("part", PARTS)
def test_the_suite_passes_on_the_simulated_card(part):
    first, *more = PARTS[part]
    paths = [str(TESTS / path) if path.endswith(".py") else path for path in (first, *more)]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *paths]
    done = subprocess.run(
        [*command, "--backend", "cuda"],
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout.splitlines()[-1]


def test_every_file_of_the_suite_is_in_a_part():
    here = {f"conformance/{path.name}" for path in Path(__file__).parent.glob("test_*.py")}
    apart = {"conformance/test_recorded_cases.py"}  # the largest of them would take minutes there
    apart |= {path for path in here if path.startswith("conformance/test_cuda_")}
    assert {entry for part in PARTS.values() for entry in part if "conformance/" in entry} == here - apart
