"""Let synapses compete: spike-timing dependent plasticity splits them into strong and weak ones.

    python examples/04_stdp.py [--seconds 400] [--histogram weights.png]

A thousand Poisson inputs drive one neuron. Those that tend to come just before its spikes grow, the
others shrink (S. Song, K. D. Miller, L. F. Abbott, Nature Neuroscience 3:919, 2000).
"""

from __future__ import annotations

import argparse

import numpy as np

import rheobase as rb
from rheobase import ms

N_INPUTS, STRONGEST = 1000, 0.02


def build(seed: int = 0) -> rb.Network:
    """Describe the neuron, its inputs and the rule by which they learn."""
    net = rb.Network(seed=seed)
    inputs = net.add(rb.PoissonSource(N_INPUTS, rate=15.0, name="inputs"))
    neuron = net.add(rb.Population(1, rb.LIF(10 * ms, threshold=1.0), name="neuron"))
    # The potentiating side is a little weaker in total, so that chance pairs weaken a synapse.
    rule = rb.STDP(
        20 * ms, 20 * ms, a_pre=0.01 * STRONGEST, a_post=-0.0105 * STRONGEST, w_min=0.0, w_max=STRONGEST
    )
    net.add(
        rb.Projection(
            inputs, neuron, rb.all_to_all(), weight=rb.uniform(0.0, STRONGEST), rule=rule, name="learning"
        )
    )
    net.add(rb.Probe(neuron, name="output"))
    return net


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=400.0, help="model time")
    parser.add_argument("--histogram", help="draw the weights into this file")
    args = parser.parse_args()

    sim = rb.Simulator(build(), dt=1 * ms)
    before = sim.weights("learning").reshape(-1)
    # run() goes on where it stopped and returns only its own stretch.
    for _ in range(5):
        result = sim.run(args.seconds / 5)
        share = sim.weights("learning").reshape(-1) / STRONGEST
        weak, strong = np.mean(share < 0.2), np.mean(share > 0.8)
        print(
            f"{sim.now:6.1f} s: output {result['output'].rate():5.1f} Hz, {weak:.0%} of the synapses weak, "
            f"{strong:.0%} strong"
        )
        if result.info.interrupted:
            break  # Ctrl-C ends a run in good order; whether the program goes on is its own affair
    print(f"{result.counts.projections[0].weight_updates:,} changes of a weight in the last stretch")
    if args.histogram:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5, 3), layout="constrained")
        axes = figure.subplots()
        axes.hist([before, share * STRONGEST], bins=20, label=["before", "after"])
        axes.set(xlabel="weight", ylabel="synapses")
        axes.legend()
        figure.savefig(args.histogram, dpi=120)


if __name__ == "__main__":
    main()
