"""Pair STDP from its definition: every pair of spikes contributes an exponential, in float64.

No traces are stepped here: what a synapse remembers is summed afresh over the spike times, which is
slow and obvious.
"""

import math


def memory(steps, now, dt, tau, pairing):
    """Sum of exp(-age / tau) over the spikes before step `now`: of all of them, or of only the last."""
    earlier = sorted(n for n in steps if n < now)
    if pairing == "nearest":
        earlier = earlier[-1:]
    return sum(math.exp(-(now - n) * dt / tau) for n in earlier)


def pair_stdp(
    pre_steps, post_steps, weight, *, dt, tau_pre, tau_post, a_pre, a_post, w_min, w_max,
    dependence="additive", pairing="all", delay=0,
):  # fmt: skip
    """Weight of one synapse after all spikes.

    Spikes are given in steps; one sent in step n arrives in step n + delay. An arriving spike changes
    the weight by a_post times the memory of the target's earlier spikes; a spike of the target by
    a_pre times the memory of what arrived earlier. In one step the arrival acts first.
    """
    arrivals = [n + delay for n in pre_steps]
    events = sorted([(n, "1 arrives") for n in arrivals] + [(n, "2 fires") for n in post_steps])
    for step, what in events:
        if what == "1 arrives":
            change = a_post * memory(post_steps, step, dt, tau_post, pairing)
        else:
            change = a_pre * memory(arrivals, step, dt, tau_pre, pairing)
        if dependence == "multiplicative":
            change *= (w_max - weight) if change > 0 else (weight - w_min)
        weight = min(max(weight + change, w_min), w_max)
    return weight
