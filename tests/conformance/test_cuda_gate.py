"""Every model and rule compiles for a GPU, and its CUDA kernels do what the same rule does in NumPy."""

from __future__ import annotations

import ast
import importlib.util
import itertools
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from rheobase.engine.backends.cuda import gate
from rheobase.engine.backends.literals import as_float32
from rheobase.learning.stdp import STDP
from rheobase.neurons import IF, LI, LIF, CurrentLIF, EventNeuron, Leaky, NeuronModel, ReLU, vocabulary
from rheobase.neurons.errors import MissingExtra, RunError, SpecError

SCRIPT = Path(__file__).with_name("cuda_simulator_run.py")
CAPABILITIES = [(8, 0), (9, 0)]

needs_cuda = pytest.mark.skipif(
    importlib.util.find_spec("numba_cuda") is None, reason="numba-cuda is not importable"
)


def variants() -> list[NeuronModel]:
    """Return the family in all variants of firing, and every law and alphabet of the graded models."""
    firing = [
        {"reset": reset, "strict": strict, "reset_delay": delay, "refractory": refractory}
        for reset, (strict, delay, refractory) in itertools.product(
            ("hard", "soft", "none"), [(False, False, 0.0), (True, True, 2e-3), (False, True, 0.0)]
        )
    ]
    made: list[NeuronModel] = [LI(10e-3), ReLU(bias=0.1), ReLU(bias=np.arange(3.0))]
    for options in firing:
        made += [
            IF(drive=0.1, **options),
            LIF(20e-3, **options),
            Leaky(0.9, **options),
            CurrentLIF(10e-3, 5e-3, **options),
        ]
    made += [Leaky(0.9, leak=leak, drive=0.1) for leak in ("relax", "blend")]
    made += [LIF(np.array([1e-2, 2e-2]), refractory=np.array([0.0, 2e-3]))]
    made += [CurrentLIF(10e-3, tau_syn_exc=5e-3, tau_syn_inh=10e-3, refractory=2e-3)]
    laws = itertools.product(("delta", "rate"), ("pow2", "unit", "graded"), ("nearest", "floor"))
    made += [EventNeuron(0.1, law=law, events=events, rounding=r) for law, events, r in laws]
    made += [EventNeuron(law="value"), EventNeuron(0.1, law="rate", events="unit", signed=False)]
    return made


def label(model: NeuronModel) -> str:
    values = (v for k, v in model.to_dict().items() if isinstance(v, (str, bool)) or k == "refractory")
    return "-".join([type(model).__name__, *(str(v) for v in values)])


def assert_is_single_precision(ptx: str, kernel: str, cc: tuple[int, int]) -> None:
    assert f".target sm_{cc[0]}{cc[1]}" in ptx
    entries = [line for line in ptx.splitlines() if ".visible .entry" in line]
    assert len(entries) == 1
    assert kernel in entries[0]
    assert ".f64" not in ptx
    assert "fma." not in ptx
    assert ".extern .func" not in ptx


@needs_cuda
@pytest.mark.parametrize("cc", CAPABILITIES)
@pytest.mark.parametrize("model", variants(), ids=label)
def test_every_variant_of_the_family_compiles_to_single_precision_ptx(model, cc):
    assert_is_single_precision(gate.ptx(model, 1e-3, cc), "update", cc)


def test_the_family_is_complete():
    import rheobase.neurons as neurons

    family = {m for m in vars(neurons).values() if isinstance(m, type) and issubclass(m, NeuronModel)}
    assert family - {NeuronModel} == {type(model) for model in variants()}


@needs_cuda
@pytest.mark.parametrize("cc", CAPABILITIES)
@pytest.mark.parametrize("a_pre", [0.01, -0.01])
@pytest.mark.parametrize("dependence", ["additive", "multiplicative"])
@pytest.mark.parametrize("pairing", ["all", "nearest"])
def test_every_variant_of_stdp_compiles_to_single_precision_ptx(dependence, pairing, a_pre, cc):
    rule = STDP(20e-3, 20e-3, a_pre=a_pre, a_post=-a_pre, w_max=1.0, dependence=dependence, pairing=pairing)
    compiled = gate.ptx_rule(rule, cc)
    assert set(compiled) == {"learn", "fade_x", "fade_y", "bump_x", "bump_y"}
    for kernel, ptx in compiled.items():
        assert_is_single_precision(ptx, kernel, cc)


@needs_cuda
@pytest.mark.parametrize("cc", CAPABILITIES)
def test_delivery_adds_whole_numbers_atomically(cc):
    ptx = gate.bind_cuda_delivery().ptx("deliver", cc)
    assert_is_single_precision(ptx, "deliver", cc)
    assert "atom.global.add.u32" in ptx or "red.global.add.u32" in ptx
    assert "atom.global.add.f32" not in ptx


@needs_cuda
def test_the_words_exp_and_uniform_compile_to_single_precision_ptx(toys):
    assert_is_single_precision(gate.ptx(toys.Escape(), 1e-3, (8, 0)), "update", (8, 0))


@needs_cuda
def test_without_our_product_the_compiler_would_fuse():
    from numba import cuda, types

    def plain(a, b):
        a[0] = a[0] * b[0] + b[1]

    ptx, _ = cuda.compile_ptx(plain, (types.float32[::1], types.float32[::1]), cc=(8, 0))
    assert "fma." in ptx


@pytest.fixture(scope="module")
def toys() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cuda_simulator_run", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> dict[str, np.ndarray]:
    """What the CUDA simulator made of the toys, in a process of its own."""
    path = tmp_path_factory.mktemp("cuda") / "run.npz"
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    command = [sys.executable, str(SCRIPT), str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(path, allow_pickle=False) as saved:
        return dict(saved)


def numpy_words(draws: np.ndarray) -> dict[str, object]:
    return {**{word: getattr(vocabulary, word) for word in vocabulary.WORDS}, "uniform": lambda draw: draws}


def numpy_step(toys, model, state, cells, now):
    """Move one population by a step with its rules bound to NumPy; return what each neuron sent."""
    constants = {
        k: np.asarray(v, np.int32 if np.asarray(v).dtype.kind in "iu" else np.float32)
        for k, v in model.constants(toys.DT).items()
    }
    known = {**state, **constants, "now": np.int32(now)}
    for receptor, cell in cells.items():
        known[receptor] = cell.astype(np.float32) * np.float32(toys.GRID)
        cell[:] = 0
    words = numpy_words(toys.draws()[now])
    sent = None
    for rule in (model.rules.flow, model.rules.jump, model.rules.fire):
        returned = rule.bind(words)(*(known[name] for name in rule.arguments))
        values = list(returned) if rule.n_returned > 1 else [returned]
        if rule is model.rules.fire:
            sent = values.pop(0)
        for name, value in zip(model.written(rule), values, strict=True):
            known[name] = state[name] = np.asarray(value).astype(state[name].dtype)
    return np.broadcast_to(sent, toys.N).astype(np.float32)


@pytest.fixture(scope="module")
def expected(toys) -> dict[str, np.ndarray]:
    """What the toy network sends, by a plain loop over steps with its rules bound to NumPy."""
    family = toys.models()
    states = {name: toys.initial_states(model) for name, model in family.items()}
    cells = {k: {r: np.zeros(toys.N, np.int32) for r in m.receptors} for k, m in family.items()}
    sent = {name: np.zeros((toys.N_STEPS, toys.N), np.float32) for name in family}
    for now in range(toys.N_STEPS):
        for row in toys.rows():
            before = toys.source_spikes()[now] if row.pre == "source" else sent[row.pre][now - 1] * (now > 0)
            weights = row.weights * np.repeat(before.astype(np.int32), np.diff(row.starts))
            np.add.at(cells[row.post][row.receptor], row.targets, weights)
        for name, model in family.items():
            sent[name][now] = numpy_step(toys, model, states[name], cells[name], now)
    final = {f"{name}.{k}": v for name, state in states.items() for k, v in state.items()}
    return {**{f"sent.{name}": values for name, values in sent.items()}, **final}


@needs_cuda
@pytest.mark.parametrize("name", ["lif", "current", "events", "escape"])
def test_a_toy_network_on_the_cuda_simulator_sends_what_numpy_sends_in_every_step(expected, simulated, name):
    assert np.count_nonzero(expected[f"sent.{name}"]) > 20
    np.testing.assert_array_equal(simulated[f"sent.{name}"], expected[f"sent.{name}"])
    for key in expected:
        if key.startswith(f"{name}."):
            np.testing.assert_array_equal(simulated[key], expected[key], err_msg=key)


@needs_cuda
def test_a_toy_rule_on_the_cuda_simulator_learns_what_a_loop_in_double_precision_learns(toys, simulated):
    """The loop below is STDP from its definition: multiplicative, all pairs, no rule of ours."""
    toy, rule = toys.plastic(), toys.RULE
    weights = toy["weights"].astype(np.float64)
    x, y = np.zeros(toys.N), np.zeros(toys.N)
    for step, (arrived, fired) in enumerate(zip(toy["arrived"], toy["fired"], strict=True)):
        x *= np.exp(-toys.DT / rule.tau_pre)
        y *= np.exp(-toys.DT / rule.tau_post)
        for k, (source, target) in enumerate(zip(toy["sources"], toy["targets"], strict=True)):
            if arrived[source]:
                weights[k] += rule.a_post * y[target] * weights[k]
            if fired[target]:
                weights[k] += rule.a_pre * x[source] * (1.0 - weights[k])
            weights[k] = min(max(weights[k], 0.0), 1.0)
        x += arrived
        y += fired
        np.testing.assert_allclose(simulated["weights"][step], weights, rtol=2e-5)
    assert np.abs(weights - toy["weights"]).min() > 1e-3


def test_integers_stay_whole_among_themselves_and_turn_float32_where_they_meet_a_float():
    tree = ast.parse(
        "def fire(v, n, now):\n    e = v / 2 - n\n    n += 1\n    return where(now > n, now + 1, n), e * n"
    )
    text = ast.unparse(as_float32(tree.body[0], {"n", "now"}))
    assert text == (
        "def fire(v, n, now):\n    e = v / f4(2) - f4(n)\n    n = n + 1\n"
        "    return (where(now > n, now + 1, n), e * f4(n))"
    )


def test_a_rule_that_takes_the_name_of_the_float_type_is_refused():
    tree = ast.parse("def flow(f4): return f4").body[0]
    with pytest.raises(SpecError, match="f4"):
        as_float32(tree)


@needs_cuda
def test_a_kernel_refuses_wrong_arguments_by_name():
    deliver = gate.bind_cuda_delivery()
    ids = np.zeros(1, np.int32)
    good = dict(spikes=ids, payloads=np.ones(1, np.float32), starts=ids, targets=ids, cells=ids)
    with pytest.raises(RunError, match="weights"):
        deliver.launch("deliver", 1, **good)
    with pytest.raises(RunError, match=r"weights.*float64.*int16"):
        deliver.launch("deliver", 1, weights=np.ones(1), **good)


def test_without_numba_cuda_the_error_names_the_extra(monkeypatch):
    monkeypatch.setattr(gate.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"numba-cuda.*gpu"):
        gate.bind_cuda(LIF(20e-3), 1e-3)
