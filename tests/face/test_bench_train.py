"""`rheobase bench train`: both sides train the same network, and the figures say so."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

import rheobase as rb
from rheobase import bench_all, bench_train, cli
from rheobase.bench_learner import Case, Training
from rheobase.bench_train import bench_training

torch = pytest.importorskip("torch")
PEERS = Path(__file__).resolve().parents[2] / "benchmarks" / "peers"
# A peer that never fires, and has gradients of one.
FAKE = f"""
import argparse, sys
from pathlib import Path
sys.path.insert(0, {str(PEERS)!r})
import numpy as np
from protocol import Prepared, answer

parser = argparse.ArgumentParser()
for name in ("case", "found", "model", "mode", "threads", "device"):
    parser.add_argument("--" + name)
parser.add_argument("--paced", action="store_true")

def prepare(args):
    case = dict(np.load(args.case))
    def facts():
        silent = {{f"spikes {{k}}": np.zeros(3 * 2 * n // 8, np.uint8) for k, n in enumerate((256, 256, 20))}}
        ones = {{f"gradient {{k}}": np.ones_like(case[f"weight {{k}}"]) for k in range(3)}}
        np.savez(args.found, **silent, **ones)
        return {{"peak_mb": 200.0, "base_mb": 100.0}}
    return Prepared("1.2", 0.5, lambda: 3.0, facts, {{"peer_mode": "as it is"}})

answer("fake", parser, prepare)
"""


@pytest.mark.parametrize("model", ["dense", "recurrent", "conv", "delayed"])
def test_the_peer_has_the_same_spikes_and_gradients(model, monkeypatch):
    pytest.importorskip("snntorch")
    monkeypatch.syspath_prepend(str(PEERS))
    peer = importlib.import_module("snntorch_training")
    steps = 30 if model == "delayed" else 8
    ours = Training(Case(model, steps=steps, batch=2, activity=0.3, seed=0, threads=1))
    spikes = [*ours.spikes().values()]
    ours.run()
    weights = [w.detach().clone() for w in ours.module.parameters()]
    if model == "delayed":
        delayed = importlib.import_module("torch_training").Delayed
        weights = [delayed(w, p, 25) for w, p in zip(weights[::2], weights[1::2], strict=True)]
    theirs = peer.build(model, weights, 0.9)
    assert sum(float(raster.sum()) for raster in spikes) > 100
    for run in theirs.modes.values():
        theirs.module.zero_grad()
        found = run(ours.x)
        torch.nn.functional.cross_entropy(found[-1].sum(0), ours.labels).backward()
        for raster, sent in zip(spikes, found, strict=True):
            np.testing.assert_array_equal(raster, sent.detach().flatten(2).numpy())
        for w, v in zip(ours.module.parameters(), theirs.module.parameters(), strict=True):
            assert float((w.grad - v.grad).abs().max()) <= 1e-5 * float(v.grad.abs().max())


def test_neurons_that_are_reset_at_once_fire_at_the_threshold(monkeypatch):
    monkeypatch.syspath_prepend(str(PEERS))
    shared = importlib.import_module("torch_training")
    ours = Training(Case("conv", steps=6, batch=2, activity=0.3, seed=0, threads=1, at_once=True))
    names = [part.label for part in ours.network.populations]
    spikes = rb.to_torch(ours.network, outputs=names, compiled=False)(ours.x)
    x, at_threshold = ours.x, 0
    for part, name in zip(shared.linear("conv", [*ours.module.parameters()]), names, strict=True):
        v, sent = 0.0, []
        for current in shared.over_steps(part, x):
            v = 0.9 * v + current
            at_threshold += int((v == 1).sum())
            sent.append((v >= 1).float())
            v = v - sent[-1]
        x = torch.stack(sent)
        assert torch.equal(spikes[name], x.flatten(2))
    assert at_threshold > 0


def test_a_line_says_how_long_and_whether_both_sides_agree(tmp_path, monkeypatch):
    monkeypatch.setattr(bench_train, "_memory", lambda case: {"base_mb": 1.0, "peak_mb": 2.0})
    script = tmp_path / "fake.py"
    script.write_text(FAKE)
    line = bench_training(steps=3, batch=2, repeats=1, activity=0.3, peer="snntorch", peer_script=script)
    assert json.loads(json.dumps(line)) == line
    assert (line["peer_mode"], line["peer_version"], line["peer_peak_mb"]) == ("as it is", "1.2", 200.0)
    assert line["ratio"] == pytest.approx(3.0 / line["wall_s"])
    ours = Training(Case("dense", steps=3, batch=2, activity=0.3, seed=0, threads=1))
    assert line["spikes_differ"] == sum(sent.sum() for sent in ours.spikes().values()) > 0
    ours.run()
    largest = max(float((w.grad - 1).abs().max()) for w in ours.module.parameters())
    assert line["gradients_differ"] == pytest.approx(largest)
    text = bench_all.summary(line)
    assert text.startswith("train          batch 2   threads 1  dense by bptt, 3 steps: ")
    assert f"snntorch takes {line['ratio']:.3g} times as long and 200 MB" in text


@pytest.mark.slow
def test_memory_is_that_of_a_process_that_does_nothing_else():
    held = np.ones(50_000_000)  # 400 MB that it does not have
    found = bench_train._memory(Case("dense", steps=2, batch=1, activity=0.1, seed=0, threads=1))
    assert 50 < found["base_mb"] <= found["peak_mb"] < rb.engine.peak.peak_mb()
    assert held.sum() > found["peak_mb"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "resnet"], "bench.model: got 'resnet'"),
        (["--activity", "2"], "bench.activity"),
        (["--method", "magic"], "bench.method: got 'magic'"),
        (["--method", "sltt", "--peer", "snntorch"], "peers train by 'bptt' only"),
        (["--scale", "2"], "train takes no --scale"),
        (["--bits", "4"], "train takes no --bits"),
        (["--peer", "nest"], "nest runs"),
        (["--model", "recurrent", "--peer", "spikingjelly"], "it trains all others"),
        (["--peer", "spikingjelly", "--peer-device", "cuda"], "allowed is that of ours, 'cpu'"),
        (["--backend", "reference"], "bench.backend: got 'reference'"),
    ],
)
def test_what_cannot_be_measured_is_refused(words, message, capsys):
    assert cli.main(["bench", "train", *words]) == 2
    assert message in capsys.readouterr().err


def test_all_trains_each_network_beside_the_peers_that_can(monkeypatch):
    peers = bench_all.peers_of(["spikingjelly", "snntorch"])
    found = [case for case in bench_all.cases({"threads": 1}, peers) if case["name"] == "train"]
    assert [(case["model"], case["peer"]) for case in found] == [
        ("dense", "spikingjelly"), ("dense", "snntorch"), ("recurrent", "snntorch"),
        ("conv", "spikingjelly"), ("conv", "snntorch"), ("delayed", "spikingjelly"), ("delayed", "snntorch"),
    ]  # fmt: skip
