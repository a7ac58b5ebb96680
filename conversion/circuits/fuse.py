"""From a graph to a circuit: which operations become one cell, and which of its values are told as events.

Linear operations and sums become the terms of cells, a function behind a sum is the function of its cell,
and rearranging is the index by which a term or an operator reads. What an operator can take from totals it
reads there, exactly; where weights or a product of matrices need events, a cell tells its value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...neurons.errors import ConversionError
from ..graphs.graph import Graph, Node
from ..graphs.maps import windows
from .bases import Base, Read, circuit_of
from .circuit import Circuit
from .forms import Atom, Form, Part, constant, join, mapped, scaled, told, total_of

#: Functions that never fall: the largest of their values is their value of the largest.
RISING = frozenset({"identity", "relu", "sigmoid", "tanh", "exp", "softplus", "erf", "staircase"})


def fuse(graph: Graph) -> Circuit:
    """Return the cells of a trained network, without codes.

    Parameters
    ----------
    graph : Graph
        Its operations, simplified.

    Returns
    -------
    Circuit
        The first cell is the input, which tells the sample; the last is the answer, which tells nothing.
        `told` names the cells that are to have a code.

    Raises
    ------
    ConversionError
        If the answer does not depend on the input, or indices of an embedding are no input.

    Examples
    --------
    >>> nodes = [Node("x", "input", (), (3,)),
    ...          Node("fc", "linear", ("x",), (2,), {"weight": np.ones((2, 3)), "bias": np.zeros(2)}),
    ...          Node("relu", "map", ("fc",), (2,), {}, {"function": "relu", "parameters": ()}),
    ...          Node("out", "linear", ("relu",), (1,), {"weight": np.ones((1, 2)), "bias": np.zeros(1)})]
    >>> circuit = fuse(Graph({node.name: node for node in nodes}, "out"))
    >>> [(cell.name, cell.function) for cell in circuit.cells.values()], sorted(circuit.told)
    ([('x', 'identity'), ('fc', 'relu'), ('out', 'identity')], ['fc', 'x'])
    """
    fusion = _Fusion(graph)
    for node in graph.nodes.values():
        fusion.take(node)
    return circuit_of(graph, fusion.bases, fusion.answer())


class _Fusion:
    """What is known of each node: what it is a sum of, and where its values are read.

    Attributes
    ----------
    flat : dict
        Each node as a sum of what cells tell, for a reader that is the only one and adds it up itself.
    view : dict
        Each node as values that cells tell, for all other readers.
    bases : dict
        What may become a cell, in order.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.readers = {name: graph.readers(name) for name in graph.nodes}
        self.flat: dict[str, Form] = {}
        self.view: dict[str, Form] = {}
        self.bases: dict[str, Base] = {}

    def take(self, node: Node) -> None:
        """Learn what a node is; those that it reads are known."""
        form = _FORMS[node.op](self, node)
        self.flat[node.name] = form
        self.view.setdefault(node.name, form if form.wired else self.based(node.name))

    def based(self, name: str) -> Form:
        """Return a node as totals of its own."""
        node, form = self.graph.nodes[name], self.flat[name]
        if name not in self.bases:
            self.bases[name] = Base(name, node.shape, node.label, form=form)
        return told(Atom(name), form.n)

    def added(self, name: str) -> Form:
        """Return a node for one that adds it up: spread out if nobody else needs it."""
        return self.flat[name] if len(self.readers[name]) == 1 else self.view[name]

    def computed(self, node: Node, kind: str, *reads: Read, **options: Any) -> Form:
        """Return what an operator computes of what it reads."""
        self.bases[node.name] = Base(node.name, node.shape, node.label, None, kind, reads, options)
        return told(Atom(node.name), node.n)

    def total(self, name: str, shape: tuple[int, ...]) -> Read:
        """Return a read of a node's values as totals; a function behind them is computed by an operator."""
        form = self.view[name]
        if not form.plain:
            form = self.affine(name, form) or self.based(name)
        atom, places = form.parts[0].atom, form.places_of().reshape(shape)
        if self._is_input(atom):
            return Read(atom, "told", places)
        if atom.function == "identity":
            return Read(atom, "total", places)
        base, shape = f"{atom.base}.{atom.function}", self.bases[atom.base].shape
        self._operator(base, shape, "map", (_whole(atom.base, math.prod(shape)),), _function(atom))
        return Read(Atom(base), "total", places)

    def affine(self, name: str, form: Form) -> Form | None:
        """Return gains and shifts of one cell's totals as operators compute them; None if there is more."""
        if len(form.parts) != 1 or not form.wired or self._is_input(form.parts[0].atom):
            return None
        part, shape = form.parts[0], self.graph.nodes[name].shape
        places = np.arange(form.n) if part.index is None else part.index
        if (places < 0).any() or (part.atom.function != "identity" and "weight" not in part.values):
            return None
        read = Read(Atom(part.atom.base), "total", places)
        shift = form.bias if form.bias.any() else None
        for kind, value in (("product", part.values.get("weight")), ("add", shift)):
            if value is None:
                continue
            self.bases[f"{name}.{kind}.by"] = Base(f"{name}.{kind}.by", shape, "", constant(value))
            options = _function(part.atom) if kind == "product" else {}
            self._operator(
                f"{name}.{kind}", shape, kind, (read, _whole(f"{name}.{kind}.by", form.n)), options
            )
            read = _whole(f"{name}.{kind}", form.n)
        return Form((Part(read.atom, index=read.places),), np.zeros(form.n))

    def _operator(
        self,
        name: str,
        shape: tuple[int, ...],
        kind: str,
        reads: tuple[Read, ...],
        options: Mapping[str, Any],
    ) -> None:
        self.bases.setdefault(name, Base(name, shape, "", None, kind, reads, options))

    def events(self, name: str, shape: tuple[int, ...]) -> Read:
        """Return a read of a node's values as events."""
        form = self.view[name]
        if not form.plain:
            form = self.affine(name, form) or self.based(name)
        return Read(form.parts[0].atom, "told", form.places_of().reshape(shape))

    def answer(self) -> str:
        """Return the base whose totals are the network's answer, and which nothing else needs."""
        node, readers = self.graph.nodes[self.graph.output], self.readers[self.graph.output]
        if not self.view[node.name].parts:
            raise ConversionError(f"{node.label}: the answer does not depend on the input")
        read = self.total(node.name, (node.n,))
        heard = {r.atom.base for base in self.bases.values() for r in base.reads}
        free = read.what == "total" and not readers and read.atom.base not in heard
        if free and np.array_equal(read.places, np.arange(node.n)):
            return read.atom.base
        self._operator(f"{node.name}.answer", node.shape, "map", (read,), _function(Atom("")))
        return f"{node.name}.answer"

    def _is_input(self, atom: Atom) -> bool:
        return self.graph.nodes[atom.base].op == "input" if atom.base in self.graph.nodes else False

    # One method for each kind of operation

    def input(self, node: Node) -> Form:
        self.bases[node.name] = Base(node.name, node.shape, node.label)
        return told(Atom(node.name), node.n)

    def constant(self, node: Node) -> Form:
        return constant(node.values["value"])

    def wire(self, node: Node) -> Form:
        index = node.values["index"].reshape(-1)
        alone = len(node.inputs) == 1 and self._alone(node)
        form = join([self.flat[name] if alone else self.added(name) for name in node.inputs], index)
        seen = join([self.view[name] for name in node.inputs], index)
        assert seen is not None  # values that cells tell can be picked in any order
        if form is None or len(node.inputs) > 1:
            self.view[node.name] = seen
        return seen if form is None else form

    def _alone(self, wire: Node) -> bool:
        """Whether all readers of what a wire reads pick parts that nobody else picks."""
        readers = self.readers[wire.inputs[0]]
        if len(readers) == 1:
            return True
        if any(reader.op != "wire" or len(reader.inputs) > 1 for reader in readers):
            return False
        picked = np.concatenate([reader.values["index"].reshape(-1) for reader in readers])
        return bool((picked >= 0).all()) and len(np.unique(picked)) == len(picked)

    def add(self, node: Node) -> Form:
        forms: list[Form] = []
        for name in node.inputs:
            form = self.added(name)
            forms.append(form if total_of([*forms, form]) is not None else self.view[name])
        total = total_of(forms)
        assert total is not None
        return Form(total.parts, total.bias, (*total.places, node.label))

    def scale(self, node: Node) -> Form:
        gain, shift = (np.broadcast_to(node.values[key].reshape(-1), node.n) for key in ("gain", "shift"))
        form = scaled(self.added(node.inputs[0]), gain.astype(np.float64), shift.astype(np.float64))
        if form is None:
            form = scaled(self.view[node.inputs[0]], gain.astype(np.float64), shift.astype(np.float64))
        assert form is not None  # each value that a cell tells can have a gain of its own
        return Form(form.parts, form.bias, (*form.places, node.label))

    def linear(self, node: Node) -> Form:
        name, view = node.inputs[0], self.view[node.inputs[0]]
        form = mapped(view, node)
        if form is None:  # weights that are shared would need different gains
            louder = self.affine(name, Form(view.parts, np.zeros(view.n)))
            shifted = self.based(name) if louder is None else Form(louder.parts, view.bias, view.places)
            form = mapped(shifted, node)
        assert form is not None
        return form

    def embedding(self, node: Node) -> Form:
        form, weight = self.view[node.inputs[0]], node.values["weight"]
        if not form.plain or not self._is_input(form.parts[0].atom):
            raise ConversionError(
                f"{node.label}: an embedding reads indices that are computed; allowed is the input itself, "
                "so give the network the computed indices"
            )
        atom, places = form.parts[0].atom, form.places_of()
        self.bases[atom.base] = self.bases[atom.base].one_hot(len(weight), node.label)
        index = (places[:, None] * len(weight) + np.arange(len(weight))).reshape(-1)
        part = Part(atom, "linear", {"weight": weight.T}, {}, index, None, node.label)
        return Form((part,), np.zeros(node.n), (node.label,))

    def map(self, node: Node) -> Form:
        """Give the cells that tell these values a function, where they have none yet."""
        function, parameters = node.options["function"], tuple(node.options["parameters"])
        form = self.view[node.inputs[0]]
        if function == "identity":
            return form
        plain = not form.bias.any() and not any(part.values for part in form.parts)
        free = all(p.atom.function == "identity" and not self._is_input(p.atom) for p in form.parts)
        covered = sum(np.sum(form.n if p.index is None else p.index >= 0) for p in form.parts) == form.n
        if not (plain and free and covered):
            form = self.based(node.inputs[0])
        parts = tuple(
            Part(Atom(p.atom.base, function, parameters), index=p.index, place=node.label) for p in form.parts
        )
        for part in parts:
            self.bases[part.atom.base] = self.bases[part.atom.base].with_function(part.atom, node.label)
        return Form(parts, form.bias)

    def max_pool(self, node: Node) -> Form:
        """Take the largest total of each window; a function that never falls follows behind."""
        size, x = tuple(node.options["size"]), self.graph.nodes[node.inputs[0]]
        places = windows(np.arange(x.n)[None], node.options, size, node.options["dilation"], -1)
        places = places.reshape(node.n, -1)
        # a window over the edge sees one of its own pixels twice, which is no larger
        places = np.where(places >= 0, places, places.max(axis=1, keepdims=True))
        form, behind = self.view[x.name], None
        rises = form.plain and form.parts[0].atom.function in RISING
        if rises and not self._is_input(form.parts[0].atom):
            behind, index = form.parts[0].atom, form.places_of()[places]
            read = Read(Atom(behind.base), "total", index)
        else:
            read = self.total(x.name, (x.n,))
            read = Read(read.atom, read.what, read.places[places])
        result = self.computed(node, "max", read)
        if behind is None:
            return result
        atom, place = Atom(node.name, behind.function, behind.parameters), self.bases[behind.base].functions
        self.bases[node.name] = self.bases[node.name].with_function(atom, place.get(behind, ""))
        return told(atom, node.n)

    def softmax(self, node: Node) -> Form:
        return self.computed(node, "softmax", self.total(node.inputs[0], (-1, node.options["width"])))

    def top_k(self, node: Node) -> Form:
        read = self.total(node.inputs[0], (-1, node.options["width"]))
        return self.computed(node, "top_k", read, k=node.options["k"])

    def normalise(self, node: Node) -> Form:
        eps, centred = node.options["eps"], node.options["centred"]
        read = self.total(node.inputs[0], (-1, node.options["width"]))
        return self.computed(node, "normalise", read, eps=eps, centred=centred)

    def product(self, node: Node) -> Form:
        """Multiply totals; the function of one of them is computed on the way."""
        forms = [self.view[name] for name in node.inputs]
        functions = [form.plain and form.parts[0].atom.function != "identity" for form in forms]
        first, second = node.inputs if functions[0] or not functions[1] else node.inputs[::-1]
        form, behind = self.view[first], Atom("")
        if form.plain and not self._is_input(form.parts[0].atom):
            behind = form.parts[0].atom
            read = Read(Atom(behind.base), "total", form.places_of())
        else:
            read = self.total(first, (node.n,))
        return self.computed(node, "product", read, self.total(second, (node.n,)), **_function(behind))

    def matmul(self, node: Node) -> Form:
        batch, m, k, n = (node.options[key] for key in ("batch", "m", "k", "n"))
        a, b = node.inputs
        return self.computed(node, "matmul", self.events(a, (batch, m, k)), self.events(b, (batch, k, n)))

    def dense(self, node: Node) -> Form:
        reads = (self.total(name, (self.graph.nodes[name].n,)) for name in node.inputs)
        return self.computed(node, "dense", *reads, call=node.options["call"])

    def scan(self, node: Node) -> Form:
        heads, tokens, d_k, d_v = (node.options[key] for key in ("heads", "tokens", "d_k", "d_v"))
        widths = zip(node.inputs, (d_k, d_k, d_v, d_k), strict=True)
        reads = (self.events(name, (heads, tokens, width)) for name, width in widths)
        return self.computed(node, "scan", *reads, backward=node.options["backward"])


def _whole(base: str, n: int) -> Read:
    return Read(Atom(base), "total", np.arange(n))


def _function(atom: Atom) -> dict[str, Any]:
    return {"function": atom.function, "parameters": atom.parameters}


_FORMS: Mapping[str, Callable[[_Fusion, Node], Form]] = {
    "input": _Fusion.input,
    "constant": _Fusion.constant,
    "linear": _Fusion.linear,
    "conv": _Fusion.linear,
    "conv_transpose": _Fusion.linear,
    "mean_pool": _Fusion.linear,
    "max_pool": _Fusion.max_pool,
    "wire": _Fusion.wire,
    "add": _Fusion.add,
    "scale": _Fusion.scale,
    "map": _Fusion.map,
    "product": _Fusion.product,
    "matmul": _Fusion.matmul,
    "softmax": _Fusion.softmax,
    "top_k": _Fusion.top_k,
    "normalise": _Fusion.normalise,
    "scan": _Fusion.scan,
    "embedding": _Fusion.embedding,
    "dense": _Fusion.dense,
}
