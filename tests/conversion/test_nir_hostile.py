"""NIR files and graphs that are damaged, foreign or hostile: a FormatError each, at once."""

from __future__ import annotations

import time
import tracemalloc

import h5py
import nir
import numpy as np
import pytest

import rheobase as rb


def good():
    lif = nir.LIF(*(np.full(3, x) for x in (20e-3, 20.0, 0.0, 1.0)))
    return nir.NIRGraph.from_list(nir.Affine(np.eye(3), np.ones(3)), lif)


@pytest.fixture
def path(tmp_path):
    nir.write(tmp_path / "net.nir", good())
    assert len(rb.read_nir(tmp_path / "net.nir")) == 6
    return tmp_path / "net.nir"


@pytest.fixture(autouse=True)
def _quick_and_small():
    tracemalloc.start()
    start = time.perf_counter()
    yield
    assert time.perf_counter() - start < 20
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()


def refused(source, match):
    with pytest.raises(rb.FormatError, match=match):
        rb.read_nir(source)


def node(file, name="lif"):
    return file["node/nodes"][name]


def replaced(group, name, **dataset):
    del group[name]
    return group.create_dataset(name, **dataset)


@pytest.mark.parametrize("keep", [0, 1, 100, 2000, -200, -1])
def test_a_truncated_file(path, keep):
    data = path.read_bytes()
    path.write_bytes(data[:keep])
    refused(path, "not a NIR file, or damaged")


def test_bytes_flipped_anywhere_never_end_in_another_error(path):
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(data), 40):
        path.write_bytes(data[:at] + bytes([data[at] ^ (1 << int(rng.integers(8)))]) + data[at + 1 :])
        try:
            rb.read_nir(path)
        except rb.FormatError:
            pass


def test_other_files(tmp_path):
    for name, content in (
        ("text.nir", b"hello"),
        ("pickle.nir", b"\x80\x04cos\nsystem\n"),
        ("empty.nir", b""),
    ):
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, "not a NIR file")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = np.arange(3)
    refused(tmp_path / "other.h5", "has no group 'node'")
    with pytest.raises(FileNotFoundError):
        rb.read_nir(tmp_path / "none.nir")
    with pytest.raises(IsADirectoryError):
        rb.read_nir(tmp_path)


def test_arrays_that_declare_more_than_the_file_holds(path):
    for options in (
        {"shape": (2**36,)},
        {"shape": (2**20, 2**20), "chunks": (1, 1024)},
        {"shape": (2**36,), "chunks": (2**20,), "compression": "gzip"},
    ):
        with h5py.File(path, "r+") as file:
            replaced(node(file), "tau", dtype="f8", **options)
        refused(path, r"lif/tau: declares .* bytes, of which the file holds 0")


def test_shapes_that_no_machine_holds(path):
    with h5py.File(path, "r+") as file:
        replaced(node(file, "input"), "shape", data=np.array([2**20, 2**20]))
    refused(path, "input.shape: .* with a product below")


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (np.full(3, np.nan), "lif.tau: holds NaN"),
        (np.array([1.0, np.inf, 1.0]), "lif.tau: holds NaN or infinity"),
        (np.array([b"a", b"b", b"c"]), "lif.tau: got"),
        (np.ones(3, complex), "lif/tau: got complex128"),
        (np.zeros(3, [("a", "f8"), ("b", "i4")]), "lif/tau: got"),
        (np.zeros(0), "lif.tau: got float64 of shape"),
        (np.ones(4), "different shapes"),
        (np.full(3, -1.0), "lif: LIF.tau"),
    ],
)
def test_fields_of_the_wrong_type_or_out_of_range(path, data, match):
    with h5py.File(path, "r+") as file:
        replaced(node(file), "tau", data=data)
    refused(path, match)


def test_fields_that_are_missing_or_too_many(path):
    with h5py.File(path, "r+") as file:
        node(file)["colour"] = 3
    refused(path, "lif: unknown field 'colour'; a LIF has")
    with h5py.File(path, "r+") as file:
        del node(file)["colour"], node(file)["tau"]
    refused(path, "lif: no field 'tau'; a LIF has")


def test_an_unknown_node_is_named_with_the_nearest(path):
    with h5py.File(path, "r+") as file:
        replaced(node(file), "type", data="CubaLIFF")
    refused(path, "lif: unknown node type 'CubaLIFF'.*; the nearest is CubaLIF")


@pytest.mark.parametrize("edge", [("lif", "nobody"), ("nobody", "lif")])
def test_edges_to_nowhere(path, edge):
    with h5py.File(path, "r+") as file:
        replaced(file["node"], "edges", data=np.array([edge], dtype=object), dtype=h5py.string_dtype())
    refused(path, "'nobody', which is no node")


def test_edges_that_are_no_pairs(path):
    with h5py.File(path, "r+") as file:
        replaced(file["node"], "edges", data=np.array(["lif"], dtype=object), dtype=h5py.string_dtype())
    refused(path, "allowed are pairs of names")


def test_links_that_lead_out_of_the_file_or_in_circles(path, tmp_path):
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["tau"] = np.ones(3)
    for link in (h5py.ExternalLink(str(other), "/tau"), h5py.SoftLink("/node/nodes/affine/bias")):
        with h5py.File(path, "r+") as file:
            del node(file)["tau"]
            node(file)["tau"] = link
        refused(path, "lif/tau: a link that may lead to another file")
    with h5py.File(path, "r+") as file:
        del node(file)["tau"]
        layout = h5py.VirtualLayout((3,), "f8")
        layout[:] = h5py.VirtualSource(str(other), "tau", (3,))
        node(file).create_virtual_dataset("tau", layout)
    refused(path, "lif/tau: its data lie in another file")
    with h5py.File(path, "r+") as file:
        del node(file)["tau"]
        node(file).create_dataset("tau", (3,), "f8", external=[(str(other), 0, 24)])
    refused(path, "lif/tau: its data lie in another file")
    with h5py.File(path, "r+") as file:
        file["node/nodes/again"] = file["node"]
    refused(path, "the group lies within itself")


def test_groups_a_thousand_deep(path):
    with h5py.File(path, "r+") as file:
        group = file["node/nodes"]
        for _ in range(1000):
            group = group.create_group("g")
    refused(path, "deep within each other")


def test_a_text_that_is_listed_a_million_times(path):
    with h5py.File(path, "r+") as file:
        replaced(
            file["node"],
            "edges",
            shape=(2_000_000, 2),
            dtype=h5py.string_dtype(),
            chunks=(1000, 2),
            compression="gzip",
        )
    refused(path, "edges: declares|list of pairs")


def test_graphs_in_memory_that_are_no_better():
    inner = good()
    inner.nodes["inner"] = inner
    refused(inner, "the graph lies within itself")
    for thing in (3, None, {"nodes": {}}, good().nodes["lif"], nir.NIRGraph):
        refused(thing, "allowed is")
    strange = good()
    strange.nodes["lif"] = "LIF"
    refused(strange, "lif: got 'LIF'")


def test_inner_graphs_that_multiply_ways_or_run_in_circles():
    def stage():
        nodes = {"in": nir.Input(np.array([1])), "out": nir.Output(np.array([1]))}
        return nir.NIRGraph(nodes, [("in", "out")], type_check=False)

    wide = {f"{layer}{side}": stage() for layer in range(40) for side in "ab"}
    edges = [(f"{k}{a}", f"{k + 1}{b}") for k in range(39) for a in "ab" for b in "ab"]
    ends = {"input": nir.Input(np.array([1])), "output": nir.Output(np.array([1]))}
    edges += [("input", "0a"), ("input", "0b"), ("39a", "output"), ("39b", "output")]
    refused(nir.NIRGraph({**wide, **ends}, edges, type_check=False), "too many ways")
    loop = [("input", "0a"), ("0a", "0b"), ("0b", "0a"), ("0b", "output")]
    refused(nir.NIRGraph({**wide, **ends}, loop, type_check=False), "in circles")


def test_linear_nodes_in_a_circle_of_their_own():
    nodes = {"input": nir.Input(np.array([2])), "a": nir.Linear(np.eye(2)), "b": nir.Linear(np.eye(2)),
             "output": nir.Output(np.array([2]))}  # fmt: skip
    refused(
        nir.NIRGraph(nodes, [("input", "output"), ("a", "b"), ("b", "a")], type_check=False),
        "a circle without",
    )


def test_the_name_of_a_file_that_is_read_is_in_the_message(path):
    with h5py.File(path, "r+") as file:
        replaced(node(file), "type", data="LIFE")
    refused(path, "net.nir/lif: ")
