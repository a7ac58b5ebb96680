"""A plasticity rule as source: its functions, and the walks over rows and traces that call them."""

from __future__ import annotations

from collections.abc import Iterable

from ....learning.rules.rule import PlasticityRule
from ....neurons.specialise import Variant
from .fields import K_TRACES
from .source import NUMBER, device_function


def rule_source(rule: PlasticityRule) -> str:
    """Return the device functions of a rule: `fade`, `on_pre`, `on_post`, `bump`, `settle`, `sweep`."""
    functions = [device_function(variant, f"{variant.name}{NUMBER}_new") for variant in rule.functions]
    for k, trace in enumerate(rule.memories):
        functions.append(device_function(trace.fade, f"fade{NUMBER}_{k}"))
        functions.append(device_function(trace.bump, f"bump{NUMBER}_{k}"))
    functions += [_pass(rule, rule.rules.on_pre), _pass(rule, rule.rules.on_post)]
    functions += [_fade(rule), _bump(rule), _settle(rule), _sweep(rule)]
    return "\n\n\n".join(functions)


def _entries(rule: PlasticityRule) -> dict[str, str]:
    """Return where all that the functions name lies, for the k-th synapse of a trial."""
    found = {"weight": "m.reals[at + k]", "total": "total"}
    for index, trace in enumerate(rule.memories):
        place = {"pre": "m.wholes[t[p + K_PRE] + k]", "post": "m.wholes[t[p + K_TARGETS] + k]"}
        begin = f"t[p + {K_TRACES + index}] + trial * {_size(trace.side)}"
        found[trace.name] = f"m.reals[{begin} + {place.get(trace.side, '0')}]"
    for index, name in enumerate(rule.shared, start=K_TRACES + len(rule.memories)):
        found[name] = f"m.reals[t[p + {index}] + trial]"
    for index, name in enumerate(rule.synaptic, start=K_TRACES + len(rule.memories) + len(rule.shared)):
        found[name] = f"m.reals[t[p + {index}] + trial * t[p + K_N] + k]"
    for index, name in enumerate(rule.constant_names, start=len(rule.memories)):
        found[name] = f"m.reals[t[p + K_CONSTANTS] + {index}]"
    return found


def _assign(rule: PlasticityRule, variant: Variant, kept: Iterable[str]) -> list[str]:
    """Return the lines that call one of the functions and keep what it returns under these names."""
    entries, new = _entries(rule), [f"new_{name}" for name in kept]
    lines = [f"value_{argument} = {entries[argument]}" for argument in variant.arguments]
    passed = ", ".join(f"value_{argument}" for argument in variant.arguments)
    lines.append(f"{', '.join(new)} = {variant.name}{NUMBER}_new({passed})")
    return [*lines, *(f"{entries[name]} = {value}" for name, value in zip(kept, new, strict=True))]


def _pass(rule: PlasticityRule, variant: Variant) -> str:
    """Return the function that applies one of the rule's functions to the synapses of 32 neurons' events."""
    before = variant.name == "on_pre"
    return "\n".join(
        [
            "@device",
            f"def {variant.name}{NUMBER}(t, m, p, unit, trial, lane, run):",
            "    now = run.begin",
            "    at = t[p + K_WEIGHTS] + trial * t[p + K_N]",
            *(_BEFORE if before else _AFTER),
            "    while word != 0:",
            "        place = first + lowest(word)",
            "        word = u4(word & (word - u4(1)))",
            *(f"        {line}" for line in (_ROW if before else _INCOMING)),
            *(f"            {line}" for line in _assign(rule, variant, ["weight", *rule.synaptic])),
            "        if lane == 0:",
            "            atomic_add(m.longs, t[p + K_CHANGES], end - begin)",
        ]
    )


_BEFORE = [
    "    which, slot = parted(unit, t[p + K_N_DELAYS])",
    "    first, word = which * 32, arrivals(t, m, p, slot, which, trial, now)",
]
_ROW = ["begin, end = row_of(t, m, p, place, slot)", "for k in range(begin + lane, end, LANES):"]
_AFTER = [
    "    first = unit * 32",
    "    word = m.bits[ring_word(t, t[p + K_TARGET], trial, now, unit)]",
]
_INCOMING = [
    "begin, end = m.longs[t[p + K_IN_STARTS] + place], m.longs[t[p + K_IN_STARTS] + place + 1]",
    "for j in range(begin + lane, end, LANES):",
    "    k = m.wholes[t[p + K_IN_SYNAPSES] + j]",
]


def _size(side: str) -> str:
    sizes = {"pre": "t[p + K_N_DELAYS] * t[p + K_SOURCES]", "post": "t[t[p + K_TARGET] + G_N]"}
    return sizes.get(side, "1")


def _fade(rule: PlasticityRule) -> str:
    """Return the function that lets one number of each neuron's trace decay over a step.

    After a sweep it also lets what all synapses have in common begin anew.
    """
    lines = ["@device", f"def fade{NUMBER}(t, m, p, i, trial, run):", "    pass"]
    if rule.shared and rule.rules.on_sweep is not None:
        lines += [f"    if i == 0 and ({_due(rule, 'run.begin', 'K_EVERY', 'K_BALANCE')}):"]
        lines += [f"        {_entries(rule)[name]} = real({value!r})" for name, value in rule.shared.items()]
    for k, trace in enumerate(rule.memories):
        if trace.side == "modulator":
            continue
        lines += [
            f"    if i < {_size(trace.side)}:",
            f"        at = t[p + {K_TRACES + k}] + trial * {_size(trace.side)} + i",
            f"        m.reals[at] = fade{NUMBER}_{k}(m.reals[at], m.reals[t[p + K_CONSTANTS] + {k}])",
        ]
    return "\n".join(lines)


def _settle(rule: PlasticityRule) -> str:
    """Return the function that lets a modulator's traces take its events, and a step's time pass."""
    lines = ["@device", f"def settle{NUMBER}(t, m, p, i, trial, run):"]
    lines += ["    added = carried(t, m, p, trial, run.begin, real(0.0), real(1.0))"]
    entries, numbers = (
        _entries(rule),
        {t.name: k for k, t in enumerate(rule.memories) if t.side == "modulator"},
    )
    for name, k in numbers.items():
        lines += [f"    {entries[name]} = bump{NUMBER}_{k}({entries[name]}, added)"]
    if rule.rules.on_step is not None:
        lines += [f"    {line}" for line in _assign(rule, rule.rules.on_step, [*rule.shared])]
    for name, k in numbers.items():
        decay = f"m.reals[t[p + K_CONSTANTS] + {k}]"
        lines += [f"    {entries[name]} = fade{NUMBER}_{k}({entries[name]}, {decay})"]
    return "\n".join(lines)


def _due(rule: PlasticityRule, steps: str, *fields: str) -> str:
    """Return the condition that one of the intervals of a rule ends after so many steps."""
    lasts = {"K_EVERY": rule.sweep_every is not None, "K_BALANCE": rule.homeostasis is not None}
    return " or ".join(f"{steps} % t[p + {name}] == 0" for name in fields if lasts[name]) or "False"


def _sweep(rule: PlasticityRule) -> str:
    """Return the function that goes over all synapses onto one neuron, if it is time."""
    lines = ["@device", f"def sweep{NUMBER}(t, m, p, place, trial, run):", "    pass"]
    walk = ["        for j in range(begin, end):", "            k = m.wholes[t[p + K_IN_SYNAPSES] + j]"]
    passes = (
        (rule.rules.on_sweep, ["weight", *rule.synaptic], ("K_EVERY", "K_BALANCE")),
        (rule.rules.on_balance, ["weight"], ("K_BALANCE",)),
    )
    for variant, kept, intervals in passes:
        if variant is None:
            continue
        lines += [f"    if {_due(rule, '(run.begin + 1)', *intervals)}:"]
        lines += ["        at = t[p + K_WEIGHTS] + trial * t[p + K_N]", f"        {_INCOMING[0]}"]
        if "total" in variant.arguments:
            lines += ["        total = real(0.0)", *walk, "            total += m.reals[at + k]"]
        lines += [*walk, *(f"            {line}" for line in _assign(rule, variant, kept))]
        lines += ["        atomic_add(m.longs, t[p + K_CHANGES], end - begin)"]
    return "\n".join(lines)


def _bump(rule: PlasticityRule) -> str:
    """Return the function that lets one number of each trace take this step's spike, if there is one."""
    lines = ["@device", f"def bump{NUMBER}(t, m, p, i, trial, run):", "    pass"]
    numbers = {trace.name: k for k, trace in enumerate(rule.memories)}
    for trace in (trace for trace in rule.bumped if trace.side != "modulator"):
        k, places = numbers[trace.name], [numbers[n] for n in (trace.name, trace.adds) if n is not None]
        at = [f"t[p + {K_TRACES + n}] + trial * {_size(trace.side)} + i" for n in places]
        taken = ", ".join(f"m.reals[{place}]" for place in at)
        lines += [f"    if i < {_size(trace.side)}:"]
        lines += [f"        {line}" for line in (_ARRIVED if trace.side == "pre" else _FIRED)]
        lines += [
            "        if (word >> u4(place & 31)) & 1:",
            f"            m.reals[{at[0]}] = bump{NUMBER}_{k}({taken})",
        ]
    return "\n".join(lines)


_ARRIVED = [
    "slot, place = parted(i, t[p + K_SOURCES])",
    "word = arrivals(t, m, p, slot, place >> 5, trial, run.begin)",
]
_FIRED = ["place, word = i, m.bits[ring_word(t, t[p + K_TARGET], trial, run.begin, i >> 5)]"]
