"""Kernels of whole sequences on a CPU: a chunk of neurons at a time, whose state stays in cache."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from ....neurons.model import NeuronModel
from ....neurons.specialise import Variant
from ..sequence import Form, Passage
from .kernel import INTO_LOOP, Argument, Kernel, kernel_from_source
from .rules import constant_of, rule_of

#: Neurons that run through all steps together: their state and gradients stay in a core's own cache.
CHUNK = 2048


def forward_kernel(model: NeuronModel, form: Form) -> Kernel:
    """Return the kernel that runs through all steps, neurons from `first` to before `last` of a `total`.

    Its other arguments are `Passage.given`, and what is sent, `y` [steps, total], which it writes; `now` is
    the number of the first step.
    """
    # Gradients are none of its business: what differs in them alone shares a kernel.
    return _forward(Passage.of(model, replace(form, wanted=(), apart=(), surrogate=None, trained=())))


def backward_kernel(model: NeuronModel, form: Form) -> Kernel:
    """Return the kernel that goes back through all steps; it takes also `Passage.given_back`."""
    return _backward(Passage.of(model, form))


def _arguments(given: Iterable[tuple[str, str, bool]]) -> tuple[Argument, ...]:
    sizes = (Argument(name, "i8", False) for name in ("steps", "first", "last", "total"))
    return (*sizes, *(Argument(*one) for one in given))


def _begin(passage: Passage, order: str) -> list[str]:
    """Return the loops over chunks and steps, with what both kernels read."""
    form = passage.form
    lines = [
        f"    for chunk in range(first, last, {CHUNK}):",
        f"        size = min({CHUNK}, last - chunk)",
        f"        for t in range({order}):",
        "            here = t * total + chunk",
        "            step = i4(now + t)",
    ]
    more = [
        f"a_k_{name} = stretch(k_{name}, chunk, size)" for name in passage.constants if name in form.arrays
    ]
    more += [f"a_x_{name} = stretch(x_{name}, here, size)" for name in form.arriving]
    for name, _ in passage.states:
        before = f"stretch(o_{name}, here - total, size)"
        more.append(f"b_{name} = stretch(s_{name}, chunk, size) if t == 0 else {before}")
    return lines + [f"            {line}" for line in more]


def _read(passage: Passage) -> list[str]:
    """Return the lines that read what the i-th neuron has and gets."""
    form = passage.form
    lines = [f"p_{name} = {constant_of(name, form.arrays, 'a_', 'i')}" for name in passage.constants]
    lines += [f"v0_{name} = b_{name}[i]" for name, _ in passage.states]
    return lines + [f"in_{name} = a_x_{name}[i]" for name in form.arriving]


@lru_cache(maxsize=256)
def _forward(passage: Passage) -> Kernel:
    names = [name for name, _ in passage.states]
    arguments = _arguments([*passage.given(), ("y", "f4", True)])
    lines = [f"def forward(now, {', '.join(a.name for a in arguments)}):"]
    lines += _begin(passage, "steps")
    lines += [f"            c_{name} = stretch(o_{name}, here, size)" for name in names]
    lines += ["            a_y = stretch(y, here, size)", "            for i in range(size):"]
    body = [*_read(passage), *passage.forward()]
    body += [*(f"c_{name}[i] = v3_{name}" for name in names), "a_y[i] = f4(event)"]
    lines += [f"                {line}" for line in body]
    return _kernel("forward", passage, passage.rules, lines, arguments)


@lru_cache(maxsize=256)
def _backward(passage: Passage) -> Kernel:
    form = passage.form
    arguments = _arguments([*passage.given(), *passage.given_back()])
    lines = [f"def backward(now, {', '.join(a.name for a in arguments)}):"]
    lines += _begin(passage, "steps - 1, -1, -1")
    read = {"a_dy": "dy", **{f"a_do_{n}": f"do_{n}" for n in form.wanted}}
    read |= {f"a_dx_{n}": f"dx_{n}" for n in form.arriving}
    lines += [f"            {here} = stretch({array}, here, size)" for here, array in read.items()]
    lines += [f"            a_d_{name} = stretch(d_{name}, chunk, size)" for name in passage.real]
    lines += [f"            a_dk_{name} = stretch(dk_{name}, chunk, size)" for name in form.trained]
    lines.append("            for i in range(size):")
    body = [*_read(passage), "g_event = a_dy[i]"]
    for name in passage.real:
        trace = f" + a_do_{name}[i]" if name in form.wanted else ""
        body.append(f"g_{name} = a_d_{name}[i]{trace}")
    body += [*passage.back(), *(f"a_d_{name}[i] = g_{name}" for name in passage.real)]
    body += [f"a_dx_{name}[i] = gx_{name}" for name in form.arriving]
    body += [f"a_dk_{name}[i] += gp_{name}" for name in form.trained]
    lines += [f"                {line}" for line in body]
    rules = (*passage.rules[:2], *passage.adjoints)
    return _kernel("backward", passage, rules, lines, arguments)


def _kernel(
    name: str, passage: Passage, rules: tuple[Variant, ...], lines: list[str], arguments: tuple[Argument, ...]
) -> Kernel:
    functions = [rule_of(rule, (), passage.integers).source for rule in rules]
    source = "\n".join([*(f"{INTO_LOOP}\n{function}" for function in functions), "", *lines, "    return 0"])
    return kernel_from_source(name, source, arguments, {"REAL": "f4", "f4": "f4", "i4": "i4"})
