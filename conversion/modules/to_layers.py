"""Networks as layers and neurons of snnTorch: the way back of `snntorch_layers`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ...engine.connectivity import Conv2d, Dense, OneToOne, Pool2d
from ...engine.parts import Population
from ...engine.plan import Plan
from ...engine.planned import ProjectionPlan
from ...engine.sources import CurrentSource
from ...neurons import Alpha, CubaLIF, Leaky, NeuronModel
from ...neurons.errors import ConversionError
from .module import constant_of
from .projections import synapses_of

_RESETS = {"soft": "subtract", "hard": "zero", "none": "none"}


def layers_of_network(plan: Plan) -> torch.nn.Sequential:
    """Return a chain of populations as layers and neurons: see `rheobase.to_snntorch`."""
    import snntorch

    layers: list[torch.nn.Module] = []
    chain = _chain(plan)
    for place, stage in enumerate(chain):
        neuron = _neuron(stage, plan)
        bias = stage.bias + neuron.bias
        layers += _linear(plan, stage, neuron.gain, bias if np.any(bias) else None)
        options = {**neuron.options, **_hearing_itself(plan, stage)}
        made = getattr(snntorch, ("R" if stage.back is not None else "") + neuron.kind)(
            *neuron.numbers, **options, init_hidden=True, output=place == len(chain) - 1
        )
        if stage.back is not None:
            with torch.no_grad():
                weight = torch.from_numpy(_weights(plan, stage.back) * neuron.gain)
                if hasattr(made.recurrent, "V"):
                    made.recurrent.V.copy_(weight.expand(stage.population.n))
                else:
                    made.recurrent.weight.copy_(weight.reshape(made.recurrent.weight.shape))
                    made.recurrent.bias.zero_()
        layers.append(made)
    return torch.nn.Sequential(*layers)


@dataclass(frozen=True)
class _Stage:
    """A population of a chain, and what comes to it."""

    population: Population
    into: ProjectionPlan
    back: ProjectionPlan | None
    bias: np.ndarray


@dataclass(frozen=True)
class _Neuron:
    """A neuron of snnTorch: its name, its numbers, and by what its input is to be multiplied."""

    kind: str
    numbers: tuple[Any, ...]
    options: dict[str, Any]
    gain: float = 1.0
    bias: Any = 0.0


def _chain(plan: Plan) -> list[_Stage]:
    """Return the populations from the source on, or raise ConversionError where they are no chain."""
    sources = [source for source in plan.network.sources if constant_of(source) is None]
    if len(sources) != 1:
        raise ConversionError(
            f"to_snntorch: got {len(sources)} sources to be fed; allowed is a chain from one source"
        )
    before = sources[0].label
    stages: list[_Stage] = []
    left = {population.label for population in plan.network.populations}
    while True:
        after = {p.part.target.label for p in plan.projections.values() if p.part.source.label == before}
        after -= {before}
        if not after and not left:
            return stages
        if len(after) != 1 or not after <= left:
            raise ConversionError(
                f"to_snntorch: {before} leads to {sorted(after) or 'nothing'} while {sorted(left)} are left; "
                "allowed is a chain of populations, each of which may also hear itself"
            )
        (name,) = after
        stages.append(_stage(plan, name, before))
        left -= after
        before = name


def _stage(plan: Plan, name: str, before: str) -> _Stage:
    population = plan.population(name)
    found: dict[str, list[ProjectionPlan]] = {"into": [], "back": [], "bias": []}
    for p in plan.projections.values():
        if p.part.target.label == name:
            source = p.part.source
            kind = {before: "into", name: "back"}.get(source.label)
            if kind is None and not (isinstance(source, CurrentSource) and constant_of(source) is not None):
                raise ConversionError(f"to_snntorch: {p.name} comes from the side; allowed is a chain")
            found[kind or "bias"].append(p)
            if p.part.pre.n != source.n or p.part.post.n != population.n:
                raise ConversionError(f"to_snntorch: {p.name} joins parts of populations; join all of them")
            if kind and p.delays != ((1,) if kind == "back" else (0,)):
                raise ConversionError(
                    f"to_snntorch: {p.name} has delays of {p.delays} steps; allowed is 0 from the population "
                    "before, and 1 within one"
                )
    if len(found["into"]) > 1 or len(found["back"]) > 1:
        raise ConversionError(f"to_snntorch: several projections lead to {name}; allowed is one")
    bias = np.zeros(population.n)
    for p in found["bias"]:
        constant = constant_of(p.part.source)  # type: ignore[arg-type]
        if not isinstance(p.part.connectivity, OneToOne):
            raise ConversionError(f"to_snntorch: {p.name} is a constant input; allowed is one_to_one()")
        bias += np.asarray(constant) * _weights(plan, p)
    back = found["back"][0] if found["back"] else None
    return _Stage(population, found["into"][0], back, bias)


def _neuron(stage: _Stage, plan: Plan) -> _Neuron:
    """Return a population's neuron, or raise ConversionError if snnTorch has none that spikes as it does."""
    model = stage.population.model
    where = f"to_snntorch: {stage.population.label}, a {type(model).__name__},"
    kind = _KINDS.get(type(model))
    if kind is None or not getattr(model, "reset_delay", True):
        raise ConversionError(
            f"{where} cannot go there; allowed are Leaky, CubaLIF and Alpha with reset_delay=True, as "
            "snnTorch has them"
        )
    for name, neutral in (("refractory", 0), ("escape", 0), ("v_reset", 0), ("v_rest", 0)):
        if np.any(np.asarray(getattr(model, name, neutral)) != neutral):
            raise ConversionError(f"{where} has {name}; allowed is {neutral}")
    if getattr(model, "reset_by", None) is not None or not model.strict:  # type: ignore[attr-defined]
        raise ConversionError(f"{where} cannot go there; allowed is strict=True and a reset by the threshold")
    return kind(model, plan.dt, where, stage)


def _leaky(model: Any, dt: float, where: str, stage: _Stage) -> _Neuron:
    if model.leak != "decay":
        raise ConversionError(f"{where} cannot go there; allowed is leak='decay'")
    if stage.back is not None and model.reset == "hard":
        raise ConversionError(f"{where} cannot go there: an RLeaky that resets to zero loses its input too")
    return _Neuron("Leaky", (_tensor(model.beta),), _firing(model), bias=np.asarray(model.drive))


def _synaptic(model: Any, dt: float, where: str, stage: _Stage) -> _Neuron:
    if model.reset == "hard":
        raise ConversionError(f"{where} cannot go there: a Synaptic that resets to zero loses its input too")
    constants = model.constants(dt)
    gain = np.asarray(constants["gain"]) * np.asarray(constants["gain_i"])
    if gain.ndim and np.ptp(gain) > 0:
        raise ConversionError(
            f"{where} cannot go there; allowed are the same time constants and resistance for all neurons"
        )
    numbers = _tensor(constants["decay_i"]), _tensor(constants["decay"])
    return _Neuron("Synaptic", numbers, _firing(model), gain=float(gain.flat[0]))


def _alpha(model: Any, dt: float, where: str, stage: _Stage) -> _Neuron:
    if stage.back is not None:
        raise ConversionError(f"{where} hears itself, for which snnTorch has no Alpha")
    return _Neuron("Alpha", (_tensor(model.alpha), _tensor(model.beta)), _firing(model))


_KINDS: dict[type[NeuronModel], Any] = {Leaky: _leaky, CubaLIF: _synaptic, Alpha: _alpha}


def _weights(plan: Plan, p: ProjectionPlan) -> np.ndarray:
    """Return the weights of a projection in the shape of its description, float64."""
    return synapses_of(plan, p, compiled=False).weight.detach().numpy().astype(np.float64)


def _firing(model: Any) -> dict[str, Any]:
    return {"threshold": _tensor(model.threshold), "reset_mechanism": _RESETS[model.reset]}


def _tensor(value: Any) -> Any:
    return torch.as_tensor(np.asarray(value, np.float32)) if np.ndim(value) else float(value)


def _hearing_itself(plan: Plan, stage: _Stage) -> dict[str, Any]:
    """Return how an `RLeaky` or `RSynaptic` is told what it hears of itself."""
    if stage.back is None:
        return {}
    pattern, shape = stage.back.part.connectivity, stage.population.shape
    if isinstance(pattern, Dense):
        return {"linear_features": stage.population.n}
    if isinstance(pattern, OneToOne):
        return {"all_to_all": False, "V": torch.zeros(stage.population.n)}
    if isinstance(pattern, Conv2d) and pattern.stride == pattern.dilation == (1, 1) and pattern.groups == 1:
        size = np.asarray(stage.back.part.weight).shape[2:]
        if tuple(pattern.padding) == tuple(k // 2 for k in size):
            return {"conv2d_channels": shape[0], "kernel_size": size}
    raise ConversionError(f"to_snntorch: {stage.back.name}: snnTorch has no such recurrence")


def _linear(plan: Plan, stage: _Stage, gain: float, bias: np.ndarray | None) -> list[torch.nn.Module]:
    """Return the layers that stand for a projection and a bias."""
    p, pattern = stage.into, stage.into.part.connectivity
    weight = _weights(plan, p) * gain
    before, after = p.part.source.shape, stage.population.shape
    layer: Any = None
    flat: list[torch.nn.Module] = []
    if isinstance(pattern, Dense):
        layer = torch.nn.Linear(p.part.pre.n, p.part.post.n, bias=bias is not None)
        flat = [torch.nn.Flatten()] if len(before) > 1 else []
    elif isinstance(pattern, Conv2d) and len(before) == 3:
        layer = torch.nn.Conv2d(
            before[0], after[0], weight.shape[2:], stride=pattern.stride, padding=pattern.padding,
            dilation=pattern.dilation, groups=pattern.groups, bias=bias is not None,
        )  # fmt: skip
    elif bias is None and isinstance(pattern, Pool2d) and np.all(weight == 1.0) and pattern.mode == "average":
        return [torch.nn.AvgPool2d(pattern.size, pattern.stride, pattern.padding)]
    elif bias is None and isinstance(pattern, OneToOne) and np.all(weight == 1.0):
        return [torch.nn.Identity()]
    if layer is None or (isinstance(pattern, Dense) and len(after) > 1):
        raise ConversionError(
            f"to_snntorch: {p.name} ({pattern.kind}) is no layer of a Sequential; allowed are dense() to a "
            "population of one axis, conv2d(), and pool2d() or one_to_one() of weight 1 without a bias"
        )
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight.reshape(layer.weight.shape)))
        if bias is not None:
            layer.bias.copy_(torch.from_numpy(_by_channel(bias, stage.population, p.name)))
    return [*flat, layer]


def _by_channel(bias: np.ndarray, population: Population, name: str) -> np.ndarray:
    """Return one bias for each channel of an image, or raise ConversionError if its neurons differ."""
    rows = np.array(np.broadcast_to(bias, population.n)).reshape(population.shape[0], -1)
    if np.any(rows != rows[:, :1]):
        raise ConversionError(f"to_snntorch: {name}: a convolution has one bias for each channel")
    return rows[:, 0]
