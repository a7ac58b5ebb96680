"""What can be said of a torch module without torch."""

from __future__ import annotations

from typing import Any


def is_torch_module(model: Any) -> bool:
    """Say whether the model is a torch module, without importing torch.

    Examples
    --------
    >>> is_torch_module([1, 2])
    False
    """
    return any(base.__module__ == "torch.nn.modules.module" for base in type(model).__mro__)
