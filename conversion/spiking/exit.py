"""When an answer is good enough to stop: rules for each input by itself, and how to choose one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...neurons.errors import ConversionError

if TYPE_CHECKING:
    from .inference import Inference


def shares(outputs: np.ndarray) -> np.ndarray:
    """Return the softmax of each input's outputs, float64 (..., n, classes).

    Parameters
    ----------
    outputs : array (..., n, classes)
        Outputs of a batch, or those of each sweep.
    """
    raised = np.exp(np.asarray(outputs, np.float64) - np.max(outputs, axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


@dataclass(frozen=True)
class Stable:
    """Stop where two sweeps that follow one another give the same answer.

    An answer is the softmax of the outputs. It is good enough where none of its shares has moved by more
    than eta in the last sweep: the rule by which networks with exits between layers stop, on the axis of time
    (Y. Yue et al., DeeR-VLA, NeurIPS 2024).

    Parameters
    ----------
    eta : float
        The most that a share may move, 0 to 1. `Converted.tune_exit` chooses it.

    Examples
    --------
    >>> Stable(0.1).met(np.array([[9.0, 0.0]]), np.array([[9.0, 0.5]]))
    array([ True])
    """

    eta: float

    def __post_init__(self) -> None:
        _check_share("Stable.eta", self.eta)

    def met(self, before: np.ndarray | None, now: np.ndarray) -> np.ndarray:
        """Return whether each input may stop, boolean (n,).

        Parameters
        ----------
        before : array (n, classes) or None
            The outputs after the sweep before, if there was one.
        now : array (n, classes)
            Those after this one.
        """
        return np.asarray(self.doubt(before, now) <= self.eta)

    @classmethod
    def at(cls, doubt: float) -> Stable:
        """Return the rule that stops at a doubt."""
        return cls(doubt)

    @staticmethod
    def doubt(before: np.ndarray | None, now: np.ndarray) -> np.ndarray:
        """Return by how much the share that moved most has moved, (n,); infinity in the first sweep."""
        if before is None:
            return np.full(len(now), np.inf)
        return np.asarray(np.abs(shares(now) - shares(before)).max(axis=-1))


@dataclass(frozen=True)
class Confident:
    """Stop where the largest share of the softmax of the outputs reaches p.

    Parameters
    ----------
    p : float
        From 0 to 1.

    Examples
    --------
    >>> Confident(0.9).met(None, np.array([[3.0, 0.0], [1.0, 0.0]]))
    array([ True, False])
    """

    p: float

    def __post_init__(self) -> None:
        _check_share("Confident.p", self.p)

    def met(self, before: np.ndarray | None, now: np.ndarray) -> np.ndarray:
        """Return whether each input may stop, as `Stable.met`."""
        return np.asarray(shares(now).max(axis=-1) >= self.p)

    @classmethod
    def at(cls, doubt: float) -> Confident:
        """Return the rule that stops at a doubt."""
        return cls(max(1.0 - doubt, 0.0))

    @staticmethod
    def doubt(before: np.ndarray | None, now: np.ndarray) -> np.ndarray:
        """Return what is missing to a share of 1, (n,)."""
        return np.asarray(1.0 - shares(now).max(axis=-1))


Exit = Stable | Confident
#: A rule that is to change no answer stops at this part of the doubt at which none of those seen would have
#: changed: the few that are nearest to a change are a small sample of all to come.
CAUTION = 4.0
RULES: Mapping[str, type[Exit]] = {"stable": Stable, "confident": Confident}


def tuned(
    inference: Inference, rule: type[Exit], *, labels: np.ndarray | None = None, budget: float | None = None
) -> Exit:
    """Return the rule that a run to silence suggests.

    Parameters
    ----------
    inference : Inference
        The run.
    rule : Stable or Confident
        Which kind.
    labels : int array (n,), optional
        The cheapest rule is wanted that recognises no fewer inputs than silence does.
    budget : float, optional
        The most careful rule is wanted that takes no more than this share of the operations to silence, on
        average. With neither, the cheapest that changes no answer.

    Raises
    ------
    ConversionError
        If the least careful rule takes more.
    """
    course = _Course(inference, rule)
    doubts = np.unique(np.append(course.doubt[np.isfinite(course.doubt)], 0.0))
    if labels is not None:
        right = [course.right(doubt, labels) for doubt in doubts]
        return rule.at(float(doubts[np.flatnonzero(np.array(right) >= course.right(-1.0, labels))[-1]]))
    if budget is None:
        wrong = course.doubt[course.winners != course.winners[-1]].min(initial=np.inf)
        return rule.at(float(doubts[max(np.searchsorted(doubts, wrong) - 1, 0)]) / CAUTION)
    _check_share("tune_exit.budget", budget)
    low, high = 0, len(doubts) - 1
    if course.cost(doubts[high]) > budget:
        raise ConversionError(
            f"tune_exit.budget: got {budget}; {rule.__name__} takes {course.cost(doubts[high]):.3g} of the "
            "operations to silence where it stops as early as it can; allowed is that or more"
        )
    while low < high:
        middle = (low + high + 1) // 2
        if course.cost(doubts[middle - 1]) <= budget:
            high = middle - 1
        else:
            low = middle
    return rule.at(float(doubts[low]))


def blends(x: np.ndarray) -> np.ndarray:
    """Return as many inputs, each between one of x and another, at most half-way; always the same.

    Parameters
    ----------
    x : array (n, features...)
        Inputs.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0], [3.0]])
    >>> bool((np.abs(blends(x) - x) <= 1.5).all())
    True
    """
    rng = np.random.default_rng(0)
    weight = rng.uniform(0.5, 1.0, (len(x),) + (1,) * (x.ndim - 1)).astype(x.dtype)
    return np.asarray(weight * x + (1 - weight) * x[rng.permutation(len(x))])


class _Course:
    """When a rule would have stopped each input of a run."""

    def __init__(self, inference: Inference, rule: type[Exit]) -> None:
        self.inference = inference
        outputs = inference.over_time.reshape(*inference.over_time.shape[:2], -1)
        before = [None, *outputs[:-1]]
        self.doubt = np.stack([rule.doubt(b, now) for b, now in zip(before, outputs, strict=True)])
        self.winners = outputs.argmax(axis=-1)

    def _stops(self, doubt: float) -> np.ndarray:
        met = self.doubt <= doubt
        return np.where(met.any(axis=0), met.argmax(axis=0), len(met) - 1)

    def cost(self, doubt: float) -> float:
        """Return the operations of a rule, as a share of those to silence."""
        spent = self.inference.operations_over_time
        return float(
            np.take_along_axis(spent, self._stops(doubt)[None], axis=0).mean() / (spent[-1].mean() or 1)
        )

    def right(self, doubt: float, labels: np.ndarray) -> int:
        """Return how many inputs it recognises."""
        found = np.take_along_axis(self.winners, self._stops(doubt)[None], axis=0)[0]
        return int((found == labels).sum())


def _check_share(field: str, value: object) -> None:
    good = isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and 0 <= value <= 1
    if not good:
        raise ConversionError(f"{field}: got {value!r}; allowed is a number from 0 to 1")
