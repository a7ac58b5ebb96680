"""Write a neuron model of your own: a leaky neuron that tires.

    python examples/05_own_neuron.py [--seconds 1]

A model is a frozen dataclass: its fields are its parameters, and three small functions say how it moves.
They are written once, over scalars; every backend compiles the same ones. This one adds to LIF a
second variable `w` that grows by `jolt` with every spike, decays with `tau_w`, and pulls v down:

    tau dv/dt = drive - v - w,    tau_w dw/dt = -w
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

import rheobase as rb
from rheobase import ms
from rheobase.neurons.model import State, decay_of
from rheobase.neurons.vocabulary import spike


@dataclass(frozen=True, eq=False)
class Tiring(rb.NeuronModel):
    """Leaky integrate-and-fire with adaptation; v is dimensionless, threshold 1, soft reset."""

    states: ClassVar[tuple[State, ...]] = (State("v"), State("w"))

    tau: float = rb.Parameter(unit="s", above=0.0)
    tau_w: float = rb.Parameter(unit="s", above=0.0)
    jolt: float = rb.Parameter(0.1, low=0.0)
    drive: float = rb.Parameter(0.0)

    def derive(self, elapsed: float) -> dict[str, Any]:
        """Return the constants of one step; exact where w is constant over it."""
        return {
            "decay": decay_of(self.tau, elapsed),
            "decay_w": decay_of(self.tau_w, elapsed),
            "drive": self.drive,
            "jolt": self.jolt,
        }

    @staticmethod
    def flow(v: Any, w: Any, drive: Any, decay: Any, decay_w: Any) -> Any:
        """Let time pass."""
        aim = drive - w
        return aim + (v - aim) * decay, w * decay_w

    @staticmethod
    def jump(v: Any, input: Any) -> Any:
        """Take the input of this step."""
        return v + input

    @staticmethod
    def fire(v: Any, w: Any, jolt: Any) -> Any:
        """Return what is sent, and the new state."""
        sent = spike(v - 1.0)
        return sent, v - sent, w + sent * jolt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.0, help="model time")
    args = parser.parse_args()

    net = rb.Network(seed=0)
    cells = net.add(rb.Population(3, Tiring(20 * ms, 200 * ms, jolt=np.array([0.0, 0.1, 0.3]), drive=2.0)))
    spikes = net.add(rb.Probe(cells))
    w = net.add(rb.Probe(cells, "w", every=100 * ms))
    for backend in ("numba", "reference"):
        result = rb.Simulator(net, dt=1 * ms, backend=backend).run(args.seconds)
        print(f"{backend}:")
        for cell, jolt in enumerate((0.0, 0.1, 0.3)):
            intervals = np.diff(result[spikes].train(cell)) / ms
            print(
                f"  jolt {jolt}: intervals from {intervals[0]:.0f} ms to {intervals[-1]:.0f} ms, "
                f"w at the end {result[w].of(cell)[-1]:.2f}"
            )


if __name__ == "__main__":
    main()
