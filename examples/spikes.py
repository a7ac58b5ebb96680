"""What the scripts that train on spikes share: one loop, and what the simulator says of what came of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

import rheobase as rb

BATCH = 50


def fit(
    module: nn.Module, batch_of: Callable[[Tensor], Tensor], labels: np.ndarray, *, epochs: int, rate: float
) -> None:
    """Train what the last population's potential is on average, by cross-entropy."""
    wanted = torch.tensor(labels, dtype=torch.int64)
    optimiser = torch.optim.Adam(module.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, epochs * -(-len(wanted) // BATCH))
    for epoch in range(epochs):
        total = 0.0
        for chosen in torch.randperm(len(wanted)).split(BATCH):
            loss = nn.functional.cross_entropy(module(batch_of(chosen)).mean(dim=0), wanted[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * len(chosen)
        if (epoch + 1) % max(1, epochs // 6) == 0:
            print(f"epoch {epoch + 1}/{epochs}: loss {total / len(wanted):.3f}", flush=True)


def confirm(module: nn.Module, spikes: np.ndarray, labels: np.ndarray, *, dt: float) -> rb.Result:
    """Run the trained network in the simulator, and say what it recognises and whose spikes they are.

    With weights on a grid, in both, torch and the simulator add the same numbers exactly.
    """
    net = rb.from_torch(module.eval())
    *hidden, out = (population.name for population in net.populations)
    exact = rb.to_torch(net, dt=dt, outputs=[*hidden, (out, "v")], precision="fixed")
    with torch.inference_mode():
        plain = module(torch.from_numpy(spikes).float()).mean(dim=0).argmax(dim=1).numpy()
        expected = {name: values.numpy() for name, values in exact(torch.from_numpy(spikes).float()).items()}
    for name in hidden:
        net.add(rb.Probe(net[name], name=f"spikes of {name}"))
    net.add(rb.Probe(net[out], "v", name="answer"))

    steps, batch, _ = spikes.shape
    sim = rb.Simulator(net, dt=dt, batch=batch, precision="fixed")
    result = sim.run(steps * dt, inputs={net.sources[0]: spikes.swapaxes(0, 1)})
    differing = sent = 0
    for name in hidden:
        record, raster = result[f"spikes of {name}"], np.zeros(expected[name].shape, np.int64)
        np.add.at(raster, (record.steps, record.trials, record.ids), 1)
        differing += int((raster != expected[name]).sum())
        sent += len(record.steps)
    answers = result["answer"].values.mean(axis=1).argmax(axis=1)
    print(f"accuracy in torch            {(plain == labels).mean():.1%}")
    print(f"accuracy in the simulator    {(answers == labels).mean():.1%}")
    print(f"spikes that differ           {differing} of {sent:,}")
    return result
