"""Operations without a counterpart that are left to torch run, are proved, compared and kept like others."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import rheobase as rb  # noqa: E402
from rheobase.cli import main  # noqa: E402
from rheobase.conversion.circuits.codes import quantised  # noqa: E402
from rheobase.conversion.spiking.stored import KIND  # noqa: E402
from rheobase.conversion.tracing.dense import Dense, Kind, Slot  # noqa: E402
from rheobase.engine.archive import read_archive, write_archive  # noqa: E402


class Mixed(nn.Module):
    """Sorts, gathers by the order found, rounds, compares; read by weights, a product and each other."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, x):
        h = torch.relu(self.first(x))
        values, places = torch.sort(h, -1)
        steps = torch.round(4 * values) / 4
        chosen = torch.gather(h, -1, places.flip(-1))
        return self.last(steps + chosen * (steps > 0.5)).cumsum(-1)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Mixed().eval()


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def snn(model, x):
    return rb.convert(model, x, bits=8, allow_dense=True)


def torch_s(model, x):
    with torch.no_grad():
        return model(torch.from_numpy(x)).numpy()


def test_what_is_left_dense_is_named_with_its_reason(snn):
    dense = [row for row in snn.operations if row.kind == "dense"]
    assert [row.reason.partition(":")[0] for row in dense] == ["sort", "round", "sort", "gather", "gt"]
    assert all("in no energy" in row.reason and row.places == ("Mixed",) for row in dense)
    assert "round: computed by torch after each sweep that changed what it reads" in str(snn)


def test_the_original_and_the_spiking_network_answer_as_torch(snn, model, x):
    np.testing.assert_allclose(snn.original(x), torch_s(model, x), atol=1e-5)
    x = x[:4]
    wanted = torch_s(model, x)
    for schedule in ("depth", "concurrent"):
        found = snn.run(x, schedule=schedule, backend="reference")
        assert found.silent.all()
        assert np.sqrt(np.mean((found.outputs - wanted) ** 2)) < 0.15 * wanted.std()
        np.testing.assert_array_equal(found.outputs, quantised(snn.circuit, x))
        assert (found.dense >= 5 * 8).all()
        assert "numbers left dense" in repr(found)


def test_settled_it_is_the_quantised_network_bit_for_bit(snn, x):
    assert "equal bit for bit" in str(snn.verify(x[:4], backends=["reference"]))


def test_a_frame_that_stays_costs_nothing_dense(snn, x):
    first, same, other = snn.stream([x[:2], x[:2], x[2:4]], backend="reference")
    assert first.dense.all()
    assert not same.dense.any()
    np.testing.assert_array_equal(other.outputs, quantised(snn.circuit, x[2:4]))


def test_the_law_value_is_the_trained_network(model, x):
    exact = rb.convert(model, x, law="value", allow_dense=True)
    found = exact.run(x[:9], backend="reference").outputs
    np.testing.assert_allclose(found, torch_s(model, x[:9]), atol=1e-5)


def test_the_law_rate_comes_to_the_trained_network(x):
    class Root(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(6, 8), nn.Linear(8, 3)

        def forward(self, x):
            return self.last(torch.atan(self.first(x)))

    torch.manual_seed(0)
    model = Root().eval()
    snn = rb.convert(model, x, law="rate", allow_dense=True)
    wanted, scale = torch_s(model, x[:6]), torch_s(model, x).std()
    few, many = (snn.run(x[:6], steps=n, backend="reference").outputs for n in (6, 60))
    errors = [np.sqrt(np.mean((found - wanted) ** 2)) / scale for found in (few, many)]
    assert errors[1] < 0.05
    assert errors[1] < errors[0] / 3


def test_a_comparison_says_what_no_energy_has(snn, model, x):
    found = snn.compare(x[:5], model=model, steps=(1,), backend="reference")
    assert found.dense == pytest.approx(snn.run(x[:5], backend="reference").dense.mean())
    assert any("numbers an input were left dense" in reason for reason in found.loses)
    assert json.loads(found.to_json())["dense_numbers"] == found.dense


def test_a_file_gives_back_the_same_network(snn, x, tmp_path):
    snn.save(tmp_path / "mixed.npz")
    again = rb.Converted.load(tmp_path / "mixed.npz")
    assert str(again) == str(snn)
    found, same = (one.run(x[:9], backend="reference").outputs for one in (snn, again))
    np.testing.assert_array_equal(found, same)
    np.testing.assert_array_equal(again.original(x[:9]), snn.original(x[:9]))


@pytest.mark.parametrize(
    ("field", "value"),
    [("operator", "aten.from_file.default"), ("operator", "os.system"), ("operator", "aten.sort.nothing"),
     ("operator", 3), ("args", []), ("args", 5), ("kwargs", 3), ("part", 7)],
)  # fmt: skip
def test_a_file_cannot_ask_for_anything_but_operators_that_calculate(snn, tmp_path, field, value):
    snn.save(tmp_path / "mixed.npz")
    content, arrays = read_archive(tmp_path / "mixed.npz", KIND)
    nodes = content["graph"]["nodes"]["table"]
    node = next(node for _, node in nodes if node["op"] == "dense")
    ((_, call),) = node["options"]["table"]
    assert call["operator"] == "aten.sort.default"
    call[field] = value
    write_archive(tmp_path / "bad.npz", KIND, content, arrays)
    with pytest.raises(rb.FormatError, match=r"bad\.npz: its network does not run"):
        rb.Converted.load(tmp_path / "bad.npz")


def test_networks_that_others_run_cannot_hold_what_is_left_dense(model, x, tmp_path, capsys):
    program = torch.export.export(model, (torch.from_numpy(x[:1]),), strict=False)
    torch.export.save(program, tmp_path / "m.pt2")
    np.savez(tmp_path / "x.npz", x=x)
    given = [str(tmp_path / "m.pt2"), "--calibrate", str(tmp_path / "x.npz"), "--allow-dense"]
    assert main(["convert", *given, "--out", str(tmp_path / "m.toml")]) != 0
    assert "sort, round, gather, gt were left dense; allowed is .npz" in capsys.readouterr().err


def test_an_operator_that_fails_alone_says_so():
    ones, slot = [np.ones((1, 2), np.float32)], Slot(0, (1, 2))
    with pytest.raises(rb.ConversionError, match="atan2, left dense, cannot be computed alone"):
        Dense("aten.atan2.default", (slot, None), {}, 0)(ones)
    with pytest.raises(rb.ConversionError, match="'load' is no type of numbers"):
        Dense("aten.sum.default", (slot,), {"dtype": Kind("load")}, 0)(ones)
