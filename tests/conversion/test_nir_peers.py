"""What snnTorch, norse and sinabs export gives here the spikes that they gave (record_nir.py)."""

from __future__ import annotations

from pathlib import Path

import nir
import numpy as np
import pytest

import rheobase as rb

HERE = Path(__file__).parent
#: How each steps, which its files do not say, and the dt that it put into them.
HOW = {
    "snntorch": ({"reset": "soft", "reset_delay": True}, 1e-4),
    "norse": ({}, 1e-3),
    "sinabs": ({"reset": "soft", "strict": False, "integration": "exact"}, 1.0),
}
NETWORKS = ("snntorch_dense", "snntorch_conv", "snntorch_recurrent", "norse_dense", "sinabs_conv")


@pytest.fixture(scope="module")
def recorded():
    with np.load(HERE / "nir_peers.npz") as arrays:
        return dict(arrays)


def rasters(name, recorded, source=None, backend="reference", **other):
    """Return our spikes and the recorded ones, by layer."""
    options, dt = HOW[name.partition("_")[0]]
    net = rb.read_nir(source or HERE / f"nir_{name}.nir", **{**options, **other})
    layers = [key for key in recorded if key.startswith(f"{name}:") and not key.endswith(":input")]
    probes = {key: net.add(rb.Probe(net[key.partition(":")[2]], name=key)) for key in layers}
    x = recorded[f"{name}:input"].astype(int)
    result = rb.Simulator(net, dt=dt, backend=backend).run(len(x) * dt, inputs={"input": x})
    ours = {key: np.zeros_like(recorded[key]) for key in layers}
    for key, probe in probes.items():
        ours[key][result[probe].steps, result[probe].ids] = 1
    return ours, {key: recorded[key] for key in layers}


@pytest.mark.parametrize("name", NETWORKS)
def test_an_exported_network_gives_the_spikes_of_its_framework(name, recorded):
    ours, theirs = rasters(name, recorded)
    assert len(ours) == 2
    for key in ours:
        assert theirs[key].sum() >= 10
        np.testing.assert_array_equal(ours[key], theirs[key])


def test_on_a_compiled_backend_too(recorded):
    ours, theirs = rasters("snntorch_recurrent", recorded, backend="numba")
    for key in ours:
        np.testing.assert_array_equal(ours[key], theirs[key])


def test_norse_leaves_a_factor_of_its_currents_unsaid(recorded):
    # Its input adds to the current of a LIFCell, and to v of an IAFCell, whatever the step.
    graph = nir.read(HERE / "nir_norse_current.nir", type_check=False)
    dt = HOW["norse"][1]
    graph.nodes["1"].w_in = graph.nodes["1"].tau_syn / dt
    graph.nodes["3"].r = graph.nodes["3"].r / dt
    for source, same in ((graph, True), (HERE / "nir_norse_current.nir", False)):
        ours, theirs = rasters("norse_current", recorded, source)
        for key in ours:
            assert theirs[key].sum() >= 10
            assert np.array_equal(ours[key], theirs[key]) == same


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("snntorch_dense", {"reset": "hard"}),
        ("snntorch_dense", {"reset_delay": False}),
        ("snntorch_conv", {"integration": "exact"}),
        ("norse_dense", {"integration": "exact"}),
        ("sinabs_conv", {"integration": "euler"}),
        ("sinabs_conv", {"reset": "hard"}),
    ],
)
def test_any_other_reading_gives_other_spikes(name, other, recorded):
    ours, theirs = rasters(name, recorded, **other)
    assert any((ours[key] != theirs[key]).any() for key in ours)


@pytest.mark.parametrize("name", NETWORKS)
def test_an_exported_network_is_written_and_read_back_as_it_is(name, recorded, tmp_path):
    options, dt = HOW[name.partition("_")[0]]
    net = rb.read_nir(HERE / f"nir_{name}.nir", **options)
    rb.write_nir(net, tmp_path / "again.nir", dt=dt)
    again = rb.read_nir(tmp_path / "again.nir")
    assert repr(again) == repr(net)
    for part in net.populations:
        assert again[part.name].model == part.model
    for part in net.projections:
        np.testing.assert_array_equal(again[part.name].weight, part.weight)
