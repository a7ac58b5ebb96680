"""Any number of receptors: currents equal to twins and closed forms, files, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

import rheobase as rb
from rheobase import ms, mV, nS, pA, pF

DT = 0.1 * ms
COMMON = {"v_rest": -65 * mV, "v_reset": -65 * mV, "threshold": -50 * mV, "refractory": 2 * ms}
RECEPTORS = (
    rb.Receptor("fast", 2 * ms),
    rb.Receptor("alpha", 4 * ms, tau_rise=4 * ms),
    rb.Receptor("slow", 40 * ms, tau_rise=3 * ms),
    rb.Receptor("like_tau", 10 * ms, tau_rise=10 * ms),
)


def noise(names, steps):
    rng = np.random.default_rng(3)
    return {name: rng.normal(90, 200, (steps, 1)) * pA * (rng.random((steps, 1)) < 0.2) for name in names}


def twin_of(twins, inputs, receptors, **firing):
    given = {key: value for key, value in COMMON.items() if key != "v_rest"} | firing
    columns = [[float(x) for x in column[:, 0]] for column in inputs.values()]
    times = [(receptor.tau, receptor.tau_rise) for receptor in receptors]
    space = {"tau": 10 * ms, "receptors": times, "capacitance": 250 * pF, "v_rest": -65 * mV}
    return twins.synapses.current_lif(twins.neurons.Trigger(DT, **given), columns, DT, **space)


@pytest.mark.parametrize(
    "variant", [{}, {"reset": "soft", "reset_by": 9 * mV}, {"reset_delay": True, "refractory": 0.0}], ids=str
)
def test_currents_of_every_shape_equal_their_twin(step_alone, twins, variant):
    inputs = noise([receptor.name for receptor in RECEPTORS], 400)
    model = rb.CurrentLIF(10 * ms, synapses=RECEPTORS, capacitance=250 * pF, **{**COMMON, **variant})
    ours = step_alone(model, inputs, DT)
    sent, v = twin_of(twins, inputs, RECEPTORS, **variant)
    assert sum(sent) > 3
    np.testing.assert_array_equal(ours.sent[:, 0], sent)
    np.testing.assert_allclose(ours.v[:, 0], v, rtol=1e-11)
    for receptor in RECEPTORS:
        current = twins.synapses.superposed(inputs[receptor.name][:, 0], DT, receptor.tau, receptor.tau_rise)
        traced = [current(step, 0.0) for step in range(400)]
        np.testing.assert_allclose(getattr(ours, f"i_{receptor.name}")[:, 0], traced, rtol=1e-9, atol=1e-20)


def test_alpha_is_a_current_that_rises_as_slowly_as_it_decays(step_alone, twins):
    inputs = noise(["excitatory", "inhibitory"], 400)
    model = rb.AlphaLIF(10 * ms, tau_syn_exc=2 * ms, tau_syn_inh=5 * ms, capacitance=250 * pF, **COMMON)
    times = [rb.Receptor("a", tau, tau_rise=tau) for tau in (2 * ms, 5 * ms)]
    ours, (sent, v) = step_alone(model, inputs, DT), twin_of(twins, inputs, times)
    assert sum(sent) > 0
    np.testing.assert_array_equal(ours.sent[:, 0], sent)
    np.testing.assert_allclose(ours.v[:, 0], v, rtol=1e-11)


@pytest.mark.parametrize("near", [1.0, 1 + 1e-9, 1 - 1e-7])
def test_an_alpha_current_as_slow_as_the_membrane_gives_the_closed_form(step_alone, near):
    inputs = np.zeros((1000, 1))
    inputs[0] = 0.7
    v = step_alone(rb.AlphaLIF(10 * ms, near * 10 * ms, threshold=5.0), inputs, DT).v[:, 0]
    x = np.arange(1000) * DT / (10 * ms)
    np.testing.assert_allclose(v, 0.35 * x**2 * np.exp(1 - x), rtol=3e-6, atol=1e-15)
    assert v.argmax() == 200
    assert v.max() == pytest.approx(1.4 / math.e, rel=1e-6)


@pytest.mark.parametrize("tau_syn", [2 * ms, 10 * ms, 40 * ms])
def test_one_long_step_of_alpha_equals_ten_short_ones(step_alone, tau_syn):
    model = rb.AlphaLIF(10 * ms, tau_syn, v_rest=-0.3, drive=0.2, threshold=50.0)
    start = {"v": 0.4, "i": 3.0, "rise": 2.0}
    short = step_alone(model, np.zeros((10, 1)), 1 * ms, initial=start)
    long = step_alone(model, np.zeros((1, 1)), 10 * ms, initial=start)
    for name in ("v", "i", "rise"):
        np.testing.assert_allclose(getattr(long, name)[-1], getattr(short, name)[-1], rtol=1e-13)


def test_receptors_are_the_two_or_one_of_old_under_other_names(step_alone):
    inputs = noise(["excitatory", "inhibitory"], 300)
    pair = [rb.Receptor("excitatory", 5 * ms), rb.Receptor("inhibitory", 8 * ms)]
    both = {"capacitance": 250 * pF, **COMMON}
    named = step_alone(rb.CurrentLIF(10 * ms, synapses=pair, **both), inputs, DT)
    usual = step_alone(rb.CurrentLIF(10 * ms, tau_syn_exc=5 * ms, tau_syn_inh=8 * ms, **both), inputs, DT)
    np.testing.assert_array_equal(named.v, usual.v)
    one = rb.CurrentLIF(10 * ms, synapses=[rb.Receptor("input", 5 * ms)], **both)
    alone = step_alone(rb.CurrentLIF(10 * ms, 5 * ms, **both), inputs["excitatory"], DT)
    np.testing.assert_array_equal(step_alone(one, inputs["excitatory"], DT).v, alone.v)


@pytest.mark.parametrize("options", [{"tau_syn": 5 * ms}, {"synapses": RECEPTORS}], ids=["one", "many"])
def test_a_neuron_that_never_fires_moves_as_one_that_does(step_alone, options):
    both = {"tau": 10 * ms, "capacitance": 250 * pF, "v_rest": -65 * mV, "drive": 20 * pA, **options}
    silent, firing = rb.CurrentLI(**both), rb.CurrentLIF(threshold=1.0, **both)
    assert silent.receptors == firing.receptors
    inputs = noise(silent.receptors, 300)
    ours = step_alone(silent, inputs, DT)
    assert not ours.sent.any()
    np.testing.assert_array_equal(ours.v, step_alone(firing, inputs, DT).v)


def test_per_neuron_time_constants_act_per_neuron(step_alone):
    taus = np.array([1.0, 5.0, 10.0]) * ms
    inputs = np.zeros((100, 3))
    inputs[3] = 1.0
    v = step_alone(rb.AlphaLIF(10 * ms, taus, threshold=9.0), inputs, DT).v
    for k, tau in enumerate(taus):
        alone = step_alone(rb.AlphaLIF(10 * ms, tau, threshold=9.0), inputs[:, :1], DT).v
        np.testing.assert_allclose(v[:, k], alone[:, 0], rtol=1e-13)
    assert rb.CurrentLIF(10 * ms, synapses=[rb.Receptor("a", taus)]).per_neuron() == 3


def test_state_variables_have_the_unit_of_the_weights():
    volts = rb.CurrentLIF(10 * ms, synapses=RECEPTORS, capacitance=250 * pF, **COMMON)
    assert {s.name: volts.unit_of(s.name) for s in volts.states[:2]} == {"v": "V", "i_fast": "A"}
    assert volts.unit_of("rise_slow") == "A"
    assert rb.CurrentLIF(10 * ms, 5 * ms).unit_of("i") == "1"
    assert [rb.ConductanceLIF().unit_of(name) for name in ("v", "g_excitatory", "ready")] == ["V", "S", "1"]
    both = rb.AdEx([rb.Receptor("open", 5 * ms, reversal=0.0), rb.Receptor("fed", 5 * ms, tau_rise=1 * ms)])
    assert [both.unit_of(name) for name in ("g_open", "g_fed", "rise_fed", "w")] == ["S", "A", "A", "A"]


def test_a_receptor_is_compared_by_value_and_printed_as_it_is_made():
    one, other = (rb.Receptor("a", np.array([1.0, 2.0]), reversal=0.0) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert one != rb.Receptor("a", np.array([1.0, 2.5]), reversal=0.0)
    assert rb.ConductanceLIF([one]) == rb.ConductanceLIF([other]) != rb.ConductanceLIF([one, AMPA])
    assert repr(AMPA) == "Receptor('ampa', 0.002, reversal=0.0)"
    assert eval(repr(AMPA), {"Receptor": rb.Receptor}) == AMPA


AMPA = rb.Receptor("ampa", 2 * ms, reversal=0.0)
PLAIN = rb.Receptor("plain", 2 * ms)


@pytest.mark.parametrize(
    ("make", "start"),
    [
        (lambda: rb.Receptor("a b", 1.0), "Receptor.name: got 'a b'; allowed is a Python name"),
        (lambda: rb.Receptor(3, 1.0), "Receptor.name: got 3; "),
        (lambda: rb.Receptor("lambda", 1.0), "Receptor.name: got 'lambda'; "),
        (lambda: rb.Receptor("a", -1.0), "Receptor 'a'.tau: got -1.0; allowed is a finite number"),
        (lambda: rb.Receptor("a", 1.0, tau_rise=2.0), "Receptor 'a'.tau_rise: got 2.0 with tau 1.0; allowed"),
        (
            lambda: rb.Receptor("a", np.ones(3), tau_rise=np.ones(2)),
            "Receptor 'a': per-neuron arrays have different sizes",
        ),
        (lambda: rb.Receptor("a", 1.0, magnesium=-1.0), "Receptor 'a'.magnesium: got -1.0; "),
        (lambda: rb.ConductanceLIF([PLAIN]), "ConductanceLIF.synapses: got Receptor('plain', 0.002) without"),
        (lambda: rb.ConductanceLIF([]), "ConductanceLIF.synapses: got none; allowed are"),
        (lambda: rb.ConductanceLIF("ampa"), "ConductanceLIF.synapses: got 'ampa'; allowed are Receptors"),
        (lambda: rb.ConductanceLIF(5.0), "ConductanceLIF.synapses: got 5.0; allowed are Receptors"),
        (
            lambda: rb.ConductanceLIF([AMPA, AMPA]),
            "ConductanceLIF.synapses: got receptors called ['ampa', 'ampa']; allowed are",
        ),
        (
            lambda: rb.ConductanceLIF([rb.Receptor("a", np.ones(3), reversal=0.0)], g_leak=1e-9 * np.ones(2)),
            "ConductanceLIF: per-neuron arrays have different sizes {'synapses[0].tau': 3, 'g_leak': 2}",
        ),
        (lambda: rb.ConductanceLIF(method="euler"), "ConductanceLIF.method: got 'euler'; allowed is one of"),
        (lambda: rb.ConductanceLIF(capacitance=0.0), "ConductanceLIF.capacitance: got 0.0; "),
        (
            lambda: rb.CurrentLIF(10 * ms, synapses=[AMPA]),
            "CurrentLIF.synapses: got Receptor('ampa', 0.002, reversal=0.0); allowed are receptors without",
        ),
        (
            lambda: rb.CurrentLIF(10 * ms, 5 * ms, synapses=[PLAIN]),
            "CurrentLIF.synapses: got receptors and {'tau_syn': 0.005}; allowed",
        ),
        (lambda: rb.CurrentLI(10 * ms), "CurrentLI.tau_syn: got None without synapses; allowed"),
        (lambda: rb.AlphaLIF(10 * ms), "AlphaLIF.tau_syn: got tau_syn=None, "),
        (lambda: rb.CurrentLI(10 * ms, 5 * ms, synapses=[PLAIN]), "CurrentLI.synapses: got receptors and"),
    ],
)
def test_refusal_names_object_field_value_and_what_is_allowed(make, start):
    with pytest.raises(rb.SpecError) as caught:
        make()
    assert str(caught.value).startswith(start)


@pytest.mark.parametrize("name", ["v", "gain", "now", "where", "i_plain", "gain_plain", "moved", "pending"])
def test_a_receptor_with_the_name_of_something_else_is_refused(name):
    with pytest.raises(rb.SpecError, match=f"no receptor can be called '{name}'.*choose another name"):
        rb.CurrentLIF(10 * ms, synapses=[PLAIN, rb.Receptor(name, 5 * ms)])


def test_receptors_come_back_from_a_file(tmp_path):
    net = rb.Network()
    nmda = rb.Receptor("nmda", 100 * ms, tau_rise=2 * ms, reversal=0.0, magnesium=np.linspace(0.5, 1.5, 20))
    models = [
        rb.ConductanceLIF([AMPA, nmda], method="rk4"),
        rb.ConductanceLIF(),
        rb.CurrentLIF(10 * ms, synapses=RECEPTORS),
        rb.AlphaLIF(10 * ms, 2 * ms),
        rb.CurrentLI(10 * ms, synapses=RECEPTORS[:1]),
    ]
    for model in models:
        net.add(rb.Population(20, model))
    net.save(tmp_path / "net.toml")
    again = rb.Network.load(tmp_path / "net.toml")
    assert [population.model for population in again] == models
    assert [population.receptors for population in again] == [model.receptors for model in models]


@pytest.mark.parametrize(
    ("written", "error", "message"),
    [
        ('[{Receptor = {name = "a", tau = -1.0, reversal = 0.0}}]', rb.SpecError, r"'a'\.tau: got -1"),
        ('[{Receptor = {name = "a", speed = 1.0}}]', rb.FormatError, "speed"),
        ('[{Port = {name = "a"}}]', rb.FormatError, "allowed is one of .*Receptor"),
        ('[{name = "a", tau = 1.0}]', rb.FormatError, "allowed is one of .*Receptor"),
        ('[1.0, {Receptor = {name = "a", tau = 1.0}}]', rb.FormatError, "not an array of numbers"),
        ("[1.0]", rb.SpecError, "allowed are Receptors"),
        ("3", rb.SpecError, "allowed are Receptors"),
    ],
)
def test_a_file_with_broken_receptors_says_where(tmp_path, written, error, message):
    path = tmp_path / "net.toml"
    path.write_text(
        f'[[population]]\nname = "a"\nn = 3\nmodel = {{ConductanceLIF = {{synapses = {written}}}}}\n'
    )
    with pytest.raises(error, match=message) as caught:
        rb.Network.load(path)
    assert "ConductanceLIF" in str(caught.value)


def test_weights_in_siemens_arrive_whole_on_the_grid():
    net = rb.Network()
    source = net.add(rb.SpikeSource(1, times=[0.0], ids=[0]))
    cell = net.add(rb.Population(1, rb.ConductanceLIF()))
    net.add(rb.Projection(source, cell, rb.one_to_one(), weight=6 * nS, receptor="excitatory"))
    net.add(rb.Projection(source, cell, rb.one_to_one(), weight=67 * nS, receptor="inhibitory"))
    sim = rb.Simulator(net, dt=DT, backend="reference")
    sim.run(2 * DT)
    assert sim.state(cell)["g_excitatory"][0] == pytest.approx(6 * nS, rel=1e-4)
    assert sim.state(cell)["g_inhibitory"][0] == pytest.approx(67 * nS, rel=1e-4)


@pytest.mark.parametrize(
    ("pattern", "weight"),
    [
        (rb.all_to_all(), -1 * nS),
        (rb.one_to_one(), np.array([1.0, -1.0, 1.0]) * nS),
        (rb.random(p=0.5), rb.normal(1 * nS, 0.5 * nS)),
        (rb.sparse(np.diag([1.0, -1.0, 1.0])), 1 * nS),
    ],
    ids=["number", "array", "distribution", "matrix"],
)
def test_a_negative_conductance_is_refused(pattern, weight):
    source, cells = rb.SpikeSource(3), rb.Population(3, rb.ConductanceLIF())
    with pytest.raises(rb.SpecError, match=r"weight: got -.*'excitatory' of ConductanceLIF is a .*low=0"):
        rb.Projection(source, cells, pattern, weight=weight)
    mixed = rb.AdEx([rb.Receptor("ampa", 5 * ms, reversal=0.0), rb.Receptor("gap", 5 * ms)])
    with pytest.raises(rb.SpecError, match=r"weight: got -.*'ampa' of AdEx is a conductance"):
        rb.Projection(source, rb.Population(3, mixed), pattern, weight=weight)
    rb.Projection(source, rb.Population(3, mixed), pattern, weight=weight, receptor="gap")
    rb.Projection(source, rb.Population(3, rb.CurrentLIF(10 * ms, 5 * ms)), pattern, weight=weight)
    rb.Projection(source, cells, rb.random(p=0.5), weight=rb.normal(1 * nS, 0.5 * nS, low=0.0))


@pytest.mark.parametrize("value", [-1 * nS, [0.0, -1 * nS], rb.normal(1 * nS, 0.5 * nS)])
def test_no_conductance_starts_below_zero_nor_is_set_so(value):
    rising = rb.Receptor("ampa", 5 * ms, tau_rise=1 * ms, reversal=0.0)
    for model in (rb.ConductanceLIF([rising]), rb.AdEx([rising, rb.Receptor("gap", 5 * ms)])):
        for variable in ("g_ampa", "rise_ampa"):
            with pytest.raises(rb.SpecError, match=rf"initial\['{variable}'\]: got .* not below 0"):
                rb.Population(2, model, initial={variable: value})
        net = rb.Network()
        currents = {"g_gap": value} if "gap" in model.receptors else {}
        drawn = {"g_ampa": rb.normal(1 * nS, 0.5 * nS, low=0.0), **currents}
        cells = net.add(rb.Population(2, model, initial=drawn, name="cells"))
        sim = rb.Simulator(net, DT, backend="reference")
        sim.set(cells, **sim.state(cells))
        with pytest.raises(rb.SpecError, match=r"cells\.g_ampa: got .* not below 0"):
            sim.set(cells, g_ampa=value)


def test_small_conductances_end_at_zero_and_not_as_subnormal_numbers(step_alone):
    receptors = [
        rb.Receptor("a", 1 * ms, reversal=0.0),
        rb.Receptor("b", 1 * ms, tau_rise=1 * ms, reversal=0.0),
    ]
    inputs = {name: np.zeros((2000, 1)) for name in "ab"}
    inputs["a"][0] = inputs["b"][0] = 1 * nS
    ours = step_alone(rb.ConductanceLIF(receptors), inputs, DT, np.float32)
    tiny = np.finfo(np.float32).tiny
    for trace in (ours.g_a, ours.g_b, ours.rise_b):
        assert not ((trace != 0) & (trace < tiny)).any()
        assert trace[400] > 0
        assert trace[-1] == 0
