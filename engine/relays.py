"""Short-term plasticity as part of a network that runs: a relay between a source and its synapses.

A relay is a population of the rule's own model, one neuron for each source neuron. Spikes reach it without
delay, and what it sends in the same step goes out through the projection's synapses, with their delays. So
no backend needs to know of these rules. Users see their own network: what a relay does is told as what
its projection did.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..learning.rules.short_term import ShortTermRule
from .connectivity import OneToOne
from .groups import Group, Slice, group_of
from .network import Network
from .parts import Population, Probe, Projection


@dataclass(frozen=True, eq=False)
class Relay(Population):
    """The neurons that a short-term rule puts between a source and a projection's synapses.

    Parameters
    ----------
    of : Group or slice of one
        Whose spikes they relay.
    """

    of: Any = None


def relayed(network: Network) -> Network:
    """Return a network in which relays do what short-term rules say; the same where there are none.

    Parts without such a rule are the same ones.

    Examples
    --------
    >>> import rheobase as rb
    >>> net = rb.Network()
    >>> a, b = (net.add(rb.Population(3, rb.IF(), name=name)) for name in "ab")
    >>> p = net.add(rb.Projection(a, b, rb.one_to_one(), rule=rb.TsodyksMarkram()))
    >>> [part.name for part in relayed(net)]
    ['a', 'b', 'a->b.relay', 'a->b.feed', 'a->b']
    """
    if not any(isinstance(p.rule, ShortTermRule) for p in network.projections):
        return network
    running = Network(network.seed)
    for part in network:
        if isinstance(part, Probe) and isinstance(part.target, Projection):
            continue  # sampled while machines stand still
        if not isinstance(part, Projection) or not isinstance(part.rule, ShortTermRule):
            running.add(part)
            continue
        relay = running.add(relay_of(part))
        feed = Projection(part.pre, relay, OneToOne(), weight=1.0, delay=0.0, name=f"{part.label}.feed")
        running.add(feed)
        running.add(replace(part, pre=relay, rule=None))
    return running


def relay_of(p: Projection) -> Relay:
    """Return the relay of a projection with a short-term rule."""
    assert isinstance(p.rule, ShortTermRule)
    return Relay(p.pre.shape, p.rule, of=p.pre, name=relay_name(p), positions=p.pre.positions)


def relay_name(p: Projection) -> str:
    """Return what the relay of a projection is called."""
    return f"{p.label}.relay"


def is_relayed(p: Projection) -> bool:
    """Whether a relay stands before a projection's synapses."""
    return isinstance(p.pre, Relay)


def is_feed(p: Projection) -> bool:
    """Whether a projection leads to a relay."""
    return isinstance(p.post, Relay)


def sender(p: Projection) -> Group:
    """Return the group whose spikes a projection carries, also where a relay stands between."""
    return group_of(origin(p.pre))


def origin(end: Group | Slice) -> Group | Slice:
    """Return where the spikes of a projection's end come from: what a relay stands for, or the end itself."""
    return end.of if isinstance(end, Relay) else end
