"""The demo's figures are those of its parts, and its files can be read again."""

from __future__ import annotations

import json

import numpy as np
import pytest

import rheobase as rb
from rheobase.models.demo import CHIPS, run_demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return run_demo(tmp_path_factory.mktemp("demo") / "new", n_inputs=300)


def test_the_spiking_network_recognises_digits_as_well_as_the_original(demo):
    found = demo.to_dict()
    assert found["n_inputs"] == 300
    assert found["accuracy_dense"] > 0.97
    assert found["accuracy_spiking"] >= found["accuracy_dense"] - 0.01


def test_the_accuracy_of_the_original_is_that_of_plain_matrix_products(demo):
    digits = rb.datasets.digits()
    x = digits.images[300:600].reshape(300, 784) / 255
    for layer in rb.models.digits_network():
        x = np.maximum(x, 0) if layer.name == "ReLU" else x @ layer.weight.T + layer.bias
    expected = (x.argmax(1) == digits.labels[300:600]).mean()
    assert demo.comparison.accuracy_original == pytest.approx(expected, abs=1e-12)


def test_energy_is_given_per_digit_for_each_chip_with_a_source(demo):
    found = demo.to_dict()
    assert set(found["energy_j"]) == set(CHIPS)
    assert all(found["energy_sources"][chip] for chip in CHIPS)
    # The dense original on 45 nm arithmetic: 4.6 pJ for each weight, and for each pixel handed in.
    weights = 784 * 128 + 128 * 64 + 64 * 10
    assert found["energy_j"]["cmos45-dense"] == pytest.approx(4.6e-12 * (weights + 784), rel=1e-9)
    # The spiking one: 0.9 pJ per addition, 4.6 pJ per pixel and step that is not empty.
    counts = demo.comparison.inference.result.counts
    expected = (0.9e-12 * counts.ac + 4.6e-12 * counts.mac) / 300
    assert found["energy_j"]["cmos45"] == pytest.approx(expected, rel=1e-9)


def test_the_result_can_be_loaded_and_the_raster_is_a_picture(demo):
    loaded = rb.Result.load(demo.files["result"])
    assert loaded.counts == demo.comparison.inference.result.counts
    assert demo.files["raster"].read_bytes().startswith(b"\x89PNG")


def test_the_figures_are_plain_data_and_the_report_names_its_sources(demo):
    assert json.loads(json.dumps(demo.to_dict()))["backend"] == "numba"
    text = str(demo)
    for word in ("accuracy", "synaptic events", "Horowitz", "Davies", "raster.png"):
        assert word in text


@pytest.mark.parametrize("n", [0, 701, 2.5, True])
def test_more_digits_than_there_are_cannot_be_run(tmp_path, n):
    with pytest.raises(rb.SpecError, match="from 1 to 700"):
        run_demo(tmp_path, n_inputs=n)
