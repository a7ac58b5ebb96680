"""Learning step by step: gradients within each step, and memory that does not grow with their number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..neurons.errors import MissingExtra, SpecError

try:
    import torch
except ImportError:
    raise MissingExtra("torch", "torch", "Training step by step") from None
from torch.nn import functional

#: What one step gave (batch, n), or a dict of that, and the number of the step -> its loss.
StepLoss = Callable[[Any, int], torch.Tensor]


class Stepped(Protocol):
    """A module that runs some steps from a state on, such as what `rheobase.to_torch` returns."""

    def run(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        """Return outputs (steps, batch, ...) for an input (steps, batch, ...), and a state with `detach`."""
        ...


@dataclass(frozen=True)
class Stepwise:
    """What learning step by step returns.

    Attributes
    ----------
    loss : tensor
        Sum over the steps that were learned from, each divided by the number of all; a number, no graph.
    outputs : tensor (batch, n), or dict of these
        Summed over all steps; no graph.
    state : object
        At the end, no graph: where the module can go on.
    """

    loss: torch.Tensor
    outputs: Any
    state: Any


def sltt(
    module: Stepped,
    x: Any,
    loss: StepLoss,
    *,
    k: int | None = None,
    generator: torch.Generator | None = None,
    online: torch.optim.Optimizer | None = None,
    state: Any = None,
) -> Stepwise:
    """Spatial learning through time: add to gradients those within each of T steps, T losses divided by T.

    The state is detached between steps, so a step's graph is gone before the next one's is made, and no
    gradient passes from one step to another, nor over a reset. What is left out is a factor of
    exp(-dt / tau) for each step back: little where neurons forget fast.

    Parameters
    ----------
    module : module with `run`
        As from `rheobase.to_torch`: `run(x[t:t + 1], state)` gives outputs (1, batch, n) and the next state.
    x : tensor (steps, batch, ...), or dict of these
        Its input.
    loss : function of an output and a step
        The output is that of one step, (batch, n), or a dict where the module returns several; the step
        counts from 0.
    k : int, optional
        Learn from so many of the steps, drawn uniformly (SLTT-K); the others run without a graph, and losses
        are still divided by T. All steps if left out.
    generator : torch.Generator, optional
        What steps are drawn from.
    online : optimiser, optional
        Take a step of it, and clear gradients, after every step; otherwise gradients add up, and are left for
        a step of the caller's.
    state : object, optional
        Where to go on; from the beginning if left out.

    Returns
    -------
    Stepwise
        Loss, summed outputs, and the last state.

    Raises
    ------
    SpecError
        If `k` is not between 1 and the number of steps, or there are outputs without steps.

    Notes
    -----
    Source: Q. Meng et al., IEEE/CVF International Conference on Computer Vision (2023). Its neuron,
    v <- v (1 - 1 / tau) + I with a soft reset, is `Leaky(1 - 1 / tau, reset="soft", reset_delay=False)`.

    Examples
    --------
    >>> import torch
    >>> import rheobase as rb
    >>> net = rb.Network()
    >>> x, y = net.add(rb.SpikeSource(3)), net.add(rb.Population(2, rb.Leaky(0.1, reset="soft")))
    >>> _ = net.add(rb.Projection(x, y, rb.dense(), weight=0.5, delay=0.0, name="w"))
    >>> module = rb.to_torch(net, compiled=False)
    >>> found = sltt(module, torch.ones(6, 1, 3), lambda sent, step: (sent - 0.5).square().mean(), k=2)
    >>> found.outputs
    tensor([[3., 3.]])
    >>> module.projections["w"].weight.grad.shape
    torch.Size([2, 3])
    """
    return step_by_step(module.run, x, loss, k=k, generator=generator, online=online, state=state)


def step_by_step(
    run: Callable[[Any, Any], tuple[Any, Any]],
    x: Any,
    loss: StepLoss,
    *,
    k: int | None = None,
    generator: torch.Generator | None = None,
    online: torch.optim.Optimizer | None = None,
    state: Any = None,
    backward: Callable[[torch.Tensor], None] = torch.autograd.backward,
) -> Stepwise:
    """Do what `sltt` does, with what takes the place of a module's `run` and of a loss's `backward`."""
    steps, batch = _size(x)
    used = _drawn(steps, k, generator)
    total, summed = torch.zeros(()), None
    for t in range(steps):
        with torch.set_grad_enabled(t in used):
            found, state = run(_step_of(x, t), state)
            output = _only_step(found, batch)
            if t in used:
                part = loss(output, t) / steps
                backward(part)
                total = total.to(part.device) + part.detach()
        state = state.detach()
        summed = _added(summed, output)
        if online is not None and t in used:
            online.step()
            online.zero_grad()
    return Stepwise(total, summed, state)


def cross_entropy_and_square(
    output: torch.Tensor, labels: torch.Tensor, *, share: float = 0.05, target: float | None = 1.0
) -> torch.Tensor:
    """Return the loss of a step: (1 - share) of the cross-entropy, and of the mean squared distance a share.

    Parameters
    ----------
    output : tensor (batch, n)
        Of one step.
    labels : int64 tensor (batch,)
        The right ones.
    share : float
        Of the square.
    target : float, optional
        What outputs are to come near: the same for all classes, which keeps them in bounds; None for 1 at
        the label and 0 elsewhere.

    Notes
    -----
    Source: S. Deng et al., International Conference on Learning Representations (2022), for the same target.

    Examples
    --------
    >>> loss = cross_entropy_and_square(torch.zeros(4, 10), torch.arange(4))
    >>> round(float(loss), 4)  # 0.95 log 10 + 0.05
    2.2375
    """
    wanted = (
        functional.one_hot(labels, output.shape[-1]).to(output.dtype)
        if target is None
        else torch.full_like(output, target)
    )
    return (1.0 - share) * functional.cross_entropy(output, labels) + share * functional.mse_loss(
        output, wanted
    )


def _size(x: Any) -> tuple[int, int]:
    """Return how many steps and samples an input has."""
    first = next(iter(x.values()), None) if isinstance(x, Mapping) else x
    if not torch.is_tensor(first) or first.ndim < 2 or not first.numel():
        got = tuple(first.shape) if torch.is_tensor(first) else type(first).__name__
        raise SpecError(f"input: got {got}; allowed is a tensor (steps, batch, ...), or a dict of these")
    return first.shape[0], first.shape[1]


def _drawn(steps: int, k: int | None, generator: torch.Generator | None) -> set[int]:
    """Return the steps to learn from."""
    if k is None:
        return set(range(steps))
    if not isinstance(k, int) or isinstance(k, bool) or not 1 <= k <= steps:
        raise SpecError(f"k: got {k!r}; allowed is a whole number from 1 to the {steps} steps of the input")
    return set(torch.randperm(steps, generator=generator)[:k].tolist())


def _step_of(x: Any, t: int) -> Any:
    return {name: value[t : t + 1] for name, value in x.items()} if isinstance(x, Mapping) else x[t : t + 1]


def _only_step(found: Any, batch: int) -> Any:
    """Return the outputs of one step without the axis of steps, or raise SpecError where there is none."""
    if isinstance(found, Mapping):
        return {name: _only_step(value, batch) for name, value in found.items()}
    if found.shape[:2] != (1, batch):
        raise SpecError(
            f"output: got {tuple(found.shape)} for one step; allowed is (1, {batch}, ...). Counts are summed "
            "over steps: take spikes instead"
        )
    return found[0]


def _added(total: Any, output: Any) -> Any:
    """Return the sum of outputs so far."""
    if isinstance(output, Mapping):
        return {name: _added(total and total[name], value) for name, value in output.items()}
    return output.detach().clone() if total is None else total + output.detach()
