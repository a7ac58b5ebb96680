"""The operators that what was read from a file may call: those that only calculate."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from .aten import BY_SHAPE, HANDLERS, NOTHING, PROBED, WIRES

#: Operators that make constants or choose among them, beside those that torch can take apart.
_MAKERS = frozenset({
    "arange", "full", "zeros", "ones", "empty", "eye", "linspace", "scalar_tensor", "tensor", "to", "type_as",
    "_to_copy", "eq", "ne", "gt", "ge", "lt", "le", "logical_and", "logical_or", "logical_not", "bitwise_and",
    "bitwise_or", "bitwise_not", "any", "all", "argmax", "argmin", "topk", "sort", "einsum", "meshgrid",
    "tril_indices", "triu_indices", "lstm", "gru", "rnn_tanh", "rnn_relu", "round", "floor", "ceil", "sign",
    "one_hot", "outer", "addcmul", "cumprod", "fill", "scatter", "index_add", "masked_scatter", "concat",
    "square", "softsign", "bilinear", "cosine_similarity", "flatten", "sym_size",
})  # fmt: skip
#: Those that have no counterpart, but can be left to torch, beside those that torch can take apart.
_DENSE = frozenset({
    "trunc", "fmod", "remainder", "prod", "median", "mode", "kthvalue", "cummax", "cummin", "logcumsumexp",
    "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "asinh", "acosh", "atanh", "erfc", "erfinv",
    "lgamma", "digamma", "hypot", "isnan", "logical_xor", "bitwise_xor", "max_pool3d_with_indices",
    "avg_pool3d", "adaptive_max_pool3d", "scatter_add", "scatter_reduce", "bucketize", "searchsorted",
    "_cdist_forward",
})  # fmt: skip
_NAME = re.compile(r"(aten|rheobase)\.(\w+)\.(\w+)")


def operator_of(name: str) -> Any:
    """Return an operator of torch, or one of our own, by its name; None if it is not one of those admitted.

    Examples
    --------
    >>> operator_of("aten.relu.default")
    <OpOverload(op='aten.relu', overload='default')>
    >>> operator_of("aten.from_file.default") is None
    True
    """
    import torch

    match = _NAME.fullmatch(name)
    if match is None:
        return None
    room, kind, overload = match.groups()
    if not {kind, kind.removesuffix("_")} & _calculating()[room]:
        return None
    return getattr(getattr(getattr(torch.ops, room), kind, None), overload, None)


@cache
def _calculating() -> Mapping[str, frozenset[str]]:
    """Return the names of operators that only calculate, torch's and our own: no files, no printing."""
    import torch

    from .operators import NAMES

    taken_apart = {operator._opname for operator in torch.export.default_decompositions()}
    known = {*HANDLERS, *WIRES, *PROBED, *BY_SHAPE, *NOTHING, *_MAKERS, *_DENSE, *taken_apart}
    return {"aten": frozenset(known - NAMES), "rheobase": NAMES}
