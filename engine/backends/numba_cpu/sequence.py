"""Kernels of whole sequences on a CPU: a chunk of neurons at a time, whose state stays in cache."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from ....neurons.specialise import Variant
from ..sequence import Passage
from .kernel import INTO_LOOP, Argument, Kernel, kernel_from_source
from .rules import constant_of, rule_of

#: Neurons that run through all steps together: their state and gradients stay in a core's own cache.
CHUNK = 2048


def forward_kernel(passage: Passage) -> Kernel:
    """Return the kernel that runs through all steps, neurons from `first` to before `last` of a `total`.

    Its other arguments are `Passage.given`; `now` is the number of the first step.
    """
    return _forward(passage.there(), tuple(passage.given()), passage.traced)


def backward_kernel(passage: Passage) -> Kernel:
    """Return the kernel that goes back through all steps; it takes `Passage.given_back`."""
    return _backward(passage)


def _arguments(given: Iterable[tuple[str, str, bool]]) -> tuple[Argument, ...]:
    sizes = (Argument(name, "i8", False) for name in ("steps", "first", "last", "total"))
    return (*sizes, *(Argument(*one) for one in given))


def _begin(arguments: Iterable[Argument], order: str) -> list[str]:
    """Return the loops over chunks and steps, with the stretches of arrays that belong to each."""
    stepped = ("x_", "o_", "y", "dy", "do_", "dx_")
    arrays = [argument.name for argument in arguments if argument.array]
    return [
        f"    for chunk in range(first, last, {CHUNK}):",
        f"        size = min({CHUNK}, last - chunk)",
        *(f"        a_{n} = stretch({n}, chunk, size)" for n in arrays if not n.startswith(stepped)),
        f"        for t in range({order}):",
        "            here = t * total + chunk",
        "            step = i4(now + t)",
        *(f"            a_{n} = stretch({n}, here, size)" for n in arrays if n.startswith(stepped)),
        "            for i in range(size):",
    ]


def _constants(passage: Passage) -> list[str]:
    """Return the lines that read the i-th neuron's constants."""
    arrays = passage.form.arrays
    return [f"p_{name} = {constant_of(name, arrays, 'a_', 'i')}" for name in passage.constants]


@lru_cache(maxsize=256)
def _forward(passage: Passage, given: tuple[tuple[str, str, bool], ...], traced: tuple[str, ...]) -> Kernel:
    names = [name for name, _ in passage.states]
    arguments = _arguments(given)
    body = [*_constants(passage), *(f"v0_{name} = a_s_{name}[i]" for name in names)]
    body += [f"in_{name} = a_x_{name}[i]" for name in passage.form.arriving] + passage.forward()
    body += [f"a_o_{name}[i] = {name}" for name in traced]
    body += [*(f"a_s_{name}[i] = v3_{name}" for name in names), "a_y[i] = f4(event)"]
    lines = [*_begin(arguments, "steps"), *(f"                {line}" for line in body)]
    return _kernel("forward", passage, passage.rules, lines, arguments)


@lru_cache(maxsize=256)
def _backward(passage: Passage) -> Kernel:
    arguments = _arguments(passage.given_back())
    body = [*_constants(passage), *(f"{name} = a_o_{name}[i]" for name in passage.kept)]
    body.append("g_event = a_dy[i]")
    for name in passage.real:
        trace = f" + a_do_{name}[i]" if name in passage.watched else ""
        body.append(f"g_{name} = a_d_{name}[i]{trace}")
    body += [*passage.back(), *(f"a_d_{name}[i] = g_{name}" for name in passage.real)]
    body += [f"a_dx_{name}[i] = gx_{name}" for name in passage.form.arriving]
    body += [f"a_dk_{name}[i] += gp_{name}" for name in passage.form.trained]
    lines = [*_begin(arguments, "steps - 1, -1, -1"), *(f"                {line}" for line in body)]
    return _kernel("backward", passage, passage.adjoints, lines, arguments)


def _kernel(
    name: str, passage: Passage, rules: tuple[Variant, ...], lines: list[str], arguments: tuple[Argument, ...]
) -> Kernel:
    functions = [rule_of(rule, (), passage.integers).source for rule in rules]
    head = f"def {name}(now, {', '.join(a.name for a in arguments)}):"
    source = "\n".join([*(f"{INTO_LOOP}\n{f}" for f in functions), "", head, *lines, "    return 0"])
    return kernel_from_source(name, source, arguments, {"REAL": "f4", "f4": "f4", "i4": "i4"})
