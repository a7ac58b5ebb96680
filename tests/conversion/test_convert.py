"""Converted networks: exact where they promise it, close to the original, cheaper to change than to start."""

from __future__ import annotations

import json

import numpy as np
import pytest

import rheobase as rb
from rheobase.conversion.circuits.evaluate import function_of
from rheobase.conversion.layers import Affine, Conv, Flatten, Pool, ReLU, forward
from rheobase.conversion.spiking.exit import Stable
from rheobase.engine.archive import read_archive, write_archive
from rheobase.neurons.errors import FormatError

BACKENDS = ["reference", "numba"]


@pytest.fixture(scope="module")
def digits():
    return rb.datasets.digits()


@pytest.fixture(scope="module")
def digits_converted(digits):
    """Calibrated on 300 digits; tests score the other 700."""
    return rb.convert(rb.models.digits_network(), digits.pixels[:300])


def small_cnn(rng):
    """An untrained network with every kind of layer; weights scaled so that signals keep their size."""
    return [
        Conv(rng.normal(size=(6, 2, 3, 3)) / 3, 0.1 * rng.normal(size=6), padding=1), ReLU(),
        Pool(2),
        Conv(rng.normal(size=(8, 3, 3, 3)) / 3, 0.1 * rng.normal(size=8), groups=2, stride=(1, 2)), ReLU(),
        Flatten(),
        Affine(rng.normal(size=(10, 32)) / 5, 0.1 * rng.normal(size=10)), ReLU(),
        Affine(rng.normal(size=(4, 10)) / 3),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def cnn():
    """Layers, inputs, and the converted network."""
    rng = np.random.default_rng(7)
    layers = small_cnn(rng)
    x = rng.uniform(size=(40, 2, 8, 10)).astype(np.float32)
    return layers, x, rb.convert(layers, x)


def relative(outputs, expected):
    return np.sqrt(np.mean((outputs - expected) ** 2) / np.mean(expected**2))


@pytest.mark.parametrize("events", ["pow2", "unit", "graded"])
def test_silence_is_the_quantised_network_in_both_schedules_and_on_both_backends(cnn, events):
    layers, x, _ = cnn
    backends = BACKENDS if events == "pow2" else ["reference"]
    found = rb.convert(layers, x, events=events).verify(x[:6], backends=backends)
    assert found.n_inputs == 6
    # Whole numbers of the input, totals of the readout, and both of everything between.
    assert found.values == 6 * (160 + 2 * (6 * 80 + 6 * 20 + 8 * 2 * 2 + 10) + 4)
    assert set(found.sweeps) == {(b, s) for b in backends for s in ("depth", "concurrent")}
    assert all(n == 1 for (_, schedule), n in found.sweeps.items() if schedule == "depth")
    assert "bit for bit" in str(found)


def test_a_difference_is_named(cnn, monkeypatch):
    from rheobase.conversion.spiking import verify

    _, x, snn = cnn
    true = verify.settled

    def wrong(circuit, batch):
        signals = true(circuit, batch)
        signals.counts["conv1"][2, 17] += 1
        return signals

    monkeypatch.setattr(verify, "settled", wrong)
    with pytest.raises(
        rb.ConversionError, match="on reference, depth: input 2, neuron 17 of conv1: its whole"
    ):
        snn.verify(x[:3], backends=["reference"])


@pytest.mark.parametrize("grain", ["neuron", "channel", "tensor"])
def test_more_bits_come_nearer_to_the_original(grain):
    rng = np.random.default_rng(11)
    layers = small_cnn(rng)
    x = rng.uniform(size=(60, 2, 8, 10)).astype(np.float32)
    original = forward(layers, x)
    errors = [
        relative(
            rb.convert(layers, x, bits=bits, thresholds=grain).run(x, backend="reference").outputs, original
        )
        for bits in (3, 5, 8)
    ]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    assert errors[2] < 0.02


@pytest.mark.parametrize(("backend", "n"), [("reference", 200), ("numba", 700)])
def test_digits_are_recognised_as_well_as_by_the_original(backend, n, digits, digits_converted):
    x, labels = digits.pixels[300 : 300 + n], digits.labels[300 : 300 + n]
    found = digits_converted.run(x, backend=backend)
    original = forward(rb.models.digits_network(), x)
    np.testing.assert_allclose(digits_converted.original(x), original, atol=1e-4)
    assert (found.labels == labels).mean() >= (original.argmax(1) == labels).mean() - 0.005
    assert (found.labels == original.argmax(1)).mean() >= 0.99
    # An event a synapse at most would be 8,832 of them.
    assert found.operations.mean() < 6000


def test_all_at_once_gets_better_sweep_by_sweep(digits, digits_converted):
    x = digits.pixels[300:400]
    found = digits_converted.run(x, steps=6)
    settled = digits_converted.run(x)
    assert found.silent.all()
    np.testing.assert_array_equal(found.outputs, settled.outputs)
    errors = [relative(outputs, settled.outputs) for outputs in found.over_time[:3]]
    assert errors[0] > errors[1] > errors[2]
    assert settled.operations.mean() < found.operations.mean()


def test_a_batch_of_any_size_gives_what_each_input_gives_alone(digits, digits_converted):
    x = digits.pixels[300:430]  # more than run side by side
    together = digits_converted.run(x)
    for i in (0, 127, 128, 129):
        alone = digits_converted.run(x[i : i + 1])
        np.testing.assert_array_equal(alone.outputs[0], together.outputs[i])
        assert alone.operations[0] == together.operations[i]
    assert together.result.info.trials == 130
    assert together.result.counts.by_trial("spikes").size == 130


def test_runs_do_not_see_those_before_them(digits, digits_converted):
    x = digits.pixels[300:304]
    first = digits_converted.run(x)
    digits_converted.run(digits.pixels[400:404])
    np.testing.assert_array_equal(digits_converted.run(x).outputs, first.outputs)


def test_a_stream_pays_for_what_changes(digits, digits_converted):
    frame = digits.pixels[300]
    changed = frame.copy()
    changed[100:120] = 0.5
    answers = list(digits_converted.stream([frame, frame, changed, digits.pixels[301]], backend="reference"))
    np.testing.assert_array_equal(answers[0].outputs, answers[1].outputs)
    assert answers[1].operations[0] == answers[1].first_layer[0] == 0
    # 20 pixels have other values, each with 128 synapses.
    assert answers[2].first_layer[0] == 128 * np.count_nonzero(frame[100:120] != 0.5)
    fresh = digits_converted.run(digits.pixels[301:302], backend="reference")
    np.testing.assert_array_equal(answers[3].outputs, fresh.outputs)


def test_a_dead_band_leaves_noise_untold_and_keeps_signals_within_it(digits, digits_converted):
    noise = np.random.default_rng(0).normal(0.0, 0.1, 784) * (np.arange(784) % 10 == 0)
    frame = digits.pixels[300]
    frames = [frame, np.clip(frame + noise, 0.0, 1.0), digits.pixels[301]]
    exact = list(digits_converted.stream(frames, backend="reference"))
    held = list(digits_converted.stream(frames, hold=0.5, backend="reference"))
    np.testing.assert_array_equal(held[0].outputs, exact[0].outputs)
    assert 0 < held[1].first_layer[0] == exact[1].first_layer[0]  # what the input told is the same
    assert held[1].operations[0] < 0.25 * exact[1].operations[0]
    assert held[2].operations[0] < exact[2].operations[0]

    sweeps = digits_converted.sweeps(1, schedule="depth", held=True, backend="reference")
    for frame in frames:
        sweeps.feed(digits_converted.whole(digits_converted.checked(frame[None])))
        sweeps.settle(None, None)
        sweeps.hold(0.5)
    away = 0.0
    for name, cell in digits_converted.circuit.cells.items():
        if cell.code is not None and cell is not digits_converted.circuit.input:
            units = function_of(cell, sweeps.totals(name)) / cell.code.theta
            off = np.clip(units, cell.code.low, cell.code.high) - sweeps.simulator.state(name)["n"]
            away = max(away, float(np.abs(off).max()))
    assert 0.5 < away <= 1.0


@pytest.mark.parametrize("hold", [-0.1, np.nan, np.inf, "much"])
def test_a_dead_band_is_a_finite_number(digits_converted, hold):
    with pytest.raises(rb.ConversionError, match=r"stream\.hold: got .*; allowed is a finite number from 0"):
        next(digits_converted.stream([np.zeros(784)], hold=hold))


def test_early_exit_keeps_to_what_it_was_tuned_for(digits, digits_converted):
    x, labels = digits.pixels[300:600], digits.labels[300:600]
    whole = digits_converted.run(x, schedule="concurrent")
    rule = digits_converted.tune_exit(x, labels, rule="confident")
    found = digits_converted.run(x, exit=rule)
    assert (found.labels == labels).sum() >= (whole.labels == labels).sum()
    assert found.operations.mean() < 0.6 * whole.operations.mean()
    assert found.steps.min() == 1


def test_an_exit_tuned_without_labels_changes_no_answer(digits, digits_converted):
    x, new = digits.pixels[:300], digits.pixels[300:]
    careful = digits_converted.tune_exit(x)
    found, whole = (
        digits_converted.run(new, **how) for how in ({"exit": careful}, {"schedule": "concurrent"})
    )
    # None of the 300, and hardly any other, of which some change within the first sweeps.
    np.testing.assert_array_equal(
        digits_converted.run(x, exit=careful).labels, digits_converted.run(x).labels
    )
    assert (found.labels == whole.labels).mean() >= 0.998
    assert (whole.over_time[0].argmax(axis=1) == whole.labels).mean() < 0.99
    assert found.operations.mean() < 0.7 * whole.operations.mean()


def test_the_value_law_is_the_original(cnn):
    layers, x, _ = cnn
    for backend in BACKENDS:
        found = rb.convert(layers, x, law="value").run(x, backend=backend)
        np.testing.assert_allclose(found.outputs, forward(layers, x), atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_spike_counts_follow_the_closed_form_of_an_integrate_and_fire_neuron(backend):
    # Constant input a, soft reset, start at half of theta: n(T) = clip(floor(T a / theta + 1/2), 0, T).
    # All numbers are multiples of 1/64, so that sums are exact in single precision too.
    rng = np.random.default_rng(1)
    weight, bias = rng.integers(-32, 32, (20, 6)) / 64, rng.integers(-16, 16, 20) / 64
    x = rng.integers(0, 8, (9, 6)) / 8
    layers = [Affine(weight, bias), ReLU(), Affine(np.ones((1, 20)))]
    converted = rb.convert(layers, x, law="rate", input_bits=3)
    probe = converted.network.add(rb.Probe(converted.network["affine1"], "counts"))
    inference = converted.run(x, steps=13, backend=backend)
    code = converted.circuit.cells["affine1"].code
    theta = code.theta.astype(np.float64) * code.high
    exact = 13 * (x @ weight.T + bias) / theta + 0.5
    # No input lies so near to a threshold that rounding of theta decides.
    assert np.abs(exact - np.rint(exact)).min() > 1e-5
    counts = np.clip(np.floor(exact), 0, 13)
    np.testing.assert_array_equal(inference.result[probe].counts, counts)
    np.testing.assert_allclose(inference.outputs[:, 0], (theta * counts).sum(1) / 13, rtol=1e-5)


@pytest.mark.parametrize("coding", ["current", "spikes"])
def test_the_error_of_the_rate_law_falls_as_one_over_the_steps(digits, coding):
    converted = rb.convert(rb.models.digits_network(), digits.pixels[:200], law="rate", input=coding)
    x = digits.pixels[300:320]
    over_time = converted.run(x, steps=256).over_time
    # What is clipped at the largest rate stays lost; all else comes nearer.
    errors = [relative(over_time[t - 1], over_time[-1]) for t in (4, 16, 64)]
    assert errors[0] > 2.5 * errors[1] > 6 * errors[2]
    assert relative(over_time[-1], converted.original(x)) < 0.06


def test_a_converted_network_can_leave_as_nir(digits, tmp_path):
    converted = rb.convert(rb.models.digits_network(), digits.pixels[:100], law="rate", input="spikes")
    rb.write_nir(converted.network, tmp_path / "net.nir", dt=converted.dt)
    assert rb.read_nir(tmp_path / "net.nir")["affine1"].n == 128


def test_a_torch_network_converts_in_one_call(digits):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 5, stride=2), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.AvgPool2d(2),
        torch.nn.Flatten(), torch.nn.Dropout(), torch.nn.Linear(144, 10),
    ).eval()  # fmt: skip
    x = digits.pixels[:40].reshape(-1, 1, 28, 28)
    converted = rb.convert(module, x, bits=6)
    with torch.no_grad():
        expected = module(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(converted.original(x), expected, atol=1e-5)
    assert relative(converted.run(x, backend="reference").outputs, expected) < 0.05
    assert converted.compare(x, model=module, steps=[1], backend="reference").settled.error < 0.05


def test_bits_are_given_to_the_cells_where_they_matter():
    layers = small_cnn(np.random.default_rng(7))
    layers[-1] = Affine(layers[-1].weight * np.geomspace(0.02, 1, 10))  # some of what it hears hardly matters
    x = np.random.default_rng(8).uniform(size=(40, 2, 8, 10)).astype(np.float32)
    even, mixed = (rb.convert(layers, x, bits=bits) for bits in (4, "auto"))
    assert len({row.bits for row in mixed.operations[1:-1]}) > 1
    original = forward(layers, x)
    even, mixed = (snn.run(x, backend="reference") for snn in (even, mixed))
    assert relative(mixed.outputs, original) <= relative(even.outputs, original)
    assert mixed.operations.mean() < 1.01 * even.operations.mean()


# The report


@pytest.fixture(scope="module")
def report(digits, digits_converted):
    return digits_converted.compare(digits.pixels[300:400], digits.labels[300:400])


def test_the_report_counts_the_original_s_multiplications(report, digits):
    x = digits.pixels[300:400]
    assert report.macs == 784 * 128 + 128 * 64 + 64 * 10
    assert report.macs_first == 784 * 128
    network = rb.models.digits_network()
    active = [(forward(network[:k], x) != 0).sum() for k in (0, 2, 4)]
    assert report.macs_nonzero == pytest.approx(np.dot(active, [128, 64, 10]) / 100)
    assert report.first_layer == pytest.approx(128 * np.count_nonzero(np.rint(255 * x)) / 100)
    assert report.joules["dense"] == pytest.approx(report.macs * 4.6e-12)


def test_the_report_says_what_each_moment_is_worth(report, digits, digits_converted):
    x, labels = digits.pixels[300:400], digits.labels[300:400]
    assert [point.when for point in report.points] == [
        "T = 1",
        "T = 2",
        "T = 4",
        "T = 8",
        "silent",
        "in depth",
    ]
    run = digits_converted.run(x, steps=2)
    second = report.points[1]
    assert second.accuracy == (run.labels == labels).mean()
    assert second.operations == run.operations.mean()
    assert second.events_per_mac == pytest.approx(run.operations.mean() / (128 * 64 + 64 * 10))
    # 2 bits: a product of 2 by 8 bits costs 0.2 pJ * 2/8, a 32-bit sum 0.1 pJ.
    assert (second.bits, second.break_even) == (2, pytest.approx(1.5))
    assert report.points[3].bits == 4
    assert report.points[0].error > second.error > report.settled.error
    assert report.accuracy_original > 0.95
    assert {layer.name for layer in report.layers} == {"input", "affine1", "affine3", "affine5"}
    assert sum(layer.operations for layer in report.layers[1:]) == pytest.approx(report.settled.operations)


def test_the_report_prints_draws_and_is_json(report):
    data = json.loads(report.to_json())
    assert {
        "accuracy_dense",
        "accuracy_spiking",
        "agreement",
        "points",
        "layers",
        "energy_j",
        "loses",
    } <= set(data)
    text = repr(report)
    for word in ("accuracy", "in depth", "affine3", "quantised dense, 4 bits", "loihi", "layer 2 (ReLU)"):
        assert word in text
    assert len(report.figure().axes) == 3


def test_the_report_says_where_spiking_loses(digits):
    converted = rb.convert(rb.models.digits_network(), digits.pixels[:100], law="rate")
    found = converted.compare(digits.pixels[300:310], steps=[4, 64], backend="reference")
    # The first layer multiplies in each of 64 steps.
    assert "dense, zeros skipped" in found.loses[1]
    assert any(reason.startswith("T = 64: ") for reason in found.loses)
    assert not any(reason.startswith("T = 4: ") for reason in found.loses)
    assert "spiking loses: T = 64" in repr(found)


def test_the_table_says_what_became_of_each_operation(digits_converted):
    rows = {row.name: row for row in digits_converted.operations}
    assert rows["affine1"].places == ("layer 1 (Affine)", "layer 2 (ReLU)")
    assert (rows["affine1"].kind, rows["affine1"].bits, rows["affine5"].bits) == ("spiking", 4, None)
    assert 0 < rows["affine1"].error < 0.1
    assert "layer 2 (ReLU)" in repr(digits_converted)


# Files


def test_a_file_gives_back_the_same_network(cnn, tmp_path):
    _, x, snn = cnn
    snn.save(tmp_path / "snn.npz")
    again = rb.Converted.load(tmp_path / "snn.npz")
    for run in ({}, {"steps": 2}):
        np.testing.assert_array_equal(
            again.run(x[:5], backend="reference", **run).outputs,
            snn.run(x[:5], backend="reference", **run).outputs,
        )
    np.testing.assert_array_equal(again.original(x), snn.original(x))
    assert again.errors == snn.errors


def test_a_file_gives_back_operators(tmp_path):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(3).uniform(size=(20, 6)).astype(np.float32)
    snn = rb.convert(torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.LayerNorm(8)).eval(), x)
    snn.save(tmp_path / "snn.npz")
    again = rb.Converted.load(tmp_path / "snn.npz")
    assert [o.kind for o in again.network.operators][:1] == ["normalise"]
    outputs = [converted.run(x[:5], backend="reference").outputs for converted in (snn, again)]
    np.testing.assert_array_equal(*outputs)


def spoil(data, path, value):
    for key in path[:-1]:
        data = data[key]
    data[path[-1]] = value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("circuit",), None),
        (("circuit", "class"), "Population"),
        (("circuit", "cells", "table", 1, 1, "shape"), [10**12, 6, 80]),
        (("circuit", "cells", "table", 1, 1, "terms", 0, "source"), "nobody"),
        (("circuit", "cells", "table", 1, 1, "terms", 0, "op"), "__import__"),
        (("circuit", "cells", "table", 1, 1, "code", "theta"), {"array": "../x"}),
        (("circuit", "cells", "table", 1, 1, "function"), "eval"),
        (("graph", "nodes", "table", 1, 1, "options"), {"table": []}),
        (("graph", "output"), 7),
        (("events",), "pow3"),
        (("schedule",), "never"),
        (("dt",), -1.0),
        (("law",), 3),
    ],
)
def test_files_that_are_not_what_they_claim_are_refused(cnn, tmp_path, path, value):
    _, _, snn = cnn
    snn.save(tmp_path / "snn.npz")
    content, arrays = read_archive(tmp_path / "snn.npz", "rheobase converted network")
    spoil(content, path, value)
    write_archive(tmp_path / "bad.npz", "rheobase converted network", content, arrays)
    with pytest.raises(FormatError, match=r"bad\.npz"):
        rb.Converted.load(tmp_path / "bad.npz")


# What is refused

GOOD = [Affine(np.eye(2)), ReLU(), Affine(np.ones((1, 2)))]
SAMPLE = np.array([[0.0, 1.0], [1.0, 0.5]])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"law": "latency"},
            r"convert\.law: got 'latency'; allowed is 'delta' or 'rate' or 'ttfs' or 'value'",
        ),
        ({"events": "pow3"}, r"convert\.events"),
        ({"bits": 0}, r"convert\.bits: got 0"),
        ({"bits": {"nobody": 3}}, r"convert\.bits: got \['nobody'\]"),
        ({"input_bits": 2.5}, r"convert\.input_bits"),
        ({"thresholds": "layer"}, r"convert\.thresholds"),
        ({"schedule": ["depth"]}, r"convert\.schedule"),
        ({"input": 1}, r"convert\.input"),
        ({"signed": 1}, r"convert\.signed"),
        ({"horizon": 0}, r"convert\.horizon: got 0"),
        ({"allow_dense": "yes"}, r"convert\.allow_dense"),
        ({"dt": 0}, r"convert\.dt"),
    ],
)
def test_options_are_checked(options, said):
    with pytest.raises(rb.ConversionError, match=said):
        rb.convert(GOOD, SAMPLE, **options)


@pytest.mark.parametrize(
    ("model", "sample", "said"),
    [
        (3, SAMPLE, "model: got"),
        ([], SAMPLE, "model: got"),
        (GOOD, [[0.0, np.nan], [1.0, 1.0]], "sample: input 0 holds NaN"),
        (GOOD, [[0.5, 0.5], [0.5, 0.5]], "all the same"),
        (GOOD, [[0.5, 0.5]], "got one input; allowed are a few hundred"),
        (GOOD, "text", "sample: got str"),
        (GOOD, np.ones((4, 3)) * np.arange(4)[:, None], "layer 1"),
        ([Affine(np.eye(2)), Conv(np.ones((1, 1, 1, 1)))], SAMPLE, "layer 2"),
    ],
)
def test_models_and_samples_are_checked(model, sample, said):
    with pytest.raises(rb.ConversionError, match=said):
        rb.convert(model, sample)


def test_inputs_of_runs_are_checked(cnn):
    _, x, snn = cnn
    for call, said in (
        (lambda: snn.run(x[:, :1]), r"x: got shape \(40, 1, 8, 10\); allowed is \(n, 2, 8, 10\)"),
        (lambda: snn.run(x, steps=0), "steps: got 0"),
        (lambda: snn.run(x, exit=0.1), r"run\.exit: got 0\.1"),
        (lambda: snn.run(x, schedule="random"), r"run\.schedule"),
        (lambda: snn.compare(x, np.zeros(3, int)), "labels: got"),
        (lambda: snn.compare(x, steps=[]), r"compare\.steps"),
        (lambda: snn.compare(x, model=lambda batch: batch), r"compare\.model"),
        (lambda: snn.tune_exit(x, np.zeros(len(x), int), budget=0.5), "both labels and a budget"),
        (lambda: snn.tune_exit(x, budget=0.5, rule="bold"), r"tune_exit\.rule"),
        (lambda: list(snn.stream([x[0], x[:3]], backend="reference")), "got a frame of 3 inputs"),
    ):
        with pytest.raises(rb.ConversionError, match=said):
            call()


def test_indices_of_runs_are_checked():
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Embedding(5, 4), torch.nn.Flatten(), torch.nn.Linear(8, 2)).eval()
    indices = np.random.default_rng(0).integers(0, 5, (30, 2))
    snn = rb.convert(model, torch.from_numpy(indices))
    for x in (indices + 3, indices - 1, indices + 0.5):
        with pytest.raises(rb.ConversionError, match="allowed are whole numbers from 0 to 4"):
            snn.run(x, backend="reference")


@pytest.mark.parametrize("law", ["rate", "value"])
def test_only_changes_can_be_verified_and_streamed(law):
    snn = rb.convert(GOOD, SAMPLE, law=law)
    with pytest.raises(rb.ConversionError, match="allowed is 'delta'"):
        snn.verify(SAMPLE)
    with pytest.raises(rb.ConversionError, match="allowed is 'delta'"):
        next(snn.stream(SAMPLE))


def test_a_rule_that_stops_at_once_stops_after_two_sweeps(cnn):
    _, x, snn = cnn
    found = snn.run(x[:4], exit=Stable(1.0), backend="reference")
    assert (found.steps == 2).all()
