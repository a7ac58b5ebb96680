"""Differentiation on spike representation: gradients of weighted rates in the place of those of spikes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..neurons.errors import ConversionError, MissingExtra

try:
    import torch
except ImportError:
    raise MissingExtra("torch", "torch", "Training by representations of spikes") from None

from .binding.cell import Cell
from .binding.weighing import in_place_of, need_module
from .traces import leak_of


@contextmanager
def spike_representation(module: torch.nn.Module) -> Iterator[None]:
    """Let gradients of a feed-forward network be those of its neurons' weighted firing rates.

    With v <- b v + I, a spike where v reaches the threshold, and v <- v - R after it, the rate r of T steps
    follows the input, r = clip(I / R, 0, 1), but for what is left in v: both are means over steps t with
    weights proportional to b^(T - t). Gradients are those of r: what comes back to a neuron in all steps adds
    up, passes where 0 < I < R, is divided by R, and is shared out to the steps of the input by their
    weights. No surrogate is used, and spikes stay as they are.

    Parameters
    ----------
    module : NetworkModule
        From `rheobase.to_torch`, run at once over all steps within the context; nothing in it feeds back.
        Neurons that fire are `IF`, `LIF` or `Leaky` with `reset="soft"`, at once, without refractory time;
        all neurons have one and the same leak. Read-outs that never fire keep their own gradient: v of the
        last step is the weighted sum of what they got.

    Raises
    ------
    ConversionError
        If there are other neurons, or loops.

    Notes
    -----
    The neuron of the source is this one with factors (1 - b) and R / dt in its weights; its threshold may lie
    below what a reset takes off: `LIF(tau, threshold=0.3 * R, reset="soft", reset_by=R)`.
    Source: Q. Meng et al., IEEE/CVF Conference on Computer Vision and Pattern Recognition (2022).

    Examples
    --------
    >>> import torch
    >>> import rheobase as rb
    >>> net = rb.Network()
    >>> x, y = net.add(rb.SpikeSource(3)), net.add(rb.Population(2, rb.LIF(20e-3, reset="soft")))
    >>> out = net.add(rb.Population(1, rb.LI(20e-3)))
    >>> for a, b in ((x, y), (y, out)):
    ...     _ = net.add(rb.Projection(a, b, rb.dense(), weight=0.3, delay=0.0, name=f"to {b.n}"))
    >>> module = rb.to_torch(net, compiled=False)
    >>> with spike_representation(module):
    ...     module(torch.ones(20, 1, 3))[-1].sum().backward()
    >>> bool((module.projections["to 2"].weight.grad > 0).all())
    True
    """
    need_module(module)
    cells = {name: cell for name, cell in module.named_modules() if isinstance(cell, Cell)}
    firing = {name: cell for name, cell in cells.items() if "spike" in cell.model.rules.fire.words}
    for name, cell in firing.items():
        _check(name, cell)
    if any(getattr(stage, "cyclic", False) for stage in getattr(module, "stages", ())):
        raise ConversionError(
            "spike_representation: got a network that feeds back; allowed is one in which nothing does"
        )
    leaks = {name: leak_of(cell) for name, cell in cells.items()}
    if len(set(leaks.values())) > 1:
        raise ConversionError(f"spike_representation: got leaks of {leaks}; allowed is one for all neurons")
    handles = [cell.register_forward_hook(_rates(leaks[name])) for name, cell in firing.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def step_weights(leak: float, x: torch.Tensor) -> torch.Tensor:
    """Return what each step of x (steps, ...) counts in a weighted rate: their sum over steps is 1."""
    weights = leak ** torch.arange(len(x) - 1, -1, -1, dtype=x.dtype, device=x.device)
    return (weights / weights.sum()).reshape(-1, *[1] * (x.ndim - 1))


def _check(name: str, cell: Cell) -> None:
    options = cell.model.options()
    wanted = {"reset": "soft", "reset_delay": False, "refractory": False}
    wrong = {key: options.get(key) for key, value in wanted.items() if options.get(key) != value}
    if wrong:
        raise ConversionError(
            f"{name}: got a {type(cell.model).__name__} with {wrong}; allowed are neurons with {wanted}"
        )


def _rates(leak: float) -> Any:
    def hook(cell: Cell, given: tuple[Any, ...], found: tuple[torch.Tensor, Any, Any]) -> Any:
        inputs, state, now = given[:3]
        sent, traces, after = found
        total = sum(inputs.values())
        assert torch.is_tensor(total)
        weights = step_weights(leak, total)
        constants = cell.constants()
        with torch.no_grad():
            # What a step adds without input: a drive, and the way to rest.
            still = {n: torch.zeros_like(value) for n, value in state.items()}
            _, moved = cell.moved({}, still, now, constants)
            mean = (weights * total).sum(dim=0) + moved["v"]
            by = constants["reset_by"]
            passes = ((mean > 0) & (mean < by)).to(total.dtype) / by
        follow: Any = _Rate.apply  # it has no types
        followed: torch.Tensor = follow(total, weights, passes)
        return in_place_of(sent, followed), traces, after

    return hook


class _Rate(torch.autograd.Function):
    """Nothing on the way there; back, the gradient of a rate that follows an input, both weighted alike."""

    @staticmethod
    def forward(ctx: Any, total: torch.Tensor, weights: torch.Tensor, passes: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(weights, passes)
        return total.view_as(total)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        weights, passes = ctx.saved_tensors
        return weights * (gradients[0].sum(dim=0) * passes), None, None
