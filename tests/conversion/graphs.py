"""Small graphs of every shape that fusing meets, with random weights."""

import numpy as np

from rheobase.conversion.graphs.graph import Graph, Node


class Draft:
    """A graph in the making: each method adds a node and returns its name."""

    def __init__(self, *shape, seed=0):
        self.rng = np.random.default_rng(seed)
        self.nodes = {}
        self.x = self.add("input", (), shape)

    def add(self, op, inputs, shape, values=None, **options):
        name = f"{op}{len(self.nodes)}"
        self.nodes[name] = Node(name, op, tuple(inputs), tuple(shape), values or {}, options)
        return name

    def shape(self, name):
        return self.nodes[name].shape

    def graph(self, output):
        return Graph(dict(self.nodes), output)

    def weights(self, *shape):
        return self.rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))

    def constant(self, value):
        return self.add("constant", (), value.shape, {"value": value})

    def linear(self, x, n):
        width = self.shape(x)[-1]
        values = {"weight": self.weights(n, width), "bias": 0.3 * self.rng.normal(size=n)}
        return self.add("linear", [x], (*self.shape(x)[:-1], n), values)

    def conv(self, x, channels, size=3, stride=1, padding=1, groups=1):
        image = self.shape(x)
        values = {
            "weight": self.weights(channels, image[0] // groups, size, size),
            "bias": 0.3 * self.rng.normal(size=channels),
        }
        side = [(n + 2 * padding - size) // stride + 1 for n in image[1:]]
        return self.add(
            "conv", [x], (channels, *side), values, image=image, stride=(stride, stride),
            padding=((padding, padding),) * 2, dilation=(1, 1), groups=groups,
        )  # fmt: skip

    def pool(self, op, x, size, stride=None, padding=0):
        image, stride = self.shape(x), stride or size
        side = [(n + 2 * padding - size) // stride + 1 for n in image[1:]]
        more = {"count_padding": False} if op == "mean_pool" else {"dilation": (1, 1)}
        return self.add(
            op, [x], (image[0], *side), image=image, size=(size, size), stride=(stride, stride),
            padding=((padding, padding),) * 2, **more,
        )  # fmt: skip

    def map(self, x, function):
        return self.add("map", [x], self.shape(x), function=function, parameters=())

    def sum(self, *x):
        return self.add("add", x, self.shape(x[0]))

    def wire(self, x, index):
        index = np.asarray(index)
        x = [x] if isinstance(x, str) else x
        return self.add("wire", x, index.shape, {"index": index.reshape(-1)})

    def swap(self, x):
        """Transpose two axes."""
        shape = self.shape(x)
        return self.wire(x, np.arange(np.prod(shape)).reshape(shape).swapaxes(-1, -2))

    def scale(self, x, gain, shift=0.0):
        full = {"gain": np.broadcast_to(gain, self.shape(x)), "shift": np.broadcast_to(shift, self.shape(x))}
        return self.add(
            "scale", [x], self.shape(x), {key: np.array(v).reshape(-1) for key, v in full.items()}
        )

    def norm(self, x, centred=True):
        return self.add("normalise", [x], self.shape(x), width=self.shape(x)[-1], eps=1e-5, centred=centred)

    def softmax(self, x):
        return self.add("softmax", [x], self.shape(x), width=self.shape(x)[-1])

    def product(self, a, b):
        return self.add("product", [a, b], self.shape(a))

    def matmul(self, a, b):
        (*batch, m, k), n = self.shape(a), self.shape(b)[-1]
        return self.add("matmul", [a, b], (*batch, m, n), batch=int(np.prod(batch)), m=m, k=k, n=n)


def mlp(seed=0):
    d = Draft(6, seed=seed)
    return d.graph(d.linear(d.map(d.linear(d.map(d.linear(d.x, 8), "relu"), 7), "gelu"), 3))


def residual_cnn(seed=0):
    """Max pooling behind a ReLU, a residual block, mean pooling."""
    d = Draft(2, 6, 6, seed=seed)
    x = d.pool("max_pool", d.map(d.conv(d.x, 4), "relu"), 3, 2, 1)
    y = d.conv(d.map(d.conv(x, 4), "relu"), 4)
    x = d.pool("mean_pool", d.map(d.sum(x, y), "relu"), 3)
    flat = d.wire(x, np.arange(4))
    return d.graph(d.linear(flat, 3))


def mixer(seed=0):
    """Token mixing, channel mixing, both on a residual stream with a constant token in front."""
    d = Draft(4, 3, seed=seed)
    x = d.linear(d.x, 5)
    first = d.constant(d.rng.normal(size=(1, 5)))
    x = d.wire([first, x], np.arange(25).reshape(5, 5))
    x = d.sum(x, d.constant(d.rng.normal(size=(5, 5))))
    y = d.swap(d.scale(d.norm(x), d.rng.normal(size=5), d.rng.normal(size=5)))
    x = d.sum(x, d.swap(d.linear(d.map(d.linear(y, 6), "gelu"), 5)))
    x = d.sum(x, d.linear(d.map(d.linear(d.norm(x), 7), "gelu"), 5))
    return d.graph(d.linear(d.wire(d.norm(x), np.arange(5)), 3))


def attention(seed=0):
    """Two heads; scores are scaled, shifted by a constant, and become shares."""
    d = Draft(4, 6, seed=seed)
    x = d.linear(d.x, 6)
    qkv = d.linear(d.norm(x), 18)
    places = np.arange(4 * 18).reshape(4, 3, 2, 3).transpose(1, 2, 0, 3)
    q, k, v = (d.wire(qkv, part) for part in places)
    scores = d.sum(d.scale(d.matmul(q, d.swap(k)), 3**-0.5), d.constant(d.rng.normal(size=(2, 4, 4))))
    mixed = d.matmul(d.softmax(scores), v)
    joined = d.wire(mixed, np.arange(24).reshape(2, 4, 3).transpose(1, 0, 2).reshape(4, 6))
    return d.graph(d.linear(d.sum(x, d.linear(joined, 6)), 2))


def gated(seed=0):
    """silu(a) * b of the halves of one linear operation; a second path whose value is the product itself."""
    d = Draft(5, seed=seed)
    both = d.linear(d.norm(d.linear(d.x, 6), centred=False), 12)
    a, b = d.wire(both, np.arange(6)), d.wire(both, np.arange(6, 12))
    y = d.product(d.map(a, "silu"), b)
    z = d.product(d.linear(y, 4), d.map(d.linear(y, 4), "sigmoid"))
    return d.graph(d.linear(d.sum(d.linear(y, 4), d.linear(z, 4)), 3))


def recurrent(seed=0):
    d = Draft(3, 4, seed=seed)
    q, k, v = (d.linear(d.x, 4) for _ in range(3))
    a = d.map(d.linear(d.x, 4), "sigmoid")
    o = d.add("scan", [q, k, v, a], (1, 3, 4), heads=1, tokens=3, d_k=4, d_v=4, backward=True)
    return d.graph(d.linear(o, 2))


def tangled(seed=0):
    """One sum read before and behind its ReLU, a shared module, halves in another order, doubled pixels."""
    d = Draft(2, 4, 4, seed=seed)
    x = d.conv(d.x, 4)
    y = d.conv(d.map(x, "relu"), 4)
    again = d.add("conv", [y], (4, 4, 4), d.nodes[y].values, **d.nodes[y].options)
    x = d.sum(x, again)
    doubled = d.wire(x, np.arange(64).reshape(4, 4, 4).repeat(2, axis=1).repeat(2, axis=2))
    z = d.map(d.conv(doubled, 2, stride=2), "relu")
    top, bottom = d.wire(z, np.arange(16, 32).reshape(1, 4, 4)), d.wire(z, np.arange(16).reshape(1, 4, 4))
    rolled = d.wire([top, bottom], np.roll(np.arange(32).reshape(2, 4, 4), 1, axis=2))
    skipped = d.wire(rolled, np.where(np.arange(32) % 5, np.arange(32), -1))
    return d.graph(d.map(d.linear(d.map(skipped, "tanh"), 3), "sigmoid"))


def words(seed=0):
    d = Draft(5, seed=seed)
    table = d.rng.normal(size=(7, 4))
    x = d.add("embedding", [d.x], (5, 4), {"weight": table})
    x = d.sum(x, d.constant(d.rng.normal(size=(5, 4))))
    return d.graph(d.linear(d.wire(d.map(d.linear(d.norm(x), 3), "relu"), np.arange(15)), 2))


ALL = {f.__name__: f for f in (mlp, residual_cnn, mixer, attention, gated, recurrent, tangled, words)}


def samples(graph, n, seed=0):
    """Return n samples for a graph."""
    rng = np.random.default_rng(seed)
    if any(node.op == "embedding" for node in graph.nodes.values()):
        return rng.integers(0, 7, (n, graph.input.n)).astype(float)
    return rng.normal(size=(n, graph.input.n))
