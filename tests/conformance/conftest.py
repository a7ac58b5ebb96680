"""What the conformance suite needs: a simulator on each backend, and one network run on it.

Any backend can be held to this suite: list it in `engine/backends/registry.py`, then
`pytest tests/conformance --backend NAME` runs the suite on it alone.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import rheobase as rb


@pytest.fixture
def simulator(backend):
    """`Simulator` on the backend under test."""
    return partial(rb.Simulator, backend=backend)


@pytest.fixture
def raster():
    """Turn a record of spikes into counts [steps, n], or [trials, steps, n] if `trials` is given."""

    def to_array(record, steps, trials=None, first=0):
        counts = np.zeros((trials or 1, steps, record.n), int)
        np.add.at(counts, (record.trials, record.steps - first, record.ids), 1)
        return counts if trials else counts[0]

    return to_array


@pytest.fixture
def received(simulator):
    """Build source -> projection -> IF that never fires, and return its v after every step."""

    def run(
        connectivity, weight, spikes, *, n_post, n_pre=None, delay=0.0, precision=None, seed=0, **options
    ):
        spikes = np.asarray(spikes)
        net = rb.Network(seed=seed)
        pre = net.add(rb.SpikeSource(n_pre or spikes.shape[1], name="pre"))
        post = net.add(rb.Population(n_post, rb.IF(threshold=1e9), name="post"))
        net.add(rb.Projection(pre, post, connectivity, weight=weight, delay=delay, name="p", **options))
        probe = net.add(rb.Probe(post, "v"))
        sim = simulator(net, 1e-3, precision=precision)
        result = sim.run(len(spikes) * 1e-3, inputs={pre: spikes})
        return result[probe].values, sim

    return run
