"""Where a population's whole sequence is computed: by which kernels, on what memory."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import torch

from ...engine.backends.cuda.compile import numba_cuda
from ...engine.backends.numba_cpu import sequence as on_cpu
from ...engine.backends.numba_cpu.kernel import Kernel
from ...engine.backends.sequence import Form
from ...engine.workers import side_by_side, stretches
from ...neurons.model import NeuronModel

if TYPE_CHECKING:
    from ...engine.backends.cuda.sequence import SequenceKernel

#: Neurons times steps that are worth a thread.
WORTH = 1 << 17

#: Argument of a kernel -> tensor, or number.
Given = Mapping[str, Any]


class Loops(ABC):
    """Loops over steps on one kind of device.

    What they are given is `Passage.given`, `now` (the number of the first step), `steps`, `total` (neurons of
    all samples), and `y` forward, `Passage.given_back` on the way back: tensors and numbers.
    """

    @abstractmethod
    def forward(self, model: NeuronModel, form: Form, given: Given) -> None:
        """Run a population through all steps."""

    @abstractmethod
    def backward(self, model: NeuronModel, form: Form, given: Given) -> None:
        """Go back through all steps."""


class CpuLoops(Loops):
    """Compiled loops that torch's threads share."""

    def forward(self, model: NeuronModel, form: Form, given: Given) -> None:
        """Run: see `Loops`."""
        self._share(on_cpu.forward_kernel(model, form), given)

    def backward(self, model: NeuronModel, form: Form, given: Given) -> None:
        """Go back: see `Loops`."""
        self._share(on_cpu.backward_kernel(model, form), given)

    @staticmethod
    def _share(kernel: Kernel, given: Given) -> None:
        total, worth = given["total"], given["steps"] * given["total"] // WORTH
        threads = max(1, min(torch.get_num_threads(), worth))
        pieces = stretches(total, -(-total // threads))
        arguments = {name: x.detach().numpy() if torch.is_tensor(x) else x for name, x in given.items()}
        now = int(arguments.pop("now"))

        def work(piece: tuple[int, int]) -> None:
            kernel.run(now, first=piece[0], last=piece[1], **arguments)

        side_by_side([work] * threads, pieces)


class CudaLoops(Loops):
    """One launch each way on torch's current stream; in Numba's simulator of a card, on the processor."""

    def __init__(self) -> None:
        from ...engine.backends.cuda import sequence

        self._kernels = sequence
        self._cuda = numba_cuda()

    def forward(self, model: NeuronModel, form: Form, given: Given) -> None:
        """Run: see `Loops`."""
        self._launch(self._kernels.forward_kernel(model, form), given)

    def backward(self, model: NeuronModel, form: Form, given: Given) -> None:
        """Go back: see `Loops`."""
        self._launch(self._kernels.backward_kernel(model, form), given)

    def _launch(self, kernel: SequenceKernel, given: Given) -> None:
        vectors = {name: x.detach().reshape(-1) for name, x in given.items() if torch.is_tensor(x)}
        device = next(iter(vectors.values())).device
        if device.type == "cpu":
            kernel.run({**given, **{name: x.numpy() for name, x in vectors.items()}})
            return
        with torch.cuda.device(device):
            stream = self._cuda.external_stream(torch.cuda.current_stream().cuda_stream)
            taken = {name: self._cuda.as_cuda_array(x, sync=False) for name, x in vectors.items()}
            kernel.run({**given, **taken}, stream)


@cache
def loops_on(kind: str) -> Loops | None:
    """Return the loops on a kind of device; None where torch's own operations must do."""
    if kind == "cpu":
        return CpuLoops()
    return CudaLoops() if kind == "cuda" and importlib.util.find_spec("numba_cuda") is not None else None
