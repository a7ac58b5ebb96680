"""Run a toy network and a toy plastic rule on Numba's CUDA simulator, and save what came out.

A program of its own, since the simulator must be chosen before Numba is imported:
NUMBA_ENABLE_CUDASIM=1 python cuda_simulator_run.py OUT.npz. The test imports it for the toys alone.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from rheobase.learning.stdp import STDP
from rheobase.neurons import LIF, CurrentLIF, EventNeuron, NeuronModel, Parameter, State
from rheobase.neurons.vocabulary import exp, maximum, spike, uniform, where

DT = 1e-3
N_STEPS = 50
GRID = 2.0**-8
N = 20
RULE = STDP(8e-3, 12e-3, a_pre=0.07, a_post=-0.06, w_max=1.0, dependence="multiplicative")


@dataclass(frozen=True, eq=False)
class Escape(NeuronModel):
    """A toy that needs the vocabulary's exponential and random numbers: fires with probability exp(v - 2)."""

    states = (State("v"),)
    decay: float = Parameter(0.9)

    def derive(self, elapsed):
        return {"decay": self.decay}

    @staticmethod
    def flow(v, decay):
        return v * decay

    @staticmethod
    def jump(v, input):
        return maximum(v + input, 0.0)

    @staticmethod
    def fire(v):
        sent = spike(exp(v * 1.5 - 2.0) - uniform(0))
        return sent, where(sent, 0.0, v - exp(v - 5.0))


@dataclass(frozen=True)
class Rows:
    """A sparse projection: row k of `pre` is targets[starts[k]:starts[k + 1]]."""

    pre: str
    post: str
    receptor: str
    starts: np.ndarray
    targets: np.ndarray
    weights: np.ndarray


def models() -> dict[str, NeuronModel]:
    return {
        "lif": LIF(np.linspace(8e-3, 20e-3, N), refractory=2e-3, drive=0.2),
        "current": CurrentLIF(10e-3, tau_syn_exc=3e-3, tau_syn_inh=6e-3, reset="soft", reset_delay=True),
        "events": EventNeuron(0.25, bits=4),
        "escape": Escape(),
    }


def rows() -> list[Rows]:
    rng = np.random.default_rng(5)
    made = []
    for pre, post, receptor, low, high in [
        ("source", "lif", "input", 40, 160),
        ("source", "escape", "input", 10, 120),
        ("lif", "current", "excitatory", 200, 900),
        ("current", "current", "inhibitory", -600, -100),
        ("current", "lif", "input", -80, -10),
        ("lif", "events", "input", -60, 90),
        ("events", "escape", "input", 1, 40),
    ]:
        lengths = rng.integers(2, 8, N)
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        targets = rng.integers(0, N, starts[-1]).astype(np.int32)
        weights = rng.integers(low, high, starts[-1]).astype(np.int16)
        made.append(Rows(pre, post, receptor, starts, targets, weights))
    return made


def source_spikes() -> np.ndarray:
    return np.random.default_rng(6).random((N_STEPS, N)) < 0.12


def draws() -> np.ndarray:
    return np.random.default_rng(7).random((N_STEPS, N), dtype=np.float32)


def plastic() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(8)
    return {
        "sources": rng.integers(0, N, 60).astype(np.int32),
        "targets": rng.integers(0, N, 60).astype(np.int32),
        "weights": rng.random(60, dtype=np.float32),
        "arrived": (rng.random((N_STEPS, N)) < 0.15).astype(np.int32),
        "fired": (rng.random((N_STEPS, N)) < 0.15).astype(np.int32),
    }


def initial_states(model: NeuronModel) -> dict[str, np.ndarray]:
    """Return this model's state variables at the start, by name."""
    given = model.initial()
    types = {"float": np.float32, "integer": np.int32}
    return {s.name: np.full(N, given.get(s.name, s.initial), dtype=types[s.kind]) for s in model.used_states}


def on_cuda(name: str, model: NeuronModel, cells: dict[str, np.ndarray]) -> Any:
    """Return a function (step) -> (ids, payloads) of one population, and its state."""
    from rheobase.engine.backends.cuda.gate import bind_cuda

    kernels = bind_cuda(model, DT)
    state = initial_states(model)
    drawn = draws()
    arguments: dict[str, Any] = {f"state_{k}": v for k, v in state.items()}
    arguments |= {f"cells_{r}": cells[r] for r in model.receptors} | {
        f"grid_{r}": GRID for r in model.receptors
    }
    for argument in kernels.arguments["update"]:
        if argument.name.startswith("constant_"):
            value = model.constants(DT)[argument.name.removeprefix("constant_")]
            arguments[argument.name] = np.asarray(value, dtype=argument.dtype) if argument.array else value
    spikes, payloads = np.zeros(N, np.int32), np.zeros(N, np.float32)

    def step(now: int) -> tuple[np.ndarray, np.ndarray]:
        n_spikes = np.zeros(1, np.int32)
        known = {
            **arguments,
            "now": now,
            "draw_uniform_0": drawn[now],
            "spikes": spikes,
            "payloads": payloads,
            "n_spikes": n_spikes,
        }
        wanted = {a.name for a in kernels.arguments["update"]}
        kernels.launch("update", N, **{k: v for k, v in known.items() if k in wanted})
        return spikes[: n_spikes[0]].copy(), payloads[: n_spikes[0]].copy()

    return step, state


def run_network() -> dict[str, np.ndarray]:
    """Return sent[step, neuron] and the final state of every population, from CUDA kernels."""
    from rheobase.engine.backends.cuda.gate import bind_cuda_delivery

    deliver = bind_cuda_delivery()
    family = models()
    cells = {name: {r: np.zeros(N, np.int32) for r in model.receptors} for name, model in family.items()}
    bound = {name: on_cuda(name, model, cells[name]) for name, model in family.items()}
    sent = {name: np.zeros((N_STEPS, N), np.float32) for name in family}
    travelling = {name: (np.zeros(0, np.int32), np.zeros(0, np.float32)) for name in family}
    for now in range(N_STEPS):
        ids = np.flatnonzero(source_spikes()[now]).astype(np.int32)
        travelling["source"] = (ids, np.ones(ids.size, np.float32))
        for row in rows():
            ids, payloads = travelling[row.pre]
            deliver.launch(
                "deliver",
                ids.size,
                spikes=ids,
                payloads=payloads,
                starts=row.starts,
                targets=row.targets,
                weights=row.weights,
                cells=cells[row.post][row.receptor],
            )
        for name, (step, _) in bound.items():
            travelling[name] = ids, payloads = step(now)
            sent[name][now, ids] = payloads
    states = {f"{name}.{k}": v for name, (_, state) in bound.items() for k, v in state.items()}
    return {**{f"sent.{name}": values for name, values in sent.items()}, **states}


def run_rule() -> np.ndarray:
    """Return the weights after every step, from CUDA kernels."""
    from rheobase.engine.backends.cuda.gate import bind_cuda_rule

    kernels, toy, constants = bind_cuda_rule(RULE), plastic(), RULE.constants(DT)
    traces = {trace.name: np.zeros(N, np.float32) for trace in RULE.traces}
    weights, seen = toy["weights"], []
    for arrived, fired in zip(toy["arrived"], toy["fired"], strict=True):
        for name, trace in traces.items():
            kernels.launch(f"fade_{name}", N, trace=trace, decay=constants[f"decay_{name}"])
        kernels.launch(
            "learn",
            weights.size,
            sources=toy["sources"],
            targets=toy["targets"],
            arrived=arrived,
            fired=fired,
            weights=weights,
            **{f"trace_{name}": trace for name, trace in traces.items()},
            **{f"constant_{name}": constants[name] for name in RULE.constant_names},
        )
        for trace in RULE.traces:
            events = arrived if trace.side == "pre" else fired
            kernels.launch(f"bump_{trace.name}", N, trace=traces[trace.name], events=events)
        seen.append(weights.copy())
    return np.array(seen)


if __name__ == "__main__":
    np.savez(sys.argv[1], weights=run_rule(), **run_network())
