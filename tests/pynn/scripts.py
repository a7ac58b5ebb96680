"""Ordinary PyNN scripts, as functions of the simulator's module: each returns what it saw.

They import nothing of rheobase, so that PyNN's other simulators run them too (record_peers.py).
"""

from __future__ import annotations

import numpy as np
from pyNN.random import NumpyRNG, RandomDistribution

#: For NEST, spikes on the grid as ours are, and a shortest delay that stays what it is (PyNN's sources
#: are late otherwise); for ours, no rounding of weights.
OPTIONS = {
    "timestep": 0.1,
    "min_delay": 0.1,
    "spike_precision": "on_grid",
    "precision": "float64",
    "backend": "reference",
}


def trains(population):
    """Return ids and spike times in ms, by id and then time."""
    block = population.get_data("spikes")
    found = [np.asarray(train.rescale("ms").magnitude) for train in block.segments[-1].spiketrains]
    ids = np.repeat(np.arange(len(found)), [one.size for one in found])
    return np.stack([ids, np.concatenate([np.zeros(0), *found])])


def samples(population, name):
    """Return a signal (samples, cells) in PyNN's unit."""
    signals = population.get_data(name).segments[-1].analogsignals
    return np.asarray(next(signal for signal in signals if signal.name == name).magnitude)


def drive(sim, n, seconds=0.2, rate=300.0, seed=7):
    """Return a population that fires given, irregular spike trains."""
    rng = np.random.default_rng(seed)
    steps = [np.unique(rng.integers(1, int(seconds * 1e4), int(rate * seconds))) for _ in range(n)]
    # A little before the step ends: what rounding puts behind its end, NEST takes to the next one.
    times = [0.1 * one - 0.001 for one in steps]
    return sim.Population(n, sim.SpikeSourceArray(spike_times=[sim_sequence(one) for one in times]))


def sim_sequence(values):
    from pyNN.parameters import Sequence

    return Sequence(values)


def network(sim, cell, excitatory, inhibitory, record=("spikes", "v"), duration=200.0, size=20,
            initial=(-70.0, -60.0)):  # fmt: skip
    """Twenty cells with given input, connected at random to each other; the last quarter inhibits."""
    sim.setup(**OPTIONS)
    cells = sim.Population(size, cell, label="cells")
    cells.initialize(v=RandomDistribution("uniform", initial, rng=NumpyRNG(3)))
    source = drive(sim, size)
    edge = size * 3 // 4
    rng = NumpyRNG(11)
    sim.Projection(
        source, cells, sim.OneToOneConnector(), sim.StaticSynapse(weight=excitatory, delay=0.5),
        receptor_type="excitatory",
    )  # fmt: skip
    sim.Projection(
        cells[:edge], cells, sim.FixedProbabilityConnector(0.2, rng=rng),
        sim.StaticSynapse(weight=0.3 * excitatory, delay=RandomDistribution("uniform", (1.0, 3.0), rng=rng)),
        receptor_type="excitatory",
    )  # fmt: skip
    sim.Projection(
        cells[edge:], cells, sim.FixedNumberPreConnector(3, rng=rng),
        sim.StaticSynapse(weight=inhibitory, delay=1.2), receptor_type="inhibitory",
    )  # fmt: skip
    cells.record(list(record))
    sim.run(duration / 2)
    sim.run(duration / 2)
    seen = {"spikes": trains(cells)} | {name: samples(cells, name)[:, :4] for name in record[1:]}
    sim.end()
    return seen


FIRING = {"tau_m": 20.0, "cm": 0.2, "v_rest": -65.0, "v_reset": -68.0, "v_thresh": -52.0, "tau_refrac": 2.0}
SYNAPSES = {"tau_syn_E": 5.0, "tau_syn_I": 8.0}


def curr_exp(sim):
    """Leaky neurons with exponential currents."""
    return network(sim, sim.IF_curr_exp(**FIRING, **SYNAPSES, i_offset=0.05), 0.25, -0.3)


def curr_alpha(sim):
    """Leaky neurons with alpha currents."""
    return network(sim, sim.IF_curr_alpha(**FIRING, **SYNAPSES, i_offset=0.05), 0.12, -0.2)


def curr_delta(sim):
    """Leaky neurons whose input moves the potential at once; weights are in mV.

    PyNN 0.13 neither sets the potential of NEST's nor records it: they begin at -70 mV.
    """
    return network(
        sim, sim.IF_curr_delta(**FIRING, i_offset=0.05), 4.0, -5.0, ("spikes",), initial=(-70.0, -70.0)
    )


REVERSAL = {"e_rev_E": 0.0, "e_rev_I": -80.0}


def cond_exp(sim):
    """Leaky neurons with exponential conductances."""
    cell = sim.IF_cond_exp(**FIRING, **SYNAPSES, **REVERSAL, i_offset=0.05)
    return network(sim, cell, 0.004, 0.01, ("spikes", "v", "gsyn_exc"))


def cond_alpha(sim):
    """Leaky neurons with alpha conductances."""
    cell = sim.IF_cond_alpha(**FIRING, **SYNAPSES, **REVERSAL, i_offset=0.05)
    return network(sim, cell, 0.002, 0.006)


def adaptive(sim):
    """Adaptive exponential neurons with exponential conductances: PyNN's own parameters."""
    return network(sim, sim.EIF_cond_exp_isfa_ista(i_offset=0.4), 0.004, 0.01, ("spikes", "v", "w"))


def izhikevich(sim):
    """Izhikevich's neurons, whose weights are in mV."""
    return network(sim, sim.Izhikevich(a=0.02, b=0.2, c=-65.0, d=6.0, i_offset=0.006), 3.0, -3.0)


def sine(sim):
    """Leaky neurons of two kinds, driven by a sine that begins and ends."""
    sim.setup(**OPTIONS)
    wave = sim.ACSource(amplitude=0.3, offset=0.1, frequency=80.0, phase=30.0, start=3.0, stop=33.3)
    populations = {}
    for name, cell in (
        ("current", sim.IF_curr_exp(**FIRING, **SYNAPSES)),
        ("conductance", sim.IF_cond_exp(**FIRING, **SYNAPSES, **REVERSAL)),
    ):
        cells = sim.Population(2, cell)
        cells.initialize(v=-65.0)
        cells[1:].inject(wave) if name == "current" else wave.inject_into(cells)
        cells.record("v")
        populations[name] = cells
    sim.run(12.3)
    sim.run(27.7)
    seen = {name: samples(cells, "v") for name, cells in populations.items()}
    sim.end()
    return seen


def plastic(sim):
    """A cell that is driven hard, and plastic synapses onto it that fire before and after it does."""
    sim.setup(**OPTIONS)
    before = drive(sim, 8, rate=50.0, seed=3)
    teacher = drive(sim, 2, rate=30.0, seed=4)
    cell = sim.Population(1, sim.IF_curr_exp(**FIRING, tau_syn_E=0.5))
    rule = sim.STDPMechanism(
        timing_dependence=sim.SpikePairRule(tau_plus=15.0, tau_minus=25.0, A_plus=0.02, A_minus=0.018),
        weight_dependence=sim.AdditiveWeightDependence(w_min=0.0, w_max=0.02),
        dendritic_delay_fraction=0.0, weight=0.01, delay=1.0,
    )  # fmt: skip
    synapses = sim.Projection(before, cell, sim.AllToAllConnector(), rule, receptor_type="excitatory")
    sim.Projection(teacher, cell, sim.AllToAllConnector(), sim.StaticSynapse(weight=20.0, delay=0.5),
                   receptor_type="excitatory")  # fmt: skip
    cell.record("spikes")
    before.record("spikes")
    sim.run(200.0)
    weights = np.ravel(synapses.get("weight", format="array"))
    seen = {"spikes": trains(cell), "before": trains(before), "weights": weights}
    sim.end()
    return seen


def short_term(sim):
    """A synapse that depresses, one that facilitates, and one that does both, at regular spikes."""
    sim.setup(**OPTIONS)
    source = sim.Population(
        1, sim.SpikeSourceArray(spike_times=sim_sequence(np.arange(10.0, 300.0, 20.0) - 0.001))
    )
    seen = {}
    cells = []
    for U, tau_rec, tau_facil in ((0.5, 800.0, 0.0), (0.04, 100.0, 1000.0), (0.2, 300.0, 200.0)):
        cell = sim.Population(1, sim.IF_curr_exp(**{**FIRING, "v_thresh": 0.0}, tau_syn_E=3.0))
        synapse = sim.TsodyksMarkramSynapse(U=U, tau_rec=tau_rec, tau_facil=tau_facil, weight=1.0, delay=0.5)
        sim.Projection(source, cell, sim.AllToAllConnector(), synapse, receptor_type="excitatory")
        cell.record("v")
        cells.append(cell)
    sim.run(300.0)
    seen["v"] = np.concatenate([samples(cell, "v") for cell in cells], axis=1)
    sim.end()
    return seen


def balanced(sim):
    """The CUBA benchmark of Vogels and Abbott in small: 400 cells, whose start is all their input."""
    sim.setup(**OPTIONS)
    cell = sim.IF_curr_exp(
        tau_m=20.0,
        cm=0.2,
        v_rest=-49.0,
        v_reset=-60.0,
        v_thresh=-50.0,
        tau_refrac=5.0,
        tau_syn_E=5.0,
        tau_syn_I=10.0,
    )
    excitatory = sim.Population(320, cell, label="excitatory")
    inhibitory = sim.Population(80, cell, label="inhibitory")
    rng = NumpyRNG(98765)
    everyone = excitatory + inhibitory
    everyone.initialize(v=RandomDistribution("uniform", (-60.0, -50.0), rng=rng))
    for source, weight, receptor in ((excitatory, 0.05, "excitatory"), (inhibitory, -0.55, "inhibitory")):
        sim.Projection(
            source, everyone, sim.FixedProbabilityConnector(0.1, rng=rng),
            sim.StaticSynapse(weight=weight, delay=0.2), receptor_type=receptor,
        )  # fmt: skip
    everyone.record("spikes")
    sim.run(60.0)
    seen = {"spikes": trains(excitatory), "inhibitory": trains(inhibitory)}
    sim.end()
    return seen


SCRIPTS = {
    one.__name__: one
    for one in (
        curr_exp, curr_alpha, curr_delta, cond_exp, cond_alpha, adaptive, izhikevich, plastic, short_term,
        balanced, sine,
    )
}  # fmt: skip
