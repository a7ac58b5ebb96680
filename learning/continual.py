"""Continual learning: tasks one after another, and what is left of each at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..neurons.errors import SpecError

__all__ = ["Continual", "Task", "permuted", "run_tasks"]


@dataclass(frozen=True, eq=False)
class Task:
    """What is learned at one time.

    Attributes
    ----------
    name : str
        For tables.
    x, y : arrays
        Samples to learn from, and their classes.
    x_test, y_test : arrays
        Others to score on.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray

    def __post_init__(self) -> None:
        for x, y in ((self.x, self.y), (self.x_test, self.y_test)):
            if len(x) != len(y) or not len(x):
                raise SpecError(
                    f"Task {self.name}: got {len(x)} samples and {len(y)} classes; allowed are as many, not 0"
                )


@dataclass(frozen=True, eq=False)
class Continual:
    """How well each task was known after each was learned; prints as a table.

    Attributes
    ----------
    accuracy : array (n, n)
        R[i, j], in 0 .. 1: of task j once task i was learned.
    first : array (n,)
        Of each task before anything was learned.
    names : tuple of str
        The tasks.

    Notes
    -----
    Averages and transfer follow D. Lopez-Paz and M. Ranzato, Gradient episodic memory for continual
    learning, NeurIPS (2017).

    Examples
    --------
    >>> found = Continual(np.array([[0.9, 0.2], [0.7, 0.8]]), np.array([0.1, 0.1]), ("a", "b"))
    >>> round(found.average, 2), round(found.backward, 2), round(found.forward, 2)
    (0.75, -0.2, 0.1)
    >>> print(found)
    accuracy in %     a     b
    before         10.0  10.0
    after a        90.0  20.0
    after b        70.0  80.0
    average 75.0, backward transfer -20.0, forward transfer +10.0
    """

    accuracy: np.ndarray
    first: np.ndarray
    names: tuple[str, ...]

    @property
    def average(self) -> float:
        """Mean accuracy over all tasks at the end."""
        return float(self.accuracy[-1].mean())

    @property
    def backward(self) -> float:
        """Backward transfer: what tasks have gained since they were learned; below 0 if they are forgotten.

        The mean of R[n - 1, j] - R[j, j] over all tasks but the last; NaN for one task.
        """
        return _mean(self.accuracy[-1, :-1] - self.accuracy.diagonal()[:-1])

    @property
    def forward(self) -> float:
        """Forward transfer: what tasks have gained before they are learned, by those before them.

        The mean of R[j - 1, j] - first[j] over all tasks but the first; NaN for one task.
        """
        return _mean(self.accuracy.diagonal(1) - self.first[1:])

    def __str__(self) -> str:
        wide = max(5, *(len(name) + 1 for name in self.names))
        rows = {"before": self.first}
        rows |= {f"after {name}": row for name, row in zip(self.names, self.accuracy, strict=True)}
        head = "accuracy in %"
        left = max(len(head), *map(len, rows))
        lines = [f"{head:{left}}" + "".join(f"{name:>{wide + 1}}" for name in self.names)]
        for name, row in rows.items():
            lines.append(f"{name:{left}}" + "".join(f"{100.0 * value:{wide + 1}.1f}" for value in row))
        lines.append(
            f"average {100.0 * self.average:.1f}, backward transfer {100.0 * self.backward:+.1f}, "
            f"forward transfer {100.0 * self.forward:+.1f}"
        )
        return "\n".join(lines)


def run_tasks(
    tasks: Sequence[Task], learn: Callable[[Task], None], score: Callable[[Task], float]
) -> Continual:
    """Learn tasks one after another, and score all of them before the first and after each.

    Parameters
    ----------
    tasks : sequence of Task
        In the order in which they are learned.
    learn : function of a Task
        Trains on one task, and does what is to be done at its end, such as `HLOP.next_task`.
    score : function of a Task
        Returns the share of its other samples that are recognised, 0 .. 1.

    Returns
    -------
    Continual

    Raises
    ------
    SpecError
        If there is no task, or two have one name.

    Examples
    --------
    >>> x, y = np.eye(4), np.arange(4)
    >>> known = []
    >>> tasks = permuted(Task("digits", x, y, x, y), 2)
    >>> print(run_tasks(tasks, lambda task: known.append(task.name), lambda task: task.name in known))
    accuracy in %   digits  digits 1
    before             0.0       0.0
    after digits     100.0       0.0
    after digits 1   100.0     100.0
    average 100.0, backward transfer +0.0, forward transfer +0.0
    """
    names = tuple(task.name for task in tasks)
    if not names or len(set(names)) < len(names):
        raise SpecError(
            f"run_tasks.tasks: got {list(names)}; allowed is at least one, each with its own name"
        )
    first = np.array([score(task) for task in tasks], np.float64)
    accuracy = np.zeros((len(tasks), len(tasks)))
    for i, task in enumerate(tasks):
        learn(task)
        accuracy[i] = [score(other) for other in tasks]
    return Continual(accuracy, first, names)


def permuted(task: Task, n: int, *, seed: int = 0) -> list[Task]:
    """Return a task n times, first as it is, then each time with its inputs in another order.

    All samples of a task are shuffled alike, so that what was learned of one task says nothing of the next.

    Examples
    --------
    >>> x = np.array([[1, 2, 3]])
    >>> [other.x.tolist() for other in permuted(Task("t", x, [0], x, [0]), 3)]
    [[[1, 2, 3]], [[3, 1, 2]], [[3, 2, 1]]]
    """
    rng = np.random.default_rng(seed)
    size = int(np.prod(task.x.shape[1:]))
    tasks = [task]
    for k in range(1, n):
        order = rng.permutation(size)
        x, x_test = (
            given.reshape(len(given), size)[:, order].reshape(given.shape) for given in (task.x, task.x_test)
        )
        tasks.append(Task(f"{task.name} {k}", x, task.y, x_test, task.y_test))
    return tasks


def _mean(gained: np.ndarray) -> float:
    return float(gained.mean()) if gained.size else float("nan")
