"""Where onnx's reference implementation differs from the standard, or has no version of old.

* Softmax and LogSoftmax before opset 13 are over all axes from one on;
* batch normalisation before opset 14 is by running statistics, unless training is asked for;
* DequantizeLinear and QuantizeLinear before opset 19 are missing;
* the largest in signals, of windows with a border or of all, and transposed convolutions in groups, go wrong;
* a plain recurrent network knows no ReLU;
* GatherElements takes any number as a place, and never ends where one is large.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from onnx import defs
from onnx.reference.op_run import OpRun
from onnx.reference.ops import load_op

#: Before which opset the newest implementation serves too.
_NEWEST = {"BatchNormalization": 14, "DequantizeLinear": 19, "QuantizeLinear": 19}


@cache
def amended(opset: int) -> tuple[type[OpRun], ...]:
    """Return implementations in place of the package's own, for an opset.

    Examples
    --------
    >>> [one.__name__ for one in amended(21)]
    ['MaxPool', 'GlobalMaxPool', 'ConvTranspose', 'RNN', 'GatherElements']
    """
    made = [_max_pool(), _global_max_pool(), _conv_transpose(), _rnn(), _gather_elements()]
    if opset < 13:
        made += [_flat("Softmax"), _flat("LogSoftmax")]
    made += [_named(name, load_op("", name)) for name, since in _NEWEST.items() if opset < since]
    return tuple(made)


def _named(name: str, base: Any, **more: Any) -> type[OpRun]:
    return type(name, (base,), {"op_domain": "", **more})


def _max_pool() -> type[OpRun]:
    theirs = load_op("", "MaxPool")

    def _run(self: Any, x: np.ndarray, **settings: Any) -> Any:
        if x.ndim != 3:
            return theirs._run(self, x, **settings)
        # Along an axis of one pixel a dilation changes nothing, but another branch is taken, which is right.
        plane = {"dilations": [2, *(settings.get("dilations") or [1])]}
        plane |= {key: [1, *settings[key]] for key in ("kernel_shape", "strides") if settings.get(key)}
        if settings.get("pads"):
            before, behind = settings["pads"]
            plane["pads"] = [0, before, 0, behind]
        return tuple(one.squeeze(2) for one in theirs._run(self, x[:, :, None], **{**settings, **plane}))

    return _named("MaxPool", theirs, _run=_run)


def _global_max_pool() -> type[OpRun]:
    def _run(self: Any, x: np.ndarray) -> Any:
        return (x.max(axis=tuple(range(2, x.ndim)), keepdims=True),)

    return _named("GlobalMaxPool", OpRun, _run=_run)


def _conv_transpose() -> type[OpRun]:
    theirs = load_op("", "ConvTranspose")

    def _run(self: Any, x: np.ndarray, w: np.ndarray, b: Any = None, **settings: Any) -> Any:
        n = settings.get("group") or 1
        parts = zip(np.split(x, n, axis=1), np.split(w, n), strict=True)
        each = [theirs._run(self, *part, None, **{**settings, "group": 1})[0] for part in parts]
        y = np.concatenate(each, axis=1)
        return (y if b is None else y + b.reshape(-1, *[1] * (y.ndim - 2)),)

    return _named("ConvTranspose", theirs, _run=_run)


def _rnn() -> type[OpRun]:
    theirs = load_op("", "RNN")

    def choose_act(self: Any, name: str, alpha: Any, beta: Any) -> Any:
        if name.lower() == "relu":
            return lambda x: np.maximum(x, 0)
        return theirs.choose_act(self, name, alpha, beta)

    return _named("RNN", theirs, choose_act=choose_act)


def _gather_elements() -> type[OpRun]:
    def _run(self: Any, x: np.ndarray, places: np.ndarray, axis: int = 0) -> Any:
        around = tuple(slice(size) for size in places.shape)
        whole = tuple(slice(None) if i == axis % x.ndim else part for i, part in enumerate(around))
        return (np.take_along_axis(x[whole], places, axis),)

    return _named("GatherElements", OpRun, _run=_run)


def _flat(name: str) -> type[OpRun]:
    def _run(self: Any, x: np.ndarray, axis: int = 1) -> Any:
        rows = x.reshape(*x.shape[: axis % x.ndim], -1)
        rows = rows - rows.max(axis=-1, keepdims=True)
        logs = rows - np.log(np.exp(rows).sum(axis=-1, keepdims=True))
        return (np.asarray(logs if name == "LogSoftmax" else np.exp(logs), x.dtype).reshape(x.shape),)

    return _named(name, OpRun, _run=_run, op_schema=defs.get_schema(name, 11))
