"""Permuted digits one after another: what is forgotten with lateral connections, without, and with Adam."""

import functools
import importlib.util
from pathlib import Path

import pytest

from rheobase.learning.continual import permuted, run_tasks

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.slow

TASKS, EPOCHS = 6, 14


def example():
    path = Path(__file__).resolve().parents[2] / "examples" / "12_continual.py"
    spec = importlib.util.spec_from_file_location("example_continual", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def learned(kind):
    """Return how it went, and what was seen of the rows of each layer when each task was learned.

    On the 1,000 digits that ship, scored on 400 others: 14 epochs are about as many steps as three are of the
    4,000 with which the margins were measured.
    """
    torch.set_num_threads(1)
    code = example()
    learner = code.Learner(protect=kind != "plain", epochs=EPOCHS, seed=0, adam=kind == "adam")
    tasks, seen = permuted(code.digits(), TASKS), []

    def learn(task):
        learner.learn(task)
        if learner.hlop is not None:
            seen.append({name: rows_of(learner, name, task) for name in code.FIRST})

    return run_tasks(tasks, learn, learner.score), seen


def rows_of(learner, name, task):
    """Return energy captured, how far rows are from orthonormal, and the share of a gradient in old ones."""
    lateral, gradient = learner.hlop[name], learner.module.projections[name].weight.grad
    learner.answers(task.x[:500])
    captured = lateral.captured(learner.hlop.activity(name))
    return captured, lateral.deviation(), float((gradient @ lateral.old.T).norm() / gradient.norm())


def test_lateral_connections_keep_what_was_learned():
    (plain, _), (protected, seen) = learned("plain"), learned("hlop")
    print(f"plain\n{plain}\nHLOP\n{protected}")
    for rows in seen:
        print(rows)
    assert protected.backward >= -0.025
    assert protected.backward >= plain.backward + 0.045
    assert protected.average > plain.average
    for task, rows in enumerate(seen):
        for captured, deviation, left in rows.values():
            assert captured >= 0.85 or task > 0
            assert deviation <= 0.15
            assert left < 1e-5


@pytest.mark.filterwarnings("ignore::rheobase.learning.hlop.ProtectionWarning")
def test_adam_loses_the_protection():
    (protected, _), (adam, _) = learned("hlop"), learned("adam")
    print(f"HLOP with Adam\n{adam}")
    assert adam.backward < protected.backward - 0.01
