"""Random small networks as recipes: plain data that prints, and the network that it describes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

import rheobase as rb

STEPS = 40
DT = 1e-3


MODELS = {
    "escape": lambda: rb.LIF(8e-3, escape=0.3, escape_rate=200.0, noise=0.2),
    "if": lambda: rb.IF(threshold=1.0),
    "lif": lambda: rb.LIF(8e-3, refractory=2e-3),
    "two currents": lambda: rb.CurrentLIF(10e-3, tau_syn_exc=3e-3, tau_syn_inh=5e-3, drive=0.2),
    "coloured": lambda: rb.CurrentLIF(10e-3, 3e-3, noise=0.4, noise_tau=4e-3, refractory=2e-3),
    "leaky": lambda: rb.Leaky(0.85),
    "graded": lambda: rb.EventNeuron(0.25, events="graded", bits=4),
    "pow2": lambda: rb.EventNeuron(0.25, events="pow2", bits=4, law="rate", f="relu"),
    "relu": lambda: rb.ReLU(bias=-0.25),
}
PATTERNS = {
    "random": lambda n_pre, n_post: rb.random(p=0.4),
    "fixed_in": lambda n_pre, n_post: rb.fixed_in(3, multiple=True),
    "fixed_out": lambda n_pre, n_post: rb.fixed_out(4, multiple=True),
    "fixed_total": lambda n_pre, n_post: rb.fixed_total(2 * n_post),
    "dense": lambda n_pre, n_post: rb.dense(),
    "one": lambda n_pre, n_post: rb.one_to_one() if n_pre == n_post else rb.random(p=0.3),
}
DELAYS = {
    "default": lambda: None,
    "long": lambda: 7 * DT,
    "spread": lambda: rb.uniform(1 * DT, 9 * DT),
    "zero": lambda: 0.0,
}


@dataclass(frozen=True)
class Link:
    """One projection: indices of groups, and names of what is above."""

    pre: int
    post: int
    pattern: str
    weight: float
    spread: bool
    delay: str
    plastic: bool


@dataclass(frozen=True)
class Recipe:
    """One network."""

    seed: int
    noise: int
    rate: float
    sizes: tuple[int, ...]
    models: tuple[str, ...]
    links: tuple[Link, ...] = field(default=())
    operator: str = ""

    def build(self, extra_probes=False):
        """Return the network; group 0 is the noise, the populations follow."""
        net = rb.Network(seed=self.seed)
        groups = [net.add(rb.PoissonSource(self.noise, rate=self.rate, name="noise"))]
        for k, (n, model) in enumerate(zip(self.sizes, self.models, strict=True)):
            groups.append(net.add(rb.Population(n, MODELS[model](), name=f"pop{k}")))
        for k, link in enumerate(self.links):
            self._join(net, groups, k, link)
        if self.operator:
            told = self._operate(net, groups[1])
            weight = np.random.default_rng(self.seed).normal(0.0, 1.0, (self.sizes[-1], told.n))
            net.add(rb.Projection(told, groups[-1], rb.dense(), weight=weight, name="attend"))
            net.add(rb.Probe(told, "value" if isinstance(told, rb.Operator) else "u", name="state told"))
        for group in groups[1:]:
            net.add(rb.Probe(group, name=f"spikes {group.name}"))
            net.add(rb.Probe(group, _first(group), name=f"state {group.name}"))
        if extra_probes:
            for group in groups:
                net.add(rb.Probe(group, "counts"))
                net.add(rb.Probe(group, ids=[0], start=3 * DT, stop=30 * DT))
        return net

    def _operate(self, net, group):
        """Add operators over a population and return the group that tells what they compute."""
        if self.operator in ("softmax", "normalise"):
            return net.add(rb.Operator(self.operator, group, name="operator"))
        if self.operator == "gate":
            model = rb.EventNeuron(0.25, law="rate", bits=4, f="identity", bias=0.125)
            told = net.add(rb.Population(group.n, model, name="told"))
            options = {"function": "tanh"}
            net.add(rb.Operator("product", [group, group], output=told, options=options, name="operator"))
            return told
        few = np.arange(group.n)[:5]
        told = net.add(rb.Population((few.size, few.size), rb.EventNeuron(0.0625, bits=4), name="told"))
        row, column = rb.Read(group, index=few[:, None]), rb.Read(group, index=few[None])
        scores = net.add(rb.Operator("matmul", [row, column], name="scores"))
        net.add(rb.Operator("softmax", scores, output=told, name="operator"))
        return told

    def _join(self, net, groups, k, link):
        pre, post = groups[link.pre], groups[link.post]
        negative = len(post.receptors) > 1 and link.weight < 0
        delay = DELAYS[link.delay]()
        if delay == 0.0 and link.pre >= link.post:
            delay = None
        weight = rb.normal(link.weight, 0.1) if link.spread else link.weight
        rule = None
        # Rules see spikes: what populations send that send numbers is refused.
        if link.plastic and post.payload == "unit" and (pre is groups[0] or pre.payload == "unit"):
            weight, delay = abs(link.weight), None
            rule = rb.STDP(5e-3, 6e-3, a_pre=0.1, a_post=-0.08, w_max=1.0)
        net.add(
            rb.Projection(
                pre,
                post,
                PATTERNS[link.pattern](pre.n, post.n),
                weight=weight,
                delay=delay,
                receptor=post.receptors[1 if negative else 0],
                rule=rule,
                name=f"link{k}",
            )
        )


def _first(group):
    return group.model.used_states[0].name


@st.composite
def recipes(draw, *, plastic=True):
    """Draw a recipe of one to three populations; the first hears the noise."""
    n = draw(st.integers(1, 3))
    sizes = tuple(draw(st.sampled_from([1, 5, 12, 70])) for _ in range(n))
    links = [Link(0, 1, draw(st.sampled_from(["one", "random", "dense"])), 0.5, False, "long", False)]
    for _ in range(draw(st.integers(0, 4))):
        links.append(
            Link(
                draw(st.integers(0, n)),
                draw(st.integers(1, n)),
                draw(st.sampled_from(sorted(PATTERNS))),
                draw(st.sampled_from([-0.5, 0.125, 0.3, 0.7])),
                draw(st.booleans()),
                draw(st.sampled_from(sorted(DELAYS))),
                plastic and draw(st.integers(0, 3)) == 0,
            )
        )
    return Recipe(
        seed=draw(st.integers(0, 5)),
        noise=draw(st.sampled_from([5, sizes[0]])),
        rate=draw(st.sampled_from([50.0, 300.0, 2000.0])),
        sizes=sizes,
        models=tuple(draw(st.sampled_from(sorted(MODELS))) for _ in range(n)),
        links=tuple(links),
        operator=draw(st.sampled_from(["", "", "", "softmax", "normalise", "gate", "attention"])),
    )
