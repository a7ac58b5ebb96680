"""Simulate a tenth of the cortical microcircuit: eight populations in four layers, each with its own rate.

    python examples/06_microcircuit.py [--scale 0.1] [--seconds 1] [--raster raster.png]

The model of T. C. Potjans and M. Diesmann (Cerebral Cortex 24:785, 2014) ships with rheobase. With a
tenth of the neurons and of the synapses onto each, stronger synapses and a constant current keep
each neuron's input what it was on the average; the rates stay near those of the full model.
"""

from __future__ import annotations

import argparse

import numpy as np

import rheobase as rb
from rheobase import ms
from rheobase.models import microcircuit

#: Rates of the full model in hertz.
FULL = {
    "L23E": 0.90,
    "L23I": 2.97,
    "L4E": 4.41,
    "L4I": 5.88,
    "L5E": 7.57,
    "L5I": 8.63,
    "L6E": 1.11,
    "L6I": 7.83,
}
#: Until it has settled.
WARMUP = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--scale", type=float, default=0.1, help="share of neurons and of synapses onto each")
    parser.add_argument("--seconds", type=float, default=1.0, help="model time after the warm-up")
    parser.add_argument("--raster", help="draw the spikes into this file")
    args = parser.parse_args()

    net = microcircuit(seed=0, scale=args.scale)
    sim = rb.Simulator(net, dt=0.1 * ms)
    # What happens meanwhile is not kept.
    sim.run(WARMUP)
    result = sim.run(args.seconds)
    counts = result.counts
    print(f"{counts.n_neurons:,} neurons, {counts.n_synapses:,} synapses, {counts.spikes:,} spikes")
    print(f"took {result.info.wall_s / args.seconds:.2f} s per second of model time")
    print(f"{'':6}{'neurons':>8}{'rate (Hz)':>11}{'full model':>12}{'mean CV':>9}")
    for name, rate in FULL.items():
        spikes = result[f"spikes {name}"]
        intervals = spikes.cv()
        cv = f"{np.nanmean(intervals):.2f}" if np.isfinite(intervals).any() else "-"
        print(f"{name:6}{spikes.n:8}{spikes.rate():11.2f}{rate:12.2f}{cv:>9}")
    if args.raster:
        axes = result.raster()
        # As in cortex, the upper layers above.
        axes.invert_yaxis()
        axes.figure.savefig(args.raster, dpi=120)


if __name__ == "__main__":
    main()
