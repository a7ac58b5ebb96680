"""From a trained torch module to plain layers. torch is imported only when this is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..neurons.errors import ConversionError, MissingExtra
from .layers import Affine, Conv, Flatten, Layer, Pool, ReLU

SUPPORTED = (
    "Sequential (nested too), Linear, Conv2d, AvgPool2d, ReLU, Flatten, BatchNorm1d and BatchNorm2d behind a "
    "Linear or Conv2d, Dropout and Identity"
)


def is_torch_module(model: Any) -> bool:
    """Say whether the model is a torch module, without importing torch.

    Examples
    --------
    >>> is_torch_module([ReLU()])
    False
    """
    return any(base.__module__ == "torch.nn.modules.module" for base in type(model).__mro__)


def layers_from_torch(module: Any) -> list[Layer]:
    """Return the layers of a torch module, as they are in evaluation.

    Batch normalisation is folded into the layer before it; dropout does nothing in evaluation and is
    left out.

    Parameters
    ----------
    module : torch.nn.Module
        A `Sequential`, or one layer.

    Raises
    ------
    ConversionError
        For a module that has no counterpart; it names the module and what is supported.
    MissingExtra
        If torch is not installed.

    Examples
    --------
    >>> from torch import nn
    >>> [layer.name for layer in layers_from_torch(nn.Sequential(nn.Linear(3, 2), nn.ReLU()))]
    ['Affine', 'ReLU']
    """
    try:
        from torch import nn
    except ImportError:
        raise MissingExtra("torch", "torch", "Converting a torch module") from None
    layers: list[Layer] = []
    for name, leaf in _leaves(nn, "", module):
        if isinstance(leaf, (nn.BatchNorm1d, nn.BatchNorm2d)):
            if not layers:
                raise ConversionError(
                    f"module {name!r} ({leaf}): no Linear or Conv2d before it to fold it into"
                )
            layers[-1] = _folded(nn, name, layers[-1], leaf)
        elif not isinstance(leaf, (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.Identity)):
            layers.append(_layer(nn, name, leaf))
    if not layers:
        raise ConversionError(
            f"torch module {type(module).__name__}: it holds no layer; supported are {SUPPORTED}"
        )
    return layers


def _leaves(nn: Any, name: str, module: Any) -> Iterator[tuple[str, Any]]:
    # Exactly nn.Sequential: a subclass may compute something else in its own forward.
    if type(module) is nn.Sequential:
        for child_name, child in module.named_children():
            yield from _leaves(nn, f"{name}.{child_name}" if name else child_name, child)
    else:
        yield name or type(module).__name__, module


def _layer(nn: Any, name: str, leaf: Any) -> Layer:
    makers = {nn.Linear: _affine, nn.Conv2d: _conv, nn.AvgPool2d: _pool, nn.ReLU: _relu, nn.Flatten: _flatten}
    maker = makers.get(type(leaf))
    if maker is None:
        hint = "; train with average pooling instead" if isinstance(leaf, nn.MaxPool2d) else ""
        raise ConversionError(
            f"module {name!r} ({leaf}) cannot be converted; supported are {SUPPORTED}{hint}"
        )
    return maker(name, leaf)


def _array(tensor: Any) -> np.ndarray | None:
    return None if tensor is None else tensor.detach().cpu().float().numpy()


def _affine(name: str, leaf: Any) -> Layer:
    return Affine(_array(leaf.weight), _array(leaf.bias))  # type: ignore[arg-type]


def _conv(name: str, leaf: Any) -> Layer:
    if leaf.padding_mode != "zeros":
        raise ConversionError(f"module {name!r}: padding_mode is {leaf.padding_mode!r}; allowed is 'zeros'")
    padding = leaf.padding
    if padding == "valid":
        padding = (0, 0)
    elif padding == "same":
        span = [d * (k - 1) for d, k in zip(leaf.dilation, leaf.kernel_size, strict=True)]
        if any(s % 2 for s in span):
            raise ConversionError(
                f"module {name!r}: padding 'same' is lopsided for an even kernel; give a number"
            )
        padding = tuple(s // 2 for s in span)
    weight, bias = _array(leaf.weight), _array(leaf.bias)
    return Conv(weight, bias, leaf.stride, padding, leaf.dilation, leaf.groups)  # type: ignore[arg-type]


def _pool(name: str, leaf: Any) -> Layer:
    if np.any(leaf.padding) or leaf.ceil_mode or leaf.divisor_override:
        raise ConversionError(
            f"module {name!r} ({leaf}): allowed is no padding, no ceil_mode, no divisor_override"
        )
    return Pool(leaf.kernel_size, leaf.stride)


def _relu(name: str, leaf: Any) -> Layer:
    return ReLU()


def _flatten(name: str, leaf: Any) -> Layer:
    if (leaf.start_dim, leaf.end_dim) != (1, -1):
        raise ConversionError(f"module {name!r} ({leaf}): allowed is start_dim=1, end_dim=-1")
    return Flatten()


def _folded(nn: Any, name: str, layer: Layer, norm: Any) -> Layer:
    """Return the layer with the normalisation in its weights: w g / s and beta + (b - mean) g / s."""
    fits = {nn.BatchNorm1d: Affine, nn.BatchNorm2d: Conv}.get(type(norm))
    if fits is None or not isinstance(layer, (Affine, Conv)) or type(layer) is not fits:
        raise ConversionError(
            f"module {name!r} ({norm}): it must come right behind a Linear or Conv2d, not a {layer.name}"
        )
    if norm.running_mean is None:
        raise ConversionError(
            f"module {name!r} ({norm}): it keeps no running mean, so it is no fixed function"
        )
    if norm.num_features != len(layer.weight):
        raise ConversionError(
            f"module {name!r} ({norm}): the layer before it has {len(layer.weight)} channels"
        )
    gain = 1.0 / np.sqrt(_array(norm.running_var).astype(np.float64) + norm.eps)  # type: ignore[union-attr]
    shift = np.zeros_like(gain)
    if norm.affine:
        gain, shift = gain * _array(norm.weight), shift + _array(norm.bias)
    weight = layer.weight * gain.reshape(-1, *[1] * (layer.weight.ndim - 1))
    bias = shift + (layer.bias - _array(norm.running_mean)) * gain
    if isinstance(layer, Conv):
        return Conv(weight, bias, layer.stride, layer.padding, layer.dilation, layer.groups)
    return Affine(weight, bias)
