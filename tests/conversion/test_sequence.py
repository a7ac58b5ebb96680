"""All steps of a population in one kernel, forward and back, against torch's own operations step by step."""

import numpy as np
import pytest

import rheobase as rb
from rheobase.learning.surrogate import ATan

torch = pytest.importorskip("torch")

from rheobase.conversion.modules.sequence import SequenceCell  # noqa: E402
from rheobase.learning.cells import Cell  # noqa: E402

STEPS, BATCH, N = 30, 3, 7
MODELS = {
    "refractory": rb.LIF(np.linspace(5e-3, 30e-3, N), refractory=2e-3),
    "adaptive": rb.ALIF(20e-3, tau_lift=50e-3, lift_step=0.1, tau_w=30e-3, b=0.05, a=0.1, reset="soft"),
}


@pytest.mark.parametrize(("name", "detach"), [("refractory", False), ("adaptive", True)])
def test_values_are_the_same_bits_and_gradients_the_same_numbers(name, detach):
    model, found = MODELS[name], []
    for kind in (Cell, SequenceCell):
        torch.manual_seed(0)
        inputs = {
            port: (torch.randn(STEPS, BATCH, N) * 0.5 + 0.2).requires_grad_() for port in model.receptors
        }
        state = {
            s.name: torch.full((BATCH, N), 4, dtype=torch.int32)
            if s.kind == "integer"
            else (torch.rand(BATCH, N) * 0.1).requires_grad_()
            for s in model.used_states
        }
        cell = kind(model, dt=1e-3, surrogate=ATan(), detach_reset=detach)
        sent, traces, last = cell(inputs, state, 3, ["v"])
        goals = [torch.randn(x.shape) for x in (sent, traces["v"], *last.values())]
        sum(
            (x * goal).sum() for x, goal in zip((sent, traces["v"], *last.values()), goals, strict=True)
        ).backward()
        given = [*inputs.values(), *(x for x in state.values() if x.requires_grad)]
        found.append(([sent, traces["v"], *last.values()], [x.grad for x in given]))
    (values, gradients), (compiled, back) = found
    assert 0.02 < float(values[0].detach().mean()) < 0.5
    assert all(torch.equal(*pair) for pair in zip(values, compiled, strict=True))
    for expected, ours in zip(gradients, back, strict=True):
        assert float((expected - ours).abs().max()) <= 1e-5 * float(expected.abs().max())
