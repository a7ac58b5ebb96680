"""Leaky is snnTorch's Leaky, bit for bit in float32."""

from __future__ import annotations

import numpy as np
import pytest

import rheobase as rb

torch = pytest.importorskip("torch")
snntorch = pytest.importorskip("snntorch")
NAMES = {"soft": "subtract", "hard": "zero", "none": "none"}


def peer(inputs, reset, **options):
    neuron = snntorch.Leaky(reset_mechanism=NAMES[reset], **options)
    mem = neuron.reset_mem()
    sent, trace = [], []
    with torch.no_grad():
        for x in torch.from_numpy(inputs):
            spk, mem = neuron(x, mem)
            sent.append(spk.numpy().copy())
            trace.append(mem.numpy().copy())
    return np.array(sent), np.array(trace)


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("reset", ["soft", "hard", "none"])
def test_reset_in_the_next_step(step_alone, reset, beta):
    inputs = np.random.default_rng(1).normal(0.2, 0.6, (300, 40)).astype(np.float32)
    sent, mem = peer(inputs, reset, beta=beta, threshold=0.8)
    ours = step_alone(rb.Leaky(beta, 0.8, reset=reset), inputs, dtype=np.float32)
    assert sent.sum() > 1000
    np.testing.assert_array_equal(ours.sent, sent)
    np.testing.assert_array_equal(ours.v, mem)


@pytest.mark.parametrize("reset", ["soft", "hard", "none"])
def test_reset_at_once(step_alone, reset):
    # Input stays below threshold: a subtraction then never leaves the membrane above it, where
    # snnTorch would subtract a second time.
    inputs = np.random.default_rng(1).uniform(-0.3, 0.7, (300, 40)).astype(np.float32)
    sent, mem = peer(inputs, reset, beta=0.9, threshold=0.8, reset_delay=False)
    ours = step_alone(rb.Leaky(0.9, 0.8, reset=reset, reset_delay=False), inputs, dtype=np.float32)
    assert sent.sum() > 500
    np.testing.assert_array_equal(ours.sent, sent)
    np.testing.assert_array_equal(ours.v, mem)
