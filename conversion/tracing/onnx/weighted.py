"""Operators of ONNX that hold weights: linear maps, convolutions, normalisations, tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import compose, weighted
from ..compose import Unsupported, scaled
from ..draft import Draft, Value
from ..refusals import MOVES_BY_VALUE, NEEDS_BATCH
from .windowed import Windows


def _trained(**given: Any) -> None:
    """Raise Unsupported where a weight depends on the sample, or is not finite."""
    for what, array in given.items():
        if isinstance(array, Value):
            raise Unsupported(f"its {what} depends on the sample; only trained ones can be converted")
        if array is not None and not np.isfinite(array).all():
            raise Unsupported(f"its {what} is not finite")


def gemm(
    draft: Draft, a: Any, b: Any, bias: Any = None, *, alpha: float, beta: float, transA: int, transB: int
) -> Value:
    """Return alpha a b + beta bias, a and b perhaps transposed."""
    a, b = _turned(a, transA), _turned(b, transB)
    if bias is None:
        return scaled(draft, matmul(draft, a, b), alpha)
    return weighted.addmm(draft, bias, a, b, beta, alpha)


def _turned(x: Any, turn: int) -> Any:
    if not turn:
        return x
    return x.moved(0, 1) if isinstance(x, Value) else x.T


def matmul(draft: Draft, a: Any, b: Any) -> Value:
    """Return the matrix product."""
    for one in (a, b):
        if not isinstance(one, Value):
            _trained(weight=one)
    return compose.matmul(draft, a, b)


def conv(
    draft: Draft, x: Any, weight: Any, bias: Any = None, *, group: int = 1,
    kernel_shape: Sequence[int] | None = None, **settings: Any,
) -> Value:  # fmt: skip
    """Return a convolution of one or two dimensions."""
    _trained(kernel=weight, bias=bias)
    w = Windows.of(x, weight.shape[2:], **settings)
    return compose.conv(
        draft, x, weight, bias, stride=w.stride, padding=w.border, dilation=w.dilation, groups=group
    )


def conv_transpose(
    draft: Draft, x: Any, weight: Any, bias: Any = None, *, group: int = 1, auto_pad: str = "NOTSET",
    kernel_shape: Sequence[int] | None = None, output_padding: Sequence[int] | None = None,
    output_shape: Sequence[int] | None = None, **settings: Any,
) -> Value:  # fmt: skip
    """Return a transposed convolution of one or two dimensions."""
    _trained(kernel=weight, bias=bias)
    kernel = weight.shape[2:]
    extra = list(output_padding or [0] * len(kernel))
    sizes = output_shape
    if auto_pad in ("SAME_UPPER", "SAME_LOWER") and sizes is None:
        strides = settings.get("strides") or [1] * len(kernel)
        sizes = [n * step for n, step in zip(x.shape[2:], strides, strict=True)]
    if sizes is not None:
        pads = _pads_of(x, kernel, sizes, extra, settings, upper=auto_pad == "SAME_UPPER")
        settings = {**settings, "pads": pads}
    w = Windows.of(x, kernel, **settings)
    return compose.conv_transpose(
        draft, x, weight, bias, stride=w.stride, padding=w.border, dilation=w.dilation, groups=group,
        output_padding=(0, extra[0]) if len(kernel) == 1 else (extra[0], extra[1]),
    )  # fmt: skip


def _pads_of(
    x: Value, kernel: Sequence[int], sizes: Sequence[int], extra: Sequence[int], settings: Any, *, upper: bool
) -> list[int]:
    """Return the pads by which a transposed convolution comes to a size."""
    n = len(kernel)
    steps, dilations = (settings.get(key) or [1] * n for key in ("strides", "dilations"))
    whole = [
        step * (size - 1) + more + (k - 1) * d + 1 - wanted
        for size, step, more, k, d, wanted in zip(
            x.shape[2:], steps, extra, kernel, dilations, sizes[-n:], strict=True
        )
    ]
    small, large = [one // 2 for one in whole], [one - one // 2 for one in whole]
    return [*small, *large] if upper else [*large, *small]


def batch_norm(
    draft: Draft, x: Value, weight: Any, bias: Any, mean: Any, var: Any, *, epsilon: float,
    momentum: float = 0.9, training_mode: int = 0, spatial: int = 1,
) -> Value:  # fmt: skip
    """Return x less the running mean, over the running deviation."""
    _trained(scale=weight, bias=bias, mean=mean, variance=var)
    if training_mode or not spatial:
        raise Unsupported(NEEDS_BATCH)
    return weighted.batch_norm(draft, x, weight, bias, mean, var, False, momentum, epsilon)


def layer_norm(
    draft: Draft, x: Value, weight: Any, bias: Any = None, *, axis: int, epsilon: float, stash_type: int = 1
) -> tuple[Value, None, None]:
    """Return x normalised over its axes from one on."""
    _trained(scale=weight, bias=bias)
    return weighted.layer_norm(draft, x, x.shape[axis:], weight, bias, epsilon), None, None


def rms_norm(draft: Draft, x: Value, weight: Any, *, axis: int, epsilon: float, stash_type: int = 1) -> Value:
    """Return x over its root mean square along its axes from one on."""
    _trained(scale=weight)
    return weighted.rms_norm(draft, x, x.shape[axis:], weight, epsilon)


def instance_norm(draft: Draft, x: Value, weight: Any, bias: Any, *, epsilon: float) -> Value:
    """Return x normalised by channel."""
    _trained(scale=weight, bias=bias)
    return compose.group_norm(draft, x, x.shape[1], weight, bias, epsilon)


def group_norm(
    draft: Draft, x: Value, weight: Any, bias: Any, *, num_groups: int, epsilon: float, stash_type: int = 1
) -> Value:
    """Return x normalised in groups of channels."""
    _trained(scale=weight, bias=bias)
    return compose.group_norm(draft, x, num_groups, weight, bias, epsilon)


def gather(draft: Draft, data: Any, places: Any, *, axis: int = 0) -> Value:
    """Return slices of values at fixed places, or rows of a table at those that the sample tells."""
    if not isinstance(places, Value):
        return Value(np.take(data.places, places.astype(np.int64), axis))
    if isinstance(data, Value):
        raise Unsupported(MOVES_BY_VALUE)
    table = np.moveaxis(data, axis, 0)
    made = weighted.embedding(draft, table.reshape(len(table), -1), places)
    made = made.reshaped(*places.shape, *table.shape[1:])
    last = len(places.shape)
    return made.moved(range(last), range(axis % data.ndim, axis % data.ndim + last))


def einsum(draft: Draft, *inputs: Any, equation: str) -> Any:
    """Return sums of products over axes by name, for one or two inputs."""
    text = equation.replace(" ", "")
    terms, _, result = text.partition("->")
    names = terms.split(",")
    if len(names) != len(inputs) or len(names) > 2 or "." in text or "->" not in text:
        raise Unsupported(f"only sums of one or two inputs are converted, with their result: {equation!r}")
    if any(len(set(name)) != len(name) for name in (*names, result)):
        raise Unsupported(f"an axis appears twice in one input: {equation!r}")
    if len(names) == 1:
        x, kept = _summed(draft, inputs[0], names[0], result)
        return _arranged(x, kept, result)
    (a, b), (first, second) = inputs, names
    a, first = _summed(draft, a, first, second + result)
    b, second = _summed(draft, b, second, first + result)
    stack = [c for c in first if c in second and c in result]
    inner = [c for c in first if c in second and c not in result]
    left, right = [c for c in first if c not in second], [c for c in second if c not in first]
    sizes = dict(zip([*first, *second], [*a.shape, *b.shape], strict=True))
    shape = [sizes[c] for c in stack]
    rows = _arranged(a, first, [*stack, *left, *inner])
    columns = _arranged(b, second, [*stack, *inner, *right])
    n = int(np.prod([sizes[c] for c in inner], dtype=int))
    made = compose.matmul(draft, _reshaped(rows, *shape, -1, n), _reshaped(columns, *shape, n, -1))
    made = made.reshaped(*(sizes[c] for c in (*stack, *left, *right)))
    return _arranged(made, [*stack, *left, *right], result)


def _summed(draft: Draft, x: Any, names: str, others: str) -> tuple[Any, str]:
    """Return x summed over the axes that nothing else names, and the names that are left."""
    over = [i for i, name in enumerate(names) if name not in others]
    if not over:
        return x, names
    made = compose.total(draft, x, over) if isinstance(x, Value) else x.sum(axis=tuple(over))
    return made, "".join(name for name in names if name in others)


def _arranged(x: Any, names: Sequence[str], wanted: Sequence[str]) -> Any:
    order = [list(names).index(name) for name in wanted]
    return Value(x.places.transpose(order)) if isinstance(x, Value) else x.transpose(order)


def _reshaped(x: Any, *shape: int) -> Any:
    return x.reshaped(*shape) if isinstance(x, Value) else x.reshape(shape)
