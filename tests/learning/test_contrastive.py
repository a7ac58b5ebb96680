"""The contrastive loss against sums written out, its masks, and that pairs are found after training."""

import math

import pytest

import rheobase as rb

torch = pytest.importorskip("torch")

from rheobase.learning.contrastive import ContrastiveProjection, info_nce, retrieval_accuracy  # noqa: E402

torch.set_num_threads(1)


def slow(a, b, labels, temperature, same):
    """The loss, point by point, from its definition."""
    a, b, n, total = a.tolist(), b.tolist(), len(a), 0.0
    for mine, others in ((a, b), (b, a)):
        for i in range(n):
            partners = [j for j in range(n) if labels[j] == labels[i]] if same == "attract" else [i]
            rivals = [j for j in range(n) if same != "ignore" or j == i or labels[j] != labels[i]]
            score = [
                sum(p * q for p, q in zip(mine[i], others[j], strict=True)) / temperature for j in range(n)
            ]
            below = math.log(sum(math.exp(score[j]) for j in rivals))
            total -= sum(score[j] - below for j in partners) / len(partners)
    return total / (2 * n)


@pytest.mark.parametrize("same", ["attract", "ignore", "pairs"])
def test_the_loss_is_its_definition(same):
    torch.manual_seed(0)
    a, b = torch.randn(7, 3, dtype=torch.float64), torch.randn(7, 3, dtype=torch.float64)
    labels = [0, 1, 0, 2, 1, 0, 3]
    options = {} if same == "pairs" else {"labels": torch.tensor(labels), "same": same}
    expected = slow(a, b, labels, 0.5, same)
    assert float(info_nce(a, b, temperature=0.5, **options)) == pytest.approx(expected, rel=1e-12)


def test_gradients_are_finite_where_points_are_left_out():
    a = torch.randn(4, 3, requires_grad=True)
    info_nce(a, torch.randn(4, 3), torch.tensor([0, 0, 0, 1]), same="ignore").backward()
    assert a.grad.isfinite().all()


def views(seed, n, shuffled=False):
    """Return two views of six classes, each through a mixture of its own, and the classes."""
    make = torch.Generator().manual_seed(seed)
    mix = torch.Generator().manual_seed(99)
    centres, left, right = (torch.randn(shape, generator=mix) for shape in ((6, 8), (8, 20), (8, 30)))
    labels = torch.randint(0, 6, (n,), generator=make)
    first, second = ((centres[labels] + 0.4 * torch.randn(n, 8, generator=make)) @ m for m in (left, right))
    return {"a": first, "b": second[torch.randperm(n, generator=make)] if shuffled else second}, labels


@pytest.mark.parametrize(("activation", "shuffled"), [("linear", False), ("gelu", False), ("linear", True)])
def test_what_belongs_together_is_found_in_new_samples_and_what_does_not_is_not(activation, shuffled):
    torch.manual_seed(0)
    project = ContrastiveProjection({"a": 20, "b": 30}, 12, activation=activation)
    features, labels = views(0, 200, shuffled)
    optimiser = torch.optim.Adam(project.parameters(), lr=1e-2)
    for _ in range(60):
        points = project(features)
        loss = info_nce(points["a"], points["b"], labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    new, wanted = views(1, 200)
    points = project(new)
    found = retrieval_accuracy(points["a"], points["b"], wanted, wanted)
    assert found < 0.45 if shuffled else found > 0.9
    torch.testing.assert_close(points["a"].norm(dim=1), torch.ones(200))


def test_bad_input_is_refused_by_name():
    a = torch.ones(3, 2)
    for call, message in (
        (lambda: info_nce(a, a[:2]), r"\(3, 2\) and \(2, 2\)"),
        (lambda: info_nce(a, a, temperature=0.0), "temperature=0.0"),
        (lambda: ContrastiveProjection({"a": 2}), "two modalities"),
        (lambda: ContrastiveProjection({"a": 2, "b": 0}), "ContrastiveProjection.b: got 0"),
        (lambda: ContrastiveProjection({"a": 2, "b": 2}, activation="relu"), "got 'relu'"),
        (lambda: ContrastiveProjection({"a": 2, "b": 2})({"c": a}), r"got \['c'\]"),
        (lambda: retrieval_accuracy(a, a, [0, 1], [0, 1, 2]), "got 2 and 3 labels"),
    ):
        with pytest.raises(rb.SpecError, match=message):
            call()
