"""Trained networks of snnTorch, a layer after the other, as networks of ours."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from ...engine.connectivity import conv2d, dense, one_to_one, pool2d
from ...engine.network import Network
from ...engine.parts import Group, Population, Probe, Projection
from ...engine.sources import CurrentSource, SpikeSource
from ...neurons import Leaky
from ...neurons.errors import ConversionError, SpecError
from .snntorch_neurons import NEURONS, array_of, model_of

#: Beyond so many entries a chain of several linear layers is not written out as one matrix.
_MOST_ENTRIES = 1 << 26
_PASSED = (torch.nn.Identity, torch.nn.Dropout, torch.nn.Dropout1d, torch.nn.Dropout2d, torch.nn.Flatten)
_NORMS = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)
_Weighted = torch.nn.Linear | torch.nn.Conv2d
_LINEAR = (
    *_PASSED, *_NORMS, torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.ConvTranspose2d,
    torch.nn.AvgPool1d, torch.nn.AvgPool2d, torch.nn.AdaptiveAvgPool2d, torch.nn.Unflatten,
)  # fmt: skip


def is_neuron(layer: Any) -> bool:
    """Say whether a module is a neuron of snnTorch."""
    return any(base.__module__ == "snntorch._neurons.neurons" for base in type(layer).__mro__)


def layers_of(module: Any) -> list[torch.nn.Module]:
    """Return the layers of a list, or of `Sequential` modules within one another, in order.

    Raises
    ------
    ConversionError
        If it is something else, whose order nobody knows.
    """
    if isinstance(module, torch.nn.Sequential | list | tuple):
        return [layer for part in module for layer in layers_of(part)]
    if not isinstance(module, torch.nn.Module):
        more = "; a state_dict goes into a network by net.with_weights" if isinstance(module, dict) else ""
        raise ConversionError(
            f"from_torch.module: got a {type(module).__name__}; allowed is a torch.nn.Module or a list of "
            f"layers{more}"
        )
    if not is_neuron(module) and [*module.children()]:
        raise ConversionError(
            f"from_torch.module: got {type(module).__name__}, in whose forward the order of layers is not "
            "to be seen; allowed is what to_torch made, a torch.nn.Sequential of layers and snnTorch's "
            "neurons, or a list of them in order, such as [net.fc1, net.lif1, net.fc2, net.lif2]"
        )
    return [module]


def network_of_layers(
    layers: Sequence[torch.nn.Module], *, input_shape: tuple[int, ...] | None, inputs: str, dt: float
) -> Network:
    """Return what layers and snnTorch's neurons are as a network: see `rheobase.from_torch`."""
    if not any(map(is_neuron, layers)):
        raise ConversionError(
            f"from_torch.module: got layers without a neuron, {[type(one).__name__ for one in layers]}; "
            "allowed are those of spiking networks. rb.convert makes one of a network that does not spike"
        )
    for layer in filter(is_neuron, layers):
        if type(layer).__name__ not in NEURONS:
            raise ConversionError(
                f"from_torch: a {type(layer).__name__} cannot be converted; allowed are {', '.join(NEURONS)}"
            )
    shape = _first_shape(layers, input_shape)
    net = Network()
    source = SpikeSource if inputs == "spikes" else CurrentSource
    before: Group = net.add(source(shape, name="input"))
    for place, (chain, neuron) in enumerate(_stages(layers), 1):
        where = f"from_torch: layers {place} ({', '.join(type(one).__name__ for one in (*chain, neuron))})"
        if place > 1 or inputs == "spikes":
            before, chain = _pooled(net, before, chain, f"pool{place}", where)
        pattern, weight, bias, shape = _connection(chain, before.shape, where)
        recurrent = getattr(neuron, "recurrent", None)
        back, again, more = _recurrence(recurrent, shape, where)
        bias = bias if more is None else more if bias is None else bias + more
        name = f"{type(neuron).__name__.lower()}{place}"
        model, fed = model_of(neuron, bias, dt, where, shape)
        after = net.add(Population(shape, model, name=name))
        net.add(Projection(before, after, pattern, weight=weight, delay=0.0, name=f"into {name}"))
        if recurrent is not None:
            net.add(Projection(after, after, back, weight=again, name=f"within {name}"))
        if fed is not None:
            constant = net.add(CurrentSource(after.n, values=fed, name=f"bias of {name}"))
            net.add(Projection(constant, after, one_to_one(), delay=0.0, name=f"bias into {name}"))
        before = after
    net.add(Probe(before, name="output"))
    return net


def _stages(layers: Sequence[torch.nn.Module]) -> Iterator[tuple[list[torch.nn.Module], Any]]:
    """Yield each neuron with the layers between the one before and it."""
    chain: list[torch.nn.Module] = []
    for layer in layers:
        if is_neuron(layer):
            yield chain, layer
            chain = []
        else:
            chain.append(layer)
    if chain:
        raise ConversionError(
            f"from_torch: the last layers, {[type(one).__name__ for one in chain]}, lead to no neuron; end "
            "with one, such as snntorch.Leaky(beta, reset_mechanism='none')"
        )


def _first_shape(layers: Sequence[torch.nn.Module], given: Any) -> tuple[int, ...]:
    if given is not None:
        sizes = (given,) if isinstance(given, int) else given
        if not isinstance(sizes, list | tuple) or not all(isinstance(n, int) and n > 0 for n in sizes):
            raise SpecError(f"from_torch.input_shape: got {given!r}; allowed are sizes above 0")
        return tuple(sizes)
    first = next((one for one in layers if not isinstance(one, torch.nn.Identity | torch.nn.Dropout)), None)
    if isinstance(first, torch.nn.Linear):
        return (first.in_features,)
    raise ConversionError(
        f"from_torch.input_shape: the first layer is a {type(first).__name__}, which does not say how large "
        "its input is; give it, as (channels, height, width)"
    )


def _pooled(
    net: Network, before: Group, chain: list[torch.nn.Module], name: str, where: str
) -> tuple[Group, list[torch.nn.Module]]:
    """Return what the largest spikes of windows make, and the layers behind them.

    The largest of some spikes is one if any of them is: a neuron without memory fires for any.
    """
    first = next((k for k, layer in enumerate(chain) if not isinstance(layer, _PASSED)), len(chain))
    pool = chain[first] if first < len(chain) else None
    if not isinstance(pool, torch.nn.MaxPool2d):
        return before, chain
    if pool.padding not in (0, (0, 0)) or pool.dilation not in (1, (1, 1)) or pool.ceil_mode:
        raise ConversionError(f"{where}: a MaxPool2d with padding, dilation or ceil_mode cannot be converted")
    with torch.no_grad():
        shape = tuple(pool(torch.zeros(1, *before.shape)).shape[1:])
    any_of = net.add(Population(shape, Leaky(0.0, threshold=0.5, reset="none"), name=name))
    pattern = pool2d(pool.kernel_size, stride=pool.stride, kind="sum")
    net.add(Projection(before, any_of, pattern, weight=1.0, delay=0.0, name=f"into {name}"))
    return _pooled(net, any_of, chain[first + 1 :], f"{name} again", where)


def _connection(
    chain: list[torch.nn.Module], before: tuple[int, ...], where: str
) -> tuple[Any, Any, np.ndarray | None, tuple[int, ...]]:
    """Return pattern, weights, bias (n,) and the shape after layers without neurons."""
    others = [type(layer).__name__ for layer in chain if not isinstance(layer, _LINEAR)]
    if others:
        pool = ": put it behind the neuron, or take an AvgPool2d" if "MaxPool2d" in others else ""
        allowed = ", ".join(layer.__name__ for layer in _LINEAR)
        raise ConversionError(
            f"{where}: {others} cannot be converted; allowed between neurons are {allowed}, and MaxPool2d of "
            f"spikes{pool}"
        )
    try:
        with torch.no_grad():
            shape = tuple(_through(chain, torch.zeros(1, *before)).shape[1:])
    except (RuntimeError, ValueError) as error:
        raise ConversionError(f"{where}: inputs of shape {before} do not fit: {error}") from None
    core = _folded([layer for layer in chain if not isinstance(layer, _PASSED)])
    if not core:
        return one_to_one(), 1.0, None, shape
    native = _native(core[0], before, shape) if len(core) == 1 else None
    if native is not None:
        return *native, shape
    matrix, bias = _written_out(chain, before, where)
    return dense(), matrix, bias if bias.any() else None, shape


def _native(
    one: torch.nn.Module, before: tuple[int, ...], shape: tuple[int, ...]
) -> tuple[Any, Any, np.ndarray | None] | None:
    """Return pattern, weights and bias of a layer that is one of our patterns; None if it is not."""
    if isinstance(one, torch.nn.Linear) and len(shape) == 1 and np.prod(before) == one.in_features:
        return dense(), array_of(one.weight), _spread(one, shape)
    if (
        isinstance(one, torch.nn.Conv2d)
        and one.padding_mode == "zeros"
        and one.padding not in ("same", "valid")
    ):
        options: Any = {"stride": one.stride, "padding": one.padding, "dilation": one.dilation}
        return conv2d(groups=one.groups, **options), array_of(one.weight), _spread(one, shape)
    if isinstance(one, torch.nn.AvgPool2d) and one.padding in (0, (0, 0)) and not one.ceil_mode:
        if one.divisor_override is None:
            return pool2d(one.kernel_size, stride=one.stride), 1.0, None
    return None


def _through(chain: Sequence[torch.nn.Module], x: torch.Tensor) -> torch.Tensor:
    """Return what layers make of a batch, in evaluation."""
    for layer in chain:
        x = copy.deepcopy(layer).eval().cpu().to(x.dtype)(x)
    return x


def _folded(chain: list[torch.nn.Module]) -> list[torch.nn.Module]:
    """Return layers with normalisations in the weights of those before them."""
    folded: list[torch.nn.Module] = []
    for layer in chain:
        if isinstance(layer, _NORMS) and folded and isinstance(folded[-1], _Weighted):
            folded[-1] = _fold(folded[-1], layer)
        else:
            folded.append(layer)
    return folded


def _fold(layer: Any, norm: Any) -> torch.nn.Module:
    """Return a layer followed by a normalisation with fixed statistics as a layer of its kind, in float64."""
    if norm.running_mean is None:
        raise ConversionError(
            f"from_torch: a {type(norm).__name__} without running statistics depends on the batch; train it "
            "with track_running_stats=True"
        )
    scale = 1.0 / np.sqrt(array_of(norm.running_var) + norm.eps)
    scale = scale if norm.weight is None else scale * array_of(norm.weight)
    bias = 0.0 if layer.bias is None else array_of(layer.bias)
    bias = (bias - array_of(norm.running_mean)) * scale
    bias = bias if norm.bias is None else bias + array_of(norm.bias)
    folded = copy.deepcopy(layer)
    weight = array_of(layer.weight) * scale.reshape(-1, *[1] * (layer.weight.ndim - 1))
    folded.weight = torch.nn.Parameter(torch.from_numpy(weight.astype(np.float32)))
    folded.bias = torch.nn.Parameter(torch.from_numpy(bias.astype(np.float32)))
    return folded


def _written_out(
    chain: list[torch.nn.Module], before: tuple[int, ...], where: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return several layers that are linear together as one matrix [n_out, n_in] and a bias."""
    n = int(np.prod(before))
    layers = [torch.nn.Unflatten(1, before), *chain, torch.nn.Flatten()]
    with torch.no_grad():
        bias = _through(layers, torch.zeros(1, n, dtype=torch.float64))[0]
        if n * bias.numel() > _MOST_ENTRIES:
            raise ConversionError(
                f"{where}: together they would be a matrix of {bias.numel()} x {n}; put a neuron between them"
            )
        rows = _through(layers, torch.eye(n, dtype=torch.float64)) - bias
    return rows.T.numpy(), bias.numpy()


def _recurrence(recurrent: Any, shape: tuple[int, ...], where: str) -> tuple[Any, Any, np.ndarray | None]:
    """Return pattern, weights and bias by which a layer hears itself."""
    if recurrent is None:
        return None, None, None
    if hasattr(recurrent, "V"):
        return one_to_one(), np.broadcast_to(array_of(recurrent.V), int(np.prod(shape))).copy(), None
    found = _native(recurrent, shape, shape)
    if found is None:
        raise ConversionError(
            f"{where}: a recurrent {type(recurrent).__name__} cannot be converted; use a Linear or a Conv2d"
        )
    return found


def _spread(layer: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return a layer's bias for each neuron behind it; None if there is none."""
    if layer.bias is None:
        return None
    bias = array_of(layer.bias).reshape(-1, *[1] * (len(shape) - 1))
    return np.broadcast_to(bias, shape).reshape(-1).copy()
