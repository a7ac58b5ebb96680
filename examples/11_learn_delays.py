"""Learn delays beside weights, on patterns that differ in nothing but the times of spikes.

    python examples/11_learn_delays.py [--seed 0] [--epochs 25]

Every channel fires once in every pattern, and neurons forget within a step: only delays can tell what a
pattern is. Three networks are trained: with one delay for all, with a delay drawn for each synapse, and with
delays that are learned; the last two again for some epochs in which delays stay and weights are trained. Then
the trained network is simulated, and its spikes compared with the module's. Needs torch; takes a minute.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from torch import Tensor

import rheobase as rb
from rheobase.datasets import latency_patterns
from rheobase.learning import delays
from rheobase.learning.delays import LearnedDelays
from rheobase.learning.surrogate import ATan

SAMPLES, BATCH, HIDDEN = 800, 64, 24
DT, LONGEST = 1e-3, 25e-3
#: Largest steps of the optimisers of weights and of positions, and epochs of weights alone.
RATE, RATE_OF_POSITIONS, AFTERWARDS = 5e-3, 0.2, 5


def patterns(seed: int, part: int) -> tuple[Tensor, Tensor]:
    """Return patterns (steps, n, channels), with time after them for what two layers delay, and labels."""
    found = latency_patterns(SAMPLES, seed=seed, part=part)
    spikes = torch.from_numpy(found.spikes.transpose(1, 0, 2).astype(np.float32))
    return torch.nn.functional.pad(spikes, (0, 0, 0, 0, 0, 26)), torch.from_numpy(found.labels)


def network(delay: object, seed: int) -> rb.Network:
    """Return two layers of synapses, and neurons without memory: 0.5 % of v are left after a step."""
    rng = np.random.default_rng([seed, 2])
    net = rb.Network(seed=seed)
    x = net.add(rb.SpikeSource(12, name="x"))
    hidden = net.add(rb.Population(HIDDEN, rb.Leaky(0.005, reset="hard", reset_delay=False), name="hidden"))
    silent = rb.Leaky(0.005, reset="none", threshold=1e9)
    out = net.add(rb.Population(10, silent, name="out"))
    for pre, post, name in ((x, hidden, "in"), (hidden, out, "read")):
        bound = np.sqrt(6.0 / pre.n)
        weight = rng.uniform(-bound, bound, (post.n, pre.n))
        net.add(rb.Projection(pre, post, rb.dense(), weight=weight, delay=delay, name=name))
    return net


def logits(module: torch.nn.Module, x: Tensor) -> Tensor:
    """Return how much of the time each output was the largest, softly."""
    return module(x)["v of out"].softmax(dim=-1).sum(dim=0)


def train(module: torch.nn.Module, x: Tensor, labels: Tensor, *, epochs: int, learn: bool, seed: int) -> None:
    """Train weights, and positions too if they are to be learned."""
    weights = [p for name, p in module.named_parameters() if not name.endswith("position")]
    optimisers = [torch.optim.Adam(weights, RATE, weight_decay=1e-5)]
    schedules = [torch.optim.lr_scheduler.OneCycleLR(optimisers[0], RATE, total_steps=epochs)]
    if learn:
        optimisers.append(torch.optim.Adam(delays.positions(module), RATE_OF_POSITIONS))
        schedules.append(torch.optim.lr_scheduler.CosineAnnealingLR(optimisers[1], epochs))
    generator = torch.Generator().manual_seed(seed)
    module.train()
    for epoch in range(epochs):
        if learn:
            delays.narrow(module, epoch, epochs)
        for chosen in torch.randperm(len(labels), generator=generator).split(BATCH):
            loss = torch.nn.functional.cross_entropy(logits(module, x[:, chosen]), labels[chosen])
            for optimiser in optimisers:
                optimiser.zero_grad()
            loss.backward()
            for optimiser in optimisers:
                optimiser.step()
        for schedule in schedules:
            schedule.step()


def right(module: torch.nn.Module, x: Tensor, labels: Tensor) -> float:
    """Return the share of patterns that are recognised in evaluation: by delays of whole steps."""
    with torch.no_grad():
        return float((logits(module.eval(), x).argmax(dim=1) == labels).float().mean())


def trained(arm: str, seed: int, epochs: int) -> tuple[torch.nn.Module, list[float]]:
    """Return a trained module, and what it recognises: after training, and after weights alone were."""
    (x, labels), test = patterns(seed, 0), patterns(seed, 1)
    drawn = rb.uniform(0.5 * DT, LONGEST + 0.49 * DT)
    net, learn = network(DT if arm == "none" else drawn, seed), arm == "learned"
    learned = dict.fromkeys(["in", "read"], LearnedDelays(LONGEST)) if learn else {}
    outputs = ["hidden", ("out", "v")]
    module = rb.to_torch(net, surrogate=ATan(5.0), outputs=outputs, batch_norm="in", delays=learned)
    train(module, x, labels, epochs=epochs, learn=learn, seed=seed)
    found = [right(module, *test)]
    if arm != "none":
        if learn:
            delays.fix(module)
        train(module, x, labels, epochs=AFTERWARDS, learn=False, seed=seed + 1)
        found.append(right(module, *test))
    return module, found


def differing(module: torch.nn.Module, x: Tensor) -> tuple[int, int]:
    """Return how many spikes hidden neurons send in the simulator, and how many are others in the module."""
    net = rb.from_torch(module)
    probe = net.add(rb.Probe(net["hidden"]))
    with torch.no_grad():
        expected = module.eval()(x)["hidden"]
    sim = rb.Simulator(net, dt=DT, batch=x.shape[1])
    record = sim.run(len(x) * DT, inputs={"x": x.numpy().transpose(1, 0, 2).astype(int)})[probe]
    sent = torch.zeros_like(expected)
    sent[record.steps, record.trials, record.ids] = 1.0
    return int(sent.sum()), int((sent != expected).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=25)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("delays    trained   weights alone, afterwards")
    for arm in ("none", "fixed", "learned"):
        module, found = trained(arm, options.seed, options.epochs)
        print(f"{arm:8}  " + "     ".join(f"{share:6.1%}" for share in found), flush=True)
    sent, differ = differing(module, patterns(options.seed, 1)[0][:, :BATCH])
    print(f"simulated: {sent} spikes of {BATCH} patterns, {differ} differ from the module's")


if __name__ == "__main__":
    main()
