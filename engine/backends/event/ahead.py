"""Lines of kernels that find when a neuron fires if nothing arrives."""

from __future__ import annotations

from ..numba_cpu.kernel import INLINE
from .marks import NEVER
from .written import Written, call, held, indent, neuron, states

#: The most by which rounding may be off when a neuron is foreseen to fire, in doublings of a step.
_DOUBLINGS = 40


def foresight(w: Written) -> list[list[str]]:
    """Return `ahead`, which says in which step a neuron will fire, and what it calls, as functions."""
    found = [[INLINE, f"def ahead(now, tick, first, {neuron(w)}):", *indent(_ahead(w))]]
    if w.can_fire:
        found.insert(0, [INLINE, f"def alone({neuron(w)}):", *indent(_alone(w))])
    return found


def note(w: Written) -> list[str]:
    """Return the lines that note when the i-th neuron will fire, and that it will, if that is new."""
    return [
        f"at = ahead(now, tick, first, {neuron(w)})",
        f"if at != {NEVER} and at != due[i]:",
        "    foreseen[n_foreseen] = i",
        "    n_foreseen += 1",
        "due[i] = at",
    ]


def _alone(w: Written) -> list[str]:
    """Return the lines that find the seconds until a neuron that moves freely reaches its threshold."""
    crossing = w.rule("crossing")
    if crossing is not None:
        return ["never = np.inf", f"return {call(w, crossing)}"]
    slope, pieces = w.rule("slope"), w.rule("pieces")
    assert slope is not None
    assert pieces is not None
    after = f"{states(w, 'b_')}, = move(at, NEVER, {neuron(w)})"
    distance, steepness = "b_v - k_threshold", call(w, slope, "b_")
    return [
        f"NEVER = {NEVER}",
        "if v_v >= k_threshold:",
        "    return 0.0",
        f"turn, end, falling = {call(w, pieces)}",
        "low, below, rising = 0.0, v_v - k_threshold, " + call(w, slope),
        "for piece in range(2):",
        "    high = min(turn, end) if piece == 0 else end",
        "    if high <= low:",
        "        continue",
        "    falls = (falling >= 0.0) == (piece == 0)",
        "    if falls and rising > 0.0 and below + rising >= 0.0:",
        # Concave while it rises: Newton's steps from below never pass the threshold, and where
        # they leave the rising part there is none to pass.
        "        at, gap, rise = low, below, rising",
        "        while rise > 0.0 and at < high:",
        "            further = -gap * k_tau / rise",
        "            if at + further == at:",
        "                return at",
        "            at += further",
        "            if at >= high:",
        "                break",
        f"            {after}",
        f"            gap, rise = {distance}, {steepness}",
        "            if gap >= 0.0:",
        "                return at",
        "    if falls and high >= end:",
        "        break",
        "    at = high",
        f"    {after}",
        f"    above, later = {distance}, {steepness}",
        "    if above >= 0.0:",
        # One crossing lies between, since v falls at most before it rises: Newton's steps within
        # a bracket, halved where they leave it.
        "        while True:",
        "            at = high - above * k_tau / later if later > 0.0 else low",
        "            if not low < at < high:",
        "                at = 0.5 * (low + high)",
        "            if not low < at < high:",
        "                return high",
        f"            {after}",
        f"            gap, rise = {distance}, {steepness}",
        "            if gap >= 0.0:",
        "                if high - at < 1e-17:",
        "                    return at",
        "                high, above, later = at, gap, rise",
        "            else:",
        "                low = at",
        "    low, below, rising = high, above, later",
        "return np.inf",
    ]


def _ahead(w: Written) -> list[str]:
    """Return the lines that find the step in which a neuron will fire; its `fire` has the last word."""
    if not w.can_fire:
        return [f"return {NEVER}"]
    lines = ["since = now", *held(w)]
    event = ["event", *(f"_{name}" for name in w.fire.returned)]
    kept = ", ".join(f"h_{name}" for name, _ in w.states)
    return [
        *lines,
        f"seconds = alone({neuron(w)})",
        f"if not seconds < {NEVER} * tick:",
        f"    return {NEVER}",
        "now = max(since + max(np.int64(np.ceil(seconds / tick)), 1), first)",
        f"{kept}, more = {states(w)}, 1",
        f"for _ in range({_DOUBLINGS}):",
        f"    {states(w)}, = move((now - since) * tick, now, {neuron(w, 'h_')})",
        f"    {', '.join(event)} = {call(w, w.fire)}" if len(event) > 1 else f"    event = {call(w, w.fire)}",
        "    if event != 0:",
        "        return now",
        "    now, more = now + more, more * 2",
        f"return {NEVER}",
    ]
