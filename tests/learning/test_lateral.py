"""Lateral connections against a twin and the principal subspace; what rows span of earlier tasks."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
from rheobase.learning.hlop import Lateral  # noqa: E402


def in_a_subspace(n, k, samples, seed=0, noise=0.05):
    """Return inputs most of whose energy lies in k dimensions, the strongest direction 3 times as strong."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(n, k)))[0].T
    x = rng.normal(size=(samples, k)) * np.linspace(3.0, 1.0, k) @ basis
    return torch.from_numpy((x + noise * rng.normal(size=(samples, n))).astype(np.float32))


def learned(x, rows, batches=150, **options):
    lateral = Lateral(x.shape[1], **{"rate": 0.02, **options})
    lateral.grow(rows, torch.Generator().manual_seed(1))
    for k in range(batches):
        lateral.learn(x[20 * (k % 10) : 20 * (k % 10) + 20])
    return lateral


@pytest.mark.parametrize("levels", [None, 4], ids=["numbers", "levels"])
@pytest.mark.parametrize("samples", [8, 40], ids=["fewer than inputs", "more"])
@pytest.mark.parametrize("old", [0, 3])
def test_rows_change_as_their_equations_say(twins, samples, old, levels):
    x = in_a_subspace(15, 6, samples, seed=4)
    lateral = Lateral(15, rate=0.03, clip=0.4, levels=levels, bound=2.0, exact=False)
    lateral.grow(old, torch.Generator().manual_seed(1))
    lateral.merge()
    lateral.grow(4, torch.Generator().manual_seed(2))
    before = {name: getattr(lateral, name).numpy().astype(np.float64) for name in ("old", "new", "drift")}
    expected = before["new"], before["drift"]

    def told(y):
        return y if levels is None else np.round(2.0 * np.clip(y, -2.0, 2.0)) / 2.0

    for _ in range(3):
        lateral.learn(x)
        expected = twins.lateral.learn(
            before["old"], *expected, x.numpy().astype(np.float64), 0.03, clip=0.4, told=told
        )
    np.testing.assert_allclose(lateral.new.numpy(), expected[0], atol=2e-6)
    np.testing.assert_allclose(lateral.drift.numpy(), expected[1], atol=2e-6)
    np.testing.assert_array_equal(lateral.old.numpy(), before["old"])
    assert np.abs(expected[1]).max() > 0.01


def test_rows_converge_to_the_principal_subspace_and_to_be_orthonormal():
    x = in_a_subspace(30, 12, 200)
    lateral = Lateral(30, rate=0.02)
    lateral.grow(6, torch.Generator().manual_seed(1))
    for _ in range(200):
        lateral.learn(x)
    principal = np.linalg.svd(x.numpy(), full_matrices=False)[2][:6]
    ours = np.linalg.qr(lateral.new.numpy().T)[0]
    assert np.linalg.svd(principal @ ours)[1].min() > 0.999
    assert lateral.deviation() < 0.01
    lateral.merge()
    gradient = torch.randn(8, 30, generator=torch.Generator().manual_seed(2)) @ x.T @ x
    size = gradient.norm()
    lateral.project(gradient)
    assert (gradient @ lateral.old.T).norm() < 0.01 * gradient.norm() < 0.01 * size
    best = ((x.numpy() @ principal.T) ** 2).sum() / (x.numpy() ** 2).sum()
    assert lateral.captured(x) == pytest.approx(best, abs=1e-3)


def test_new_rows_learn_what_old_ones_leave():
    first, second = in_a_subspace(30, 4, 200, seed=0), in_a_subspace(30, 4, 200, seed=1)
    lateral = learned(first, 4)
    assert lateral.captured(first) > 0.98
    assert lateral.captured(second) < 0.5
    lateral.merge()
    lateral.grow(4, torch.Generator().manual_seed(3))
    old = lateral.old.clone()
    assert (lateral.new @ old.T).abs().max() < 1e-6
    for k in range(300):
        lateral.learn(second[20 * (k % 10) : 20 * (k % 10) + 20])
    assert torch.equal(lateral.old, old)
    assert lateral.captured(first) > 0.97
    assert lateral.captured(second) > 0.95
    assert lateral.deviation() < 0.02
    assert (lateral.new @ old.T).abs().max() < 1e-6


def test_what_is_left_of_a_gradient_has_nothing_in_the_span_of_rows_of_any_task():
    lateral, spanned = Lateral(30, rate=0.02), []
    for seed in range(3):
        lateral.grow(4, torch.Generator().manual_seed(seed))
        x = in_a_subspace(30, 6, 200, seed=seed)
        for _ in range(10):
            lateral.learn(x)
        spanned.append(lateral.new.clone())
        lateral.merge()
    assert (spanned[0] @ spanned[0].T - torch.eye(4)).abs().max() > 0.01
    assert lateral.deviation() < 1e-6
    gradient = torch.randn(8, 30, generator=torch.Generator().manual_seed(2))
    lateral.project(gradient)
    assert gradient.norm() > 5.0
    assert (gradient @ torch.cat(spanned).T).abs().max() < 1e-5


def test_rows_that_span_nothing_of_their_own_are_left_out():
    lateral = Lateral(9)
    lateral.grow(2, torch.Generator().manual_seed(0))
    lateral.merge()
    own = torch.linalg.qr(torch.randn(9, 3, generator=torch.Generator().manual_seed(1))).Q.T
    lateral.new = torch.stack([own[0], own[0] + 1e-5 * own[1], 0.3 * own[2], lateral.old[0], 0.0 * own[0]])
    lateral.merge()
    assert len(lateral.old) == 4
    assert lateral.deviation() < 1e-6
    torch.testing.assert_close(own[[0, 2]] @ lateral.old.T @ lateral.old, own[[0, 2]])
    assert len(lateral.new) == len(lateral.drift) == 0


def test_rows_are_kept_as_they_were_learned_if_not_exact():
    lateral = Lateral(30, exact=False)
    lateral.grow(8, torch.Generator().manual_seed(0))
    lateral.learn(in_a_subspace(30, 4, 200))
    learned = lateral.new.clone()
    lateral.merge()
    assert torch.equal(lateral.old, learned)
    lateral.grow(8, torch.Generator().manual_seed(1))
    assert (lateral.new @ learned.T).abs().max() > 0.1
    assert lateral.deviation() > 0.1


def test_subspace_neurons_that_tell_in_many_levels_learn_as_those_that_tell_numbers():
    x = in_a_subspace(30, 12, 200)
    exact, fine, coarse = (learned(x, 6, 60, levels=levels) for levels in (None, 20_000, 40))
    torch.testing.assert_close(fine.new, exact.new, atol=2e-3, rtol=0.0)
    assert coarse.captured(x) > exact.captured(x) - 0.02
    assert torch.equal(coarse.activity(torch.eye(30), 7.3 * torch.eye(30)[:2])[0], torch.tensor([7.5, 0.0]))
    assert float(coarse.activity(torch.eye(30), 99.0 * torch.eye(30)).max()) == 20.0
