"""Sums of windows are torch's, and so are their gradients."""

import pytest

torch = pytest.importorskip("torch")

from rheobase.conversion.modules.pooling import sum_windows  # noqa: E402


@pytest.mark.parametrize(
    ("size", "stride", "padding"),
    [
        ((2, 3), (2, 3), (0, 0)),
        ((1, 2), (1, 2), (0, 0)),
        ((2, 2), (1, 2), (0, 0)),
        ((2, 2), (2, 2), (1, 1)),
        ((4, 4), (4, 4), (0, 0)),  # the last columns belong to no window
    ],
)
def test_sums_of_windows_and_their_gradients_are_those_of_torch(size, stride, padding):
    generator, found = torch.Generator().manual_seed(0), []
    images = torch.randn(3, 2, 4, 6, generator=generator)
    for pool in (sum_windows, lambda *a: torch.nn.functional.avg_pool2d(*a, divisor_override=1)):
        x = images.clone().requires_grad_()
        summed = pool(x, size, stride, padding)
        goal = torch.randn(summed.shape, generator=torch.Generator().manual_seed(1))
        (summed * goal).sum().backward()
        found.append((summed, x.grad))
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))
