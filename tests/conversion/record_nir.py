"""Record what snnTorch, norse and sinabs export as NIR, and the spikes that each then gives.

Run with a Python that has torch, snntorch, norse, sinabs, nir and nirtorch:

    python tests/conversion/record_nir.py

It writes nir_NAME.nir and nir_peers.npz beside itself: for each network its input [steps, ...] and the spikes
of its layers [steps, n], by the name of their node.
"""

from __future__ import annotations

from pathlib import Path

import nir
import numpy as np
import torch

HERE = Path(__file__).parent
STEPS = 60


def spikes_like(*shape: int, p: float, seed: int) -> torch.Tensor:
    """Return random spikes [STEPS, 1, ...]."""
    made = np.random.default_rng(seed).random((STEPS, 1, *shape)) < p
    return torch.from_numpy(made.astype(np.float32))


def scale_up(module: torch.nn.Module, factor: float) -> None:
    """Make weights large enough that layers fire."""
    with torch.no_grad():
        for name, p in module.named_parameters():
            if "weight" in name:
                p.mul_(factor)


def snntorch_export(net, sample):
    """Return snnTorch's graph, without the axis of trials."""
    from snntorch.export_nir import export_to_nir

    return export_to_nir(net, sample, ignore_dims=[0])


def snntorch_dense():
    """Two dense layers of Leaky: reset by subtraction in the next step."""
    import snntorch as snn

    layers = [
        torch.nn.Linear(12, 20),
        snn.Leaky(beta=torch.linspace(0.7, 0.95, 20), threshold=torch.full((20,), 0.8), init_hidden=True),
        torch.nn.Linear(20, 6, bias=False),
        snn.Leaky(beta=torch.full((6,), 0.9), threshold=torch.full((6,), 0.6), init_hidden=True),
    ]
    net = torch.nn.Sequential(*layers)
    scale_up(net, 2.0)
    return net, spikes_like(12, p=0.3, seed=1), snntorch_export, {"1": layers[1], "3": layers[3]}


def snntorch_conv():
    """A convolution, pooling, and a dense layer of Synaptic."""
    import snntorch as snn

    layers = [
        torch.nn.Conv2d(2, 4, (3, 3), stride=(1, 1), padding=1),
        snn.Leaky(beta=torch.full((4, 8, 8), 0.8), threshold=torch.full((4, 8, 8), 0.7), init_hidden=True),
        torch.nn.AvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(64, 5),
        snn.Synaptic(
            alpha=torch.full((5,), 0.6),
            beta=torch.full((5,), 0.8),
            threshold=torch.full((5,), 0.5),
            init_hidden=True,
        ),
    ]
    net = torch.nn.Sequential(*layers)
    scale_up(net, 4.0)
    return net, spikes_like(2, 8, 8, p=0.2, seed=2), snntorch_export, {"1": layers[1], "5": layers[5]}


def snntorch_recurrent():
    """A recurrent layer, which is exported as a graph of its own."""
    import snntorch as snn

    layers = [
        torch.nn.Linear(8, 10),
        snn.RLeaky(
            beta=torch.full((10,), 0.85),
            threshold=torch.full((10,), 0.7),
            linear_features=10,
            init_hidden=True,
        ),
        torch.nn.Linear(10, 4),
        snn.Leaky(beta=torch.full((4,), 0.9), threshold=torch.full((4,), 0.7), init_hidden=True),
    ]
    net = torch.nn.Sequential(*layers)
    scale_up(net, 2.5)
    return net, spikes_like(8, p=0.3, seed=3), snntorch_export, {"1.lif": layers[1], "3": layers[3]}


def norse_dense():
    """Dense layers of LIFBoxCell."""
    import norse.torch as norse
    from norse.torch.functional.lif_box import LIFBoxParameters
    from norse.torch.utils.export_nir import to_nir

    layers = [
        torch.nn.Linear(12, 20),
        norse.LIFBoxCell(
            LIFBoxParameters(
                tau_mem_inv=torch.full((20,), 80.0),
                v_leak=torch.zeros(20),
                v_th=torch.full((20,), 0.3),
                v_reset=torch.zeros(20),
            )
        ),
        torch.nn.Linear(20, 6),
        norse.LIFBoxCell(
            LIFBoxParameters(
                tau_mem_inv=torch.full((6,), 120.0),
                v_leak=torch.zeros(6),
                v_th=torch.full((6,), 0.2),
                v_reset=torch.zeros(6),
            )
        ),
    ]
    net = norse.SequentialState(*layers)
    scale_up(net, 8.0)
    return (
        net,
        spikes_like(12, p=0.3, seed=4),
        lambda m, x: to_nir(m, x, dt=1.0),
        {"1": layers[1], "3": layers[3]},
    )


def norse_current():
    """A dense layer of LIFCell, which has a synaptic current, and one of IAFCell."""
    import norse.torch as norse
    from norse.torch.functional.iaf import IAFParameters
    from norse.torch.functional.lif import LIFParameters
    from norse.torch.module.iaf import IAFCell
    from norse.torch.utils.export_nir import to_nir

    rates = {"tau_syn_inv": torch.full((20,), 200.0), "tau_mem_inv": torch.full((20,), 100.0)}
    levels = {"v_leak": torch.zeros(20), "v_th": torch.full((20,), 0.3), "v_reset": torch.zeros(20)}
    layers = [
        torch.nn.Linear(12, 20),
        norse.LIFCell(LIFParameters(**rates, **levels)),
        torch.nn.Linear(20, 6),
        IAFCell(IAFParameters(v_th=torch.full((6,), 0.8), v_reset=torch.zeros(6))),
    ]
    net = norse.SequentialState(*layers)
    scale_up(net, 4.0)
    return (
        net,
        spikes_like(12, p=0.3, seed=6),
        lambda m, x: to_nir(m, x, dt=1.0),
        {"1": layers[1], "3": layers[3]},
    )


def sinabs_conv():
    """A convolution of IAF and a dense layer of LIF, one spike a step at most."""
    import sinabs.layers as sl
    from sinabs.activation import MembraneSubtract, SingleSpike
    from sinabs.nir import to_nir

    layers = [
        torch.nn.Conv2d(2, 4, 3, bias=False),
        sl.IAFSqueeze(
            batch_size=1, spike_threshold=torch.tensor(0.9), spike_fn=SingleSpike, reset_fn=MembraneSubtract()
        ),
        sl.SumPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(36, 5),
        sl.LIFSqueeze(
            batch_size=1,
            tau_mem=torch.full((5,), 8.0),
            spike_threshold=torch.full((5,), 0.7),
            spike_fn=SingleSpike,
            reset_fn=MembraneSubtract(),
        ),
    ]
    scale_up(layers[4], 12.0)
    watched = {"1": layers[1], "5": layers[5]}
    return torch.nn.Sequential(*layers), spikes_like(2, 8, 8, p=0.2, seed=5), to_nir, watched


def watch(layers: dict[str, torch.nn.Module], into: dict[str, list[np.ndarray]]) -> None:
    """Let layers add what they send to lists by their names."""
    for name, layer in layers.items():

        def keep(module, given, sent, name=name):
            spikes = sent[0] if isinstance(sent, tuple) else sent
            into.setdefault(name, []).append(spikes.detach().numpy().reshape(-1, spikes[0].numel()))

        layer.register_forward_hook(keep)


def run(net: torch.nn.Module, x: torch.Tensor, kind: str) -> None:
    """Run all steps from a fresh state: snnTorch and norse step by step, sinabs all at once."""
    with torch.no_grad():
        if kind == "sinabs":
            for layer in net:
                if hasattr(layer, "reset_states"):
                    layer.reset_states()
            net(x[:, 0])
        elif kind == "norse":
            state = None
            for step in x:
                _, state = net(step, state)
        else:
            from snntorch import utils

            utils.reset(net)
            for step in x:
                net(step)


def record(make) -> dict[str, np.ndarray]:
    """Write one network's graph, and return its input and the spikes of its layers."""
    torch.manual_seed(7)
    net, x, export, layers = make()
    graph = export(net, x[0])
    if make is sinabs_conv:
        graph.infer_types()  # nir 1.0.8 cannot write a convolution that does not know its image
    nir.write(HERE / f"nir_{make.__name__}.nir", graph)
    sent: dict[str, list[np.ndarray]] = {}
    watch(layers, sent)
    run(net, x, make.__name__.partition("_")[0])
    recorded = {
        f"{make.__name__}:{name}": np.concatenate(rows).astype(np.uint8) for name, rows in sent.items()
    }
    return recorded | {f"{make.__name__}:input": x[:, 0].numpy().astype(np.uint8)}


NETWORKS = (snntorch_dense, snntorch_conv, snntorch_recurrent, norse_dense, norse_current, sinabs_conv)

if __name__ == "__main__":
    found: dict[str, np.ndarray] = {}
    for make in NETWORKS:
        found |= record(make)
    np.savez_compressed(HERE / "nir_peers.npz", **found)
    for name, array in found.items():
        print(name, array.shape, f"{array.mean():.3f}")
