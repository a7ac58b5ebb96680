"""Neurons that adapt: the same bits on every backend, with parameters of their own, and from a file."""

import numpy as np
import pytest

import rheobase as rb

MODELS = {
    "lift": rb.ALIF(10e-3, tau_lift=50e-3, lift_step=0.2, reset="soft", drive=1.5),
    "lift and current": rb.ALIF(
        np.array([10e-3, 20e-3, 5e-3]),
        tau_lift=50e-3,
        lift_step=0.2,
        tau_w=np.array([10e-3, 20e-3, 100e-3]),
        a=0.5,
        b=0.1,
        refractory=np.array([2e-3, 0.0, 1e-3]),
        drive=1.8,
    ),
    "half steps": rb.Izhikevich(np.array([0.02, 0.1, 0.02]), d=np.array([8.0, 2.0, 2.0]), drive=15.0),
    "exponential": rb.ExpIF(drive=6e-10, method="rk4"),
    "bursting": rb.AdEx.preset("bursting", b=np.array([0.0, 100e-12, 50e-12]), refractory=1e-3, drive=3e-10),
    "conductances": rb.AdEx(
        [rb.Receptor("fast", 2e-3, reversal=0.0), rb.Receptor("slow", 9e-3, tau_rise=3e-3)], drive=8e-10
    ),
    "euler": rb.Izhikevich.preset("IB", method="euler", drive=15.0),
}


#: What a spike and a value count for a model, where it is not 1 but so many volt, ampere or siemens.
UNITS = {"exponential": (4e-3, 2e-10), "bursting": (4e-3, 5e-11), "conductances": (4e-9, 2e-10)}


def driven():
    """Return a network of each model, with spikes and values coming in, its last state variables recorded."""
    net = rb.Network(seed=5)
    spikes = net.add(rb.PoissonSource(3, rate=300.0, name="spikes"))
    values = net.add(rb.CurrentSource(3, name="values"))
    for name, model in MODELS.items():
        cells = net.add(rb.Population(3, model, name=name))
        event, value = UNITS.get(name, (1.0, 1.0))
        net.add(rb.Projection(spikes, cells, rb.one_to_one(), weight=0.25 * event, delay=2e-3))
        net.add(rb.Projection(values, cells, rb.one_to_one(), weight=value, delay=0.0, receptor="current"))
        net.add(rb.Probe(cells, name=f"spikes of {name}"))
        for state in model.used_states:
            if state.kind == "float":
                net.add(rb.Probe(cells, state.name, name=f"{state.name} of {name}"))
    return net


def run(net, backend, steps=150, **options):
    values = np.random.default_rng(2).normal(0.5, 0.5, (steps, 3))
    return rb.Simulator(net, 1e-3, backend=backend, **options).run(steps * 1e-3, inputs={"values": values})


@pytest.fixture(scope="module")
def reference():
    return run(driven(), "reference")


def same(one, other):
    for name in one.records:
        a, b = one[name], other[name]
        for what in ("steps", "ids") if name.startswith("spikes") else ("values",):
            np.testing.assert_array_equal(getattr(a, what), getattr(b, what), err_msg=name)


def test_spikes_and_state_are_the_references_bit_for_bit(compiled, reference):
    same(run(driven(), compiled), reference)


@pytest.mark.parametrize("name", MODELS)
def test_every_one_of_them_fires_and_stays_finite(reference, name):
    record = reference[f"spikes of {name}"]
    assert (np.bincount(record.ids, minlength=3) > 3).all()
    assert np.isfinite(reference[f"v of {name}"].values).all()


def test_a_file_gives_back_the_same_neurons(reference, tmp_path):
    net = driven()
    net.save(tmp_path / "net.toml")
    again = rb.Network.load(tmp_path / "net.toml")
    assert [again[name].model for name in MODELS] == list(MODELS.values())
    same(run(again, "reference"), reference)
