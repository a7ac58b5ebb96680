"""A circuit made by hand, with every pattern of synapses, and what a forward pass makes of it."""

from __future__ import annotations

import numpy as np
import pytest

from rheobase.conversion.circuits.circuit import Cell, Circuit, Code, Term
from rheobase.conversion.circuits.pairs import pairs_of


def conv_options(image, padding=((0, 0), (0, 0)), **others):
    plain = {"stride": (1, 1), "dilation": (1, 1), "groups": 1}
    return {"image": image, "padding": padding} | plain | others


def applied(term, x, n_out):
    pairs = pairs_of(term, x.shape[1])
    out = np.zeros((len(x), n_out))
    for i, sample in enumerate(x):
        np.add.at(out[i], pairs.targets, pairs.weights * sample[pairs.sources])
    return out


def hand_made():
    """A circuit with every pattern of synapses; all weights times theta are multiples of 1/4096."""
    rng = np.random.default_rng(4)

    def weights(*shape):
        return rng.integers(-40, 40, shape) / 64

    def conv(source, weight, image, padding=((1, 1), (1, 1)), **others):
        return Term(source, "conv", {"weight": weight}, conv_options(image, padding, **others))

    pooling = {
        "image": (4, 6, 6),
        "size": (2, 2),
        "stride": (2, 2),
        "padding": ((0, 0), (0, 0)),
        "count_padding": True,
    }
    three = weights(4, 4, 3, 3)
    first = (conv("input", weights(4, 2, 3, 3), (2, 6, 6)),)
    block = (
        Term("pool", "wire"),
        conv("pool", three, (4, 3, 3)),
        conv("conv", three, (4, 6, 6), ((0, 2), (1, 1)), stride=(2, 2)),
    )
    turn = np.arange(36).reshape(3, 12)[::-1].reshape(-1)
    output = (
        Term("turned", "linear", {"weight": weights(5, 36)}),
        Term("block", "linear", {"weight": weights(5, 36)}),
    )
    per_channel = np.repeat([0.5, 1.0, 2.0, 0.5], 36)
    cells = [
        Cell("input", (2, 6, 6), code=Code(np.full(72, 1 / 64), 0, 255)),
        Cell("conv", (4, 6, 6), first, weights(144), function="relu", code=Code(per_channel, 0, 15)),
        Cell(
            "pool",
            (4, 3, 3),
            (Term("conv", "mean_pool", {}, pooling),),
            code=Code(np.full(36, 0.5), -31, 31),
        ),
        Cell("block", (4, 3, 3), block, function="relu", code=Code(rng.choice([0.25, 0.5], 36), 0, 15)),
        Cell("turned", (3, 12), (Term("block", "wire", index=turn),), code=Code(np.full(36, 0.25), -7, 7)),
        Cell("output", (5,), output, weights(5)),
    ]
    return Circuit({cell.name: cell for cell in cells})


def settled(circuit, x):
    """Compute u and n of every cell layer by layer, in float64."""
    totals, told = {}, {"input": x}
    for name, cell in list(circuit.cells.items())[1:]:
        bias = np.zeros(cell.n) if cell.bias is None else cell.bias
        terms = [
            applied(term, told[term.source] * circuit.cells[term.source].code.theta, cell.n)
            for term in cell.terms
        ]
        totals[name] = bias + sum(terms)
        if cell.code is not None:
            told[name] = np.clip(
                np.floor(totals[name] / cell.code.theta + 0.5), cell.code.low, cell.code.high
            )
    return totals, told


@pytest.fixture(scope="session")
def circuit():
    return hand_made()


@pytest.fixture(scope="session")
def told(circuit):
    """Three inputs as whole numbers."""
    return np.random.default_rng(5).integers(0, 256, (3, 72))


@pytest.fixture(scope="session")
def forward_pass(circuit, told):
    """Totals and whole numbers of every cell for these inputs, by name."""
    return settled(circuit, told)
