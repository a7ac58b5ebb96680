"""What a GPU can do: figures come from the right counts and times, and without a GPU everything says so."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import rheobase as rb
from rheobase import bench, bench_device
from rheobase.engine.backends.registry import BACKENDS, Backend
from rheobase.models.benchmarks import conv, cuba, mlp, spike_inputs

PEERS = Path(__file__).resolve().parents[2] / "benchmarks" / "peers"
LIMITS = {"copy_gb_s": 3000.0, "increments_28mb_per_s": 1e11, "launch_us": 2.0, "barrier_us": 1.0}


class FakeCuPy:
    """CuPy as far as it is asked, on a clock that every kernel and copy moves on by its own time."""

    float32, int32, uint32 = np.float32, np.int32, np.uint32

    def __init__(self):
        self.clock_ms, self.started = 0.0, []
        device = SimpleNamespace(id=0, attributes={"MultiProcessorCount": 10})
        self.cuda = SimpleNamespace(
            Device=lambda: device,
            Event=lambda: FakeEvent(self),
            get_elapsed_time=lambda began, ended: ended.at - began.at,
            is_available=lambda: True,
            runtime=SimpleNamespace(getDeviceProperties=lambda number: {"name": b"A GPU"}),
        )

    def ones(self, n, dtype):
        return SimpleNamespace(n=n, size=n)

    zeros = ones

    def empty_like(self, array):
        return array

    def copyto(self, target, source):
        self.clock_ms += 0.25

    def get_default_memory_pool(self):
        return SimpleNamespace(free_all_blocks=lambda: None)

    def RawKernel(self, code, name, enable_cooperative_groups=False):
        assert f"void {name}(" in code
        assert enable_cooperative_groups == ("cooperative_groups" in code)

        def start(grid, block, arguments):
            self.started.append((name, *grid, *block, [int(getattr(a, "n", a)) for a in arguments]))
            self.clock_ms += {"empty": 0.002, "increment": 0.5, "wait_often": 1.5}[name]

        return start


class FakeEvent:
    def __init__(self, cupy):
        self.cupy = cupy

    def record(self):
        self.at = self.cupy.clock_ms

    def synchronize(self):
        """Wait for nothing: kernels of this module take no time."""


@pytest.fixture
def cupy(monkeypatch):
    fake = FakeCuPy()
    monkeypatch.setattr(bench_device, "_cupy", lambda: fake)
    return fake


@pytest.fixture
def cuda(monkeypatch):
    """A backend of this name that runs on the reference."""
    monkeypatch.setitem(BACKENDS, "cuda", Backend("cuda", "reference", "ReferenceMachine", "numpy", "", ""))


def test_limits_are_what_was_done_over_how_long_it_took(cupy):
    limits = bench_device.limits_of_device()
    started = {name: (blocks, threads, arguments) for name, blocks, threads, arguments in cupy.started}
    blocks, threads, (cells, n_cells, each) = started["increment"]
    assert 4 * cells == 4 * n_cells == 28 << 20
    assert limits["increments_28mb_per_s"] == pytest.approx(blocks * threads * each / 0.5e-3)
    assert limits["copy_gb_s"] == pytest.approx(2 * (256 << 20) / 0.25e-3 / 1e9)
    assert limits["launch_us"] == pytest.approx(2.0)
    blocks, threads, (times,) = started["wait_often"]
    assert blocks == 10  # one on each multiprocessor, so that all of them run at once
    assert limits["barrier_us"] == pytest.approx(1500.0 / times)


def test_a_limit_that_cannot_be_measured_leaves_the_others(cupy, monkeypatch):
    def broken(*arguments):
        raise RuntimeError("no such header")

    monkeypatch.setitem(bench_device._MEASURED, "barrier_us", broken)
    with pytest.warns(UserWarning, match="barrier_us was not measured: RuntimeError: no such header"):
        limits = bench_device.limits_of_device()
    assert limits["barrier_us"] is None
    assert limits["launch_us"] > 0


def test_without_a_gpu_there_is_no_name_and_an_error_that_says_so(monkeypatch):
    module = ModuleType("cupy")
    module.cuda = SimpleNamespace(is_available=lambda: False)
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setattr(bench_device.importlib.util, "find_spec", lambda name: object())
    with pytest.raises(rb.RunError, match="finds no CUDA device"):
        bench_device.limits_of_device()
    assert bench_device.gpu_name() is None


def test_inputs_lie_on_the_device_as_peers_have_theirs(cupy, monkeypatch):
    net = mlp(scale=0.05)
    inputs = spike_inputs(net, seed=0, steps=20, dt=1e-3, batch=3)
    monkeypatch.setattr(bench_device, "gpu_name", lambda: None)
    assert bench_device.on_device(inputs, 20, 1e-3) is inputs
    monkeypatch.setattr(bench_device, "gpu_name", lambda: "A GPU")
    cupy.asarray = lambda array: array
    there = bench_device.on_device(inputs, 20, 1e-3)
    sim = rb.Simulator(net, 1e-3, batch=3)
    listed = sim.run(20e-3, inputs=inputs).counts
    assert listed.spikes > 0
    sim.reset()
    assert sim.run(20e-3, inputs=there).counts == listed


def figures(net, dt, monkeypatch, device="A GPU", **inputs):
    """Figures of a short run that took 1 ms, on a GPU with the limits above."""
    monkeypatch.setattr(bench_device, "gpu_name", lambda: "A GPU")
    monkeypatch.setattr(bench_device, "limits_of_device", lambda: LIMITS)
    sim = rb.Simulator(net, dt, backend="reference")
    counts = sim.run(20 * dt, **inputs).counts
    events = counts.synaptic_events
    assert events > 0
    return events, bench_device.device_figures(sim.plan, counts, events, 1e-3, device)


def test_sparse_events_are_held_against_bandwidth_increments_and_barriers(monkeypatch):
    events, line = figures(cuba(scale=0.05), 1e-4, monkeypatch)
    assert line["us_per_step"] == pytest.approx(50.0)
    assert line["of_bandwidth"] == pytest.approx(events * 12 / 1e-3 / 3e12)
    assert line["of_increments"] == pytest.approx(events / 1e-3 / 1e11)
    assert (line["of_launch"], line["of_barrier"]) == (pytest.approx(0.04), pytest.approx(0.02))
    assert line["of_limit"] == max(line["of_bandwidth"], line["of_increments"], line["of_barrier"])
    assert line["limits"] == LIMITS


@pytest.mark.parametrize(("build", "weight_bytes"), [(mlp, 4), (conv, None)])
def test_dense_events_read_weights_and_images_none(build, weight_bytes, monkeypatch):
    net = build(scale=0.05)
    fed = spike_inputs(net, seed=0, steps=20, dt=1e-3, activity=0.2)
    events, line = figures(net, 1e-3, monkeypatch, inputs={k: v[0] for k, v in fed.items()})
    expected = None if weight_bytes is None else pytest.approx(events * weight_bytes / 1e-3 / 3e12)
    assert line["of_bandwidth"] == expected
    assert line["of_increments"] is None


def test_in_the_cuda_simulator_nothing_is_measured(monkeypatch):
    _, line = figures(cuba(scale=0.05), 1e-4, monkeypatch, device="CUDA simulator")
    assert line["limits"] == {}
    assert {line[key] for key in line if key.startswith("of_")} == {None}


def test_a_line_of_this_backend_names_the_device_and_goes_into_json(cuda, monkeypatch):
    monkeypatch.setattr(rb.Simulator, "device", "CUDA simulator", raising=False)
    line = bench.run_benchmark("cuba", scale=0.05, seconds=0.01, repeats=1, backend="cuda", threads=2)
    assert (line["backend"], line["device"], line["limits"]) == ("cuda", "CUDA simulator", {})
    assert {"of_bandwidth", "of_increments", "of_launch", "of_barrier", "of_limit"} <= set(line)
    assert line["us_per_step"] == pytest.approx(line["wall_s"] * 1e6 / 100)
    assert json.loads(json.dumps(line)) == line


@pytest.fixture
def fused(monkeypatch):
    monkeypatch.syspath_prepend(str(PEERS))
    import fused_networks

    return fused_networks


def test_kernels_compile(fused):
    nvrtc = pytest.importorskip("cuda.bindings.nvrtc")
    folders = {path.parent for path in Path(nvrtc.__file__).parents[2].rglob("cooperative_groups.h")}
    if not folders:
        pytest.skip("CUDA's headers are not installed")
    options = [b"--gpu-architecture=compute_80"]
    options += [f"-I{path}".encode() for folder in folders for path in (folder, folder / "cccl")]
    for code in (bench_device._EMPTY, bench_device._RAISE, bench_device._WAIT, fused.LIF):
        _, program = nvrtc.nvrtcCreateProgram(code.encode(), b"kernel.cu", 0, [], [])
        (result,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
        _, size = nvrtc.nvrtcGetProgramLogSize(program)
        log = bytes(size)
        nvrtc.nvrtcGetProgramLog(program, log)
        assert result == nvrtc.nvrtcResult.NVRTC_SUCCESS, log.decode()


def test_a_peer_without_a_gpu_is_reported_as_not_measured():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    line = bench.run_benchmark("mlp", scale=0.05, seconds=0.01, repeats=1, peer="torch", peer_device="cuda")
    assert line["peer_note"].endswith("torch finds no CUDA device")
