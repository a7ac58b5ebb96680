"""What a chunk's update came to: generated lines that list who sent something and find the first NaN."""

from __future__ import annotations

from collections.abc import Collection

from .latch import LATCH
from .rules import Rule, constant_of


def sent_lines(
    latches: tuple[Rule, ...], arrays: Collection[str], payload: str, *, bursts: bool
) -> list[str]:
    """Return the lines that list the events of a chunk, and write what only an event changes."""
    lines = [
        "if some != 0:",
        "    listed = list_set(fired, size, low + chunk, ring_ids, k)",
        "    for j in range(k, listed):",
        "        place = np.uint64(ring_ids[np.uint64(j)])",
        "        own = np.uint64(place - np.uint64(low))",
    ]
    for rule in latches:
        state = rule.name.removeprefix(LATCH)
        given = ("step" if name == "now" else constant_of(name, arrays, "", "own") for name in rule.arguments)
        lines.append(f"        s_{state}[own] = np.int32(rule_{rule.name}({', '.join(given)}))")
    if payload != "unit":
        value = "sent[own - np.uint64(chunk)]"
        value = f"np.int32({value})" if payload == "integer" else value
        lines.append(f"        ring_payload[np.uint64(j)] = {value}")
    counted = "events_in[np.uint64(abs(ring_payload[np.uint64(j)]))]" if bursts else "1"
    lines.append(f"        tally[place] += {counted}")
    return [*lines, "    k = listed"]


def fault_lines(states: tuple[tuple[str, bool], ...]) -> list[str]:
    """Return the lines that look for the first NaN, where a chunk has one; `states` as in `update.py`."""
    lines = ["if bad != 0 and (fault[0] == 0 or now < fault[3]):", "    for i in range(size):"]
    for index, (name, whole) in enumerate(states):
        if not whole:
            lines += [
                f"        if a_s_{name}[i] != a_s_{name}[i] and (fault[0] == 0 or now < fault[3]):",
                f"            fault[0], fault[1], fault[2] = 1, low + chunk + i, {index}",
                "            fault[3], fault[4] = now, group",
                "            status = 1",
            ]
    return lines
