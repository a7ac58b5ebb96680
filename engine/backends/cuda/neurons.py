"""Which kernels a neuron model and a plasticity rule become on CUDA: one thread per neuron or synapse.

Names in a kernel say what they are (`state_v` the array, `value_v` this neuron's number), so that no
name that a model chooses can meet one of ours.
"""

from __future__ import annotations

import numpy as np

from ....learning.rule import PlasticityRule
from ....neurons.model import NeuronModel
from ....neurons.specialise import Variant
from .source import Argument, Source, device_function, draws_of, module

_TYPES = {"float": "f4", "integer": "i4"}


def update_source(model: NeuronModel, dt: float) -> Source:
    """Return the kernel `update` of a model: flow, jump and fire of one step.

    It takes the step's input from the fixed-point cells of each receptor and leaves zero there; it
    appends what fires to `spikes` (in any order) and what is sent to `payloads`.
    """
    variants = {"flow": model.rules.flow, "jump": model.rules.jump, "fire": model.rules.fire}
    draws = draws_of(*variants.values())
    constants = _constants(model, dt)
    steps = _steps_read(variants)
    arguments = (
        *(Argument(f"state_{s.name}", s.kind) for s in model.used_states),
        *constants,
        *(Argument(f"cells_{r}", "integer") for r in model.receptors),
        *(Argument(f"grid_{r}", "float", array=False) for r in model.receptors),
        *(Argument(f"draw_{d}", "float") for d in draws),
        *steps,
        Argument("spikes", "integer"),
        Argument("payloads", "float"),
        Argument("n_spikes", "integer"),
    )
    body = [f"value_{s.name} = state_{s.name}[index]" for s in model.used_states]
    body += [f"{c.name.replace('constant', 'value', 1)} = {c.name}{'[index]' * c.array}" for c in constants]
    for r in model.receptors:
        body += [f"value_{r} = mul(f4(cells_{r}[index]), grid_{r})", f"cells_{r}[index] = 0"]
    body += [f"value_{d} = draw_{d}[index]" for d in draws] + ["value_now = now"] * len(steps)
    body += [_call(name, variant, model) for name, variant in variants.items()]
    written = {name for variant in variants.values() for name in model.written(variant)}
    body += [
        f"state_{s.name}[index] = {_TYPES[s.kind]}(value_{s.name})"
        for s in model.used_states
        if s.name in written
    ]
    body += [
        "if sent != f4(0.0):",
        "    slot = cuda.atomic.add(n_spikes, 0, 1)",
        "    spikes[slot] = index",
        "    payloads[slot] = f4(sent)",
    ]
    integers = {"now", *(s.name for s in model.used_states if s.kind == "integer")}
    integers |= {c.name.removeprefix("constant_") for c in constants if c.kind == "integer"}
    functions = [device_function(variant, name, integers) for name, variant in variants.items()]
    title = f"One step of {type(model).__name__}, a thread per neuron; written from the model's rule."
    return module(title, functions, {"update": (arguments, body)})


def _constants(model: NeuronModel, dt: float) -> list[Argument]:
    found = []
    for name, value in model.constants(dt).items():
        array = np.asarray(value)
        whole = isinstance(value, (np.ndarray, np.integer)) and array.dtype.kind in "iu"
        found.append(Argument(f"constant_{name}", "integer" if whole else "float", array.ndim > 0))
    return found


def _steps_read(variants: dict[str, Variant]) -> list[Argument]:
    read = any("now" in variant.arguments for variant in variants.values())
    return [Argument("now", "integer", array=False)] * read


def _call(name: str, variant: Variant, model: NeuronModel) -> str:
    """Return the line that calls one of a model's functions and takes back the states it returns."""
    returned = ["sent"] * (name == "fire") + [f"value_{state}" for state in model.written(variant)]
    passed = [f"value_{argument}" for argument in (*variant.arguments, *draws_of(variant))]
    return f"{', '.join(returned)} = {name}({', '.join(passed)})"


def rule_source(rule: PlasticityRule) -> Source:
    """Return the kernels of a plasticity rule.

    `learn` runs over synapses: `on_pre` where a spike arrived, then `on_post` where the target
    fired. `fade_NAME` and `bump_NAME` run over the neurons that a trace remembers: before and after it.
    """
    traces = {trace.name: trace for trace in rule.traces}
    variants = {"on_pre": rule.rules.on_pre, "on_post": rule.rules.on_post}
    read = {argument for variant in variants.values() for argument in variant.arguments}
    used = [trace for name, trace in traces.items() if name in read]
    arguments = (
        *(Argument(name, "integer") for name in ("sources", "targets", "arrived", "fired")),
        Argument("weights", "float"),
        *(Argument(f"trace_{t.name}", "float") for t in used),
        *(Argument(f"constant_{name}", "float", array=False) for name in rule.constant_names),
    )
    body = ["source = sources[index]", "target = targets[index]", "value_weight = weights[index]"]
    body += [f"value_{t.name} = trace_{t.name}[{'source' if t.side == 'pre' else 'target'}]" for t in used]
    body += [f"value_{name} = constant_{name}" for name in rule.constant_names]
    for name, event in (("on_pre", "arrived[source]"), ("on_post", "fired[target]")):
        passed = ", ".join(f"value_{argument}" for argument in variants[name].arguments)
        body += [f"if {event} != 0:", f"    value_weight = {name}({passed})"]
    body.append("weights[index] = value_weight")
    kernels = {"learn": (arguments, body)}
    functions = [device_function(variant, name) for name, variant in variants.items()]
    trace_argument = Argument("trace", "float")
    for name, trace in traces.items():
        functions.append(device_function(trace.fade, f"faded_{name}"))
        functions.append(device_function(trace.bump, f"bumped_{name}"))
        kernels[f"fade_{name}"] = (
            (trace_argument, Argument("decay", "float", array=False)),
            [f"trace[index] = faded_{name}(trace[index], decay)"],
        )
        kernels[f"bump_{name}"] = (
            (trace_argument, Argument("events", "integer")),
            ["if events[index] != 0:", f"    trace[index] = bumped_{name}(trace[index])"],
        )
    title = f"How {type(rule).__name__} learns, a thread per synapse; written from the rule."
    return module(title, functions, kernels)
