"""From a program of torch's operators to a graph, operator by operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..graphs.graph import Graph
from .admitted import operator_of
from .aten import ADVICE, BY_SHAPE, HANDLERS, NOTHING, PROBED, WIRES
from .compose import Unsupported, probed
from .dense import Slot, left_to_torch
from .draft import Draft, Value
from .refusals import MOVES_BY_VALUE, Refusal, advice, check_refusals, depends

#: Beginnings of the names of operators that draw random numbers: they are no constants.
_RANDOM = ("rand", "bernoulli", "normal", "multinomial", "uniform", "exponential", "poisson")


@dataclass(eq=False)
class Reader:
    """Carries the values of a program, one operator after the other.

    Attributes
    ----------
    draft : Draft
        The graph in the making.
    allow_dense : bool
        Whether what has no counterpart is left to torch.
    refusals : list of Refusal
        What has none.
    dtypes : dict
        Node -> type of its numbers in the author's program, where that is not float32.
    """

    allow_dense: bool
    draft: Draft = field(default_factory=Draft)
    refusals: list[Refusal] = field(default_factory=list)
    dtypes: dict[str, str] = field(default_factory=dict)

    def call(
        self, operator: Any, args: Sequence[Any], kwargs: Mapping[str, Any], made: Any, place: str
    ) -> Any:
        """Return what an operator makes of its arguments: tensors, `Value`s, or tuples of them.

        Parameters
        ----------
        operator : torch.ops.aten overload
            The operator.
        args, kwargs
            `Value`s stand for tensors that depend on the sample.
        made
            Torch's own description of the result, for operators that are left to it.
        place : str
            Where it stands in the module tree.
        """
        name = operator._opname
        if name.startswith(_RANDOM):
            self._refuse(name, place, advice(name, ADVICE))
        if not depends([*args, *kwargs.values()]):
            return operator(*args, **kwargs)
        if name in NOTHING:
            return None
        self.draft.place = place
        try:
            return self._converted(operator, name, *_positional(operator, args, kwargs))
        except Unsupported as refusal:
            if not self.allow_dense or _is_complex(made) or operator_of(str(operator)) is None:
                self._refuse(name, place, str(refusal))
            return self._dense(operator, args, kwargs, made)

    def _refuse(self, name: str, place: str, reason: str) -> None:
        self.refusals.append(Refusal(name, place, reason))

    def _converted(self, operator: Any, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if name in WIRES:
            return self._rearranged(operator, args, kwargs, WIRES[name])
        if name in BY_SHAPE:
            import torch

            return operator(torch.empty(args[0].shape), *args[1:], **kwargs)
        if name == "_to_copy":
            return args[0]
        if name in PROBED:
            return probed(self.draft, args[0], len(args[0].shape) - 2, _on_arrays(operator, args[1:]))
        if name not in HANDLERS:
            raise Unsupported(advice(name, ADVICE))
        plain = {key: _plain(value) for key, value in kwargs.items() if value is not None}
        return HANDLERS[name](self.draft, *(_plain(arg) for arg in args), **plain)

    def _rearranged(
        self, operator: Any, args: list[Any], kwargs: dict[str, Any], moved: Sequence[int]
    ) -> Any:
        """Carry out on addresses what the operator does to values."""
        import torch

        def addresses(x: Any, dtype: Any) -> Any:
            if isinstance(x, (list, tuple)):
                return [addresses(one, dtype) for one in x]
            value = x if isinstance(x, Value) else self.draft.constant(_plain(x))
            return torch.tensor(np.ascontiguousarray(value.places), dtype=dtype)

        if depends(arg for i, arg in enumerate(args) if i not in moved):
            raise Unsupported(MOVES_BY_VALUE)
        for dtype in (torch.int64, torch.float64):  # a few kernels know no integers
            given = [addresses(arg, dtype) if i in moved else arg for i, arg in enumerate(args)]
            try:
                made = operator(*given, **kwargs)
                break
            except (NotImplementedError, RuntimeError):
                if dtype is torch.float64:
                    raise
        if isinstance(made, (list, tuple)):
            return tuple(Value(one.to(torch.int64).numpy()) for one in made)
        return Value(made.to(torch.int64).numpy())

    def _dense(self, operator: Any, args: Sequence[Any], kwargs: Mapping[str, Any], made: Any) -> Any:
        """Leave an operator to torch."""
        inputs: list[Value] = []

        def slots(x: Any) -> Any:
            if isinstance(x, (list, tuple)):
                return [slots(one) for one in x]
            if isinstance(x, Value):
                inputs.append(x)
                return Slot(len(inputs) - 1, x.shape, self._dtype(x))
            return x

        given, named = slots(list(args)), {key: slots(value) for key, value in kwargs.items()}
        parts = made if isinstance(made, (list, tuple)) else (made,)
        values = []
        for i, part in enumerate(parts):
            values.append(
                self.draft.add("dense", inputs, part.shape, call=left_to_torch(operator, given, named, i))
            )
            self.dtypes[self.draft.node_of(values[-1])] = str(part.dtype).removeprefix("torch.")
        return tuple(values) if isinstance(made, (list, tuple)) else values[0]

    def _dtype(self, value: Value) -> str:
        """Return the type of numbers that the author's program has there."""
        found = {self.dtypes.get(name, "float32") for name in self.draft.owners(value)}
        return found.pop() if len(found) == 1 else "float32"

    def finished(self, output: Value) -> Graph:
        """Return the graph, or raise ConversionError that names everything that has no counterpart."""
        check_refusals(self.refusals, "torch")
        return self.draft.finished(output)


def _is_complex(made: Any) -> bool:
    """Return whether any result is complex: such values go into no graph."""
    parts = made if isinstance(made, (list, tuple)) else (made,)
    return any(hasattr(part, "is_complex") and part.is_complex() for part in parts)


def _positional(
    operator: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments with those by position that may be, as the schema says."""
    given, named = list(args), dict(kwargs)
    for argument in operator._schema.arguments[len(given) :]:
        if argument.kwarg_only or not named.keys() & {
            a.name for a in operator._schema.arguments if not a.kwarg_only
        }:
            break
        given.append(named.pop(argument.name, argument.default_value))
    return given, named


def _plain(x: Any) -> Any:
    """Return a tensor as an array, and what else there is as it is."""
    if isinstance(x, complex) or (hasattr(x, "is_complex") and x.is_complex()):
        raise Unsupported("its numbers are complex; write it with real and imaginary parts")
    if type(x).__module__.startswith("torch") and hasattr(x, "numpy"):
        return x.detach().numpy()
    return [_plain(one) for one in x] if isinstance(x, (list, tuple)) else x


def _on_arrays(operator: Any, rest: Sequence[Any]) -> Callable[[np.ndarray], np.ndarray]:
    """Return an operator as a function of arrays."""
    import torch

    return lambda array: np.ascontiguousarray(operator(torch.from_numpy(array), *rest).numpy())
