"""What blocks are trained and calibrated on, two small sets of scikit-learn; and how: on one thread."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest


@cache
def samples_of(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return samples in an order of their own, and what they are."""
    from sklearn.datasets import load_breast_cancer, load_digits

    if kind == "digits":
        found = load_digits()
        x, y = (found.images / 16)[:, None], found.target
    else:
        found = load_breast_cancer()
        x, y = ((found.data - found.data.mean(0)) / found.data.std(0)).clip(-3, 3), found.target
    order = np.random.default_rng(0).permutation(len(x))
    return x[order].astype(np.float32), y[order]


@pytest.fixture(scope="module")
def one_thread():
    """Let torch use one thread: these networks are too small for more."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
