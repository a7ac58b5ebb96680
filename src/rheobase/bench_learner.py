"""What `rheobase bench train` times of ours: a network, its input, and a step of training.

It imports nothing else, so that a process of its own shows what training alone takes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .engine.peak import forget_peak, peak_mb
from .learning.surrogate import ATan
from .models.learners import LONGEST, learner, spikes_to_learn

if TYPE_CHECKING:
    import torch

#: Steps of training before memory is read: buffers have their final size after the second.
_SETTLED = 3


@dataclass(frozen=True)
class Case:
    """What is trained, on how many steps, and how.

    Attributes
    ----------
    model : str
        See `rheobase.models.learners.learner`.
    steps, batch : int
        Of the input.
    activity : float
        Share of input channels that fire in a step.
    seed : int
        Of weights and input.
    threads : int
        Of torch.
    at_once : bool
        Whether neurons are reset in the step of the spike.
    method : "bptt" or "sltt"
        Back through all steps, or within each: see `rheobase.learning.sltt`.
    device : "cpu" or "cuda"
        Torch's.
    """

    model: str
    steps: int
    batch: int
    activity: float
    seed: int
    threads: int
    at_once: bool = False
    method: Literal["bptt", "sltt"] = "bptt"
    device: str = "cpu"

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the input and the labels."""
        net = learner(self.model, seed=self.seed)
        return spikes_to_learn(
            net, steps=self.steps, batch=self.batch, activity=self.activity, seed=self.seed
        )


class Training:
    """Our side: a module, and a step of its training."""

    def __init__(self, case: Case) -> None:
        import torch

        from .conversion import to_torch
        from .learning.delays import LearnedDelays

        torch.set_num_threads(case.threads)
        self.method, self.device = case.method, case.device
        self.network = learner(case.model, seed=case.seed, reset_delay=not case.at_once)
        x, labels = (torch.from_numpy(array).to(case.device) for array in case.arrays())
        self.x, self.labels = x.float(), labels
        learned = self.network.projections if case.model == "delayed" else ()
        self._options: Any = {
            "surrogate": ATan(2.0), "delays": {p.label: LearnedDelays(LONGEST) for p in learned},
        }  # fmt: skip
        self.module = to_torch(self.network, **self._options).to(case.device)

    def run(self, steps: int | None = None) -> float:
        """Go forward and back once, through so many steps of the input or all; return wall seconds."""
        import torch
        from torch.nn.functional import cross_entropy

        from .learning.sltt import sltt

        began = time.perf_counter()
        self.module.zero_grad()
        if self.method == "sltt":
            sltt(self.module, self.x[:steps], lambda sent, step: cross_entropy(sent, self.labels))
        else:
            cross_entropy(self.module(self.x[:steps]).sum(dim=0), self.labels).backward()  # type: ignore[no-untyped-call]
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - began

    def spikes(self) -> dict[str, np.ndarray]:
        """Return what each population sends, (steps, batch, n)."""
        import torch

        from .conversion import to_torch

        names = [part.label for part in self.network.populations]
        with torch.no_grad():
            found = to_torch(self.network, outputs=names, **self._options).to(self.device)(self.x)
        return {name: values_of(found[name]) for name in names}


def memory_of(case: Case) -> dict[str, float | None]:
    """Train a few steps; return the most that was held once all was loaded, and in all, in MB.

    By this process, or of a GPU's memory by what it has there.
    """
    import torch

    def most() -> float | None:
        return torch.cuda.max_memory_allocated() / 1e6 if case.device == "cuda" else peak_mb()

    ours = Training(case)
    forget_peak()  # what it took to make the input
    ours.run(1)
    base = most()
    for _ in range(_SETTLED):
        ours.run()
    return {"base_mb": base, "peak_mb": most()}


def values_of(x: torch.Tensor | None) -> np.ndarray:
    """Return a tensor that is there as an array."""
    assert x is not None
    return x.detach().cpu().numpy()
