"""Activations in steps, for those who can fine-tune: what is trained so is converted as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..neurons.errors import ConversionError, MissingExtra
from .torch_bridge import is_torch_module
from .trace import batch_of

if TYPE_CHECKING:
    from torch import nn


def quantise_activations(model: Any, sample: Any, *, levels: int = 8) -> nn.Module:
    """Return a copy of a module in which each ReLU has steps and a threshold of its own, to be fine-tuned.

    Each `torch.nn.ReLU` and `ReLU6` becomes a `conversion.modules.qcfs.QCFS`,

        h(x) = lambda clip(floor(x levels / lambda + 1/2) / levels, 0, 1),

    whose lambda is trained with the weights. `convert` takes theta = lambda / levels and the range 0 ..
    levels from it, so that nothing is calibrated, and the neurons tell what the fine-tuned module computes.

    Parameters
    ----------
    model : torch.nn.Module
        Whose ReLUs are modules; it stays as it is.
    sample : array or tensor (n, ...)
        Typical inputs: each lambda starts where it rounds with the smallest squared error what arrives.
    levels : int
        Steps between zero and lambda, 1 to 4095: 2^bits - 1 for a number of bits.

    Returns
    -------
    torch.nn.Module
        In training if the model is.

    Raises
    ------
    ConversionError
        If the model holds no ReLU, calls one as a function, or cannot be run on the sample.
    MissingExtra
        If torch is not installed.

    Notes
    -----
    Source: T. Bu et al., "Optimal ANN-SNN Conversion for High-accuracy and Ultra-low-latency Spiking Neural
    Networks", ICLR 2022.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    >>> tuned = quantise_activations(model, torch.rand(50, 2), levels=3)
    >>> tuned[1].levels, tuned[1].threshold.requires_grad
    (3, True)
    """
    try:
        import torch
    except ImportError:
        raise MissingExtra("torch", "torch", "Training activations in steps") from None
    from .modules.qcfs import check_levels, replaced

    if not is_torch_module(model):
        raise ConversionError(f"model: got {type(model).__name__}; allowed is a torch.nn.Module")
    return replaced(model, torch.tensor(batch_of(sample)), check_levels(levels))
