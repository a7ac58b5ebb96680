"""A character model, trained on Python's own manual: how sparse it grows by itself, and what few cost."""

import functools
import math

import numpy as np
import pytest

import rheobase as rb

torch = pytest.importorskip("torch")
manual = pytest.importorskip("pydoc_data.topics")
from torch import nn  # noqa: E402
from torch.nn.functional import cross_entropy, scaled_dot_product_attention  # noqa: E402

from rheobase.learning.sparsity import TopK, density, recorded  # noqa: E402

pytestmark = pytest.mark.slow
torch.set_num_threads(1)

D, CONTEXT, STEPS, BATCH = 64, 64, 500, 16


class Block(nn.Module):
    """A layer of a transformer: attention to what came before, and an MLP."""

    def __init__(self, hidden, act):
        super().__init__()
        self.before, self.heard, self.mixed = nn.LayerNorm(D), nn.Linear(D, 3 * D), nn.Linear(D, D)
        self.mlp = nn.Sequential(nn.LayerNorm(D), nn.Linear(D, hidden), act, nn.Linear(hidden, D))

    def forward(self, x):
        q, k, v = self.heard(self.before(x)).unflatten(-1, (3, 4, D // 4)).permute(2, 0, 3, 1, 4)
        x = x + self.mixed(scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))
        return x + self.mlp(x)


class Characters(nn.Module):
    """What character comes next, of n."""

    def __init__(self, n, hidden, k):
        super().__init__()
        self.chars, self.places = nn.Embedding(n, D), nn.Embedding(CONTEXT, D)
        blocks = [Block(hidden, TopK(k) if k else nn.ReLU()) for _ in range(4)]
        self.blocks = nn.Sequential(*blocks, nn.LayerNorm(D), nn.Linear(D, n))

    def forward(self, x):
        return self.blocks(self.chars(x) + self.places.weight)


@functools.cache
def text():
    """Return nine tenths of a text as numbers, and of the last tenth pieces (400, CONTEXT + 1)."""
    told = "\n".join(manual.topics[name] for name in sorted(manual.topics))
    ids = torch.from_numpy(np.unique([*told], return_inverse=True)[1])
    cut = int(0.9 * len(ids))
    return ids[:cut], ids[cut:].unfold(0, CONTEXT + 1, CONTEXT + 1)[:400]


def bits(model, pieces):
    """Return the bits that a character costs."""
    told = model(pieces[:, :-1]).flatten(0, 1)
    return cross_entropy(told, pieces[:, 1:].flatten()) / math.log(2)


@functools.cache
def trained(hidden, k, seed):
    """Return a model, its density before it was trained, and after, and the bits it needs."""
    ids, new = text()
    torch.manual_seed(seed)
    model = Characters(int(ids.max()) + 1, hidden, k)
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    warm = torch.optim.lr_scheduler.LinearLR(optimiser, 0.02, total_iters=STEPS // 10)
    shares = [np.mean([*density(model, new[:, :-1]).values()])]
    for _ in range(STEPS):
        at = torch.randint(0, len(ids) - CONTEXT, (BATCH, 1))
        loss = bits(model, ids[at + torch.arange(CONTEXT + 1)])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        warm.step()
    shares.append(np.mean([*density(model, new[:, :-1]).values()]))
    with torch.no_grad():
        return model, shares, float(bits(model, new))


def counted(model, tokens=200):
    """Return what the second product of the first MLP takes for each token, by the engine, and by torch."""
    mlp = model.blocks[0].mlp
    with torch.no_grad(), recorded(model, nn.LayerNorm) as seen:
        model(text()[1][:4, :-1])
    x = seen["blocks.0.mlp.0"].flatten(0, 1)[:tokens]
    with torch.no_grad():
        positive = (mlp[1](x) > 0).sum(dim=1).numpy()
    spiking = rb.convert(mlp[1:].eval(), x.numpy(), law="value")
    answer = spiking.run(x.numpy())
    return answer.result.counts.projections[-1], answer.operations, positive


def test_a_character_model_grows_sparse_by_itself_and_a_wider_one_sparser():
    (_, narrow, _), (model, wide, cost) = trained(256, None, 0), trained(1024, None, 0)
    second, operations, positive = counted(model)
    print(f"density {np.round([narrow, wide], 3).tolist()}, {cost:.3f} bits")
    assert abs(narrow[0] - 0.5) <= 0.03
    assert abs(wide[0] - 0.5) <= 0.03
    assert wide[1] < narrow[1] <= 0.35
    assert cost < 3.0
    assert operations.tolist() == (positive * D).tolist()
    assert second.events < 0.4 * second.dense_events


def test_a_tenth_of_the_activations_is_enough():
    k = 102
    (_, _, dense), (model, shares, cost) = trained(1024, None, 0), trained(1024, k, 0)
    second, operations, positive = counted(model)
    print(f"{dense:.3f} bits, with the {k} largest of 1024 {cost:.3f}")
    assert cost <= dense + 0.05
    assert shares[1] <= k / 1024
    assert operations.tolist() == (np.minimum(positive, k) * D).tolist()
    assert second.events <= k * D * len(operations)
