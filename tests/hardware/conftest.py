"""Counts of the published conformance network and a chip file that tests may break."""

import json
from pathlib import Path

import pytest

from rheobase.engine.counts import Counts, PopulationCounts, ProjectionCounts

CHIP_FILE = """
format = 1
name = "toy"
title = "A toy chip"
kind = "event"
[constants.synaptic_event]
value = 2.0
unit = "pJ/event"
node = "28 nm"
source = "a paper"
evidence = "measured"
"""


@pytest.fixture
def chip_text():
    """The text of a small valid chip file."""
    return CHIP_FILE


@pytest.fixture
def published():
    """Recorded figures of other tools for one 784-256-10 network (8 images, 25 steps)."""
    return json.loads((Path(__file__).parent / "case_figures.json").read_text())


def projection(name, pre, post, n, events, arithmetic="ac", steps=25, trials=8, *, sent=0, senders=1, **more):
    """A dense projection's counts, with what the tests leave alone filled in."""
    fields = {"kind": "dense", "n_synapses": n, "n_weights": n, "weight_bits": 32, **more}
    fields |= {"senders": senders, "sent": sent, "packets": more.get("packets", sent)}
    fields.setdefault("dense_events", fields["n_synapses"] * steps * trials)
    return ProjectionCounts(name=name, pre=pre, post=post, events=events, arithmetic=arithmetic, **fields)


@pytest.fixture
def make_projection():
    return projection


@pytest.fixture
def make_case():
    """Build Counts of the 784-256-10 network from recorded numbers of spikes."""

    def make(spikes_in, spikes_hidden, spikes_out, events_in, arithmetic="ac", trials=8):
        populations = (
            PopulationCounts(name="input", kind="SpikeSource", n=784, spikes=spikes_in),
            PopulationCounts(
                name="hidden", kind="Leaky", n=256, spikes=spikes_hidden, updates=256 * 25 * trials
            ),
            PopulationCounts(name="out", kind="Leaky", n=10, spikes=spikes_out, updates=10 * 25 * trials),
        )
        projections = (
            projection(
                "w1",
                "input",
                "hidden",
                784 * 256,
                events_in,
                arithmetic,
                trials=trials,
                sent=spikes_in,
                senders=784,
            ),
            projection(
                "w2",
                "hidden",
                "out",
                2560,
                spikes_hidden * 10,
                trials=trials,
                sent=spikes_hidden,
                senders=256,
            ),
        )
        return Counts(steps=25, trials=trials, dt=1e-3, populations=populations, projections=projections)

    return make


@pytest.fixture
def case_a(make_case, published):
    """The binary-input case: 18383 input, 3575 hidden and 230 output spikes."""
    exact = published["A_binary"]["exact"]
    return make_case(exact["spikes_in"], exact["spikes_h"], exact["spikes_o"], exact["eff_l1"])
