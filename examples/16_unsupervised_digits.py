"""Let synapses find out what digits look like: competition, STDP and homeostasis, and no labels.

    python examples/16_unsupervised_digits.py [--seed 0] [--neurons 100] [--epochs 3] [--fields fields.png]

The network of P. U. Diehl and M. Cook, Frontiers in Computational Neuroscience 9:99 (2015), in small:
pixels fire at random, each neuron that answers silences the others by way of its inhibitory partner, and the
synapses of what it answered to grow. Each spike lifts a neuron's threshold for hours, so that all get their
turn, and before each image the weights onto every neuron are brought to one sum. Afterwards nothing learns
any more; a neuron is named after the digit that it answers to most among the images that it has seen, and new
images are named by their neurons. Takes a minute.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

import rheobase as rb
from rheobase import ms, mV
from rheobase.learning import Normalise

SEEN, DT, SHOWN, REST = 700, 0.5 * ms, 350 * ms, 150 * ms
#: The sum of the weights onto a neuron, and the largest rate of a pixel in hertz.
TOTAL, BRIGHTEST = 78.0, 63.75
#: Change of a weight when the neuron fires twice within some 40 ms, and when a pixel fires after it; lift of
#: the threshold by a spike. The first and the last are larger than the paper's 0.01 and 0.05 mV: there are
#: fewer images.
POTENTIATION, DEPRESSION, LIFT = 0.2, 1e-4, 0.1 * mV


@dataclass
class Learned:
    """What the network keeps of its life: weights [neurons, pixels] and lifts of thresholds in volts."""

    weights: np.ndarray
    lift: np.ndarray | float = 0.0


def network(images: np.ndarray, start: Learned, *, learns: bool, seed: int) -> rb.Network:
    """Describe pixels that show one image after the other, and two layers of neurons that compete.

    Conductances are relative to the leak's, so that weights are plain numbers.
    """
    n = len(start.weights)
    net = rb.Network(seed=seed)
    times = np.add.outer(np.arange(len(images)) * (SHOWN + REST), [0.0, SHOWN]).reshape(-1)
    rates = np.zeros((2 * len(images), images[0].size))
    rates[::2] = images.reshape(len(images), -1) * (BRIGHTEST / images.max())
    pixels = net.add(rb.RateSource(rates.shape[1], times=times, rates=rates, name="pixels"))

    def neuron(tau: float, reversal: float, **options: object) -> rb.ConductanceLIF:
        receptors = (rb.Receptor("exc", 1 * ms, reversal=0.0), rb.Receptor("inh", 2 * ms, reversal=reversal))
        return rb.ConductanceLIF(receptors, g_leak=1.0, capacitance=tau, **options)

    adapts = {"tau_lift": 1e4, "lift_step": LIFT if learns else 0.0}
    rest = {"v_rest": -65 * mV, "v_reset": -65 * mV, "threshold": -52 * mV, "refractory": 5 * ms}
    fast = {"v_rest": -60 * mV, "v_reset": -45 * mV, "threshold": -40 * mV, "refractory": 2 * ms}
    features = neuron(100 * ms, -100 * mV, **rest, **adapts)
    cells = net.add(rb.Population(n, features, name="features", initial={"lift": start.lift}))
    partners = net.add(rb.Population(n, neuron(10 * ms, -85 * mV, **fast), name="partners"))
    # A spike of the neuron counts for as much as it remembers of its last one; others are forgotten.
    rule = rb.TripletSTDP(
        20 * ms, 20 * ms, 100 * ms, 40 * ms, a2_plus=0.0, a3_plus=POTENTIATION, a2_minus=DEPRESSION,
        a3_minus=0.0, w_max=1.0, pairing="nearest", homeostasis=Normalise(TOTAL, every=SHOWN + REST),
    )  # fmt: skip
    net.add(
        rb.Projection(
            pixels, cells, rb.dense(), weight=start.weights, receptor="exc", rule=rule if learns else None,
            name="learning",
        )
    )  # fmt: skip
    net.add(rb.Projection(cells, partners, rb.one_to_one(), weight=10.4, receptor="exc"))
    net.add(rb.Projection(partners, cells, rb.dense(), weight=17.0 * (1.0 - np.eye(n)), receptor="inh"))
    net.add(rb.Probe(cells, name="spikes"))
    return net


def show(images: np.ndarray, start: Learned, *, learns: bool, seed: int) -> tuple[np.ndarray, Learned]:
    """Show images one after the other; return spikes (images, neurons), and what the network has then."""
    sim = rb.Simulator(network(images, start, learns=learns, seed=seed), dt=DT, precision="float64")
    spikes = sim.run(len(images) * (SHOWN + REST))["spikes"]
    counts = np.zeros((len(images), len(start.weights)), np.int64)
    np.add.at(counts, (spikes.steps // round((SHOWN + REST) / DT), spikes.ids), 1)
    return counts, Learned(sim.weights("learning"), sim.state("features")["lift"])


def read(counts: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the digit that each image is taken for; images that were seen say what neurons stand for."""
    means = np.array([counts[:SEEN][labels[:SEEN] == digit].mean(axis=0) for digit in range(10)])
    stands_for = means.argmax(axis=0)
    votes = [counts[:, stands_for == d].mean(axis=1) if d in stands_for else 0 * labels for d in range(10)]
    return np.argmax(votes, axis=0)


def draw(weights: np.ndarray, path: str) -> None:
    """Draw what each neuron looks for, side by side."""
    from matplotlib.figure import Figure

    side, across = round(weights.shape[1] ** 0.5), round(len(weights) ** 0.5)
    fields = weights[: across**2].reshape(across, across, side, side).swapaxes(1, 2)
    figure = Figure(figsize=(6, 6))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.imshow(fields.reshape(across * side, across * side), cmap="gray_r")
    ax.set_axis_off()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--neurons", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=3, help="how often each image is seen")
    parser.add_argument("--fields", help="draw what the neurons look for into this file")
    args = parser.parse_args()

    digits, rng = rb.datasets.digits(), np.random.default_rng(args.seed)
    order = rng.permutation(len(digits.labels))
    images, labels = digits.images[order].astype(np.float64), digits.labels[order]
    weights = rng.random((args.neurons, images[0].size)) + 0.01
    found = Learned(weights * TOTAL / weights.sum(axis=1, keepdims=True))
    for epoch in range(args.epochs):
        counts, found = show(images[:SEEN], found, learns=True, seed=args.seed + epoch)
        print(
            f"epoch {epoch + 1}: {counts.sum(axis=1).mean():.1f} spikes an image, thresholds lifted by "
            f"{found.lift.mean() / mV:.1f} mV",
            flush=True,
        )
    counts, _ = show(images, found, learns=False, seed=args.seed + args.epochs)
    right = read(counts, labels) == labels
    print(f"named after {SEEN} images without labels: {right[:SEEN].mean():.1%} of these right")
    print(f"new images: {right[SEEN:].mean():.1%}")
    if args.fields:
        draw(found.weights, args.fields)


if __name__ == "__main__":
    main()
