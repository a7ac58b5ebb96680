"""Random networks for the property tests, and how two runs of one are compared."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

# Strategies are needed when tests are collected, and test folders are no packages.
_path = Path(__file__).with_name("random_networks.py")
_spec = importlib.util.spec_from_file_location("random_networks", _path)
_module = importlib.util.module_from_spec(_spec)
sys.modules["random_networks"] = _module
_spec.loader.exec_module(_module)


def _records(results):
    """Join the records of consecutive runs: by probe, spikes as (trial, step, id), or samples."""
    joined = {}
    for name in results[0].records:
        records = [result[name] for result in results]
        if name.startswith("spikes"):
            events = np.concatenate([np.stack([r.trials, r.steps, r.ids]) for r in records], axis=1)
            joined[name] = events[:, np.lexsort(events[::-1])]
        elif name.startswith("state"):
            joined[name] = np.concatenate([r.values for r in records], axis=-2)
    return joined


@pytest.fixture(scope="session")
def assert_same():
    """Compare all spikes and states of two simulations, bit for bit; either may be a list of runs."""

    def compare(one, other):
        a, b = (_records(r if isinstance(r, list) else [r]) for r in (one, other))
        for name in a.keys() & b.keys():
            np.testing.assert_array_equal(a[name], b[name], err_msg=name)
        assert a.keys() & b.keys()

    return compare
