"""Rules are folded to what a variant needs, and refused where not every backend could run them."""

# ruff: noqa: B007, F821, F841

from __future__ import annotations

import numpy as np
import pytest

import rheobase as rb
from rheobase.neurons import vocabulary
from rheobase.neurons.specialise import specialise
from rheobase.neurons.vocabulary import exp, where

WORDS = {word: getattr(vocabulary, word) for word in vocabulary.WORDS}


def rule(v, w, tau, shift, mode, on):
    """Every kind of folding in one rule."""
    if mode == "fast" and not on:
        return v * tau
    elif mode in ("slow", "late") or on:
        v = v + (shift if on else 1.0)
        return v, where(w > 0, w, exp(v))
    return w


def test_branches_that_options_decide_are_gone():
    assert specialise(rule, {"mode": "fast", "on": False}).source() == "def rule(v, tau):\n    return v * tau"
    assert specialise(rule, {"mode": "none", "on": False}).source("f") == "def f(w):\n    return w"


def test_arguments_words_and_returned_values_are_those_of_the_variant():
    slow = specialise(rule, {"mode": "slow", "on": False})
    assert (slow.arguments, slow.n_returned, slow.words) == (("v", "w"), 2, {"where", "exp"})
    shifted = specialise(rule, {"mode": "none", "on": True})
    assert shifted.arguments == ("v", "w", "shift")


def test_folded_rule_computes_what_the_written_one_does():
    v, w = np.array([1.0, 2.0]), np.array([-1.0, 3.0])
    bound = specialise(rule, {"mode": "late", "on": True}).bind(WORDS)
    written = rule(v, w, 0.5, 0.25, "late", True)
    np.testing.assert_array_equal(bound(v, w, 0.25), written)


def test_words_mean_what_they_are_bound_to():
    bound = specialise(rule, {"mode": "slow", "on": False}).bind(
        {"where": lambda c, a, b: b, "exp": lambda x: -x}
    )
    assert bound(1.0, 5.0) == (2.0, -2.0)


def test_variant_drops_the_states_that_it_does_not_use():
    assert [s.name for s in rb.LIF(0.01).used_states] == ["v"]
    assert [s.name for s in rb.LIF(0.01, refractory=1e-3).used_states] == ["v", "ready"]
    assert [s.name for s in rb.LIF(0.01, reset_delay=True).used_states] == ["v", "pending"]
    assert [s.name for s in rb.CurrentLIF(0.01, 0.002).used_states] == ["v", "i"]


def synapses(v, g, x, decay, reversal, input, ports, slow):
    """Loops of every kind: over names, nested in conditions, and as a sum."""
    v = v + sum(g[port] * (reversal[port] - v) for port in ports)
    if slow:
        v = v + sum(x[port] for port in slow)
    for port in ports:
        g[port] = decay[port] * g[port]
        if port in slow:
            x[port] = x[port] + input[port]
        else:
            g[port] += input[port]
    return v, g, x


def test_a_loop_over_names_becomes_what_one_would_have_written_by_hand():
    assert specialise(synapses, {"ports": ("a", "b"), "slow": ("b",)}).source() == (
        "def synapses(v, g_a, g_b, x_b, decay_a, decay_b, reversal_a, reversal_b, a, b):\n"
        "    v = v + (g_a * (reversal_a - v) + g_b * (reversal_b - v))\n"
        "    v = v + x_b\n"
        "    g_a = decay_a * g_a\n"
        "    g_a += a\n"
        "    g_b = decay_b * g_b\n"
        "    x_b = x_b + b\n"
        "    return (v, g_a, g_b, x_b)"
    )


def test_a_name_that_is_empty_leaves_the_arguments_as_they_are():
    assert specialise(synapses, {"ports": ("",), "slow": ()}).source() == (
        "def synapses(v, g, decay, reversal, input):\n"
        "    v = v + g * (reversal - v)\n"
        "    g = decay * g\n"
        "    g += input\n"
        "    return (v, g)"
    )


def only_members(g, ports):
    for port in ports:
        g[port] = g[port] * 2.0
    return g


def test_members_alone_are_returned_in_order_however_many_there_are():
    one, two = (specialise(only_members, {"ports": names}) for names in (("b",), ("b", "a")))
    assert (one.n_returned, one.bind(WORDS)(3.0)) == (1, 6.0)
    assert (two.arguments, two.n_returned, two.bind(WORDS)(3.0, 1.0)) == (("g_b", "g_a"), 2, (6.0, 2.0))
    with pytest.raises(rb.SpecError, match="must end with a return"):
        specialise(only_members, {"ports": ()})


def test_unrolled_loops_compute_what_the_written_ones_do_on_dicts():
    numbers = {"g": 0.5, "x": 0.25, "decay": 0.75, "reversal": 2.0, "input": 0.125}
    given = {name: {port: value + k for k, port in enumerate("abc")} for name, value in numbers.items()}
    variant = specialise(synapses, {"ports": ("a", "b", "c"), "slow": ("b", "c")})
    flat = {"v": 1.5} | {f"{name}_{port}": value for name in given for port, value in given[name].items()}
    flat |= given["input"]
    bound = variant.bind(WORDS)(*(flat[name] for name in variant.arguments))
    v, g, x = synapses(1.5, *given.values(), ("a", "b", "c"), ("b", "c"))
    assert bound == (v, *g.values(), x["b"], x["c"])


def passes_on(v, w, u, factor, moving):
    return v * u, (w + factor if moving else w), u


def swaps(v, w, u):
    return v, u, w


def test_states_that_a_variant_leaves_alone_are_not_returned():
    still = specialise(passes_on, {"moving": False}, ["v", "w", "u"])
    assert still.source() == "def passes_on(v, u):\n    return v * u"
    moving = specialise(passes_on, {"moving": True}, ["v", "w", "u"])
    assert moving.source() == "def passes_on(v, w, factor, u):\n    return (v * u, w + factor)"
    # The first is always returned; what is returned in another's place has changed.
    assert specialise(swaps, {}, ["v", "w", "u"]).source() == "def swaps(v, w, u):\n    return (v, u, w)"
    assert specialise(swaps, {}).n_returned == 3


def loops(v):
    while v > 0:
        v = v - 1
    return v


def asks_for_a_value(v):
    if v > 0:
        return v
    return -v


def chooses_by_a_value(v):
    return v if v > 0 else -v


def uses_a_stranger(v):
    return np.tanh(v)


def uses_an_unknown_name(v):
    return v + factor


def calls_a_state(v, w):
    return v(w)


def joins_values(v, w):
    return v > 0 and w > 0


def chains(v):
    return 0 < v < 1


def negates_a_value(v):
    return not v


def raises_to_a_power(v):
    return v**2


def has_a_default(v, w=1.0):
    return v + w


def takes_any(*v):
    return v


def skips_a_state(v, w, u):
    return v + 1.0, u


def returns_nothing(v):
    v = v + 1


def assigns_an_option(v, mode):
    mode = v
    return mode


def goes_over_a_state(v):
    for port in v:
        v = v + 1.0
    return v


def goes_over_a_text(v, mode):
    for port in mode:
        v = v + 1.0
    return v


def goes_over_pairs(v, ports):
    for a, b in ports:
        v = v + 1.0
    return v


def hides_an_argument(v, ports):
    for v in ports:
        pass
    return v


def has_another_ending(v, ports):
    for port in ports:
        v = v + 1.0
    else:
        v = 0.0
    return v


def assigns_the_name(v, ports):
    for port in ports:
        port = v
    return v


def sums_some(g, ports):
    return sum(g[port] for port in ports if port != "a")


def lists_apart(g, ports):
    return max(g[port] for port in ports)


def sums_a_state(v):
    return sum(v)


def indexes_by_a_state(g, v):
    return g[v]


def indexes_by_a_number(g):
    return g[0]


def indexes_a_local(v, ports):
    for port in ports:
        v[port].w = v
    return v


def indexes_what_is_not_given(v, ports):
    for port in ports:
        w[port] = v
    return v


def takes_all_as_one(g, v, ports):
    return v + g, sum(g[port] for port in ports)


def outlives_its_loop(v, g, ports):
    for port in ports:
        v = v + g[port]
    return v * port


def gives_two_the_same_name(a_b, a, ports):
    return sum(a[port] for port in ports) + sum(a_b[port] for port in ports)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (goes_over_a_state, "`for` goes over `v`; allowed is an option that is a tuple of names"),
        (goes_over_a_text, "`for` goes over `mode`; allowed is an option that is a tuple of names"),
        (goes_over_pairs, r"`for \(a, b\)`: allowed is one name of its own"),
        (hides_an_argument, "`for v`: allowed is one name of its own"),
        (has_another_ending, "`for` has no `else`"),
        (assigns_the_name, "assigns to the loop's name 'port'"),
        (sums_some, "takes one `for` without an `if`"),
        (lists_apart, r"may only stand in sum\(\)"),
        (sums_a_state, "no call of a word"),
        (indexes_by_a_state, r"`g\[v\]`: only arguments are indexed, by the name of a loop"),
        (indexes_by_a_number, r"`g\[0\]`: only arguments are indexed, by the name of a loop"),
        (indexes_a_local, "uses Attribute"),
        (indexes_what_is_not_given, r"`w\[port\]`: only arguments are indexed"),
        (takes_all_as_one, r"`g` is a number for each name; write g\[...\], or return it whole"),
        (outlives_its_loop, r"uses \['port'\]"),
        (gives_two_the_same_name, r"a\['b'\] would be called 'a_b', which it cannot be, or is something"),
        (loops, "uses While"),
        (asks_for_a_value, "`if` may only ask for options"),
        (chooses_by_a_value, "may only ask for options"),
        (uses_a_stranger, "uses Attribute"),
        (uses_an_unknown_name, r"uses \['factor'\]"),
        (calls_a_state, "no call of a word"),
        (joins_values, "asks for values"),
        (chains, "asks for values"),
        (negates_a_value, "asks for values"),
        (raises_to_a_power, "uses Pow"),
        (has_a_default, "plain arguments only"),
        (takes_any, "plain arguments only"),
        (skips_a_state, r"never uses its arguments \['w'\]"),
        (returns_nothing, "must end with a return"),
        (assigns_an_option, "assigns to the option 'mode'"),
        (lambda v: v, "plain function written with `def`"),
        (len, "source cannot be read"),
    ],
    ids=lambda x: getattr(x, "__name__", None),
)
def test_rule_that_not_every_backend_has_is_refused_by_name(function, message):
    with pytest.raises(rb.SpecError, match=message) as caught:
        specialise(function, {"mode": "fast", "ports": ("a", "b")})
    assert f"rule {function.__qualname__}" in str(caught.value)


@pytest.mark.parametrize("port", ["v", "g_a", "lambda", "not a name", "1", "exp", "total"])
def test_a_name_that_would_collide_or_is_none_is_refused(port):
    def arriving(v, input, g, ports):
        total = v
        for port in ports:
            total = total + input[port] + g[port] * exp(v)
        return total

    with pytest.raises(rb.SpecError, match=r"rule .*arriving: .*choose another name than"):
        specialise(arriving, {"ports": ("a", port)})


def test_a_family_goes_by_the_name_that_an_option_gives_it():
    def take(v, held, input, ports):
        for port in ports:
            held[port] = held[port] + input[port]
        return v, held

    # `held` is an option here: its value is what the family is called.
    folded = {called: specialise(take, {"ports": ("ampa", "gaba"), "held": called}) for called in ("g", "i")}
    assert folded["g"].arguments == ("v", "g_ampa", "g_gaba", "ampa", "gaba")
    assert folded["i"].arguments == ("v", "i_ampa", "i_gaba", "ampa", "gaba")
    assert folded["g"].bind({})(0.0, 1.0, 2.0, 10.0, 20.0) == (0.0, 11.0, 22.0)
