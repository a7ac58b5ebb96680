"""Neurons with noise, of their own or heard: the same bits on every backend, in pieces, and from a file."""

import numpy as np
import pytest

import rheobase as rb

TAU = np.linspace(8e-3, 12e-3, 40)
MODELS = {
    "white": rb.LIF(10e-3, drive=0.8, noise=0.3, refractory=2e-3),
    "coloured": rb.CurrentLIF(TAU, 5e-3, drive=0.8, noise=0.3, noise_tau=TAU / 2, refractory=2e-3),
    "all at once": rb.ALIF(
        10e-3, tau_lift=50e-3, lift_step=0.2, drive=1.0, noise=0.2, noise_tau=3e-3, escape=0.1, strict=True
    ),
    "shared": rb.OrnsteinUhlenbeck(0.4, 5e-3, mean=0.1),
    "held": rb.OrnsteinUhlenbeck(np.linspace(0.1, 0.5, 40), hold=np.linspace(0.0, 5e-3, 40)),
    "told": rb.SigmaDelta(0.25, 0.0625, f="identity"),
    "squashed": rb.Sigmoid(bias=-0.5),
    "integrator": rb.LI(TAU, noise=0.5, graded=True),
}


def noisy(*names):
    """Return a network of models (or of all), which hear an integrator's noise as well as their own."""
    net = rb.Network(seed=6)
    cells = {name: net.add(rb.Population(40, MODELS[name], name=name)) for name in names or MODELS}
    for name, group in cells.items():
        if group.model.receptors and name != "integrator":
            net.add(rb.Projection(cells["integrator"], group, rb.one_to_one(), weight=0.1, delay=2e-3))
        net.add(rb.Probe(group, name=f"spikes of {name}"))
        for state in group.model.used_states:
            if state.kind == "float":
                net.add(rb.Probe(group, state.name, name=f"{state.name} of {name}"))
    return net


def run(backend, net=None, steps=80, **options):
    return rb.Simulator(net or noisy(), 1e-3, backend=backend, **options).run(steps * 1e-3)


@pytest.fixture(scope="module")
def reference():
    return run("reference")


def same(one, other):
    for name in one.records:
        a, b = one[name], other[name]
        for what in ("steps", "ids") if name.startswith("spikes") else ("values",):
            np.testing.assert_array_equal(getattr(a, what), getattr(b, what), err_msg=name)


@pytest.mark.parametrize("threads", [1, 2])
def test_spikes_and_state_are_the_references_bit_for_bit(compiled, reference, threads):
    same(run(compiled, threads=threads), reference)


def test_double_precision_is_the_references_too(compiled):
    one, other = (
        run(backend, noisy("integrator", "all at once"), precision="float64")
        for backend in (compiled, "reference")
    )
    same(one, other)


def test_a_run_in_pieces_meets_the_same_noise(backend, reference, tmp_path):
    sim = rb.Simulator(noisy(), 1e-3, backend=backend)
    first = sim.run(33e-3)
    sim.checkpoint(tmp_path / "state.npz")
    rest = rb.Simulator.resume(tmp_path / "state.npz", backend=backend).run(47e-3)
    for name in ("white", "coloured", "all at once", "shared", "held"):
        got = np.concatenate([first[f"v of {name}"].values, rest[f"v of {name}"].values])
        np.testing.assert_array_equal(got, reference[f"v of {name}"].values, err_msg=name)


@pytest.mark.parametrize("name", ["white", "coloured", "all at once", "told"])
def test_every_one_of_them_fires_at_times_of_its_own(reference, name):
    counts = reference[f"spikes of {name}"].counts()[0]
    assert counts.sum() > 40
    assert counts.std() > 0


def test_a_file_gives_back_the_same_neurons(reference, tmp_path):
    net = noisy()
    net.save(tmp_path / "net.toml")
    again = rb.Network.load(tmp_path / "net.toml")
    assert [again[name].model for name in MODELS] == list(MODELS.values())
    same(run("reference", again), reference)
