"""Online training through time: what came in earlier is remembered by the synapses, not by a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..neurons.errors import ConversionError, MissingExtra, SpecError
from ..neurons.model import Value

try:
    import torch
except ImportError:
    raise MissingExtra("torch", "torch", "Training with traces") from None

from .binding.cell import RESET, Cell
from .binding.weighing import Weighing, weighing_in, weights_see
from .sltt import StepLoss, Stepwise, sltt


class PresynapticTraces:
    """For each projection the trace of what came in, a <- decay a + events.

    A neuron that keeps `decay` of its potential in a step has been moved by one unit of weight as far as the
    trace says, so the trace takes the place of events in the gradient of the weight.

    Parameters
    ----------
    module : torch.nn.Module
        A module that is run step by step.
    decay : float or dict of str to float, optional
        What is left of a trace after a step; by name of the module that weighs, if a dict. If left out, it
        is what the neurons that a projection leads to keep of their potential, found by differentiating
        their rules.

    Raises
    ------
    SpecError
        If a decay is not from 0 to 1, or is left out where no neurons are known.
    ConversionError
        If neurons have more memory than a potential that decays: see `leak_of`.

    Examples
    --------
    >>> import torch
    >>> from rheobase.learning.binding.weighing import weights_see
    >>> layer = torch.nn.Linear(1, 1, bias=False)
    >>> traces = PresynapticTraces(layer, 0.5)
    >>> with weights_see(layer, traces):
    ...     for _ in range(3):
    ...         layer(torch.ones(1, 1)).sum().backward()
    >>> layer.weight.grad  # 1 + 1.5 + 1.75
    tensor([[4.2500]])
    """

    def __init__(self, module: torch.nn.Module, decay: float | Mapping[str, float] | None = None) -> None:
        self.decays = {name: _decay(module, name, m, decay) for name, m in weighing_in(module).items()}
        self._traces: dict[tuple[str, Any], torch.Tensor] = {}

    def __call__(self, key: tuple[str, Any], events: torch.Tensor) -> torch.Tensor:
        """Return the trace of a projection after these events of a step; for `weights_see`."""
        before = self._traces.get(key)
        trace = events if before is None else self.decays[key[0]] * before + events
        self._traces[key] = trace
        return trace

    def reset(self) -> None:
        """Forget what came in."""
        self._traces.clear()


def ottt(
    module: Any,
    x: Any,
    loss: StepLoss,
    *,
    decay: float | Mapping[str, float] | None = None,
    online: torch.optim.Optimizer | None = None,
    state: Any = None,
) -> Stepwise:
    """Online training through time: add to gradients those of each step, in which weights see traces.

    Potentials are detached between steps, so memory does not grow with their number; the trace of what came
    in, a <- decay a + s, takes the place of the events s in the gradient of every weight. The error
    goes down through the layers within the step, as in `sltt`.

    Parameters
    ----------
    module : torch.nn.Module with `run`
        As for `sltt`; synapses are its `torch.nn.Linear` and convolutions, or those of `rheobase.to_torch`.
    x, loss, online, state
        As for `sltt`. The parts of the loss are divided by the number of steps.
    decay : float or dict of str to float, optional
        As for `PresynapticTraces`, which start anew in every call.

    Returns
    -------
    Stepwise
        Loss, summed outputs, and the last state.

    Raises
    ------
    SpecError, ConversionError
        As `sltt` and `PresynapticTraces`.

    Notes
    -----
    Where the neurons of a layer neither fire nor feed others, this is the gradient of backpropagation through
    time. Source: M. Xiao et al., Advances in Neural Information Processing Systems 35 (2022).

    Examples
    --------
    >>> import torch
    >>> import rheobase as rb
    >>> net = rb.Network()
    >>> x, y = net.add(rb.SpikeSource(1)), net.add(rb.Population(1, rb.LI(1.0 / 0.6931472), name="y"))
    >>> _ = net.add(rb.Projection(x, y, rb.dense(), weight=0.5, delay=0.0, name="w"))
    >>> module = rb.to_torch(net, dt=1.0, compiled=False)
    >>> _ = ottt(module, torch.ones(3, 1, 1), lambda v, step: v.sum())
    >>> round(float(module.projections["w"].weight.grad), 3)  # (1 + 1.5 + 1.75) / 3
    1.417
    """
    with weights_see(module, PresynapticTraces(module, decay)):
        return sltt(module, x, loss, chunk=1, online=online, state=state)


def leak_of(cell: Cell) -> float:
    """Return what neurons keep of their potential in a step: the derivative of their own rules.

    Raises
    ------
    ConversionError
        If they remember more than a potential, or keep another part of it elsewhere or in other neurons.

    Examples
    --------
    >>> from rheobase.learning.surrogate import ATan
    >>> from rheobase.neurons import Leaky
    >>> round(leak_of(Cell(Leaky(0.75), dt=1e-3, surrogate=ATan())), 6)
    0.75
    """
    model = cell.model
    remembered = [s.name for s in model.used_states if s.kind == "float" and s.name not in RESET]
    if remembered:
        raise ConversionError(
            f"{type(model).__name__}: got neurons that remember {remembered} beside v; traces of what came "
            "in stand for a potential that decays alone. Use eprop, or give decay="
        )
    constants = {name: value.detach() for name, value in cell.constants().items()}
    places = model.initial().get("v", 0.0), getattr(model, "threshold", 1.0)
    kept = torch.cat([_kept(cell, constants, v).reshape(-1) for v in places])
    if not torch.allclose(kept, kept[0].expand(kept.shape), rtol=1e-5):
        raise ConversionError(
            f"{type(model).__name__}: got neurons that keep from {float(kept.min()):.3g} to "
            f"{float(kept.max()):.3g} of their potential; allowed is one share for all of a population, "
            "whatever its value. Use eprop, or give decay="
        )
    return float(kept[0])


def _kept(cell: Cell, constants: Mapping[str, torch.Tensor], at: Value) -> torch.Tensor:
    """Return the derivative of v after a step by v before it."""
    n = max((value.numel() for value in constants.values()), default=1)
    like = next((value for value in constants.values() if value.is_floating_point()), torch.zeros(()))
    state = {
        s.name: like.new_zeros(1, n, dtype=torch.int32 if s.kind == "integer" else like.dtype)
        for s in cell.model.used_states
    }
    with torch.enable_grad():
        v = torch.as_tensor(at).to(like).expand(1, n).clone().requires_grad_()
        _, moved = cell.moved({}, {**state, "v": v}, 0, constants)
        (kept,) = torch.autograd.grad(moved["v"].sum(), v)
    return kept


def _decay(
    module: torch.nn.Module, name: str, weighing: torch.nn.Module, decay: float | Mapping[str, float] | None
) -> float:
    """Return what is left of the trace of one projection after a step, or raise SpecError."""
    given = decay.get(name) if isinstance(decay, Mapping) else decay
    cell_of: Callable[[str], Cell] | None = getattr(module, "cell", None)
    if given is None and isinstance(weighing, Weighing) and cell_of is not None:
        return leak_of(cell_of(weighing.target))
    if given is None or not 0.0 <= given <= 1.0:
        raise SpecError(f"decay of {name}: got {given!r}; allowed is a number from 0 to 1")
    return float(given)
