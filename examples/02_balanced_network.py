"""Simulate a balanced network: 3,200 excitatory and 800 inhibitory neurons that keep each other in check.

    python examples/02_balanced_network.py [--seconds 0.5] [--raster raster.png]

The ten lines of the README, grown: two receptors with time constants of their own, two recurrent
projections, and what the spikes look like. Parameters are those of the CUBA benchmark (R. Brette et
al., Journal of Computational Neuroscience 23:349, 2007); the membranes start anywhere below threshold.
"""

from __future__ import annotations

import argparse

import numpy as np

import rheobase as rb
from rheobase import ms, mV

N_EXC, N_INH = 3200, 800


def build(seed: int = 0) -> rb.Network:
    """Describe the network; nothing is drawn or compiled yet."""
    net = rb.Network(seed=seed)
    model = rb.CurrentLIF(
        20 * ms, tau_syn_exc=5 * ms, tau_syn_inh=10 * ms, v_rest=-49 * mV, v_reset=-60 * mV,
        threshold=-50 * mV, refractory=5 * ms,
    )  # fmt: skip
    start = {"v": rb.uniform(-60 * mV, -50 * mV)}
    cells = net.add(rb.Population(N_EXC + N_INH, model, name="cells", initial=start))
    for name, sources, weight, receptor in (
        ("exc", cells[:N_EXC], 1.62 * mV, "excitatory"),
        ("inh", cells[N_EXC:], -9.0 * mV, "inhibitory"),
    ):
        net.add(rb.Projection(sources, cells, rb.random(p=0.02), weight=weight, receptor=receptor, name=name))
    net.add(rb.Probe(cells, name="spikes"))
    net.add(rb.Probe(cells, "v", every=1 * ms, ids=np.arange(3), name="membranes"))
    return net


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=0.5, help="model time")
    parser.add_argument("--raster", help="draw the spikes into this file")
    args = parser.parse_args()

    net = build()
    print(net)
    sim = rb.Simulator(net, dt=0.1 * ms)
    print(sim.plan)
    result = sim.run(args.seconds)
    print(result)

    spikes = result["spikes"]
    print(f"mean rate {spikes.rate():.1f} Hz, irregularity (mean CV) {np.nanmean(spikes.cv()):.2f}")
    membranes = result["membranes"]
    print(f"membranes of neurons {membranes.ids.tolist()} on average {membranes.values.mean() / mV:.1f} mV")
    if args.raster:
        result.raster("spikes").figure.savefig(args.raster, dpi=120)


if __name__ == "__main__":
    main()
