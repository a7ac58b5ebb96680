"""What one neuron update costs, found by running the rules themselves on numbers that count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from .model import NeuronModel
from .specialise import Variant

#: What each word of the vocabulary is counted as.
_KINDS = {
    "exp": "exp",
    "sqrt": "sqrt",
    "where": "select",
    "minimum": "compare",
    "maximum": "compare",
    "floor": "round",
    "nearest_pow2": "round",
    "spike": "compare",
    "uniform": "random",
    "normal": "random",
}


def _counted(kind: str) -> Callable[..., Tally]:
    def operation(self: Tally, *_: Any) -> Tally:
        self.counts[kind] += 1
        return self

    return operation


class Tally:
    """A number without a value: every operation on it is counted, by kind.

    Examples
    --------
    >>> x = Tally(Counter())
    >>> y = 2.0 * x + 1.0 >= x
    >>> dict(x.counts)
    {'multiply': 1, 'add': 1, 'compare': 1}
    """

    def __init__(self, counts: Counter[str]) -> None:
        self.counts = counts

    __add__ = __radd__ = __sub__ = __rsub__ = _counted("add")
    __neg__ = _counted("add")

    def __pos__(self) -> Tally:
        return self

    __mul__ = __rmul__ = _counted("multiply")
    __truediv__ = __rtruediv__ = _counted("divide")
    __lt__ = __le__ = __gt__ = __ge__ = _counted("compare")
    __and__ = __rand__ = __or__ = __ror__ = _counted("logic")
    __eq__ = __ne__ = _counted("compare")  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


def operations(model: NeuronModel) -> dict[str, int]:
    """Return the arithmetic of one update of one neuron: flow, jump and fire together.

    Kinds are "add" (also subtraction and negation), "multiply", "divide", "compare" (also minimum,
    maximum and the threshold), "select", "round" (floor, nearest power of two), "exp", "sqrt",
    "random" and "logic". Summing the input over synapses is not part of it.

    Parameters
    ----------
    model
        Any neuron model.

    Examples
    --------
    >>> from rheobase.neurons import IF
    >>> operations(IF(reset="soft"))  # v + input; v - threshold; spike; v - sent * threshold
    {'add': 3, 'compare': 1, 'multiply': 1}
    """
    rules = model.rules
    total: Counter[str] = Counter()
    for rule in (rules.flow, rules.jump, rules.fire):
        total.update(operations_of(rule))
    return dict(sorted(total.items()))


def operations_of(rule: Variant) -> dict[str, int]:
    """Return the arithmetic of one call of one rule, by kind as in `operations`."""
    counts: Counter[str] = Counter()
    number = Tally(counts)
    rule.bind(counting_words(number))(*[number] * len(rule.arguments))
    return dict(sorted(counts.items()))


def counting_words(number: Tally) -> dict[str, Callable[..., Tally]]:
    """Return the words of the vocabulary as functions that count themselves and return a number."""

    def word(kind: str) -> Callable[..., Tally]:
        return lambda *_: _counted(kind)(number)

    return {name: word(kind) for name, kind in _KINDS.items()}


def state_words(model: NeuronModel) -> int:
    """Return the 32-bit words of state that one update reads and writes.

    Every state variable in use is read once, and written once if any of the rules returns it: what a
    loop does that keeps a neuron's state in registers from `flow` to `fire`.

    Examples
    --------
    >>> from rheobase.neurons import IF
    >>> state_words(IF())
    2
    """
    rules = model.rules
    written = {name for rule in (rules.flow, rules.jump, rules.fire) for name in model.written(rule)}
    return len(model.used_states) + len(written)
