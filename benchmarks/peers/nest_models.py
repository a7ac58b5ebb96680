"""The recurrent workloads in NEST's terms; `nest_networks.py` runs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import potjans_diesmann as pd14
from draws import coba_starts, sparse_drives
from potjans_diesmann import DELAYS, NAMES, WEIGHT_SPREAD

STEP_MS = 0.1
#: Nodes per thread beyond which the lean synapse cannot name its target.
_MOST_HPC = 60_000


@dataclass
class Model:
    """Parts of a network: its neurons, and what is needed to say what they did."""

    neurons: Any
    n_exc: int = 0
    record: bool = True
    #: Mean number of synapses from each neuron, where they are not looked at one by one.
    fan_out: np.ndarray | None = None
    #: Populations by name, where there are several.
    populations: dict[str, Any] = field(default_factory=dict)
    #: True where a run changes more than the state of neurons, so that each needs a new network.
    learns: bool = False
    synapse: str = "static_synapse_hpc"
    #: Returns more facts after a run in which the neurons sent so many spikes.
    more: Callable[[int], dict[str, Any]] = lambda spikes: {}


def _cuba(nest: Any, scale: float, seed: int) -> Model:
    """Brette et al. 2007, benchmark 2; C = tau_m in pF makes a current of 1 pA worth 1 mV."""
    n_exc, n_inh = round(3200 * scale), round(800 * scale)
    model = {"C_m": 20.0, "tau_m": 20.0, "tau_syn_ex": 5.0, "tau_syn_in": 10.0, "t_ref": 5.0}
    model |= {"E_L": -49.0, "V_th": -50.0, "V_reset": -60.0}
    neurons = nest.Create("iaf_psc_exp", n_exc + n_inh, params=model)
    neurons.V_m = nest.random.uniform(-60.0, -50.0)
    rule = {"rule": "pairwise_bernoulli", "p": min(1.0, 0.02 / scale), "allow_autapses": False}
    for sources, weight in ((neurons[:n_exc], 1.62), (neurons[n_exc:], -9.0)):
        synapse = {"synapse_model": "static_synapse_hpc", "weight": weight, "delay": STEP_MS}
        nest.Connect(sources, neurons, rule, synapse)
    return Model(neurons, n_exc)


def _coba(nest: Any, scale: float, seed: int) -> Model:
    """Brette et al. 2007, benchmark 1."""
    n_exc, n_inh = round(3200 * scale), round(800 * scale)
    model = {"C_m": 200.0, "g_L": 10.0, "tau_syn_ex": 5.0, "tau_syn_in": 10.0, "t_ref": 5.0}
    model |= {"E_L": -60.0, "V_th": -50.0, "V_reset": -60.0, "E_ex": 0.0, "E_in": -80.0}
    neurons = nest.Create("iaf_cond_exp", n_exc + n_inh, params=model)
    neurons.V_m = nest.random.normal(-65.0, 5.0)
    for variable, (mean, sd) in zip(("g_ex", "g_in"), coba_starts().values(), strict=True):
        neurons.set({variable: nest.random.lognormal(mean, sd)})
    rule = {"rule": "pairwise_bernoulli", "p": min(1.0, 0.02 / scale), "allow_autapses": False}
    for sources, weight in ((neurons[:n_exc], 6.0), (neurons[n_exc:], -67.0)):
        synapse = {"synapse_model": "static_synapse_hpc", "weight": weight, "delay": STEP_MS}
        nest.Connect(sources, neurons, rule, synapse)
    return Model(neurons, n_exc)


def _brunel(nest: Any, scale: float, seed: int) -> Model:
    """Brunel's sparse network with fixed in-degrees, no pair joined twice, none to itself."""
    n_exc, n_inh = round(10_000 * scale), round(2_500 * scale)
    k_exc, k_inh = min(1000, n_exc // 10), min(250, n_inh // 10)
    weight, tau, threshold = 0.2, 20.0, 20.0
    drive_hz = 2.0 * threshold / (weight * tau) * 1e3
    model = {"C_m": 1.0, "tau_m": tau, "E_L": 0.0, "V_th": threshold, "V_reset": 10.0, "t_ref": 2.0}
    neurons = nest.Create("iaf_psc_delta", n_exc + n_inh, params=model)
    neurons.V_m = nest.random.uniform(0.0, 20.0)
    synapse = {"synapse_model": "static_synapse_hpc", "delay": 1.5}
    for sources, k, w in ((neurons[:n_exc], k_exc, weight), (neurons[n_exc:], k_inh, -6.0 * weight)):
        rule = {"rule": "fixed_indegree", "indegree": k, "allow_multapses": False, "allow_autapses": False}
        nest.Connect(sources, neurons, rule, synapse | {"weight": w})
    noise = nest.Create("poisson_generator", params={"rate": drive_hz})
    nest.Connect(noise, neurons, "all_to_all", synapse | {"weight": weight})
    return Model(neurons, n_exc)


def _sparse(nest: Any, scale: float, seed: int) -> Model:
    """Many neurons with a constant drive, fixed in-degrees and a delay of its own for every synapse."""
    n_exc, n_inh = round(80_000 * scale), round(20_000 * scale)
    # C = tau_m in pF makes a current of 1 pA worth 1 mV.
    model = {"C_m": 20.0, "tau_m": 20.0, "E_L": 0.0, "V_th": 20.0, "V_reset": 10.0, "t_ref": 2.0}
    neurons = nest.Create("iaf_psc_delta", n_exc + n_inh, params=model)
    neurons.V_m = nest.random.uniform(0.0, 20.0)
    neurons.I_e = sparse_drives(seed, len(neurons))
    lean = len(neurons) / nest.local_num_threads < _MOST_HPC
    kind = "static_synapse_hpc" if lean else "static_synapse"
    synapse = {"synapse_model": kind, "delay": nest.random.uniform(1.0, 10.0)}
    degrees = 0
    for sources, most, weight in ((neurons[:n_exc], 800, 0.1), (neurons[n_exc:], 200, -0.5)):
        k = min(most, len(sources) // 5)
        rule = {"rule": "fixed_indegree", "indegree": k, "allow_multapses": False, "allow_autapses": False}
        nest.Connect(sources, neurons, rule, synapse | {"weight": weight})
        degrees += k
    return Model(neurons, n_exc, fan_out=np.full(len(neurons), degrees), synapse=kind)


def _microcircuit(nest: Any, scale: float, seed: int) -> Model:
    """Potjans and Diesmann 2014, one generator for each population's drive."""
    circuit = pd14.describe(scale)
    model = {
        "C_m": pd14.C_M,
        "tau_m": pd14.TAU_M,
        "tau_syn_ex": pd14.TAU_S,
        "tau_syn_in": pd14.TAU_S,
        "t_ref": pd14.REFRACTORY,
    }
    model |= {"E_L": pd14.E_L, "V_th": pd14.THRESHOLD, "V_reset": pd14.E_L}
    groups = []
    for size, current, mean, sd in zip(
        circuit.sizes, circuit.currents, circuit.v_means, circuit.v_sds, strict=True
    ):
        groups.append(nest.Create("iaf_psc_exp", int(size), params=model | {"I_e": current}))
        groups[-1].V_m = nest.random.normal(mean, sd)
    for group, degree in zip(groups, circuit.drive_in_degrees, strict=True):
        generator = nest.Create("poisson_generator", params={"rate": pd14.EXTERNAL_HZ * degree})
        synapse = {"synapse_model": "static_synapse_hpc", "weight": circuit.drive_weight, "delay": STEP_MS}
        nest.Connect(generator, group, "all_to_all", synapse)
    for (target, source), number in np.ndenumerate(circuit.synapses):
        if number:
            mean, (delay, spread) = circuit.weights[target, source], DELAYS[NAMES[source][-1]]
            weight = nest.random.normal(mean, WEIGHT_SPREAD * abs(mean))
            limits = {"min": 0.0, "max": np.inf} if mean > 0 else {"min": -np.inf, "max": 0.0}
            synapse = {"synapse_model": "static_synapse_hpc", "weight": nest.math.redraw(weight, **limits)}
            delays = nest.random.normal(delay, spread)
            synapse["delay"] = nest.math.redraw(delays, min=STEP_MS, max=np.inf)
            rule = {"rule": "fixed_total_number", "N": int(number)}
            nest.Connect(groups[source], groups[target], rule, synapse)
    neurons = sum(groups[1:], groups[0])
    fan_out = np.repeat(circuit.synapses.sum(axis=0) / circuit.sizes, circuit.sizes)
    populations = dict(zip(NAMES, groups, strict=True))
    return Model(neurons, record=False, fan_out=fan_out, populations=populations)


def _stdp(nest: Any, scale: float, seed: int, rule: str = "pair") -> Model:
    """Plasticity on all synapses from Poisson inputs, which parrots repeat: generators cannot learn."""
    w_max = 0.5
    model = {"C_m": 20.0, "tau_m": 20.0, "tau_syn_ex": 5.0, "tau_syn_in": 5.0, "t_ref": 2.0}
    model |= {"E_L": 0.0, "V_m": 0.0, "V_th": 20.0, "V_reset": 0.0}
    neurons = nest.Create("iaf_psc_exp", round(100 * scale), params=model)
    kind, synapse, traces = _learning(nest, rule, w_max)
    neurons.set(traces)
    generator = nest.Create("poisson_generator", params={"rate": 15.0})
    inputs = nest.Create("parrot_neuron", 1000)
    nest.Connect(generator, inputs, "all_to_all", {"delay": STEP_MS})
    nest.CopyModel(kind, "learning", synapse)
    start = {"delay": STEP_MS, "weight": nest.random.uniform(0.0, w_max)}
    nest.Connect(inputs, neurons, "all_to_all", {"synapse_model": "learning", **start})

    def more(spikes: int) -> dict[str, Any]:
        shares = np.asarray(nest.GetConnections(inputs, neurons).weight) / w_max
        # The kernel's counter holds the spikes of parrots and neurons, few of which are a modulator's.
        events = (nest.local_spike_counter - spikes) * len(neurons)
        return {
            "weight_mean": float(shares.mean()), "weight_sd": float(shares.std()), "synaptic_events": events,
        }  # fmt: skip

    return Model(neurons, learns=True, synapse=kind, more=more)


def _learning(nest: Any, rule: str, w_max: float) -> tuple[str, dict[str, Any], dict[str, float]]:
    """Return a rule's synapse, the parameters of that, and those of the neurons behind it."""
    if rule == "pair":
        # Additive: neither side depends on the weight.
        synapse = {"tau_plus": 20.0, "lambda": 0.01, "alpha": 1.05, "Wmax": w_max}
        return "stdp_synapse", synapse | {"mu_plus": 0.0, "mu_minus": 0.0}, {"tau_minus": 20.0}
    if rule == "triplet":
        shares = {"Aplus": 5e-10, "Aplus_triplet": 6.2e-3, "Aminus": 7e-3, "Aminus_triplet": 2.3e-4}
        synapse = {name: share * w_max for name, share in shares.items()}
        synapse |= {"tau_plus": 16.8, "tau_plus_triplet": 101.0, "Wmax": w_max}
        return "stdp_triplet_synapse", synapse, {"tau_minus": 33.7, "tau_minus_triplet": 125.0}
    # Each spike of the modulator adds 1 / tau_n per ms.
    tau_n, step = 200.0, 0.01 * w_max
    # It visits all synapses each 10 ms; by default at every step.
    transmitter = nest.Create("volume_transmitter", params={"deliver_interval": round(10.0 / STEP_MS)})
    source = nest.Create("parrot_neuron")
    nest.Connect(nest.Create("poisson_generator", params={"rate": 10.0}), source, syn_spec={"delay": STEP_MS})
    nest.Connect(source, transmitter, syn_spec={"delay": STEP_MS})
    synapse = {"volume_transmitter": transmitter, "tau_plus": 20.0, "tau_c": 1000.0, "tau_n": tau_n}
    synapse |= {"A_plus": step * tau_n / 1e3, "A_minus": 1.05 * step * tau_n / 1e3, "b": 1.0 / tau_n}
    return "stdp_dopamine_synapse", synapse | {"Wmin": 0.0, "Wmax": w_max}, {"tau_minus": 20.0}


WORKLOADS: dict[str, Callable[..., Model]] = {
    "cuba": _cuba,
    "coba": _coba,
    "brunel": _brunel,
    "microcircuit": _microcircuit,
    "sparse": _sparse,
    "stdp": _stdp,
}
