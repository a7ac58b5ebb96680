"""Files of torch.export: read as what was saved, and nothing in them is ever run."""

from __future__ import annotations

import copy
import io
import json
import pickle
import random
import zipfile

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import rheobase as rb  # noqa: E402
from rheobase.conversion.graphs.forward import forward  # noqa: E402
from rheobase.conversion.trace import graph_of  # noqa: E402


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.register_buffer("place", torch.linspace(0, 1, 9).reshape(9, 1))

    def forward(self, x):
        x = torch.max_pool2d(torch.relu_(self.norm(self.conv(x))), 2)
        x = x.flatten(2).transpose(1, 2) + self.place
        x = x + self.attention(x, x, x, need_weights=False)[0]
        first, rest = x.split([1, 8], 1)
        return torch.einsum("btc,bsc->bts", rest, first).squeeze(2)


@pytest.fixture(scope="module")
def block():
    torch.manual_seed(0)
    return Block().eval()


@pytest.fixture(scope="module")
def sample():
    return torch.randn(3, 1, 6, 6, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def saved(block, sample, tmp_path_factory):
    """Return two files: of any batch, and of a batch of one."""
    folder = tmp_path_factory.mktemp("saved")
    batch = torch.export.Dim("batch", min=1)
    any_batch = torch.export.export(block, (sample,), dynamic_shapes=({0: batch},), strict=False)
    torch.export.save(any_batch, folder / "any.pt2")
    torch.export.save(torch.export.export(block, (sample[:1],), strict=False), folder / "one.pt2")
    return folder


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def written(path, content, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def program_of(content):
    (name,) = (name for name in content if name.endswith("models/model.json"))
    return name, json.loads(content[name])


@pytest.mark.parametrize("name", ["any.pt2", "one.pt2"])
def test_file_is_the_module_that_was_saved(saved, block, sample, name):
    graph = graph_of(saved / name, sample)
    unseen = torch.randn(4, 1, 6, 6)
    with torch.no_grad():
        theirs = block(unseen).numpy()
    np.testing.assert_allclose(forward(graph, unseen), theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())
    places = {node.place for node in graph.nodes.values()}
    assert {"conv (Conv2d)", "attention (MultiheadAttention)", "Block"} <= places


@pytest.mark.parametrize("name", ["vig", "kat"])
def test_files_may_call_operators_of_our_own(tmp_path, name):
    """Gated scans, forwards and backwards (as `gla` has one), and rational functions."""
    torch.manual_seed(0)
    model, x = rb.models.block(name, width=16).eval(), torch.randn(3, 1, 8, 8)
    torch.export.save(torch.export.export(model, (x[:1],), strict=False), tmp_path / "block.pt2")
    graph = graph_of(tmp_path / "block.pt2", x)
    with torch.no_grad():
        theirs = model(x).numpy()
    np.testing.assert_allclose(forward(graph, x), theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())
    ops = [node.op for node in graph.nodes.values()]
    assert ops.count("scan") == {"vig": 2, "kat": 0}[name]
    functions = [node.options["function"] for node in graph.nodes.values() if node.op == "map"]
    assert ("rational" in functions) == (name == "kat")


def test_file_of_another_batch_says_how_to_save_it(block, sample, tmp_path):
    torch.export.save(torch.export.export(block, (sample,), strict=False), tmp_path / "three.pt2")
    with pytest.raises(rb.ConversionError, match=r"batch of exactly 3; export .*torch\.export\.Dim"):
        graph_of(tmp_path / "three.pt2", sample)


def test_missing_file_is_an_error_of_the_system(sample, tmp_path):
    with pytest.raises(FileNotFoundError):
        graph_of(tmp_path / "none.pt2", sample)


@pytest.mark.parametrize("part", [0, 10, 1000, 0.5, 0.9, 0.999])
def test_truncated_file_is_refused(saved, sample, tmp_path, part):
    data = (saved / "one.pt2").read_bytes()
    (tmp_path / "cut.pt2").write_bytes(data[: int(part * len(data)) if isinstance(part, float) else part])
    with pytest.raises(rb.FormatError, match=r"cut\.pt2"):
        graph_of(tmp_path / "cut.pt2", sample)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_foreign_files_are_refused(saved, sample, tmp_path):
    torch.save({"weight": torch.ones(3)}, tmp_path / "state.pt2")
    written(tmp_path / "packed.pt2", members(saved / "one.pt2"), zipfile.ZIP_DEFLATED)
    written(tmp_path / "empty.pt2", {})
    (tmp_path / "text.pt2").write_text("no archive")
    for path in tmp_path.iterdir():
        with pytest.raises(rb.FormatError, match=path.name):
            graph_of(path, sample)
    torch.jit.trace(nn.Linear(6, 2), sample).save(tmp_path / "script.pt2")
    for name, writer in (("state.pt2", "save"), ("script.pt2", "jit.save")):
        with pytest.raises(
            rb.FormatError, match=rf"{name}: written by torch\.{writer}, .* torch\.export\.save"
        ):
            graph_of(tmp_path / name, sample)


class Bomb:
    """What a pickle would run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_pickles_in_a_file_are_never_opened(saved, block, sample, tmp_path):
    content, marker = members(saved / "one.pt2"), tmp_path / "ran"
    bomb = pickle.dumps(Bomb(marker))
    samples = next(name for name in content if "sample_inputs" in name)
    graph = graph_of(written(tmp_path / "samples.pt2", {**content, samples: bomb}), sample)
    assert graph.nodes[graph.output].shape == (8,)
    config = next(name for name in content if name.endswith("model_weights_config.json"))
    changed = json.loads(content[config])
    next(iter(changed["config"].values()))["use_pickle"] = True
    weight = next(name for name in content if name.endswith("weights/weight_0"))
    content |= {config: json.dumps(changed), weight: bomb}
    with pytest.raises(rb.FormatError, match="pickled, and loading it could run code"):
        graph_of(written(tmp_path / "weights.pt2", content), sample)
    assert not marker.exists()


@pytest.mark.parametrize(
    "target",
    ["os.system", "torch.ops.aten.save.default", "torch.ops.aten.from_file.default", "torch.ops.prim.Print.x",
     "_operator.__import__", "torch.ops.aten.relu.default.__class__", "torch.load", None, 3,
     "torch.ops.rheobase.relu.default", "torch.ops.aten.gated_scan.default", "torch.ops.prims.add.default"],
)  # fmt: skip
def test_only_operators_that_calculate_are_called(saved, sample, tmp_path, target):
    content = members(saved / "one.pt2")
    name, program = program_of(content)
    program["graph_module"]["graph"]["nodes"][1]["target"] = target
    with pytest.raises(rb.ConversionError, match="no operator of torch that only calculates"):
        graph_of(written(tmp_path / "call.pt2", {**content, name: json.dumps(program)}), sample)


def test_expressions_in_a_file_are_not_evaluated(saved, sample, tmp_path):
    content, marker = members(saved / "any.pt2"), tmp_path / "ran"
    name, _ = program_of(content)
    code = json.dumps(f"open({str(marker)!r}, 'w')")
    text = content[name].decode()
    start = '"expr_str": "'
    assert start in text
    first = text.index(start) + len(start) - 1
    end = text.index('"', first + 1)
    changed = text[:first] + code + text[end + 1 :]
    graph_of(written(tmp_path / "code.pt2", {**content, name: changed}), sample)
    assert not marker.exists()


def test_weights_cannot_reach_beyond_their_bytes(saved, sample, tmp_path):
    content = members(saved / "one.pt2")
    config = next(name for name in content if name.endswith("model_weights_config.json"))
    for field, value in (
        ("sizes", 10**6),
        ("sizes", -1),
        ("strides", 10**9),
        ("sizes", "a"),
        ("sizes", 2**63),
    ):
        changed = json.loads(content[config])
        next(iter(changed["config"].values()))["tensor_meta"][field][0]["as_int"] = value
        with pytest.raises(rb.FormatError, match=r"far\.pt2"):
            graph_of(written(tmp_path / "far.pt2", {**content, config: json.dumps(changed)}), sample)


def mutated(tree, random_):
    """Return a copy of nested lists and tables with one of their entries exchanged."""
    tree = copy.deepcopy(tree)
    here = tree
    while True:
        keys = [*here] if isinstance(here, dict) else [*range(len(here))]
        key = random_.choice(keys)
        if isinstance(here[key], (dict, list)) and here[key] and random_.random() < 0.9:
            here = here[key]
            continue
        here[key] = random_.choice([None, -1, 10**18, "x", [], {}, [[]], {"as_int": 3}, 0.5, True])
        return tree


def test_programs_with_anything_exchanged_are_read_or_refused(tmp_path):
    random_ = random.Random(0)
    sample = torch.randn(2, 3)
    small = nn.Sequential(nn.Linear(3, 2), nn.ReLU()).eval()
    torch.export.save(torch.export.export(small, (sample[:1],), strict=False), tmp_path / "small.pt2")
    content = members(tmp_path / "small.pt2")
    name, program = program_of(content)
    outcomes = set()
    for _ in range(24):
        changed = {**program, "graph_module": mutated(program["graph_module"], random_)}
        path = written(tmp_path / "odd.pt2", {**content, name: json.dumps(changed)})
        try:
            graph_of(path, sample)
            outcomes.add("read")
        except (rb.FormatError, rb.ConversionError) as error:
            outcomes.add(type(error).__name__)
    assert outcomes >= {"read", "FormatError"}


def test_deeply_nested_programs_are_refused(saved, sample, tmp_path):
    content = members(saved / "one.pt2")
    name, _ = program_of(content)
    with pytest.raises(rb.FormatError, match="damaged"):
        graph_of(written(tmp_path / "deep.pt2", {**content, name: "[" * 100_000}), sample)


def test_archives_are_bytes_not_streams(sample):
    with pytest.raises(rb.ConversionError, match=r"model: got BytesIO; allowed is a torch\.nn\.Module"):
        graph_of(io.BytesIO(), sample)
