"""What each operator of ONNX is in a graph: one line in a table.

Handlers get the draft, the operator's inputs (`Value`s where they depend on the sample, arrays where not,
None where left out) and its attributes by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .. import compose
from ..draft import Draft, Value
from ..pointwise import add, div, mul, sub
from ..refusals import COMPARES, OF_THE_ANSWER, ROUNDS
from . import pointwise, recurrent, weighted, windowed

Handler = Callable[..., Any]

#: Operators that only move numbers about (some fill with zeros), and which of their inputs are moved.
WIRES: Mapping[str, tuple[int, ...] | None] = {
    **dict.fromkeys((
        "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Expand", "Tile", "Slice", "Split",
        "Identity", "DepthToSpace", "SpaceToDepth", "Trilu", "GatherElements", "GatherND", "Compress",
        "ReverseSequence",
    ), (0,)),
    "Pad": (0, 2),
    "Concat": None,
    "ScatterND": (0, 2), "ScatterElements": (0, 2), "Scatter": (0, 2),
}  # fmt: skip
#: Operators that change the size of images.
RESIZES = frozenset({"Resize", "Upsample"})
#: Those that make numbers by the shape of a value alone.
BY_SHAPE = frozenset({"Shape", "Size", "EyeLike"})
#: Those that draw numbers.
RANDOM = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}
)
#: Those that choose what is computed.
BRANCHES = frozenset({"If", "Loop", "Scan", "SequenceMap"})
#: Those that whole numbers of the sample may meet, beside what only moves them.
WHOLE = frozenset({"Gather", "Add", "Sub", "Mul", "Sum", "Neg", "Abs", "Max", "Min", "Where", "Clip"})

_QUANTISED = "leave quantisation out: export the network of float32, and choose bits= of rb.convert"
_RANDOMLY = "nothing random can be converted; draw such numbers once and keep them as an initializer"
_FIXED = "only what is the same for every sample can be converted; export without branches and loops"
#: What an operator does that has no counterpart, by the beginning of its name: what to use instead.
ADVICE: Mapping[str, str] = {
    **dict.fromkeys(("ArgMax", "ArgMin", "TopK", "Hardmax", "NonMaxSuppression"), OF_THE_ANSWER),
    **dict.fromkeys(("Greater", "Less", "Equal", "Sign", "Not", "And", "Or", "Xor", "Is"), COMPARES),
    **dict.fromkeys(("Round", "Floor", "Ceil", "Mod"), ROUNDS),
    **dict.fromkeys(("Quantize", "Dequantize", "DynamicQuantize", "QLinear"), _QUANTISED),
    **dict.fromkeys(("MatMulInteger", "ConvInteger"), _QUANTISED),
    **dict.fromkeys((*RANDOM, "Dropout"), _RANDOMLY),
    **dict.fromkeys(BRANCHES, _FIXED),
    **dict.fromkeys(("NonZero", "Unique", "Range"), "sizes may not depend on the sample"),
    **dict.fromkeys(
        ("DFT", "STFT"), "write the transform as a product with constant matrices of cosines and sines"
    ),
}


def _map(function: str) -> Handler:
    """Return the handler of an operator that is a function of one number."""
    return lambda draft, x, **_: compose.mapped(draft, x, function)


def _dropout(draft: Draft, x: Value, *_: Any, **__: Any) -> tuple[Value, None]:
    """Return x: what drops at random has been refused before."""
    return x, None


_FUNCTIONS = {
    "Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Softplus": "softplus", "Mish": "mish",
    "HardSwish": "hard_silu", "Erf": "erf", "Exp": "exp", "Log": "log", "Sin": "sin", "Cos": "cos",
    "Abs": "abs", "Sqrt": "sqrt", "Reciprocal": "reciprocal",
}  # fmt: skip

#: By the operator's name. What is not here is taken apart as the standard says, if it does.
HANDLERS: Mapping[str, Handler] = {
    **{name: _map(function) for name, function in _FUNCTIONS.items()},
    "LeakyRelu": lambda draft, x, *, alpha: compose.mapped(draft, x, "leaky_relu", alpha),
    "PRelu": pointwise.prelu,
    "Elu": lambda draft, x, *, alpha: compose.mapped(draft, x, "elu", alpha),
    "Selu": pointwise.selu,
    "Celu": pointwise.celu,
    "Gelu": pointwise.gelu,
    "Swish": pointwise.swish,
    "HardSigmoid": pointwise.hard_sigmoid,
    "Softsign": pointwise.softsign,
    "Clip": pointwise.clip,
    "Add": add,
    "Sub": sub,
    "Mul": mul,
    "Div": div,
    "Neg": lambda draft, x: compose.negated(draft, x),
    "Pow": pointwise.power,
    "Sum": pointwise.several(compose.added),
    "Max": pointwise.several(compose.larger),
    "Min": pointwise.several(compose.smaller),
    "Mean": pointwise.mean,
    "Where": pointwise.where,
    "Dropout": _dropout,
    "Gemm": weighted.gemm,
    "MatMul": weighted.matmul,
    "Einsum": weighted.einsum,
    "Conv": weighted.conv,
    "ConvTranspose": weighted.conv_transpose,
    "BatchNormalization": weighted.batch_norm,
    "LayerNormalization": weighted.layer_norm,
    "RMSNormalization": weighted.rms_norm,
    "InstanceNormalization": weighted.instance_norm,
    "GroupNormalization": weighted.group_norm,
    "Gather": weighted.gather,
    "LSTM": recurrent.lstm,
    "GRU": recurrent.gru,
    "RNN": recurrent.rnn,
    "Softmax": windowed.softmax,
    "LogSoftmax": windowed.log_softmax,
    "ReduceMean": windowed.reduced("mean"),
    "ReduceSum": windowed.reduced("sum_over"),
    "ReduceMax": windowed.reduced("amax"),
    "ReduceMin": windowed.reduced("amin"),
    "ReduceL1": windowed.reduced("norm", 1),
    "ReduceL2": windowed.reduced("norm", 2),
    "ReduceLogSumExp": windowed.reduced("log_sum_exp"),
    "CumSum": windowed.cumsum,
    "MaxPool": windowed.max_pool,
    "AveragePool": windowed.average_pool,
    "GlobalMaxPool": windowed.global_max_pool,
    "GlobalAveragePool": windowed.global_average_pool,
}
#: What operators were before an opset.
EARLIER: Mapping[str, tuple[int, Handler]] = {
    "Softmax": (13, windowed.flat_softmax),
    "LogSoftmax": (13, windowed.flat_log_softmax),
}
