"""Lines of the kernel that brings neurons up to date, adds their input and lets them fire.

Neurons lie anywhere, and the compiler makes vectors only of arithmetic over arrays without gaps. So a kernel
takes them by blocks: it gathers a block, updates it, and writes it back. What is rare stays out of the way: a
neuron that was held when something last happened to it is marked so (`marks.py`), taken to the end of that
time while it is gathered, and updated by itself if it is held still; all others move freely. Only a block in
which one has fired is looked through for who did.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from ..numba_cpu.kernel import INLINE
from .ahead import note
from .marks import FREE, HELD, NEVER
from .written import (
    Form,
    Written,
    assign,
    call,
    held,
    indent,
    neuron,
    own_constants,
    per_neuron,
    states,
    typed,
)

#: Neurons of a block: what is gathered of them stays in the first-level cache.
BLOCK = 256
#: Neurons in a vector. The last of a block is always full: where it goes on beyond the neurons, input must be
#: there to be read.
LANES = 8


@dataclass(frozen=True)
class Touch:
    """What is written for one model.

    Attributes
    ----------
    written : Written
        Its rules.
    form : Form
        What else decides.
    """

    written: Written
    form: Form

    @cached_property
    def places(self) -> dict[str, str]:
        """Where the k-th neuron of a block has its values.

        `b_` are state variables before, `r_` after an update; `k_` constants of its own; and the step as of
        which it is, whether it fires, until when it is held then, whether it may fire by itself, and the list
        of those who are held still.
        """
        w = self.written
        whole = dict(w.states)
        before = {f"b_{name}": whole[name] for name in whole if name != w.hold}
        after = {f"r_{name}": is_whole for name, is_whole in w.changed}
        own = {f"k_{name}": name in w.integers for name in w.constants if name in self.form.arrays}
        passed = dict.fromkeys((f"p_{name}" for name in w.propagators), False)
        kinds = {
            **before,
            **after,
            **own,
            **passed,
            **dict.fromkeys(("since", "event", "hold", "still", "may"), True),
        }
        found, sizes = {}, {"reals": 0, "wholes": 0}
        for name, is_whole in kinds.items():
            room = "wholes" if is_whole else "reals"
            found[name] = f"{room}[{sizes[room] * BLOCK} + k]"
            sizes[room] += 1
        return found

    @property
    def room(self) -> dict[str, int]:
        """How many numbers a block takes, real ones and whole ones."""
        taken = [place.split("[")[0] for place in self.places.values()]
        return {name: BLOCK * taken.count(name) for name in ("reals", "wholes")}

    def functions(self) -> list[list[str]]:
        """Return what the lines call beside rules."""
        w = self.written
        if w.hold is None:
            return []
        lines = [*held(w, "now"), f"return since, {states(w)}"]
        return [[INLINE, f"def freed(since, now, tick, {neuron(w)}):", *indent(lines)]]

    def lines(self) -> list[str]:
        """Return the body of the kernel."""
        block = [
            f"size, n_still, some = min({BLOCK}, who.size - begin), 0, False",
            "them = stretch(who, begin, size)",
            *(f"a_{name} = stretch(x_{name}, begin, size)" for name in self.written.receptors),
            *self._gather(),
            *self._foreknow(),
            *self._update(),
            *self._still(),
            *self._write(),
        ]
        return [
            "n_fired, n_foreseen, bad = 0, 0, -1",
            f"for begin in range(0, who.size, {BLOCK}):",
            *indent(block),
            "found[0], found[1], found[2] = n_fired, n_foreseen, bad",
            "return 0",
        ]

    def _gather(self) -> list[str]:
        """Return the loop that gathers a block."""
        w, at = self.written, self.places
        lines = ["i = np.uint32(them[k])", "since = last[i]", *own_constants(w, self.form)]
        lines += [f"{at[f'k_{name}']} = k_{name}_" for name in w.constants if name in self.form.arrays]
        lines += [f"{at[f'b_{name}']} = s_{name}[i]" for name, _ in w.states if name != w.hold]
        if w.hold is not None:
            lines += [
                f"if since < {FREE}:",
                f"    since, {states(w)} = freed(since - {HELD}, now, tick, {neuron(w, 's_', '[i]')})",
                *indent(f"{at[f'b_{name}']} = v_{name}" for name, _ in w.states if name != w.hold),
                f"    if v_{w.hold} > now:",
                f"        {self._listed('n_still')} = k",
                "        n_still += 1",
            ]
        return ["for k in range(size):", *indent([*per_neuron(self.form, lines), f"{at['since']} = since"])]

    def _listed(self, which: str) -> str:
        return self.places["still"].replace(" k]", f" {which}]")

    def _foreknow(self) -> list[str]:
        """Return the loop that finds what depends on elapsed time alone."""
        w, at = self.written, self.places
        propagate = w.rule("propagate")
        if propagate is None:
            return []
        own = [f"k_{name}_ = {at[f'k_{name}']}" for name in propagate.arguments if name in self.form.arrays]
        lines = [f"elapsed = (now - {at['since']}) * tick", *own]
        lines += per_neuron(
            self.form, [f"{', '.join(at[f'p_{name}'] for name in w.propagators)} = {call(w, propagate)}"]
        )
        return [self._vectors, *indent(lines)]

    @property
    def _vectors(self) -> str:
        return f"for k in range((size + {LANES - 1}) & -{LANES}):"

    def _update(self) -> list[str]:
        """Return the loop that updates a block as if nobody were held: plain arithmetic without a branch."""
        w, at = self.written, self.places
        lines = [f"since = {at['since']}", "elapsed = (now - since) * tick"]
        lines += [] if w.hold is None else [f"v_{w.hold} = now"]
        lines += [f"{name} = {at[f'p_{name}']}" for name in w.propagators]
        left = ", ".join(f"t_{name}" for name in w.flow.returned)
        lines += [f"{left} = {call(w, w.flow)}"] if left else []
        lines += [
            f"v_{name} = {typed(w, name, f't_{name}')} if since < now else v_{name}"
            for name in w.flow.returned
        ]
        lines += self._takes()
        own = [f"k_{name}_ = {at[f'k_{name}']}" for name in w.constants if name in self.form.arrays]
        body = [*self._before(), *own, *per_neuron(self.form, lines), f"some |= (k < size) & {self._alarm}"]
        return [self._vectors, *indent(body)]

    def _before(self) -> list[str]:
        w, at = self.written, self.places
        return [f"v_{name} = {at[f'b_{name}']}" for name, _ in w.states if name != w.hold]

    def _takes(self) -> list[str]:
        """Return the lines in which a neuron takes its input and may fire; its values are put in place."""
        w, at = self.written, self.places
        return [
            *(f"in_{name} = REAL(a_{name}[k])" for name in w.receptors),
            *assign(w, w.jump),
            *assign(w, w.fire, "event"),
            *(f"{at[f'r_{name}']} = v_{name}" for name, _ in w.changed),
            f"{at['event']} = np.int64(event != 0)",
            *([] if w.hold is None else [f"{at['hold']} = v_{w.hold}"]),
            f"total = {self._total('v_{}'.format)}",
            *([f"{at['may']} = {self._may}"] if self.form.foresees else []),
        ]

    @property
    def _may(self) -> str:
        """Whether a neuron may fire by itself; one whose state is not a number may do anything."""
        ceiling = self.written.rule("ceiling")
        return "1" if ceiling is None else f"np.int64(not {call(self.written, ceiling)} < k_threshold)"

    @property
    def _alarm(self) -> str:
        return "((event != 0) | (total != total))"

    def _total(self, names: Callable[[str], str]) -> str:
        """Return a sum of all that is real, which is not a number if one of them is none."""
        return " + ".join(names(name) for name, whole in self.written.changed if not whole) or "REAL(0)"

    def _still(self) -> list[str]:
        """Return the loop over those that are held still."""
        w = self.written
        if w.hold is None:
            return []
        lines = [
            f"k = {self._listed('j')}",
            "i = np.uint32(them[k])",
            *self._before(),
            f"v_{w.hold} = s_{w.hold}[i]",
            *own_constants(w, self.form),
            *per_neuron(self.form, self._takes()),
            f"some |= {self._alarm}",
        ]
        return ["for j in range(n_still):", *indent(lines)]

    def _write(self) -> list[str]:
        """Return the loops that write a block back, and report who fired, and will."""
        w, at = self.written, self.places
        mark = [] if w.hold is None else [f"if {at['hold']} - 1 > now:", f"    last[i] = now + {HELD}"]
        lines = [
            "for k in range(size):",
            "    i = np.uint32(them[k])",
            *indent(f"s_{name}[i] = {at[f'r_{name}']}" for name, _ in w.changed),
            "    last[i] = now",
        ]
        if w.hold is not None:
            still = [f"k = {self._listed('j')}", "i = np.uint32(them[k])", *mark]
            lines += ["for j in range(n_still):", *indent(still)]
        fired = ["fired[n_fired] = i", "n_fired += 1"]
        fired += [] if w.hold is None else [f"s_{w.hold}[i] = {at['hold']}", *mark]
        look = ["i = np.uint32(them[k])", f"if {at['event']} != 0:", *indent(fired)]
        look += [f"total = {self._total(lambda name: at[f'r_{name}'])}", "bad = i if total != total else bad"]
        lines += ["if some:", "    for k in range(size):", *indent(indent(look))]
        return [*lines, *(self._foresee() if self.form.foresees else [])]

    def _foresee(self) -> list[str]:
        """Return the loop that notes when each of a block will fire."""
        w, at = self.written, self.places
        after = {name: at.get(f"r_{name}", at.get(f"b_{name}", at["hold"])) for name, _ in w.states}
        lines = [f"v_{name} = {place}" for name, place in after.items()]
        lines += [*own_constants(w, self.form), *per_neuron(self.form, note(w))]
        lines = [
            "i = np.uint32(them[k])",
            f"if {at['may']} != 0:",
            *indent(lines),
            f"elif due[i] != {NEVER}:",
            f"    due[i] = {NEVER}",
        ]
        return ["for k in range(size):", *indent(lines)]
