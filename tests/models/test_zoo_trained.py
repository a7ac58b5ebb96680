"""Blocks that were trained for some seconds recognise what the table says, and still do as spikes."""

from __future__ import annotations

import numpy as np
import pytest

import rheobase as rb
from rheobase.conversion.circuits.emulate import Emulator
from rheobase.models.zoo import ZOO, block
from tests.models.zoo_data import one_thread, samples_of  # noqa: F401

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytestmark = pytest.mark.usefixtures("one_thread")

#: Left out of calibration and training; so many of them are converted.
TESTED, CONVERTED = 400, 150


def trained(name: str) -> torch.nn.Module:
    """Return a block's network after 25 passes through its data (40 of the smaller set)."""
    x, y = (torch.from_numpy(part[TESTED if ZOO[name].data == "digits" else CONVERTED :]) for part in
            samples_of(ZOO[name].data))  # fmt: skip
    torch.manual_seed(0)
    model = block(name, act="relu", norm="batch").train()
    batches = len(x) // 64
    passes = 25 if ZOO[name].data == "digits" else 40
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=0.01)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, 8e-3, total_steps=passes * batches)
    for _ in range(passes):
        for chosen in torch.randperm(len(x))[: 64 * batches].split(64):
            answer = model(x[chosen])
            if ZOO[name].data == "digits":
                loss = torch.nn.functional.cross_entropy(answer, y[chosen])
            else:
                loss = torch.nn.functional.binary_cross_entropy_with_logits(answer[:, 0], y[chosen].float())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            rates.step()
    return model.eval()


def share_right(answers: np.ndarray, labels: np.ndarray) -> float:
    guesses = answers.argmax(1) if answers.shape[1] > 1 else answers[:, 0] > 0
    return float((guesses == labels).mean())


def kept(name: str) -> dict[str, float]:
    """Return what a trained network recognises, and as spikes: under the law "rate", and at silence."""
    with torch.random.fork_rng():
        model = trained(name)
    row, (x, y) = ZOO[name], samples_of(ZOO[name].data)
    tested = TESTED if row.data == "digits" else CONVERTED
    with torch.no_grad():
        answers = model(torch.from_numpy(x[:tested])).numpy()
    found = {"original": share_right(answers, y[:tested])}
    found["same"] = share_right(answers[:CONVERTED], y[:CONVERTED])
    sample, few = x[tested : tested + 256], x[:CONVERTED]
    rate = Emulator(rb.convert(model, sample, law="rate").circuit, law="rate").run(few, row.steps)
    found["rate"] = share_right(rate.outputs[-1], y[:CONVERTED])
    delta = Emulator(rb.convert(model, sample).circuit).run(few)
    found["delta"] = share_right(delta.outputs[-1], y[:CONVERTED])
    found["events_per_mac"] = delta.operations.sum(0).mean() / row.macs(row.width)
    return found


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name != "scaling_mlp" else ()) for name in ZOO]
)
def test_a_trained_block_recognises_what_the_table_says_and_so_do_its_spikes(name):
    found, row = kept(name), ZOO[name]
    print(name, {key: round(value, 3) for key, value in found.items()})
    assert found["original"] >= row.accuracy
    assert found["rate"] >= found["same"] - row.drop
    assert found["delta"] >= found["same"] - row.drop
