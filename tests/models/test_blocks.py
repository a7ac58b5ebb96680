"""What is known of single blocks: orthogonal transforms, where attention looks, how far a wave goes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.fft import dctn
from scipy.special import erf

torch = pytest.importorskip("torch")

from rheobase.models.blocks.attention import GatedPositional  # noqa: E402
from rheobase.models.blocks.gates import unwindowed, windows  # noqa: E402
from rheobase.models.blocks.mixers import MixShift, Pooling, Raft  # noqa: E402
from rheobase.models.blocks.parts import MetaBlock, channel_mlp, norm_of  # noqa: E402
from rheobase.models.blocks.rational import Rational  # noqa: E402
from rheobase.models.blocks.scans import Decay, Passing, chunked_scan, gated_scan  # noqa: E402
from rheobase.models.blocks.spectral import SpectrumMixer, cosines, haar, inverse_haar  # noqa: E402


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        yield


def close(a, b, tolerance=1e-5):
    torch.testing.assert_close(a, b, atol=tolerance, rtol=0)


@pytest.mark.parametrize("n", [2, 5, 8])
def test_the_cosine_transform_is_orthogonal(n):
    close(cosines(n) @ cosines(n).T, torch.eye(n))


def test_the_spectrum_is_scipy_s_and_its_inverse_exact():
    mixer, x = SpectrumMixer(6, 8, 3, "gelu"), torch.randn(2, 8, 8, 6)
    spectrum = mixer._along_both(x, mixer.transform)
    np.testing.assert_allclose(spectrum, dctn(x.numpy(), axes=(1, 2), norm="ortho"), atol=1e-5)
    close(mixer._along_both(spectrum, mixer.transform.T), x)
    mixer.banks.fill_(1.0)  # shares sum to 1, so that this spectrum is not weighted
    close(mixer(x), x)


def test_haar_sub_bands_keep_all_there_is():
    x = torch.randn(2, 6, 4, 3)
    bands = haar(x)
    assert bands.shape == (2, 3, 2, 12)
    close(inverse_haar(bands), x)
    close(bands.square().sum(), x.square().sum(), 1e-3)
    pixels = x[0, 2:4, :2, 1]  # of one window of the second channel: its average times 2 comes first
    close(bands[0, 1, 0, 4], pixels.sum() / 2)
    close(bands[0, 1, 0, 5], (pixels[:, 0] - pixels[:, 1]).sum() / 2)


def test_gated_positional_attention_begins_as_a_convolution():
    """Each head's attention to places peaks at its own neighbour, for every token that has one."""
    mixer = GatedPositional(9, heads=9, side=4, strength=5.0)
    close(mixer.v(torch.eye(9)), torch.eye(9))
    mixer.gate.fill_(50.0)  # by place alone
    shares = mixer.shares(torch.randn(1, 16, 9))[0]
    close(shares.sum(-1), torch.ones(9, 16))
    for share, (dx, dy) in zip(shares, mixer.offsets().int().tolist(), strict=True):
        for token in range(16):
            x, y = token % 4 + dx, token // 4 + dy
            if 0 <= x < 4 and 0 <= y < 4:
                assert share[token].argmax() == 4 * y + x
                assert share[token].max() > 0.97  # 1 / (1 + 4 e^-5 + ...)
    assert {(dx, dy) for dx, dy in mixer.offsets().int().tolist()} == {
        (dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)
    }


def test_a_gate_in_between_mixes_content_and_place():
    mixer, x = GatedPositional(9, heads=9, side=2), torch.randn(1, 4, 9)
    both = []
    for gate in (-50.0, 50.0, 0.0):
        mixer.gate.fill_(gate)
        both.append(mixer.shares(x))
    close(both[2], (both[0] + both[1]) / 2)
    assert (both[0] - both[1]).abs().max() > 0.1


def test_a_gated_scan_is_its_recurrence_and_equals_itself_in_chunks():
    q, k, v, a = (torch.randn(2, 3, 11, d) for d in (4, 4, 5, 4))
    a = a.sigmoid()
    state, rows = np.zeros((2, 3, 4, 5)), []
    for t in range(11):
        state = a[:, :, t, :, None].numpy() * state + k[:, :, t, :, None].numpy() * v[:, :, t, None].numpy()
        rows.append(np.einsum("nhk,nhkv->nhv", q[:, :, t].numpy(), state))
    np.testing.assert_allclose(gated_scan(q, k, v, a), np.stack(rows, 2), atol=1e-5)
    for chunk in (1, 4, 11, 16):
        close(chunked_scan(q, k, v, a, chunk), gated_scan(q, k, v, a), 1e-4)
    flipped = gated_scan(*(x.flip(2) for x in (q, k, v, a))).flip(2)
    close(gated_scan(q, k, v, a, backward=True), flipped)


def test_a_decay_is_the_sixteenth_root_of_a_sigmoid():
    decay, x = Decay(6, 5), torch.randn(7, 6)
    close(decay(x), decay[1](decay[0](x)).sigmoid() ** (1 / 16))


def test_rational_functions_start_as_what_they_replace():
    x = torch.linspace(-3, 3, 400).reshape(50, 8)
    close(Rational(8, "identity")(x), x, 0.0)
    gelu = 0.5 * x.numpy() * (1 + erf(x.numpy() / 2**0.5))
    exact = {"gelu": torch.from_numpy(gelu), "silu": x * x.sigmoid(), "relu": x.relu()}
    for start, tolerance in (("gelu", 4e-3), ("silu", 1e-4), ("relu", 0.06)):
        close(Rational(4, start)(x), exact[start], tolerance)


def test_rational_functions_take_magnitudes_and_groups_of_their_own():
    f, x = Rational(2, "gelu"), torch.randn(5, 6)
    f.below.copy_(torch.randn(2, 4))
    y = x.double().numpy()
    above = sum(float(a) * y**i for i, a in enumerate(f.above))
    below = f.below.double().abs().numpy()
    for group, places in enumerate((slice(0, 3), slice(3, 6))):
        z = np.abs(y[:, places])
        expected = above[:, places] / (1 + sum(below[group, i] * z ** (i + 1) for i in range(4)))
        np.testing.assert_allclose(f(x)[:, places], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axis", [1, 2])
def test_what_is_marked_in_the_first_row_reaches_the_last_only_by_passing(axis):
    layer = Passing(3, 5)
    for conv in layer.layers:
        conv.weight.abs_()
    x = torch.zeros(1, 8, 8, 3)
    x.select(axis, 0)[..., 1] = 1.0
    assert (layer(x).select(axis, 7) > 0).all()
    for conv in layer.layers:
        conv.weight.zero_()
    close(layer(x), x)


def test_passing_is_row_by_row_down_up_right_left():
    layer, x = Passing(2, 3), torch.randn(1, 4, 5, 2)
    y = x[0].clone()  # (height, width, channels)
    for conv, (axis, order) in zip(
        layer.layers,
        [(0, range(4)), (0, range(3, -1, -1)), (1, range(5)), (1, range(4, -1, -1))],
        strict=True,
    ):
        for before, row in pairwise(order):
            line = y.select(axis, before).T[None]
            y.select(axis, row).add_(torch.nn.functional.conv1d(line, conv.weight, padding=1)[0].T.relu())
    close(layer(x)[0], y)


def test_windows_are_cut_and_put_together():
    x = torch.arange(64).reshape(1, 8, 8, 1)
    parts = windows(x, 4, 2)
    assert parts.shape == (1, 16, 4, 1)
    assert parts[0, 5, :, 0].tolist() == [18, 19, 26, 27]
    assert torch.equal(unwindowed(parts, 4, 2), x)
    assert torch.equal(unwindowed(windows(x, 2, 4), 2, 4), x)


def test_rafts_mix_one_axis_within_groups_of_every_other_channel():
    raft, x = Raft(4, 2, 1, "relu"), torch.randn(1, 4, 3, 6)
    moved = x.clone()
    moved[0, 2, 1, 4] += 1.0  # row 2, column 1, channel 4: of the second group, as channel 1 is of the first
    changed = (raft(moved) - raft(x)).abs().amax((0, 1)) > 0
    assert changed.nonzero().tolist() == [[1, 1], [1, 4]]


def test_mix_shift_rolls_groups_along_both_axes():
    layer, x = MixShift(5), torch.randn(1, 8, 8, 5)
    for conv in (*layer.across, *layer.down):  # the middle tap alone
        weight = conv.layer.weight
        weight.zero_()
        weight[..., weight.shape[2] // 2, weight.shape[3] // 2] = 1.0
        conv.layer.bias.zero_()
    expected = [x[..., i].roll(s, 2) + x[..., i].roll(s, 1) for i, s in enumerate((-2, -1, 0, 1, 2))]
    close(layer(x), torch.stack(expected, -1))


def test_pooling_of_a_constant_is_nothing_at_the_border_too():
    close(Pooling()(torch.full((1, 4, 4, 2), 3.0)), torch.zeros(1, 4, 4, 2))


def test_the_template_adds_two_residuals():
    x = torch.randn(2, 3, 3, 4)
    block = MetaBlock(Pooling(), channel_mlp(4, "gelu"), norm_of("layer"), 4, scale=0.5)
    first, second = block
    y = x + 0.5 * Pooling()(torch.nn.functional.layer_norm(x, (4,)))
    close(block(x), y + 0.5 * second.body(torch.nn.functional.layer_norm(y, (4,))))
    assert first.gain.shape == (4,)
