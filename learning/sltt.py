"""Learning step by step: gradients within each step, and memory that does not grow with their number."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
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


class Detached(Stepped, Protocol):
    """A module that keeps the gradients of steps apart by itself, so that many run at once."""

    def run_detached(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        """Return what `run` does, one step at a time, if the state is detached between steps."""
        ...

    def steps_at_once(self, batch: int) -> int:
        """Return how many steps of so many samples are worth running at once."""
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
    chunk: int | None = None,
    online: torch.optim.Optimizer | None = None,
    state: Any = None,
) -> Stepwise:
    """Spatial learning through time: add to gradients those within each of T steps, T losses divided by T.

    No gradient passes from one step to another, neither by what neurons remember, nor over a reset, nor by
    spikes that arrive in later steps. What is left out is a factor of exp(-dt / tau) for each step back:
    little where neurons forget fast. The graph of a few steps is gone before that of the next ones is made.

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
    chunk : int, optional
        Of a module with `run_detached`, such as that of `rheobase.to_torch`, so many steps run at once, which
        takes less time, and memory for the graph of so many instead of one. Gradients are the same but for
        rounding. If left out as many as the module says, up to 64, and fewer of larger networks; 1 of all
        other modules, and where `online` changes weights between steps.
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
        If `k` is not between 1 and the number of steps, `chunk` not what the module or `online` allows, or
        there are outputs without steps.

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
    run, size = _runner(module, x, chunk, online)
    return step_by_step(run, x, loss, k=k, generator=generator, chunk=size, online=online, state=state)


def step_by_step(
    run: Callable[[Any, Any], tuple[Any, Any]],
    x: Any,
    loss: StepLoss,
    *,
    k: int | None = None,
    generator: torch.Generator | None = None,
    chunk: int = 1,
    online: torch.optim.Optimizer | None = None,
    state: Any = None,
    backward: Callable[[torch.Tensor], None] = torch.autograd.backward,
) -> Stepwise:
    """Do what `sltt` does, with what takes the place of a module's `run` and of a loss's `backward`."""
    steps, batch = _size(x)
    used = _drawn(steps, k, generator)
    total, summed = torch.zeros(()), None
    for piece in _pieces(steps, used, chunk):
        learns = piece.start in used
        with torch.set_grad_enabled(learns):
            found, state = run(_part_of(x, piece), state)
            outputs = _by_step(found, len(piece), batch)
            if learns:
                losses = [loss(output, t) for output, t in zip(outputs, piece, strict=True) if t in used]
                part = torch.stack([_number(one) for one in losses]).sum() / steps
                backward(part)
                total = total.to(part.device) + part.detach()
                del losses, part
        state = state.detach()
        summed = _added(summed, found)
        del found, outputs  # with the graph of these steps, before that of the next ones is made
        if online is not None and learns:
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


def _runner(
    module: Any, x: Any, chunk: int | None, online: torch.optim.Optimizer | None
) -> tuple[Callable[[Any, Any], tuple[Any, Any]], int]:
    """Return what runs steps, and how many at once, or raise SpecError."""
    if not hasattr(module, "run"):
        raise SpecError(
            f"module: got a {type(module).__name__}; allowed is one that has `run(x, state)`, such as "
            "rb.to_torch(network)"
        )
    together = getattr(module, "run_detached", None)
    alone = together is None or online is not None
    if chunk is None:
        chunk = 1 if alone else module.steps_at_once(_size(x)[1])
    if not isinstance(chunk, int) or isinstance(chunk, bool) or chunk < 1:
        raise SpecError(f"chunk: got {chunk!r}; allowed is a whole number of steps from 1")
    if chunk > 1 and alone:
        reason = "a module without `run_detached`" if together is None else "an optimiser that steps `online`"
        raise SpecError(f"chunk: got {chunk} with {reason}; allowed is 1")
    return (module.run if together is None or chunk == 1 else together), chunk


def _number(loss: Any) -> torch.Tensor:
    """Return the loss of a step if it is one number, or raise SpecError."""
    if not torch.is_tensor(loss) or loss.numel() != 1:
        got = tuple(loss.shape) if torch.is_tensor(loss) else type(loss).__name__
        raise SpecError(f"loss: got {got}; allowed is a function of (output, step) that returns one number")
    return loss


def _drawn(steps: int, k: int | None, generator: torch.Generator | None) -> set[int]:
    """Return the steps to learn from."""
    if k is None:
        return set(range(steps))
    if not isinstance(k, int) or isinstance(k, bool) or not 1 <= k <= steps:
        raise SpecError(f"k: got {k!r}; allowed is a whole number from 1 to the {steps} steps of the input")
    return set(torch.randperm(steps, generator=generator)[:k].tolist())


def _pieces(steps: int, used: Collection[int], chunk: int) -> Iterator[range]:
    """Return ranges of up to `chunk` steps: those with steps to learn from begin and end with such a step."""
    t = 0
    while t < steps:
        piece = range(t, min(t + chunk, steps))
        learned = [step for step in piece if step in used]
        if learned:
            piece = range(t, learned[-1] + 1) if learned[0] == t else range(t, learned[0])
        yield piece
        t = piece.stop


def _part_of(x: Any, piece: range) -> Any:
    if isinstance(x, Mapping):
        return {name: value[piece.start : piece.stop] for name, value in x.items()}
    return x[piece.start : piece.stop]


def _by_step(found: Any, steps: int, batch: int) -> Sequence[Any]:
    """Return the outputs of each step, or raise SpecError where they have no axis of steps."""
    if isinstance(found, Mapping):
        each = {name: _by_step(value, steps, batch) for name, value in found.items()}
        return [dict(zip(each, values, strict=True)) for values in zip(*each.values(), strict=True)]
    if found.ndim < 3 or found.shape[:2] != (steps, batch):
        raise SpecError(
            f"output: got {tuple(found.shape)} for {steps} step{'s'[: steps - 1]}; allowed is "
            f"({steps}, {batch}, ...). Counts are summed over steps: take spikes instead"
        )
    unbound: Sequence[torch.Tensor] = found.unbind()
    return unbound


def _added(total: Any, output: Any) -> Any:
    """Return the sum of outputs so far and of those of some steps."""
    if isinstance(output, Mapping):
        return {name: _added(total and total[name], value) for name, value in output.items()}
    more = output.detach().sum(dim=0)
    return more if total is None else total + more
