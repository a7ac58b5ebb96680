"""Operators of torch that hold weights: linear maps, convolutions, normalisations, attention, embeddings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import compose
from .compose import NO_BORDER, Unsupported, scaled
from .draft import Draft, Value
from .pointwise import operand, times
from .refusals import NEEDS_BATCH
from .settings import border_of, plane, same_border


def linear(draft: Draft, x: Any, weight: Any, bias: Any = None) -> Value:
    """Return x weight^T + bias."""
    if isinstance(weight, Value) or isinstance(bias, Value):
        weight = weight.moved(0, 1) if isinstance(weight, Value) else weight.T
        made = compose.matmul(draft, x, weight)
        return made if bias is None else compose.added(draft, made, bias)
    return compose.linear(draft, x, weight, bias)


def addmm(draft: Draft, bias: Any, a: Any, b: Any, beta: float = 1, alpha: float = 1) -> Value:
    """Return beta bias + alpha a b."""
    if isinstance(a, Value) and not isinstance(b, Value) and not isinstance(bias, Value) and bias.ndim == 1:
        wide = np.broadcast_to(bias * np.float32(beta), b.shape[1:])
        return compose.linear(draft, a, b.T * np.float32(alpha), wide)
    made = times(draft, compose.matmul(draft, a, b), alpha)
    return compose.added(draft, made, times(draft, bias, beta))


def conv(
    draft: Draft, x: Value, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Value:  # fmt: skip
    """Return a convolution of one or two dimensions."""
    if isinstance(weight, Value):
        raise Unsupported("its kernel depends on the sample; only trained kernels can be converted")
    ndim = weight.ndim
    steps = plane(dilation, ndim, 1)
    if isinstance(padding, str):
        border = NO_BORDER if padding == "valid" else same_border(weight, steps, ndim)
    else:
        border = border_of(padding, ndim)
    return compose.conv(
        draft, x, weight, bias, stride=plane(stride, ndim, 1), padding=border, dilation=steps, groups=groups
    )


def conv_transpose(
    draft: Draft, x: Value, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Value:  # fmt: skip
    """Return a transposed convolution of one or two dimensions."""
    if isinstance(weight, Value):
        raise Unsupported("its kernel depends on the sample; only trained kernels can be converted")
    ndim = weight.ndim
    return compose.conv_transpose(
        draft, x, weight, bias, stride=plane(stride, ndim, 1), padding=border_of(padding, ndim),
        output_padding=plane(output_padding, ndim, 0), dilation=plane(dilation, ndim, 1), groups=groups,
    )  # fmt: skip


def convolution(
    draft: Draft, x: Value, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any,
    transposed: bool, output_padding: Any, groups: int,
) -> Value:  # fmt: skip
    """Return either of the two."""
    if transposed:
        return conv_transpose(draft, x, weight, bias, stride, padding, output_padding, groups, dilation)
    return conv(draft, x, weight, bias, stride, padding, dilation, groups)


def batch_norm(
    draft: Draft, x: Value, weight: Any, bias: Any, mean: Any, var: Any, training: bool, momentum: float,
    eps: float, cudnn: bool = False,
) -> Value:  # fmt: skip
    """Return x less the running mean, over the running deviation."""
    if training or mean is None:
        raise Unsupported(NEEDS_BATCH)
    gain = 1 / np.sqrt(var.astype(np.float64) + eps)
    gain = gain if weight is None else gain * weight
    shift = -mean * gain + (0 if bias is None else bias)
    return compose.by_channel(draft, x, gain, shift)


def native_batch_norm(
    draft: Draft, x: Value, weight: Any, bias: Any, mean: Any, var: Any, momentum: float, eps: float
) -> tuple[Any, ...]:
    """Return the same with the statistics that training wants."""
    return batch_norm(draft, x, weight, bias, mean, var, False, momentum, eps), None, None


def layer_norm(
    draft: Draft,
    x: Value,
    shape: Sequence[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    *_: Any,
) -> Value:
    """Return x normalised over its last axes."""
    rows = x.reshaped(*x.shape[: len(x.shape) - len(shape)], -1)
    made = compose.normalised(draft, rows, eps).reshaped(*x.shape)
    return scaled(draft, made, 1.0 if weight is None else weight, 0.0 if bias is None else bias)


def rms_norm(
    draft: Draft, x: Value, shape: Sequence[int], weight: Any = None, eps: float | None = None
) -> Value:
    """Return x over its root mean square along its last axes."""
    rows = x.reshaped(*x.shape[: len(x.shape) - len(shape)], -1)
    eps = float(np.finfo(np.float32).eps) if eps is None else eps
    made = compose.normalised(draft, rows, eps, centred=False).reshaped(*x.shape)
    return scaled(draft, made, 1.0 if weight is None else weight)


def group_norm(
    draft: Draft, x: Value, groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, *_: Any
) -> Value:
    """Return x normalised in groups of channels."""
    return compose.group_norm(draft, x, groups, weight, bias, eps)


def instance_norm(
    draft: Draft, x: Value, weight: Any, bias: Any, mean: Any, var: Any, by_sample: bool, momentum: float,
    eps: float, cudnn: bool = False,
) -> Value:  # fmt: skip
    """Return x normalised by channel."""
    if not by_sample:
        return batch_norm(draft, x, weight, bias, mean, var, False, momentum, eps)
    return compose.group_norm(draft, x, x.shape[1], weight, bias, eps)


def attention(
    draft: Draft, q: Any, k: Any, v: Any, mask: Any = None, dropout: float = 0.0, is_causal: bool = False,
    scale: float | None = None, enable_gqa: bool = False,
) -> Value:  # fmt: skip
    """Return softmax(q k^T / sqrt(d) + mask) v."""
    if enable_gqa:
        k, v = (_repeated(draft, x, q.shape[-3] // x.shape[-3]) for x in (k, v))
    if is_causal:
        mask = np.tril(np.ones((q.shape[-2], k.shape[-2]), bool))
    q = times(draft, q, 1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    k = k.moved(-1, -2) if isinstance(k, Value) else np.swapaxes(k, -1, -2)
    scores = compose.matmul(draft, q, k)
    if isinstance(mask, np.ndarray) and mask.dtype == bool:
        mask = np.where(mask, np.float32(0), np.float32(compose.FAR_BELOW))
    if mask is not None:
        scores = compose.added(draft, scores, operand(mask))
    return compose.matmul(draft, compose.softmax(draft, scores, -1), v)


def _repeated(draft: Draft, x: Any, times: int) -> Any:
    return Value(np.repeat(x.places, times, -3)) if isinstance(x, Value) else np.repeat(x, times, -3)


def embedding(draft: Draft, weight: Any, x: Any, *_: Any) -> Value:
    """Return the rows of a table."""
    if isinstance(weight, Value):
        raise Unsupported("its table depends on the sample")
    return draft.add("embedding", [x], (*x.shape, weight.shape[1]), {"weight": weight})


def gated_scan(draft: Draft, q: Any, k: Any, v: Any, a: Any, backward: bool) -> Value:
    """Return o_t = q_t S_t, S_t = a_t S_(t-1) + k_t v_t^T, of (batch, heads, tokens, d)."""
    if any(not isinstance(x, Value) or len(x.shape) != 4 for x in (q, k, v, a)):
        raise Unsupported("what it scans does not depend on the sample, or is not (batch, heads, tokens, d)")
    heads, tokens, d_k = q.shape[1:]
    sizes = {"heads": heads, "tokens": tokens, "d_k": d_k, "d_v": v.shape[-1]}
    return draft.add("scan", [q, k, v, a], v.shape, **sizes, backward=backward)
