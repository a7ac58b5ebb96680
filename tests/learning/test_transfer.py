"""Alignment of features against a kernel written out, its invariances, and the parts of the loss."""

import numpy as np
import pytest

import rheobase as rb

torch = pytest.importorskip("torch")

from rheobase.learning.transfer import (  # noqa: E402
    Transfer,
    cka,
    moving_frames,
    pairs,
    replacement,
    slide,
    static_frames,
    tet_loss,
)


def features(seed=0, shape=(12, 5)):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def written_out(x, y):
    """The biased Hilbert-Schmidt criterion by its definition: traces of K H L H, with a centring matrix H."""
    n = len(x)
    h = np.eye(n) - np.ones((n, n)) / n
    k, m = x @ x.T, y @ y.T

    def hsic(a, b):
        return np.trace(a @ h @ b @ h) / (n - 1) ** 2

    return hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))


def test_alignment_is_that_of_its_definition_in_every_step():
    x, y = features(0, (3, 12, 5)), features(1, (3, 12, 7)) + 2.0
    expected = [written_out(a, b) for a, b in zip(x.numpy(), y.numpy(), strict=True)]
    np.testing.assert_allclose(cka(x, y).numpy(), expected, rtol=1e-6)
    assert 0.05 < min(expected) < max(expected) < 0.9


def test_alignment_of_features_with_themselves_is_one():
    x = features()
    assert float(cka(x, x)) == pytest.approx(1.0, abs=1e-6)


def test_alignment_is_invariant_to_rotation_scale_and_shift():
    x, y = features(0), features(1, (12, 7))
    turn = torch.linalg.qr(features(2, (5, 5)))[0]
    expected = float(cka(x, y))
    for other in (x @ turn, 30.0 * x, 0.1 * x, x + features(3, (5,))):
        assert float(cka(other, y)) == pytest.approx(expected, abs=1e-5)
    assert abs(float(cka(x @ features(4, (5, 5)), y)) - expected) > 0.01


def test_silent_features_align_with_nothing_and_have_a_gradient():
    silent = torch.zeros(12, 5, requires_grad=True)
    found = cka(silent, features().float())
    found.backward()
    assert float(found.detach()) == 0.0
    assert bool(silent.grad.isfinite().all())


def test_steps_are_weighed_by_cross_entropy_and_distance():
    outputs, labels = features(0, (4, 6, 3)), torch.tensor([0, 1, 2, 0, 1, 2])
    weights = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    logs = outputs.numpy() - np.log(np.exp(outputs.numpy()).sum(axis=2, keepdims=True))
    entropies = -logs[:, np.arange(6), labels.numpy()].mean(axis=1)
    squares = ((outputs.numpy() - 0.5) ** 2).mean(axis=(1, 2))
    expected = (weights.numpy() * (0.8 * entropies + 0.2 * squares)).mean()
    assert float(tet_loss(outputs, labels, weights=weights, share=0.2)) == pytest.approx(expected, rel=1e-9)
    assert float(tet_loss(outputs, labels)) == pytest.approx(
        (0.999 * entropies + 0.001 * squares).mean(), rel=1e-9
    )


def test_the_loss_is_the_sum_of_its_parts_and_its_steps_are_learned():
    static, events, labels = features(0, (4, 6, 3)), features(1, (4, 6, 3)), torch.tensor([0, 1, 2, 0, 1, 2])
    a, b = features(2, (4, 6, 2, 5)), features(3, (4, 6, 2, 5))
    transfer = Transfer(4, weight=0.7).double()
    with torch.no_grad():
        transfer.c.copy_(torch.tensor([-1.0, 0.0, 1.0, 2.0]))
    gates = torch.sigmoid(transfer.c)
    torch.testing.assert_close(transfer.gates, gates.detach())
    apart = 1.0 - torch.stack([cka(x.flatten(1), y.flatten(1)) for x, y in zip(a, b, strict=True)])
    expected = (
        tet_loss(static, labels)
        + tet_loss(events, labels, weights=1.0 - gates)
        + 0.7 * (gates * apart).mean()
    )
    found = transfer(static, events, labels, a, b)
    torch.testing.assert_close(found, expected)
    found.backward()
    assert bool((transfer.c.grad != 0.0).all())


def test_nothing_is_to_be_aligned_once_both_inputs_are_the_same():
    events = features(1, (6, 8, 2, 3, 3)).float()
    static = slide(features(0, events.shape).float(), events, replacement(1.0))
    assert torch.equal(static, events)
    layer = torch.nn.Conv2d(2, 3, 2)
    seen = [layer(x.flatten(0, 1)).unflatten(0, (6, 8)) for x in (static, events)]
    assert float(Transfer(6).domain(*seen).detach()) == pytest.approx(0.0, abs=1e-5)


def test_whole_samples_are_replaced_with_the_probability_given():
    static, events = torch.zeros(3, 4000, 2), torch.ones(3, 4000, 2)
    mixed = slide(static, events, 0.3, torch.Generator().manual_seed(0))
    of_each = mixed.mean(dim=(0, 2))
    assert set(of_each.tolist()) == {0.0, 1.0}
    assert float(of_each.mean()) == pytest.approx(0.3, abs=0.03)
    assert torch.equal(slide(static, events, 0.0), static)


def test_partners_have_the_same_class_and_all_come_in_turn():
    labels, of = np.repeat([3, 1, 4], 200), np.array([4, 1, 1, 3, 0, 4, 1])
    found = pairs(labels, of, np.random.default_rng(0))
    np.testing.assert_array_equal(of[found], labels)
    assert set(found) == {0, 1, 2, 3, 5, 6}


def test_images_are_shown_in_every_step_and_channel_by_their_brightness():
    images = features(0, (3, 3, 4, 5)).abs()
    frames = static_frames(images, 6)
    assert frames.shape == (6, 3, 2, 4, 5)
    np.testing.assert_array_equal(frames[4, :, 1].numpy(), images.numpy().max(axis=1))
    assert torch.equal(static_frames(images[:, 0], 2, 1)[1, :, 0], images[:, 0])


def test_moved_images_change_where_a_camera_sends_events():
    images = (features(0, (3, 6, 7)) > 0.5).float()
    moves = [(1, 0), (0, -2), (-2, 3)]
    found = moving_frames(images, moves)
    assert found.shape == (3, 3, 2, 6, 7)
    camera = rb.datasets.EventCamera(on=0.5, off=0.5, floor=0.1)
    for frames, (right, down) in zip(found, moves, strict=True):
        around = np.pad(images.numpy(), ((0, 0), (3, 3), (3, 3)))
        moved = np.roll(around, (down, right), axis=(1, 2))[:, 3:9, 3:10]
        for n in range(3):
            events = camera.watch(np.stack([images[n].numpy(), moved[n]]), [0.0, 1e-3])
            sent = np.zeros((2, 6, 7))
            sent[events.p.astype(int), events.y, events.x] = 1.0
            np.testing.assert_array_equal(frames[n].numpy(), sent)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cka(features(0, (4, 5)), features(0, (3, 5))), r"cka: got \(4, 5\) and \(3, 5\)"),
        (lambda: cka(features(0, (1, 5)), features(0, (1, 5))), "of 2 samples or more"),
        (lambda: slide(features(), features(0, (3, 5)), 0.5), "slide: got images"),
        (lambda: replacement(1.5), r"replacement\.done: got 1\.5"),
        (lambda: pairs([1, 2], [1, 3], np.random.default_rng(0)), r"pairs\.of: got no \[2\]"),
        (lambda: moving_frames(features(0, (2, 4, 5)), []), r"moving_frames\.moves: got none"),
        (lambda: Transfer(3)(*[features(0, (2, 4, 3))] * 5), r"Transfer\.static: got 2 steps"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(rb.SpecError, match=message):
        call()
