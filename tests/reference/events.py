"""A network from event to event, from its equations: one queue of floats, one neuron at a time.

Where a neuron fires by itself is found by looking at many times and halving the interval: slow, but
nothing is left to be clever about.
"""

from __future__ import annotations

import heapq
import math


class Cell:
    """tau dv/dt = v_inf - v + i_1 + i_2 + ..; each current decays with a time constant of its own.

    Without `taus` input moves v at once. After a spike v is held at v_reset for the refractory time.
    """

    def __init__(self, tau, taus=(), v_inf=0.0, threshold=1.0, v_reset=0.0, refractory=0.0, v=None, i=None):
        self.tau, self.taus, self.v_inf, self.threshold = tau, taus, v_inf, threshold
        self.v_reset, self.refractory = v_reset, refractory
        self.v = v_inf if v is None else v
        self.i = list(i) if i is not None else [0.0] * len(taus)
        self.time, self.held_until = 0.0, -math.inf

    def at(self, time):
        """Return v and the currents at a later time, if nothing happens until then."""
        v, i, since = self.v, list(self.i), self.time
        held = min(max(self.held_until - since, 0.0), time - since)
        i = [x * math.exp(-held / t) for x, t in zip(i, self.taus, strict=True)]
        s = time - since - held
        v = self.v_inf + (v - self.v_inf) * math.exp(-s / self.tau)
        for x, t in zip(i, self.taus, strict=True):
            if t == self.tau:
                v += x * s / t * math.exp(-s / t)
            else:
                v += x * t / (t - self.tau) * (math.exp(-s / t) - math.exp(-s / self.tau))
        return v, [x * math.exp(-s / t) for x, t in zip(i, self.taus, strict=True)]

    def crossing(self, until, step):
        """Return the first time before `until` at which v is at threshold; None if there is none."""
        low = max(self.time, self.held_until)
        if self.at(low)[0] >= self.threshold:
            return low
        while low < until:
            high = low + step
            if self.at(high)[0] >= self.threshold:
                for _ in range(60):
                    middle = 0.5 * (low + high)
                    low, high = (low, middle) if self.at(middle)[0] >= self.threshold else (middle, high)
                return high
            low = high
        return None


def run(cells, synapses, inputs, duration, step=2e-5):
    """Return (time, cell) of every spike.

    `synapses[k]` lists (target, weight, delay, current) of cell k, `inputs` (time, target, weight, current);
    `current` is None where the weight adds to v.
    """
    queue = [(time, 1, target, weight, current) for time, target, weight, current in inputs]
    spikes, version = [], [0] * len(cells)

    def foresee(k):
        version[k] += 1
        at = cells[k].crossing(min(duration, cells[k].time + 0.5), step)
        if at is not None:
            heapq.heappush(queue, (at, 0, k, version[k], None))

    for k in range(len(cells)):
        foresee(k)
    heapq.heapify(queue)
    while queue and queue[0][0] < duration:
        now = queue[0][0]
        arrived, alone = {}, set()
        while queue and queue[0][0] == now:
            _, kind, k, what, current = heapq.heappop(queue)
            if kind == 1:
                arrived.setdefault(k, []).append((what, current))
            elif what == version[k]:
                alone.add(k)
        for k in sorted(alone | set(arrived)):
            cell = cells[k]
            cell.v, cell.i = cell.at(now)
            cell.time = now
            free = now > cell.held_until
            for weight, current in arrived.get(k, []):
                if current is not None:
                    cell.i[current] += weight
                elif free:
                    cell.v += weight
            if free and (cell.v >= cell.threshold or k in alone):
                cell.v, cell.held_until = cell.v_reset, now + cell.refractory
                spikes.append((now, k))
                for target, weight, delay, receptor in synapses[k]:
                    heapq.heappush(queue, (now + delay, 1, target, weight, receptor))
            foresee(k)
    return spikes
