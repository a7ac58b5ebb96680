"""A plasticity rule as source: its functions, and the walks over rows and traces that call them."""

from __future__ import annotations

from ....learning.rule import PlasticityRule
from .fields import K_TRACES
from .source import NUMBER, device_function


def rule_source(rule: PlasticityRule) -> str:
    """Return the device functions of a rule: `fade__N`, `on_pre__N`, `on_post__N` and `bump__N`."""
    variants = {"on_pre": rule.rules.on_pre, "on_post": rule.rules.on_post}
    functions = [device_function(variant, f"{name}{NUMBER}_new") for name, variant in variants.items()]
    for k, trace in enumerate(rule.traces):
        functions.append(device_function(trace.fade, f"fade{NUMBER}_{k}"))
        functions.append(device_function(trace.bump, f"bump{NUMBER}_{k}"))
    functions += [_pass(rule, name) for name in variants]
    functions += [_fade(rule), _bump(rule)]
    return "\n\n\n".join(functions)


def _pass(rule: PlasticityRule, name: str) -> str:
    """Return the function that applies one of the rule's functions to the synapses of 32 neurons' events."""
    variant = getattr(rule.rules, name)
    known = {trace.name: (k, trace.side) for k, trace in enumerate(rule.traces)}
    lines = ["value_weight = m.reals[at + k]"]
    passed = []
    for argument in variant.arguments:
        passed.append(f"value_{argument}")
        if argument in known:
            index, side = known[argument]
            place = "m.wholes[t[p + K_PRE] + k]" if side == "pre" else "m.wholes[t[p + K_TARGETS] + k]"
            begin = f"t[p + {K_TRACES + index}] + trial * {_size(side)}"
            lines.append(f"value_{argument} = m.reals[{begin} + {place}]")
        elif argument != "weight":
            constant = len(rule.traces) + rule.constant_names.index(argument)
            lines.append(f"value_{argument} = m.reals[t[p + K_CONSTANTS] + {constant}]")
    lines.append(f"m.reals[at + k] = {name}{NUMBER}_new({', '.join(passed)})")
    before = name == "on_pre"
    return "\n".join(
        [
            "@device",
            f"def {name}{NUMBER}(t, m, p, unit, trial, lane, run):",
            "    now = run.begin",
            "    at = t[p + K_WEIGHTS] + trial * t[p + K_N]",
            *(_BEFORE if before else _AFTER),
            "    while word != 0:",
            "        place = first + lowest(word)",
            "        word = u4(word & (word - u4(1)))",
            *(f"        {line}" for line in (_ROW if before else _INCOMING)),
            *(f"            {line}" for line in lines),
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
    return "t[p + K_N_DELAYS] * t[p + K_SOURCES]" if side == "pre" else "t[t[p + K_TARGET] + G_N]"


def _fade(rule: PlasticityRule) -> str:
    """Return the function that lets one number of each trace decay over a step."""
    lines = ["@device", f"def fade{NUMBER}(t, m, p, i, trial, run):"]
    for k, trace in enumerate(rule.traces):
        lines += [
            f"    if i < {_size(trace.side)}:",
            f"        at = t[p + {K_TRACES + k}] + trial * {_size(trace.side)} + i",
            f"        m.reals[at] = fade{NUMBER}_{k}(m.reals[at], m.reals[t[p + K_CONSTANTS] + {k}])",
        ]
    return "\n".join(lines if rule.traces else [*lines, "    pass"])


def _bump(rule: PlasticityRule) -> str:
    """Return the function that lets one number of each trace take this step's spike, if there is one."""
    lines = ["@device", f"def bump{NUMBER}(t, m, p, i, trial, run):"]
    numbers = {trace.name: k for k, trace in enumerate(rule.traces)}
    for trace in rule.bumped:
        k, places = numbers[trace.name], [numbers[n] for n in (trace.name, trace.adds) if n is not None]
        at = [f"t[p + {K_TRACES + n}] + trial * {_size(trace.side)} + i" for n in places]
        taken = ", ".join(f"m.reals[{place}]" for place in at)
        lines += [f"    if i < {_size(trace.side)}:"]
        lines += [f"        {line}" for line in (_ARRIVED if trace.side == "pre" else _FIRED)]
        lines += [
            "        if (word >> u4(place & 31)) & 1:",
            f"            m.reals[{at[0]}] = bump{NUMBER}_{k}({taken})",
        ]
    return "\n".join(lines if rule.traces else [*lines, "    pass"])


_ARRIVED = [
    "slot, place = parted(i, t[p + K_SOURCES])",
    "word = arrivals(t, m, p, slot, place >> 5, trial, run.begin)",
]
_FIRED = ["place, word = i, m.bits[ring_word(t, t[p + K_TARGET], trial, run.begin, i >> 5)]"]
