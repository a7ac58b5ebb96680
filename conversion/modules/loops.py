"""Where a population's whole sequence is computed: by which kernels, on what memory."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import torch

from ...engine.backends.cuda.compile import numba_cuda
from ...engine.backends.numba_cpu import sequence as on_cpu
from ...engine.backends.numba_cpu.kernel import Kernel
from ...engine.backends.sequence import Passage
from ...engine.workers import side_by_side, stretches

if TYPE_CHECKING:
    from ...engine.backends.cuda.sequence import SequenceKernel

#: Neurons times steps that are worth a thread beside torch's own, which wait busily.
WORTH = 1 << 22

#: Argument of a kernel -> tensor, or number.
Given = Mapping[str, Any]


class Loops(ABC):
    """Loops over steps on one kind of device.

    What is given to a run is `Passage.given` there and `Passage.given_back` on the way back, with `now` (the
    number of the first step), `steps`, and `total` (neurons of all samples): tensors and numbers.
    """

    @abstractmethod
    def there(self, passage: Passage) -> Callable[[Given], None]:
        """Return what runs a population through steps."""

    @abstractmethod
    def back(self, passage: Passage) -> Callable[[Given], None]:
        """Return what goes back through them."""

    def whole(
        self, passage: Passage, backs: tuple[tuple[str, int], ...]
    ) -> tuple[Callable[[Given], None], Callable[[Given], None]] | None:
        """Return what runs neurons that hear themselves through all steps, and back; None: step by step."""
        return None


class CpuLoops(Loops):
    """Compiled loops that torch's threads share."""

    def there(self, passage: Passage) -> Callable[[Given], None]:
        """Return what runs: see `Loops`."""
        return partial(self._share, on_cpu.forward_kernel(passage))

    def back(self, passage: Passage) -> Callable[[Given], None]:
        """Return what goes back: see `Loops`."""
        return partial(self._share, on_cpu.backward_kernel(passage))

    @staticmethod
    def _share(kernel: Kernel, given: Given) -> None:
        total, worth = given["total"], given["steps"] * given["total"] // WORTH
        threads = max(1, min(torch.get_num_threads(), worth))
        arguments = {name: x.detach().numpy() if torch.is_tensor(x) else x for name, x in given.items()}
        now = int(arguments.pop("now"))
        if threads == 1:
            kernel.run(now, first=0, last=total, **arguments)
            return

        def work(piece: tuple[int, int]) -> None:
            kernel.run(now, first=piece[0], last=piece[1], **arguments)

        side_by_side([work] * threads, stretches(total, -(-total // threads)))


class CudaLoops(Loops):
    """One launch each way on torch's current stream; in Numba's simulator of a card, on the processor."""

    def __init__(self) -> None:
        from ...engine.backends.cuda import sequence

        self._kernels = sequence
        self._cuda = numba_cuda()

    def there(self, passage: Passage) -> Callable[[Given], None]:
        """Return what runs: see `Loops`."""
        return partial(self._launch, self._kernels.forward_kernel(passage))

    def back(self, passage: Passage) -> Callable[[Given], None]:
        """Return what goes back: see `Loops`."""
        return partial(self._launch, self._kernels.backward_kernel(passage))

    def whole(
        self, passage: Passage, backs: tuple[tuple[str, int], ...]
    ) -> tuple[Callable[[Given], None], Callable[[Given], None]] | None:
        """Return what runs neurons that hear themselves through all steps, and back: one launch each way."""
        from ...engine.backends.cuda import recurrent

        there, back = recurrent.forward_kernel(passage, backs), recurrent.backward_kernel(passage, backs)
        return partial(self._launch, there), partial(self._launch, back)

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


#: Whether there are loops for a GPU here.
_GPU = importlib.util.find_spec("numba_cuda") is not None


def has_loops(kind: str) -> bool:
    """Whether there are loops on a kind of device; where there are none, torch's own operations must do."""
    return kind == "cpu" or (kind == "cuda" and _GPU)


@cache
def loops_on(kind: str) -> Loops:
    """Return the loops on a kind of device that has them."""
    return CudaLoops() if kind == "cuda" else CpuLoops()
