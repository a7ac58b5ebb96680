"""The network that ships recognises the digits that ship, and says so when its file is damaged."""

from __future__ import annotations

import numpy as np
import pytest

import rheobase as rb
from rheobase.conversion.layers import forward


def test_the_network_recognises_the_shipped_digits():
    digits = rb.datasets.digits()
    layers = rb.models.digits_network()
    assert [w.weight.shape for w in layers if w.name == "Affine"] == [(128, 784), (64, 128), (10, 64)]
    guesses = forward(layers, digits.pixels).argmax(1)
    assert (guesses == digits.labels).mean() > 0.975


def test_torch_computes_the_same_outputs_from_the_shipped_weights():
    torch = pytest.importorskip("torch")
    digits = rb.datasets.digits()
    x = torch.from_numpy(digits.pixels[:50])
    for layer in rb.models.digits_network():
        if layer.name == "ReLU":
            x = x.relu()
        else:
            weight, bias = (torch.from_numpy(np.array(a)) for a in (layer.weight, layer.bias))
            x = torch.nn.functional.linear(x, weight, bias)
    ours = forward(rb.models.digits_network(), digits.pixels[:50])
    np.testing.assert_allclose(ours, x.numpy(), atol=1e-4)


def test_a_damaged_file_of_weights_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("rheobase.models.digits.files", lambda package: tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "digits_mlp.npz").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(rb.FormatError, match="install rheobase again"):
        rb.models.digits_network()


def test_recognising_a_digit_costs_its_events_times_the_published_price():
    digits = rb.datasets.digits()
    found = rb.convert(rb.models.digits_network(), digits.pixels[:50]).run(digits.pixels[50:90])
    priced = rb.compare_chips(found.result, ["cmos45", "cmos45-dense"])
    # The original: 4.6 pJ for each weight; it has no neurons that turn pixels into spikes.
    weights = 784 * 128 + 128 * 64 + 64 * 10
    assert priced["cmos45-dense"].per_inference == pytest.approx(4.6e-12 * weights, rel=1e-9)
    # The spiking one: 0.9 pJ per synaptic event, 4.6 pJ per one of the first layer, where numbers are told.
    told = {p.name: p.spikes for p in found.result.counts.populations}
    events = 64 * told["affine1"] + 10 * told["affine3"]
    assert priced["cmos45"].joules == pytest.approx(
        0.9e-12 * events + 4.6e-12 * 128 * told["input"], rel=1e-9
    )
    assert told["input"] <= 784 * 40
