"""The reference networks that ship recognise digits as the table says, and cost what it says."""

from __future__ import annotations

import importlib.util
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

import rheobase as rb
from rheobase.conversion.graphs.forward import forward
from rheobase.conversion.trace import graph_of
from rheobase.models.references import REFERENCES, reference, reference_weights

torch = pytest.importorskip("torch")
flop_counter = pytest.importorskip("torch.utils.flop_counter")
attention = pytest.importorskip("torch.nn.attention")


def images(n: int) -> torch.Tensor:
    return torch.from_numpy(rb.datasets.digits().pixels[:n].reshape(-1, 1, 28, 28))


@pytest.fixture(scope="module", params=REFERENCES)
def name(request):
    return request.param


def test_a_network_recognises_the_shipped_digits_as_the_table_says(name):
    with torch.inference_mode():
        guesses = reference(name)(images(1000)).argmax(1).numpy()
    right = (guesses == rb.datasets.digits().labels).mean()
    # The table is of all 10,000 test digits; four standard errors of a thousand.
    expected = REFERENCES[name].accuracy
    assert expected > 0.975
    assert right == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 1000))


def test_multiplications_are_those_that_torch_counts(name):
    # In evaluation, nn.MultiheadAttention is one operation, which is not counted; nor is fused attention.
    model, plain = reference(name).train(), attention.sdpa_kernel(attention.SDPBackend.MATH)
    with flop_counter.FlopCounterMode(display=False) as counter, torch.no_grad(), plain:
        model(images(1))
    assert counter.get_total_flops() == 2 * REFERENCES[name].macs


def test_the_first_layer_does_its_share_of_them(name):
    first = next(m for m in reference(name).modules() if isinstance(m, torch.nn.Linear | torch.nn.Conv2d))
    with flop_counter.FlopCounterMode(display=False) as counter:
        first(images(1).flatten(1) if isinstance(first, torch.nn.Linear) else images(1))
    assert counter.get_total_flops() == 2 * REFERENCES[name].first_macs


def test_its_operations_compute_what_torch_does(name):
    model, x = reference(name), images(20)
    with torch.inference_mode():
        theirs = model(x).numpy()
    ours = forward(graph_of(model, x[:5]), x)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())


def test_attention_written_out_equals_the_one_of_torch():
    with torch.inference_mode():
        written_out, module = (reference(name)(images(50)) for name in ("vit", "vit_mha"))
    torch.testing.assert_close(written_out, module, atol=1e-4, rtol=0)


def test_a_network_is_ready_to_use_and_repeats_itself(name):
    model = reference(name)
    assert not any(part.training for part in model.modules())
    assert all(p.dtype == torch.float32 for p in model.parameters())
    with torch.inference_mode():
        torch.testing.assert_close(model(images(3)), reference(name)(images(3)), atol=0, rtol=0)


def test_the_builders_need_torch_only():
    """Another program builds them from the file alone."""
    path = Path(rb.models.__file__).with_name("reference_modules.py")
    spec = importlib.util.spec_from_file_location("reference_modules_alone", path)
    alone = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(alone)
    assert set(alone.BUILDERS) >= set(REFERENCES)
    assert "rheobase" not in path.read_text().split('"""', 2)[2]


def test_an_unknown_network_is_refused_with_the_nearest():
    with pytest.raises(rb.SpecError, match=r"'mpl'.*nearest is 'mlp'"):
        reference("mpl")


def test_a_file_that_is_damaged_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("rheobase.models.references.files", lambda package: tmp_path)
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "reference_mlp.npz"
    path.write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(rb.FormatError, match="install rheobase again"):
        reference("mlp")
    np.savez(path, **{"1.bias": np.zeros(3, np.float16)}, sha256="0" * 64)
    with pytest.raises(rb.FormatError, match="damaged"):
        reference("mlp")


@pytest.mark.parametrize("name", sorted({row.weights for row in REFERENCES.values()}))
def test_a_file_of_weights_says_what_they_were_trained_on(name):
    def about(file: str) -> dict[str, str]:
        with np.load(files("rheobase.models") / "data" / file, allow_pickle=False) as stored:
            return {
                key: str(stored[key])
                for key in ("training_sha256", "accuracy", "test_accuracy")
                if key in stored
            }

    # The digits that ship are known not to be among those that the other network was trained on.
    assert about(f"reference_{name}.npz")["training_sha256"] == about("digits_mlp.npz")["training_sha256"]
    assert float(about(f"reference_{name}.npz")["accuracy"]) == pytest.approx(
        REFERENCES[name].accuracy, abs=1e-6
    )


def test_weights_come_in_single_precision_and_as_they_were_trained():
    weights = reference_weights("cnn")
    assert {a.dtype.name for a in weights.values()} == {"float32", "int64"}
    assert weights["0.weight"].shape == (16, 1, 3, 3)
