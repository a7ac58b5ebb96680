"""Recurrent operators of ONNX, unrolled: one token after the other, in one direction or in both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import compose
from ..compose import Operand, Unsupported, mapped, scaled
from ..draft import Draft, Value

#: Hidden state, or hidden state and cell, None for zeros.
State = tuple[Operand | None, ...]
#: (what the token gives to each gate, state, weights of the state, its biases) -> next state
Cell = Callable[[Value, State, np.ndarray, np.ndarray], tuple[Value, ...]]


@dataclass(frozen=True)
class _Inputs:
    """What all recurrent operators read: x (tokens, 1, in), and for each direction W, R and biases."""

    x: Value
    w: np.ndarray
    r: np.ndarray
    biases: np.ndarray
    states: tuple[Any, ...]
    direction: str

    @classmethod
    def of(
        cls, x: Any, w: Any, r: Any, b: Any, lengths: Any, states: tuple[Any, ...], settings: dict[str, Any],
    ) -> _Inputs:  # fmt: skip
        if not isinstance(x, Value) or any(isinstance(one, Value) for one in (w, r, b)):
            raise Unsupported("its weights depend on the sample; only trained ones can be converted")
        if settings.get("layout"):
            x = x.moved(0, 1)
            states = tuple(None if one is None else _moved(one) for one in states)
        if lengths is not None and (isinstance(lengths, Value) or np.any(lengths != x.shape[0])):
            raise Unsupported("its sequences differ in length; only those of one length can be converted")
        if settings.get("clip") or settings.get("input_forget"):
            raise Unsupported("it clips, or joins two gates; export a plain one")
        directions, gates = w.shape[:2]
        biases = np.zeros((directions, 2 * gates), np.float32) if b is None else b
        plain = tuple(None if isinstance(one, np.ndarray) and not one.any() else one for one in states)
        return cls(x, w, r, biases, plain, settings["direction"])

    def unrolled(self, draft: Draft, cell: Cell, layout: int) -> tuple[Value, ...]:
        """Return the hidden states of all tokens, and each part of the last state."""
        rows, last = [], []
        for d in range(len(self.w)):
            backward = self.direction == "reverse" or d == 1
            ours, theirs = np.split(self.biases[d], 2)
            given = compose.linear(draft, self.x, self.w[d], ours)
            state: State = tuple(None if one is None else _part(one, d) for one in self.states)
            tokens = range(self.x.shape[0])
            found: dict[int, np.ndarray] = {}
            for t in reversed(tokens) if backward else tokens:
                state = cell(Value(given.places[t]), state, self.r[d], theirs)
                found[t] = _places(state[0])
            rows.append(np.stack([found[t] for t in tokens]))
            last.append(state)
        whole = np.stack(rows, axis=1)
        ends = [np.stack([_places(state[i]) for state in last]) for i in range(len(last[0]))]
        if layout:
            whole, ends = whole.transpose(2, 0, 1, 3), [end.swapaxes(0, 1) for end in ends]
        return Value(whole), *(Value(end) for end in ends)


def _part(state: Any, d: int) -> Operand:
    return Value(state.places[d]) if isinstance(state, Value) else state[d]


def _moved(state: Any) -> Operand:
    return state.moved(0, 1) if isinstance(state, Value) else state.swapaxes(0, 1)


def _places(state: Operand | None) -> np.ndarray:
    assert isinstance(state, Value)
    return state.places


def _gates(
    draft: Draft, given: Value, h: Operand | None, weight: np.ndarray, bias: np.ndarray, n: int
) -> list[Value]:
    """Return the totals of n gates: what the token and the state give."""
    if h is None:
        whole = scaled(draft, given, shift=bias)
    elif isinstance(h, Value):
        whole = compose.added(draft, given, compose.linear(draft, h, weight, bias))
    else:
        whole = scaled(draft, given, shift=h @ weight.T + bias)
    return [Value(part) for part in np.split(whole.places, n, axis=-1)]


def _check_activations(given: Sequence[str] | None, allowed: Sequence[str]) -> None:
    names = given or ()
    if any(name.lower() != allowed[i % len(allowed)] for i, name in enumerate(names)):
        raise Unsupported(f"its activations are {names}; those of the standard can be converted: {allowed}")


def lstm(
    draft: Draft, x: Any, w: Any, r: Any, b: Any = None, lengths: Any = None, h: Any = None, c: Any = None,
    peepholes: Any = None, *, layout: int = 0, activations: Any = None, **settings: Any,
) -> tuple[Value, ...]:  # fmt: skip
    """Return what a long short-term memory tells: c = f c + i g, h = o tanh(c)."""
    _check_activations(activations, ("sigmoid", "tanh", "tanh"))
    if isinstance(peepholes, Value) or (peepholes is not None and peepholes.any()):
        raise Unsupported("it has peepholes; export one without")

    def cell(given: Value, state: State, weight: np.ndarray, bias: np.ndarray) -> tuple[Value, ...]:
        before, held = state
        totals = _gates(draft, given, before, weight, bias, 4)
        i, o, f = (mapped(draft, total, "sigmoid") for total in totals[:3])
        new = compose.multiplied(draft, i, mapped(draft, totals[3], "tanh"))
        if held is not None:
            new = compose.added(draft, compose.multiplied(draft, f, held), new)
        return compose.multiplied(draft, o, mapped(draft, new, "tanh")), new

    given = _Inputs.of(x, w, r, b, lengths, (h, c), {**settings, "layout": layout})
    return given.unrolled(draft, cell, layout)


def gru(
    draft: Draft, x: Any, w: Any, r: Any, b: Any = None, lengths: Any = None, h: Any = None, *,
    layout: int = 0, linear_before_reset: int = 0, activations: Any = None, **settings: Any,
) -> tuple[Value, ...]:  # fmt: skip
    """Return what a gated recurrent unit tells: h = n + z (h - n)."""
    _check_activations(activations, ("sigmoid", "tanh"))

    def cell(given: Value, state: State, weight: np.ndarray, bias: np.ndarray) -> tuple[Value, ...]:
        before, size = state[0], weight.shape[1]
        gates, rest = Value(given.places[..., : 2 * size]), Value(given.places[..., 2 * size :])
        first, last = slice(0, 2 * size), slice(2 * size, None)
        z, reset = (
            mapped(draft, total, "sigmoid")
            for total in _gates(draft, gates, before, weight[first], bias[first], 2)
        )
        if linear_before_reset:
            zero = Value(np.zeros_like(rest.places))
            (inner,) = _gates(draft, zero, before, weight[last], bias[last], 1)
            total = compose.added(draft, rest, compose.multiplied(draft, reset, inner))
        else:
            held = None if before is None else compose.multiplied(draft, reset, before)
            (total,) = _gates(draft, rest, held, weight[last], bias[last], 1)
        new = mapped(draft, total, "tanh")
        less = compose.negated(draft, new)
        off = less if before is None else compose.added(draft, before, less)
        return (compose.added(draft, new, compose.multiplied(draft, z, off)),)

    given = _Inputs.of(x, w, r, b, lengths, (h,), {**settings, "layout": layout})
    return given.unrolled(draft, cell, layout)


def rnn(
    draft: Draft, x: Any, w: Any, r: Any, b: Any = None, lengths: Any = None, h: Any = None, *,
    layout: int = 0, activations: Any = None, **settings: Any,
) -> tuple[Value, ...]:  # fmt: skip
    """Return what a plain recurrent network tells: h = f(W x + R h + b), f tanh or ReLU."""
    function = (activations or ["tanh"])[0].lower()
    _check_activations(activations, (function if function in ("tanh", "relu") else "tanh",))

    def cell(given: Value, state: State, weight: np.ndarray, bias: np.ndarray) -> tuple[Value, ...]:
        (total,) = _gates(draft, given, state[0], weight, bias, 1)
        return (mapped(draft, total, function),)

    given = _Inputs.of(x, w, r, b, lengths, (h,), {**settings, "layout": layout})
    return given.unrolled(draft, cell, layout)
