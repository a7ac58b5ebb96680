"""What each operator of torch is in a graph: one line in a table.

Handlers get the draft and the operator's own arguments: `Value`s in place of tensors that depend on the
sample, arrays in place of those that do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from . import compose, pointwise, weighted, windowed
from .draft import Draft, Value
from .refusals import COMPARES, NEEDS_BATCH, OF_THE_ANSWER, ROUNDS

Handler = Callable[..., Any]

#: Operators that only move numbers about (some fill with zeros), and which of their arguments are moved.
WIRES: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys((
        "view", "_unsafe_view", "reshape", "flatten", "unflatten", "permute", "transpose", "t",
        "expand", "squeeze", "unsqueeze", "slice", "select", "narrow", "split", "split_with_sizes",
        "chunk", "unbind", "flip", "roll", "clone", "alias", "contiguous", "detach", "lift_fresh_copy",
        "unfold", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "repeat", "repeat_interleave",
        "index_select", "index", "gather", "upsample_nearest1d", "upsample_nearest2d",
        "_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "reflection_pad1d",
        "reflection_pad2d", "replication_pad1d", "replication_pad2d", "diagonal", "tril", "triu",
        "im2col", "view_copy", "movedim", "T", "mT", "matrix_H", "numpy_T", "swapaxes", "swapdims",
        "rot90", "expand_as", "view_as", "tile",
    ), (0,)),
    "cat": (0,),
    "stack": (0,),
    "slice_scatter": (0, 1),
    "select_scatter": (0, 1),
    "copy": (0, 1),
    "index_put": (0, 2),
}  # fmt: skip

#: What an operator does that has no counterpart, by the beginning of its name: what to use instead.
ADVICE: Mapping[str, str] = {
    **dict.fromkeys(("argmax", "argmin", "topk"), OF_THE_ANSWER),
    "sort": "leave it out, and sort the answer",
    "_fft": "write the transform as a product with constant matrices of cosines and sines",
    "_native_batch_norm_legit": NEEDS_BATCH,
    "rand": "nothing random can be converted; draw such numbers once and keep them as a buffer",
    "bernoulli": "nothing random can be converted; call model.eval() where it is a dropout",
    "normal": "nothing random can be converted",
    "multinomial": "nothing random can be converted",
    "nonzero": "sizes may not depend on the sample",
    "masked_select": "sizes may not depend on the sample",
    **dict.fromkeys(("gt", "ge", "lt", "le", "eq", "ne", "sign", "heaviside"), COMPARES),
    **dict.fromkeys(("round", "floor", "ceil", "trunc", "frac", "fmod", "remainder"), ROUNDS),
}


def _map(function: str) -> Handler:
    """Return the handler of an operator that is a function of one number."""
    return lambda draft, x, *_: compose.mapped(draft, x, function)


def _image(pool: Handler) -> Handler:
    """Return a handler of images that may lack their batch."""

    def handler(draft: Draft, x: Value, *args: Any) -> Any:
        if len(x.shape) != 3:
            return pool(draft, x, *args)
        made = pool(draft, x.reshaped(1, *x.shape), *args)
        first = made[0] if isinstance(made, tuple) else made
        plain = first.reshaped(*first.shape[1:])
        return (plain, None) if isinstance(made, tuple) else plain

    return handler


def _dropout(draft: Draft, x: Value, p: float = 0.5, train: bool = False) -> Value:
    if train:
        raise compose.Unsupported("it drops at random; call model.eval()")
    return x


_FUNCTIONS = {
    **{name: name for name in ("relu", "sigmoid", "tanh", "silu", "mish", "erf", "exp", "log", "sin", "cos")},
    **{name: name for name in ("abs", "square", "sqrt", "rsqrt", "reciprocal")},
    "hardsigmoid": "hard_sigmoid", "hardswish": "hard_silu",
}  # fmt: skip

#: By the operator's name without its overload. What is not here is decomposed first, if torch knows how to.
HANDLERS: Mapping[str, Handler] = {
    **{name: _map(function) for name, function in _FUNCTIONS.items()},
    "relu6": lambda draft, x: compose.mapped(draft, x, "clamp", 0.0, 6.0),
    "hardtanh": lambda draft, x, low=-1.0, high=1.0: compose.mapped(draft, x, "clamp", low, high),
    "clamp": pointwise.clamp,
    "clamp_min": pointwise.clamp,
    "clamp_max": lambda draft, x, high: pointwise.clamp(draft, x, None, high),
    "leaky_relu": pointwise.leaky_relu,
    "prelu": pointwise.prelu,
    "_prelu_kernel": pointwise.prelu,
    "elu": pointwise.elu,
    "selu": pointwise.selu,
    "celu": pointwise.celu,
    "gelu": pointwise.gelu,
    "softplus": pointwise.softplus,
    "log_sigmoid": pointwise.log_sigmoid,
    "glu": pointwise.glu,
    "add": pointwise.add,
    "sub": pointwise.sub,
    "rsub": lambda draft, a, b, alpha=1: pointwise.sub(draft, b, a, alpha),
    "mul": pointwise.mul,
    "div": pointwise.div,
    "true_divide": pointwise.div,
    "neg": lambda draft, x: compose.negated(draft, x),
    "pow": pointwise.power,
    "exp2": lambda draft, x: pointwise.power(draft, 2.0, x),
    "expm1": lambda draft, x: compose.scaled(draft, compose.mapped(draft, x, "exp"), 1.0, -1.0),
    "log1p": lambda draft, x: compose.mapped(draft, compose.scaled(draft, x, 1.0, 1.0), "log"),
    "maximum": lambda draft, a, b: compose.larger(draft, a, b),
    "minimum": lambda draft, a, b: compose.smaller(draft, a, b),
    "masked_fill": pointwise.masked_fill,
    "where": pointwise.where,
    "dropout": _dropout,
    "feature_dropout": _dropout,
    "alpha_dropout": _dropout,
    "linear": weighted.linear,
    "addmm": weighted.addmm,
    "baddbmm": weighted.addmm,
    "mm": lambda draft, a, b: compose.matmul(draft, a, b),
    "bmm": lambda draft, a, b: compose.matmul(draft, a, b),
    "mv": lambda draft, a, b: compose.matmul(draft, a, b),
    "dot": lambda draft, a, b: compose.matmul(draft, a, b),
    "matmul": lambda draft, a, b: compose.matmul(draft, a, b),
    "conv1d": weighted.conv,
    "conv2d": weighted.conv,
    "conv_transpose1d": weighted.conv_transpose,
    "conv_transpose2d": weighted.conv_transpose,
    "convolution": weighted.convolution,
    "batch_norm": weighted.batch_norm,
    "_native_batch_norm_legit_no_training": weighted.native_batch_norm,
    "layer_norm": weighted.layer_norm,
    "native_layer_norm": lambda draft, *args: (weighted.layer_norm(draft, *args), None, None),
    "rms_norm": weighted.rms_norm,
    "group_norm": weighted.group_norm,
    "instance_norm": weighted.instance_norm,
    "scaled_dot_product_attention": weighted.attention,
    "embedding": weighted.embedding,
    "softmax": windowed.softmax,
    "_softmax": windowed.softmax,
    "log_softmax": windowed.log_softmax,
    "_log_softmax": windowed.log_softmax,
    "logsumexp": windowed.log_sum_exp,
    "mean": windowed.mean,
    "sum": windowed.sum_over,
    "amax": windowed.amax,
    "amin": windowed.amin,
    "max": windowed.max_over,
    "min": windowed.min_over,
    "var": windowed.variance,
    "std": windowed.deviation,
    "linalg_vector_norm": windowed.norm,
    "cumsum": windowed.cumsum,
    "max_pool1d": windowed.max_pool,
    "max_pool2d": _image(windowed.max_pool),
    "max_pool2d_with_indices": _image(windowed.max_pool_with_places),
    "avg_pool1d": windowed.avg_pool,
    "avg_pool2d": _image(windowed.avg_pool),
    "adaptive_avg_pool1d": windowed.adaptive_avg_pool,
    "adaptive_avg_pool2d": _image(windowed.adaptive_avg_pool),
    "_adaptive_avg_pool2d": _image(windowed.adaptive_avg_pool),
    "adaptive_max_pool1d": windowed.adaptive_max_pool,
    "adaptive_max_pool2d": _image(windowed.adaptive_max_pool),
    "constant_pad_nd": windowed.pad,
    # our own: operators.py
    "gated_scan": weighted.gated_scan,
    "rational": pointwise.rational,
    "staircase": pointwise.staircase,
    "top_k": windowed.top_k,
}

#: Operators that are linear in an image's or signal's pixels, the same for each channel.
PROBED = frozenset({
    "upsample_linear1d", "upsample_bilinear2d", "upsample_bicubic2d", "_upsample_bilinear2d_aa",
    "_upsample_bicubic2d_aa",
})  # fmt: skip
#: Those that change nothing that matters here.
NOTHING = frozenset(
    {"_assert_tensor_metadata", "_assert_scalar", "_assert_async", "sym_constrain_range_for_size"}
)
#: Those that make numbers by the shape of a value alone.
BY_SHAPE = frozenset({
    "zeros_like", "ones_like", "full_like", "empty_like", "new_zeros", "new_ones", "new_full", "new_empty",
})  # fmt: skip
