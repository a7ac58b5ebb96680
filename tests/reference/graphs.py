"""What operations of a trained network compute, one sample at a time, from their definitions. Imports nothing
of ours: nodes are anything with op, inputs, shape, values and options.
"""

import math

import numpy as np

from . import images

FUNCTIONS = {
    "identity": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "gelu": lambda x: 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))),
}


def answer(nodes, output, x):
    """The value of node `output` for one flat sample."""
    known = {}
    for name, node in nodes.items():
        values = [known[other] for other in node.inputs]
        known[name] = x if node.op == "input" else np.asarray(one(node, *values), float).reshape(-1)
    return known[output]


def one(node, *x):
    v, o = node.values, node.options
    if node.op == "constant":
        return v["value"]
    if node.op == "linear":
        return x[0].reshape(-1, v["weight"].shape[1]) @ v["weight"].T + v["bias"]
    if node.op == "conv":
        y = images.convolve(
            x[0].reshape(o["image"]), v["weight"], o["stride"], o["padding"], o["dilation"], o["groups"]
        )
        return y + v["bias"][:, None, None]
    if node.op == "mean_pool":
        return images.mean_pool(
            x[0].reshape(o["image"]), o["size"], o["stride"], o["padding"], o["count_padding"]
        )
    if node.op == "max_pool":
        return max_pool(x[0].reshape(o["image"]), o["size"], o["stride"], o["padding"])
    if node.op == "wire":
        everything = np.append(np.concatenate(x), 0.0)
        return everything[v["index"]]
    if node.op == "add":
        return sum(x)
    if node.op == "scale":
        return v["gain"] * x[0] + v["shift"]
    if node.op == "map":
        return FUNCTIONS[o["function"]](x[0])
    if node.op == "product":
        return x[0] * x[1]
    if node.op == "matmul":
        batch, m, k, n = (o[key] for key in ("batch", "m", "k", "n"))
        return x[0].reshape(batch, m, k) @ x[1].reshape(batch, k, n)
    if node.op == "softmax":
        e = np.exp(x[0].reshape(-1, o["width"]))
        return e / e.sum(axis=1, keepdims=True)
    if node.op == "normalise":
        rows = x[0].reshape(-1, o["width"])
        rows = rows - rows.mean(axis=1, keepdims=True) if o["centred"] else rows
        return rows / np.sqrt((rows**2).mean(axis=1, keepdims=True) + o["eps"])
    if node.op == "scan":
        return scan(*x, **o)
    if node.op == "embedding":
        return v["weight"][x[0].astype(int)]
    raise KeyError(node.op)


def max_pool(image, size, stride, padding):
    (top, bottom), (left, right) = padding
    padded = np.pad(image, ((0, 0), (top, bottom), (left, right)), constant_values=-np.inf)
    height, width = ((padded.shape[1 + a] - size[a]) // stride[a] + 1 for a in range(2))
    y = np.zeros((len(image), height, width))
    for r, c in np.ndindex(height, width):
        window = padded[:, r * stride[0] : r * stride[0] + size[0], c * stride[1] : c * stride[1] + size[1]]
        y[:, r, c] = window.max(axis=(1, 2))
    return y


def scan(q, k, v, a, heads, tokens, d_k, d_v, backward):
    q, k, a = (x.reshape(heads, tokens, d_k) for x in (q, k, a))
    v, o = v.reshape(heads, tokens, d_v), np.zeros((heads, tokens, d_v))
    for h in range(heads):
        state = np.zeros((d_k, d_v))
        for t in reversed(range(tokens)) if backward else range(tokens):
            state = a[h, t][:, None] * state + np.outer(k[h, t], v[h, t])
            o[h, t] = q[h, t] @ state
    return o
