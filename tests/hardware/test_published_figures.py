"""Energies and counts of one network against what other tools gave for the same spikes."""

import pytest

import rheobase as rb
from rheobase.engine.counts import Counts, PopulationCounts


@pytest.mark.parametrize(
    ("chip", "figure"),
    [
        ("cmos45", "AC_only_fp32_0.9pJ"),
        ("cmos45-int32", "AC_only_int32_0.1pJ"),
        ("cmos45-dense", "ANN_single_pass_MAC_4.6pJ"),
        ("loihi-keras", "keras_spiking_loihi"),
        ("spinnaker", "keras_spiking_spinnaker"),
        ("spinnaker2", "keras_spiking_spinnaker2"),
    ],
)
def test_energy_per_image_equals_the_published_model(case_a, published, chip, figure):
    expected = published["energy_case_A_per_image"][figure]
    assert rb.energy(case_a, chip).per_inference == pytest.approx(expected, rel=1e-6)


def test_neurram_pays_two_operations_for_a_multiply_addition(case_a, published):
    # The chip's figures are per operation (their products with its TOPS/W are 1), the recorded one
    # takes each of the 203264 * 25 multiply-additions as one.
    figure = published["energy_case_A_per_image"]["neurram_1b3b_dense_23.1fJ"]
    assert figure == pytest.approx(203264 * 25 * 23.1e-15, rel=1e-9)
    assert rb.energy(case_a, "neurram").per_inference == pytest.approx(2 * figure, rel=1e-6)


def test_loihi_sanafe_equals_what_sanafe_printed(make_projection, published):
    # SANA-FE counts input neurons among the fired (2851) and updated (9009) ones at no cost; 492 fired
    # and 6650 updated LIF neurons remain (25 steps of 266), and 2822 packets leave input and hidden.
    sanafe = published["sanafe_case_A_sample_0"]
    inputs = sanafe["neurons_fired"] - 492
    hidden = sanafe["packets_sent"] - inputs
    events_in = sanafe["spikes"] - 10 * hidden
    assert events_in == inputs * 256
    run = Counts(
        steps=25,
        trials=1,
        dt=1e-3,
        populations=(
            PopulationCounts(name="input", kind="SpikeSource", n=784, spikes=inputs),
            PopulationCounts(name="hidden", kind="LIF", n=256, spikes=hidden, updates=6400),
            PopulationCounts(name="out", kind="LIF", n=10, spikes=492 - hidden, updates=250),
        ),
        projections=(
            make_projection("w1", "input", "hidden", 200704, events_in, sent=inputs),
            make_projection("w2", "hidden", "out", 2560, 10 * hidden, sent=hidden),
        ),
    )
    found = rb.energy(run, "loihi-sanafe")
    assert found.joules == pytest.approx(sanafe["energy"]["total"], rel=1e-12)
    assert found.parts["synaptic_event"] == pytest.approx(sanafe["energy"]["synapse"], rel=1e-12)
    assert found.parts["packet"] == pytest.approx(sanafe["energy"]["network"], rel=1e-12)
    soma = found.parts["neuron_update"] + found.parts["spike"]
    assert soma == pytest.approx(sanafe["energy"]["soma"], rel=1e-12)


@pytest.mark.parametrize(
    ("case", "arithmetic", "ternary"),
    [("A_binary", "ac", ()), ("C_direct_analog", "mac", ()), ("E_polarity", "mac", ("w1",))],
)
def test_neurobench_dialect_equals_neurobench(make_case, published, case, arithmetic, ternary):
    exact, theirs = published[case]["exact"], published[case]["neurobench"]
    run = make_case(exact["spikes_in"], exact["spikes_h"], exact["spikes_o"], exact["eff_l1"], arithmetic)
    ours = rb.hardware.counts(run, "neurobench", ternary=ternary)
    for name in ("Effective_MACs", "Effective_ACs", "Dense"):
        assert ours[name] == theirs["SynapticOperations"][name]
    # NeuroBench sums sparsity in single precision.
    assert ours["ActivationSparsity"] == pytest.approx(theirs["ActivationSparsity"], abs=1e-7)


@pytest.mark.parametrize(
    ("case", "arithmetic"), [("A_binary", "ac"), ("C_direct_analog", "mac"), ("E_polarity", "mac")]
)
def test_syops_dialect_equals_syops_on_its_own_spikes(make_case, published, case, arithmetic):
    exact, theirs = published[case]["exact"], published[case]["syops"]
    run = make_case(
        exact["spikes_in"], theirs["sj_spikes_h"], theirs["sj_spikes_o"], exact["eff_l1"], arithmetic
    )
    ours = rb.hardware.counts(run, "syops")
    assert ours["ACs"] == pytest.approx(theirs["AC_per_img"], rel=1e-6)  # syops averages in float32
    assert ours["MACs"] == pytest.approx(theirs["MAC_per_img"], rel=1e-6)
    assert ours["Total"] == theirs["total_per_img"]


def test_spikingjelly_dialect_equals_its_synops_on_its_own_spikes(make_case):
    # SpikingJelly 2.0 printed 4,744,498 synops for its own 3845 hidden spikes over the 8 images.
    run = make_case(18383, 3845, 266, 18383 * 256)
    assert rb.hardware.counts(run, "spikingjelly")["synops"] * 8 == 4_744_498


def test_syops_dialect_refuses_convolutions_because_it_counts_their_padding(case_a, make_projection):
    conv = make_projection("conv", "input", "hidden", 100, 10, kind="conv2d")
    run = Counts(
        steps=25, trials=8, dt=1e-3, populations=case_a.populations, projections=(*case_a.projections, conv)
    )
    with pytest.raises(rb.SpecError, match=r"conv.*padding"):
        rb.hardware.counts(run, "syops")


def test_a_dialect_or_projection_that_does_not_exist_is_named(case_a):
    with pytest.raises(rb.SpecError, match=r"'lava'.*neurobench"):
        rb.hardware.counts(case_a, "lava")
    with pytest.raises(rb.SpecError, match="w9"):
        rb.hardware.counts(case_a, "neurobench", ternary=["w9"])
