import numpy as np
import pytest

from rheobase.neurons import vocabulary

WORDS = {word: getattr(vocabulary, word) for word in vocabulary.WORDS}


@pytest.fixture(scope="session")
def learn():
    """Run a rule on synapses with trains of their own: boolean [steps, synapses]; returns all weights."""

    def run(rule, pre, post, weight, dt, dtype=np.float64):
        constants = {name: dtype(value) for name, value in rule.constants(dt).items()}
        functions = {side: getattr(rule.rules, side) for side in ("on_pre", "on_post")}
        bound = {side: variant.bind(WORDS) for side, variant in functions.items()}
        fade = {t.name: t.fade.bind(WORDS) for t in rule.traces}
        bump = {t.name: t.bump.bind(WORDS) for t in rule.traces}
        weight = np.array(weight, dtype=dtype)
        known = {**constants, **{t.name: np.zeros_like(weight) for t in rule.traces}}
        history = []
        for spiked in zip(pre, post, strict=True):
            sides = dict(zip(("pre", "post"), spiked, strict=True))
            for t in rule.traces:
                known[t.name] = fade[t.name](known[t.name], known[f"decay_{t.name}"])
            for side, function in (("pre", "on_pre"), ("post", "on_post")):
                arguments = [{**known, "weight": weight}[name] for name in functions[function].arguments]
                weight = np.where(sides[side], bound[function](*arguments), weight)
            for t in rule.bumped:
                taken = [known[name] for name in (t.name, t.adds) if name is not None]
                known[t.name] = np.where(sides[t.side], bump[t.name](*taken), known[t.name])
            history.append(weight)
        return np.array(history)

    return run


class Saved:
    """How many bytes graphs hold: at most, and now."""

    def __init__(self):
        self.now = self.most = 0

    def pack(self, tensor):
        return Kept(self, tensor)


class Kept:
    def __init__(self, saved, tensor):
        self.saved, self.tensor, self.size = saved, tensor, tensor.numel() * tensor.element_size()
        saved.now += self.size
        saved.most = max(saved.most, saved.now)

    def __del__(self):
        self.saved.now -= self.size


@pytest.fixture(scope="session")
def most_bytes():
    """Return how many bytes graphs hold at most while a function runs, and none after it."""
    import torch

    def measured(function):
        saved = Saved()
        with torch.autograd.graph.saved_tensors_hooks(saved.pack, lambda kept: kept.tensor):
            function()
        assert saved.now == 0
        return saved.most

    return measured


@pytest.fixture(scope="session")
def images():
    """Turn digits that ship into tensors: images (n, 784) from 0 to 1, and labels."""
    import torch

    def tensors(digits):
        shown = digits.images.reshape(-1, 784).astype(np.float32) / 255.0
        return torch.from_numpy(shown), torch.from_numpy(digits.labels.astype(np.int64))

    return tensors
