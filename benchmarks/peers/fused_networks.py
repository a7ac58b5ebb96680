"""`mlp` and `conv` in torch with a fused kernel: `python fused_networks.py mlp --device cuda`.

This is no library but our own stand-in for those that fuse the steps of a neuron on a GPU, as
SpikingJelly's CuPy neurons do, written from the equations: torch multiplies, for as many steps at a time
as memory holds, and one CuPy kernel then takes each neuron through all of these steps in a register.
Where such a library cannot be installed, a figure of the same kind can still be given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from torch_library import Neurons, time_library
from torch_networks import BETA, THRESHOLD

_THREADS = 256

# Multiplied and added apart, as torch does it.
LIF = """
extern "C" __global__ void lif(
    const float* currents, float* potentials, float* spikes,
    int steps, long long n, float beta, float threshold)
{
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i >= n) return;
    float v = potentials[i];
    for (int t = 0; t < steps; ++t) {
        v = __fadd_rn(__fmul_rn(beta, v), currents[t * n + i]);
        float fired = v > threshold ? 1.0f : 0.0f;
        spikes[t * n + i] = fired;
        v = __fsub_rn(v, fired * threshold);
    }
    potentials[i] = v;
}
"""


def load(device: str) -> tuple[str, Neurons]:
    """Return the versions of torch and CuPy, and neurons that take all steps of a block in one kernel."""
    import cupy
    import torch

    kernel = cupy.RawKernel(LIF, "lif")

    def fire(blocks: Iterable[Any]) -> Iterator[Any]:
        v = None
        for block in blocks:
            currents = block.contiguous()
            if v is None:
                v = torch.zeros_like(currents[0])
            spikes = torch.empty_like(currents)
            n = v.numel()
            arrays = (currents.data_ptr(), v.data_ptr(), spikes.data_ptr())
            sizes = (np.int32(len(currents)), np.int64(n), np.float32(BETA), np.float32(THRESHOLD))
            with cupy.cuda.ExternalStream(torch.cuda.current_stream().cuda_stream):
                kernel((-(-n // _THREADS),), (_THREADS,), (*arrays, *sizes))
            yield spikes

    return f"torch {torch.__version__}, CuPy {cupy.__version__}", fire


if __name__ == "__main__":
    time_library("torch_fused", load, ("cuda",))
