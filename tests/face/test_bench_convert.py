"""`rheobase bench convert`: a peer gets the same network and digits, and its work is counted as it is."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import rheobase as rb
from rheobase import cli
from rheobase.bench_convert import bench_conversion

torch = pytest.importorskip("torch")
PEERS = Path(__file__).resolve().parents[2] / "benchmarks" / "peers"


@pytest.fixture
def peers(monkeypatch):
    """The code that peers share."""
    monkeypatch.syspath_prepend(str(PEERS))
    spec = importlib.util.spec_from_file_location("torch_conversion", PEERS / "torch_conversion.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "torch_conversion", module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (torch.nn.Linear(6, 4), (6,)),
        (torch.nn.Linear(6, 4), (3, 6)),
        (torch.nn.Conv2d(2, 3, 3, padding=1), (2, 5, 4)),
        (torch.nn.Conv2d(2, 3, 3, stride=2, padding=1, dilation=2), (2, 9, 7)),
        (torch.nn.Conv2d(2, 3, (1, 3), stride=(2, 1)), (2, 6, 5)),
    ],
)
def test_an_input_reaches_as_many_outputs_as_it_changes(peers, layer, shape):
    torch.nn.init.uniform_(layer.weight, 0.1, 1)
    x = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (2, *shape)).astype(np.float32))
    x[torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) < 0.4] = 0
    met = []
    with torch.no_grad():
        silent = layer(torch.zeros(1, *shape))
        for sample in x:
            found = 0
            for place in sample.nonzero():
                one = torch.zeros(1, *shape)
                one[0, *place] = sample[*place]
                found += int((layer(one) != silent).sum())
            met.append(found)
    assert peers.reached(layer, x).tolist() == met
    # Steps along the first axis, before the images.
    assert peers.reached(layer, x.expand(3, *x.shape)).tolist() == [sum(met)] * 3


@pytest.mark.parametrize("way", ["step by step", "steps first", "steps behind each image"])
def test_operations_are_counted_until_each_step_however_layers_are_called(peers, way):
    first, second = torch.nn.Linear(4, 3, bias=False), torch.nn.Linear(3, 2)
    for layer in (first, second):
        torch.nn.init.ones_(layer.weight)
    model = torch.nn.Sequential(first, torch.nn.ReLU(), second)
    # Two images; in step k, the first k + 1 pixels of the first one, and one pixel of the second.
    frames = torch.zeros(3, 2, 4)
    for k in range(3):
        frames[k, 0, : k + 1] = 1
    frames[:, 1, 0] = 1
    with peers.Operations(model) as operations, torch.no_grad():
        if way == "step by step":
            for frame in frames:
                model(frame)
        else:
            model(frames if way == "steps first" else frames.transpose(0, 1).flatten(0, 1))
    # The first layer: 3 for each pixel. The second one: 3 inputs, 2 outputs, for each image.
    assert [operations.until(k, 3) for k in (1, 2, 3)] == [(6, 12), (15, 24), (27, 36)]
    model(frames[0])
    assert operations.until(3, 3) == (27, 36), "nothing is counted behind its end"


# A converter that leaves a network as it is, and shows the images in every step.
FAKE = """
import sys
sys.path.insert(0, {peers!r})
from torch_conversion import Spiking, main

def convert(model, arrays, steps):
    assert arrays["calibration"].shape == (400, 1, 28, 28)

    def run(images, steps):
        total = 0
        for _ in range(steps):
            total = total + model(images)
            yield total

    return Spiking(model, run, {neurons}, "as it is")

main("fake", "1.2", convert)
"""
FEW = {"images": 30, "batch": 10, "repeats": 1, "backend": "reference"}


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    script = tmp_path_factory.mktemp("peer") / "fake.py"
    script.write_text(FAKE.format(peers=str(PEERS), neurons=0))
    return bench_conversion("mlp", **FEW, peer="sinabs", peer_script=script)


def test_a_line_says_what_conversion_keeps_and_costs_and_goes_into_json(line):
    assert json.loads(json.dumps(line)) == line
    assert line["steps"] == [1, 2, 4, 8]
    assert len(line["accuracy"]) == len(line["operations"]) == 4
    assert line["operations"] == sorted(line["operations"])
    assert line["operations_depth"] <= line["operations_silent"]
    assert line["accuracy_silent"] == line["accuracy_depth"] >= line["accuracy_dense"] - 0.1
    # 784-256-128-10; each pixel that is not zero meets 256 weights, once.
    assert (line["macs"], line["macs_first_layer"]) == (234_752, 200_704)
    inked = np.count_nonzero(rb.datasets.digits().images[:30]) / 30
    assert line["first_operations"] == pytest.approx(256 * inked)
    assert line["operations_exit"] <= line["operations_silent"]
    assert line["ms_per_image"] == pytest.approx(line["wall_s"] * 1e3 / 10)


def test_energies_are_operations_times_prices(line):
    spiking = 4.6e-12 * line["first_operations"] + 0.9e-12 * line["operations_depth"]
    assert line["energy_over_dense"] == pytest.approx(spiking / (4.6e-12 * line["macs"]))
    assert line["energy_over_zero_skipping"] == pytest.approx(spiking / (4.6e-12 * line["macs_nonzero"]))


def test_a_peer_gets_the_same_network_and_digits(line):
    assert line["peer_accuracy"] == [line["accuracy_dense"]] * 4
    # It multiplies what the original does, again in every step, and nothing of it spikes.
    once = line["macs_nonzero"]
    assert np.add(line["peer_operations"], line["peer_first_operations"]) == pytest.approx(
        [once * k for k in (1, 2, 4, 8)]
    )
    assert (line["peer_spiking_parts"], line["peer_mode"], line["peer_version"]) == (0, "as it is", "1.2")
    assert "multiplications" in line["peer_note"]
    assert line["ratio"] == pytest.approx(line["peer_wall_s"] / line["wall_s"])
    # As good as the original in its first step, it is at least as good as we are.
    assert line["peer_steps_equal"] == 1
    assert line["ratio_equal"] == pytest.approx(line["ratio"] / 8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "resnet"}, r"bench.model: got 'resnet'.*'cnn'"),
        ({"images": 1001}, "bench.images"),
        ({"batch": 50, "images": 20}, "bench.batch.*1 to 20"),
        ({"repeats": 0}, "bench.repeats"),
        ({"peer": "nest"}, "nest runs"),
        ({"peer": "spikingjelly", "peer_device": "cuda"}, "for convert allowed is 'cpu'"),
    ],
)
def test_what_cannot_be_measured_is_refused(options, message):
    with pytest.raises(rb.SpecError, match=message):
        bench_conversion(**options)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["convert", "--scale", "2"], "convert takes no --scale"),
        (["cuba", "--bits", "4"], "--bits is for convert"),
        (["--all", "--images", "4"], "--images is for convert"),
    ],
)
def test_options_of_other_workloads_are_refused(words, message, capsys):
    assert cli.main(["bench", *words]) == 2
    assert message in capsys.readouterr().err
