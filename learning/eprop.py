"""e-prop: every synapse remembers how its neuron depends on it, and learns from what is known now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ..neurons.errors import MissingExtra, SpecError

try:
    import torch
except ImportError:
    raise MissingExtra("torch", "torch", "Training by e-prop") from None

from .binding.eligibility import Learner, projections_in, reads_out
from .sltt import StepLoss, Stepwise, step_by_step


def eprop(
    module: Any,
    x: Any,
    loss: StepLoss,
    *,
    feedback: Feedback | None = None,
    online: torch.optim.Optimizer | None = None,
    state: Any = None,
) -> Stepwise:
    """Add to gradients those of e-prop, for recurrent networks; memory does not grow with time.

    Every weight W has an eligibility, how the state h of its neuron depends on it along the neuron's own
    history, E <- (dh / dh_before) E + dh / dW, with derivatives of the neuron's own rules. The gradient of a
    step's loss by what the neuron was and got, within that step, times E adds to the gradient of W. What a
    spike does to other neurons in later steps is left out, but for read-outs: neurons that never fire
    and hear of the spike at once remember it as they do, by eligibilities filtered alike.

    So without recurrence a single layer and its read-out get the gradient of backpropagation through time.

    Parameters
    ----------
    module : NetworkModule
        From `rheobase.to_torch`; a batch normalisation only in evaluation. Projections with weights for
        single synapses, convolutions and pools learn. Those to read-outs have no delay.
    x, loss, online, state
        As for `sltt`. The parts of the loss are divided by the number of steps.
    feedback : Feedback, optional
        Weights that carry errors from read-outs back; the weights to the read-outs themselves if left out
        (symmetric e-prop).

    Returns
    -------
    Stepwise
        Loss, summed outputs, and the last state. Eligibilities start at zero in every call.

    Raises
    ------
    SpecError, ConversionError
        If the module is no such module; if weights that are to learn, or read-outs, are of another kind.

    Notes
    -----
    It takes (batch, synapses) numbers for each state variable of the neurons behind them. With
    `detach_reset=True` no eligibility passes over a reset, as in the source: G. Bellec et al., Nature
    Communications 11:3625 (2020).

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> import rheobase as rb
    >>> net, rng = rb.Network(), np.random.default_rng(0)
    >>> x = net.add(rb.SpikeSource(5, name="x"))
    >>> cells = net.add(rb.Population(8, rb.ALIF(20e-3, tau_lift=0.2, lift_step=0.1, reset="soft")))
    >>> out = net.add(rb.Population(2, rb.LI(20e-3), name="out"))
    >>> for a, b, delay in ((x, cells, 0.0), (cells, cells, 1e-3), (cells, out, 0.0)):
    ...     weight = rng.normal(0.2, 0.3, (b.n, a.n))
    ...     _ = net.add(rb.Projection(a, b, rb.dense(), weight=weight, delay=delay))
    >>> module = rb.to_torch(net, compiled=False)
    >>> found = eprop(module, torch.ones(10, 1, 5), lambda v, step: (v - 1.0).square().mean())
    >>> all(bool(p.grad.any()) for p in module.parameters())
    True
    """
    learner = Learner(module, feedback)
    with learner.listening():
        return step_by_step(learner.run, x, loss, online=online, state=state, backward=learner.backward)


class Feedback(torch.nn.Module):
    """Weights that carry errors back from read-outs in the place of the weights that lead to them.

    Parameters
    ----------
    module : NetworkModule
        Whose read-outs are meant: populations that never fire.
    kind : "random" or "adaptive"
        Whether they stay as they were drawn, or get the gradients of the weights whose place they take:
        then give them to the optimiser too, best with some weight decay for both.
    scale : float, optional
        Standard deviation; 1 / sqrt(number of neurons that are read out) if left out.
    generator : torch.Generator, optional
        What they are drawn from.

    Raises
    ------
    SpecError
        If there is no such kind, or no dense projection to a read-out.

    Examples
    --------
    >>> import torch
    >>> import rheobase as rb
    >>> net = rb.Network()
    >>> a = net.add(rb.SpikeSource(4, name="a"))
    >>> b = net.add(rb.Population(2, rb.LI(20e-3), name="b"))
    >>> _ = net.add(rb.Projection(a, b, rb.dense(), delay=0.0))
    >>> Feedback(rb.to_torch(net), "random").names
    ('projections.a->b',)
    """

    def __init__(
        self,
        module: Any,
        kind: Literal["random", "adaptive"] = "random",
        *,
        scale: float | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if kind not in ("random", "adaptive"):
            raise SpecError(f"Feedback.kind: got {kind!r}; allowed is 'random' or 'adaptive'")
        read = {name: p for name, p in projections_in(module).items() if reads_out(module, p)}
        weights = {name: p.weight for name, p in read.items()}
        if not weights or any(weight.ndim != 2 for weight in weights.values()):
            raise SpecError(
                f"Feedback.module: got {list(weights)} to populations that never fire; allowed are dense "
                "projections, one or more"
            )
        self.kind, self.names = kind, tuple(weights)
        drawn = (
            torch.randn(w.shape, generator=generator).to(w) * (w.shape[1] ** -0.5 if scale is None else scale)
            for w in weights.values()
        )
        self.weights = torch.nn.ParameterList(
            torch.nn.Parameter(values, requires_grad=kind == "adaptive") for values in drawn
        )

    def of(self, name: str) -> torch.Tensor | None:
        """Return the weights in the place of a projection's, without a gradient; None if there are none."""
        return self.weights[self.names.index(name)].detach() if name in self.names else None

    def follow(self, projections: Mapping[str, Any]) -> None:
        """Give adaptive weights the gradients that those have whose place they take."""
        for name, weights in zip(self.names, self.weights, strict=True):
            gradient = projections[name].weight.grad
            if self.kind == "adaptive" and gradient is not None:
                weights.grad = gradient.clone()
