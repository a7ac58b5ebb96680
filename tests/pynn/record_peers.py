"""Record what PyNN's other simulators make of the scripts in scripts.py, for test_scripts.py.

Usage: python record_peers.py nest curr_exp cond_exp ...     (PyNN 0.13 with NEST 3.10, Brian2 2.9)
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
from scripts import SCRIPTS

if __name__ == "__main__":
    simulator, *names = sys.argv[1:]
    sim = importlib.import_module(f"pyNN.{simulator}")
    for name in names or SCRIPTS:
        seen = {key: values.astype(np.float32) for key, values in SCRIPTS[name](sim).items()}
        np.savez_compressed(Path(__file__).parent / "data" / f"{name}_{simulator}.npz", **seen)
        print(name, {key: values.shape for key, values in seen.items()}, seen.get("weights", ""))
