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


def plastic_network(
    trains, n_post, synapses, steps, *, dt, tau, rule, grid=None
):  # fmt: skip
    """Leaky integrate-and-fire neurons behind plastic synapses; returns their spikes and the last weights.

    trains lists the spike steps of each source, which are units 0, 1, ...; the neurons follow as units
    len(trains), .... Each of synapses is (unit, neuron, delay in steps >= 1, weight), and its weight enters
    as a whole number of `grid` where that is given. In every step: arrivals with the old weights, decay,
    input, threshold 1 and reset to 0, then learning (each arrival before each firing), with memories of
    the earlier steps.
    """
    sent = [list(train) for train in trains] + [[] for _ in range(n_post)]
    v = [0.0] * n_post
    weights = [weight for *_, weight in synapses]
    for now in range(steps):
        arriving = [now - delay in sent[unit] for unit, _, delay, _ in synapses]
        total = [0.0] * n_post
        for k, (_, neuron, _, _) in enumerate(synapses):
            if arriving[k]:
                total[neuron] += weights[k] if grid is None else round(weights[k] / grid) * grid
        fired = []
        for neuron in range(n_post):
            v[neuron] = v[neuron] * math.exp(-dt / tau) + total[neuron]
            if v[neuron] >= 1.0:
                v[neuron] = 0.0
                fired.append(neuron)
        for k, (unit, neuron, delay, _) in enumerate(synapses):
            out = sent[len(trains) + neuron]
            if arriving[k]:
                change = rule["a_post"] * memory(out, now, dt, rule["tau_post"], "all")
                weights[k] = min(max(weights[k] + change, rule["w_min"]), rule["w_max"])
            if neuron in fired:
                arrivals = [n + delay for n in sent[unit]]
                change = rule["a_pre"] * memory(arrivals, now, dt, rule["tau_pre"], "all")
                weights[k] = min(max(weights[k] + change, rule["w_min"]), rule["w_max"])
        for neuron in fired:
            sent[len(trains) + neuron].append(now)
    return sent[len(trains) :], weights


def tsodyks_markram(times, U, tau_rec, tau_facil):
    """What share of the weight each spike of a train, in seconds, delivers: u times x, spike after spike."""
    shares, x, u = [], 1.0, U
    for k, now in enumerate(times):
        if k:
            passed = now - times[k - 1]
            x = 1.0 - (1.0 - (x - u * x)) * math.exp(-passed / tau_rec)
            u = U + (1.0 - U) * u * math.exp(-passed / tau_facil) if tau_facil > 0 else U
        shares.append(u * x)
    return shares


def triplet_stdp(
    pre_times, post_times, weight, *, tau_plus, tau_minus, tau_x, tau_y, a2_plus, a3_plus, a2_minus, a3_minus,
    w_min, w_max, pairing="all",
):  # fmt: skip
    """Weight of one synapse after all spikes, given by the times at which it learns of them.

    What a neuron's earlier spikes have left is summed afresh for each spike; spikes at once know nothing
    of each other, and the source's acts first.
    """
    weights = [weight]
    for now, what in sorted([(t, "1 arrives") for t in pre_times] + [(t, "2 fires") for t in post_times]):
        left = lambda times, tau: memory(times, now, 1.0, tau, pairing)  # noqa: B023, E731
        if what == "1 arrives":
            change = -left(post_times, tau_minus) * (a2_minus + a3_minus * left(pre_times, tau_x))
        else:
            change = left(pre_times, tau_plus) * (a2_plus + a3_plus * left(post_times, tau_y))
        weights.append(min(max(weights[-1] + change, w_min), w_max))
    return weights[-1]


def hebbian(kind, pre_steps, post_steps, weight, *, dt, tau, lr, w_min, w_max, **more):
    """Weight of one synapse after all spikes of its target, by Hebb, Oja or BCM, summed over earlier spikes.

    more: offset of Hebb, norm of Oja, tau_theta and rate of BCM.
    """
    for now in sorted(post_steps):
        x, y = (memory(steps, now, dt, tau, "all") for steps in (pre_steps, post_steps))
        if kind == "Hebb":
            change = x - more["offset"]
        elif kind == "Oja":
            change = x - y * weight / more["norm"] ** 2
        else:
            squares = sum(
                memory(post_steps, n, dt, tau, "all") * math.exp(-(now - n) * dt / more["tau_theta"])
                for n in post_steps
                if n < now
            )
            change = x * (y - squares / (more["tau_theta"] * more["rate"]))
        weight = min(max(weight + lr * change, w_min), w_max)
    return weight
