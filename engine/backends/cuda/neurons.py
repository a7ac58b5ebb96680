"""The update of a model as source: 32 neurons over the steps of a strip, their state in registers.

Names in it say what they are (`value_v` this neuron's number, `at_v` where its array begins), so that no
name that a model chooses can meet one of ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....neurons.model import NeuronModel
from ...planned import GroupPlan
from ..draws import draws_of
from .fields import G_OWN, R_FIXED, R_FLOAT, R_NOISE, R_STEP, RECEPTOR
from .source import NUMBER, device_function


@dataclass(frozen=True)
class Layout:
    """What a population's record holds behind the fields that all groups have.

    Attributes
    ----------
    keys : int
        Where its record says where the keys of its random numbers lie.
    states : tuple of (name, kind)
        State variables: where each array begins.
    constants : tuple of (name, whole)
        Constants: where each begins, and by how much to step from neuron to neuron, 0 or 1.
    receptors : tuple of (name, fixed, floating, noisy)
        Receptors, `RECEPTOR` fields each, and which sums they have.
    takes : bool
        Whether a last field says where an operator's output lies, which stands in place of all input.
    """

    states: tuple[tuple[str, str], ...]
    constants: tuple[tuple[str, bool], ...]
    receptors: tuple[tuple[str, bool, bool, bool], ...]
    takes: bool = False

    @property
    def keys(self) -> int:
        return G_OWN

    @property
    def first_state(self) -> int:
        return G_OWN + 1

    @property
    def first_constant(self) -> int:
        return self.first_state + len(self.states)

    @property
    def first_receptor(self) -> int:
        return self.first_constant + 2 * len(self.constants)

    @property
    def taken(self) -> int:
        return self.first_receptor + RECEPTOR * len(self.receptors)

    @property
    def size(self) -> int:
        """Fields of the whole record."""
        return self.taken + self.takes


def layout_of(model: NeuronModel, dt: float, group: GroupPlan, noisy: set[str]) -> Layout:
    """Return how the record of a population is laid out; `noisy` receptors have a private source."""
    constants = []
    for name, value in model.constants(dt).items():
        whole = isinstance(value, np.ndarray | np.generic) and np.asarray(value).dtype.kind in "iu"
        constants.append((name, whole))
    return Layout(
        tuple((state.name, state.kind) for state in model.used_states),
        tuple(constants),
        tuple((r.name, r.grid is not None, r.floating, r.name in noisy) for r in group.receptors),
        model.takes,
    )


def update_source(model: NeuronModel, layout: Layout) -> str:
    """Return the device functions of a model's rules and the one, `update__N`, that updates 32 neurons."""
    name = f"update{NUMBER}"
    variants = {"flow": model.rules.flow, "jump": model.rules.jump, "fire": model.rules.fire}
    draws = draws_of(*variants.values())
    integers = {"now", *(s for s, kind in layout.states if kind == "integer")}
    integers |= {c for c, whole in layout.constants if whole}
    functions = [device_function(v, f"{name}_{rule}", integers) for rule, v in variants.items()]
    before, step, after = [], [], []
    for k, (state, kind) in enumerate(layout.states):
        array = "m.reals" if kind == "float" else "m.wholes"
        before.append(f"at_{state} = t[g + {layout.first_state + k}] + trial * n + place")
        before.append(f"value_{state} = {array}[at_{state}]")
        after.append(f"{array}[at_{state}] = value_{state}")
    for k, (constant, whole) in enumerate(layout.constants):
        at = layout.first_constant + 2 * k
        array = "m.wholes" if whole else "m.reals"
        before.append(f"value_{constant} = {array}[t[g + {at}] + place * t[g + {at + 1}]]")
    if draws:
        before.append(f"key = m.longs[t[g + {layout.keys}] + trial]")
        step += [f"value_{d.argument} = {d.word}_of(drawn_bits(key, now, {d.counter}, place))" for d in draws]
    for k, (receptor, *sums) in enumerate(layout.receptors):
        lines = _input(receptor, layout.first_receptor + RECEPTOR * k, *sums)
        before, step, after = before + lines[0], step + lines[1], after + lines[2]
    if layout.takes:
        step.append(f"value_taken = m.reals[t[g + {layout.taken}] + trial * n + place]")
    if any("now" in variant.arguments for variant in variants.values()):
        step.append("value_now = i4(now)")
    updated: list[str] = []
    for rule, variant in variants.items():
        returned = ["sent"] * (rule == "fire") + [f"value_{state}" for state in model.written(variant)]
        passed = [*variant.arguments, *(draw.argument for draw in draws_of(variant))]
        updated.append(
            f"{', '.join(returned)} = {name}_{rule}({', '.join(f'value_{argument}' for argument in passed)})"
        )
    kinds = dict(layout.states)
    written = {state for variant in variants.values() for state in model.written(variant)}
    for kind, word in (("integer", "i4"), ("float", "real")):
        mine = [state for state in sorted(written) if kinds[state] == kind]
        updated += [f"value_{state} = {word}(value_{state})" for state in mine]
    if model.at_rest_without_input:
        came = " or ".join(f"value_{receptor} != 0" for receptor, *_ in layout.receptors)
        updated = ["sent = real(0.0)", f"if {came}:", *(f"    {line}" for line in updated)]
    step += updated
    step += _outcome(model.payload, layout, written)
    return "\n\n\n".join([*functions, _function(name, before, step, after)])


def _function(name: str, before: list[str], step: list[str], after: list[str]) -> str:
    lines = [
        "@device",
        f"def {name}(t, m, g, word, trial, lane, run):",
        '    """Update 32 neurons over the steps of a strip, written from the model\'s rule."""',
        "    n = t[g + G_N]",
        "    for i in range(lane, 32, LANES):",
        "        inside = word * 32 + i < n",
        "        place = min(word * 32 + i, n - 1)",
        *(f"        {line}" for line in before),
        "        for now in range(run.begin, run.end):",
        *(f"            {line}" for line in step),
        "        if inside:",
        *(f"            {line}" for line in after or ["pass"]),
    ]
    return "\n".join(lines)


def _input(name: str, at: int, fixed: bool, floating: bool, noisy: bool) -> tuple[list[str], ...]:
    """Return what comes before, in, and after the steps to add up one receptor's input."""
    before, step, after = [], [f"value_{name} = real(0.0)"], []
    if fixed:
        before.append(f"grid_{name} = m.reals[t[g + {at + R_STEP}]]")
        step += [
            f"cell = fixed_cells(t, run, trial, now) + t[g + {at + R_FIXED}] + place",
            "total = m.wholes[cell]",
            "if inside:",
            "    m.wholes[cell] = 0",
        ]
        if noisy:
            before += [f"noise_{name} = t[g + {at + R_NOISE}]", f"drawn_{name} = i8(0)"]
            step += [
                f"count = private_count(t, m, noise_{name}, trial, place, now)",
                f"drawn_{name} += count",
                f"total += i4(count * t[noise_{name} + N_WEIGHT])",
            ]
            after.append(f"m.longs[t[noise_{name} + N_TALLY] + trial * n + place] += drawn_{name}")
        step.append(f"value_{name} += mul(real(total), grid_{name})")
    if floating:
        step += [
            f"cell = float_cells(t, run, trial, now) + t[g + {at + R_FLOAT}] + place",
            f"value_{name} += m.reals[cell]",
            "if inside:",
            "    m.reals[cell] = real(0.0)",
        ]
    return before, step, after


def _outcome(payload: str, layout: Layout, written: set[str]) -> list[str]:
    """Return what becomes of a neuron's step: its event, samples of its state, and a NaN."""
    amount = "i4(sent)" if payload == "integer" else "i4(1)"
    value = "real(sent)" if payload == "real" else "real(0.0)"
    lines = [
        "fires = inside and sent != 0",
        "if fires:",
        f"    send(t, m, g, trial, place, now, {amount}, {value}, run)",
        "post(m.bits, ring_word(t, g, trial, now, word), i, fires)",
        "if inside and t[g + G_N_PROBES] > 0:",
    ]
    lines += [
        f"    sample(t, m, g, {k}, trial, place, now, value_{state})"
        for k, (state, _) in enumerate(layout.states)
    ]
    for k, (state, kind) in enumerate(layout.states):
        if kind == "float" and state in written:
            lines += [
                f"if inside and value_{state} != value_{state}:",
                f"    refuse(t, m, g, {k}, trial, place, now, run.first)",
            ]
    return lines
