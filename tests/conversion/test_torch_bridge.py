"""A torch module becomes layers that compute the same, or is refused by name."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import rheobase as rb
from rheobase.conversion import layers_from_torch
from rheobase.conversion.layers import forward

torch = pytest.importorskip("torch")
nn = torch.nn


def settled(module, shape):
    """Give normalisation layers statistics that matter, then switch to evaluation."""
    torch.manual_seed(0)
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d)):
                part.running_mean.uniform_(-1, 1)
                part.running_var.uniform_(0.5, 2)
                if part.affine:
                    part.weight.uniform_(0.5, 2)
                    part.bias.uniform_(-1, 1)
    return module.eval(), torch.randn(6, *shape)


CNN = [
    nn.Conv2d(2, 6, 3, padding="same", bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.AvgPool2d(2),
    nn.Sequential(
        nn.Conv2d(6, 8, (3, 2), stride=(1, 2), groups=2), nn.BatchNorm2d(8, affine=False), nn.ReLU(),
    ),
    nn.Dropout2d(0.5), nn.Flatten(), nn.Linear(48, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Identity(),
    nn.Dropout(0.5), nn.Linear(20, 4, bias=False),
]  # fmt: skip


def test_a_convolutional_network_gives_torch_outputs():
    module, x = settled(nn.Sequential(*CNN), (2, 10, 8))
    layers = layers_from_torch(module)
    assert [layer.name for layer in layers] == [
        "Conv", "ReLU", "Pool", "Conv", "ReLU", "Flatten", "Affine", "ReLU", "Affine",
    ]  # fmt: skip
    with torch.no_grad():
        expected = module(x).numpy()
    np.testing.assert_allclose(forward(layers, x), expected, atol=1e-5, rtol=1e-4)


def test_batch_norm_is_folded_as_in_evaluation_also_from_a_module_in_training():
    module, x = settled(nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3)), (5,))
    with torch.no_grad():
        expected = module(x).numpy()
    np.testing.assert_allclose(forward(layers_from_torch(module.train()), x), expected, atol=1e-5)


class Doubling(nn.Sequential):
    def forward(self, x):
        return 2 * super().forward(x)


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (nn.Sequential(nn.Linear(3, 3), nn.GELU()), r"'1' \(GELU"),
        (
            nn.Sequential(nn.Sequential(nn.Conv2d(1, 1, 3), nn.MaxPool2d(2))),
            r"'0.1' \(MaxPool2d.*average pooling",
        ),
        (nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3)), "LayerNorm"),
        (nn.Sequential(nn.Linear(3, 3), nn.Softmax(1)), "Softmax"),
        (nn.LSTM(3, 3), "LSTM"),
        (nn.MultiheadAttention(4, 2), "MultiheadAttention"),
        (Doubling(nn.Linear(3, 3)), "Doubling"),
        (nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 3)), "no Linear or Conv2d before it"),
        (nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.BatchNorm1d(3)), "right behind"),
        (nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3, track_running_stats=False)), "running mean"),
        (nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(4)), "3 channels"),
        (nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect")), "padding_mode"),
        (nn.Sequential(nn.Conv2d(1, 1, 2, padding="same")), "lopsided"),
        (nn.Sequential(nn.AvgPool2d(2, padding=1)), "no padding"),
        (nn.Sequential(nn.AvgPool2d(2, ceil_mode=True)), "no ceil_mode"),
        (nn.Sequential(nn.Flatten(0)), "start_dim=1"),
        (nn.Sequential(nn.Dropout()), "holds no layer"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name(module, said):
    with pytest.raises(rb.ConversionError, match=said):
        layers_from_torch(module)


def test_without_torch_the_message_names_the_extra():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import rheobase as rb\n"
        "from rheobase.conversion import layers_from_torch\n"
        "try: layers_from_torch(object())\n"
        "except rb.MissingExtra as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert 'pip install "rheobase[torch]"' in done.stdout
