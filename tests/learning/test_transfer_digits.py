"""Few recordings of digits, and many images: what a network learns of events with images, and without."""

import functools

import numpy as np
import pytest

import rheobase as rb
from rheobase.datasets import bin_events, calibration_digits, digits, moving_digits
from rheobase.learning.surrogate import QGate

torch = pytest.importorskip("torch")

from rheobase.learning.transfer import (  # noqa: E402
    Transfer,
    cka,
    pairs,
    replacement,
    slide,
    static_frames,
    tet_loss,
)

pytestmark = pytest.mark.slow

STEPS, EPOCHS, PER_CLASS, SEEDS = 6, 150, 5, (0, 1, 2)


def network(seed):
    """Two convolutions and a dense layer that images and events share, and an answer to each."""
    rng, net = np.random.default_rng(seed), rb.Network(seed=seed)
    spiking = rb.Leaky(0.5, leak="relax", threshold=0.5, reset="hard", reset_delay=False)
    summing = rb.Leaky(0.0, threshold=1e9, reset="none")
    x = net.add(rb.FrameSource((2, 17, 17), name="x"))
    conv1 = net.add(rb.Population((16, 8, 8), spiking, name="conv1"))
    conv2 = net.add(rb.Population((32, 3, 3), spiking, name="conv2"))
    hidden = net.add(rb.Population(64, spiking, name="hidden"))
    answers = [net.add(rb.Population(10, summing, name=name)) for name in ("static", "events")]

    def connect(pre, post, pattern, *shape):
        most = np.prod(shape[1:]) ** -0.5
        net.add(rb.Projection(pre, post, pattern, weight=rng.uniform(-most, most, shape), delay=0.0))

    connect(x, conv1, rb.conv2d(stride=2), 16, 2, 3, 3)
    connect(conv1, conv2, rb.conv2d(stride=2), 32, 16, 3, 3)
    connect(conv2, hidden, rb.dense(), 64, 288)
    for answer in answers:
        connect(hidden, answer, rb.dense(), 10, 64)
    return net


def halved(frames, by):
    return by(frames.reshape(*frames.shape[:-2], 17, 2, 17, 2), axis=(-3, -1))


def seen(data, places):
    """Return recordings as frames (steps, n, 2, 17, 17) of which a pixel sent something, or nothing."""
    recordings = [bin_events(data[int(k)][0], 0.0526, STEPS, clip=True).dense() for k in places]
    return torch.from_numpy(halved(np.stack(recordings, axis=1) > 0, np.max).astype(np.float32))


@functools.cache
def data():
    """Return the recordings and images to learn from, and recordings of other digits, with their classes."""
    films, others = moving_digits(split="train"), moving_digits(split="test")
    few = np.concatenate([np.flatnonzero(films.labels == k)[:PER_CLASS] for k in range(10)])
    test, shown = np.arange(0, 1000, 3), np.flatnonzero(np.arange(1000) % 3 != 0)
    images = np.concatenate([digits().images[shown], calibration_digits().images])
    padded = np.pad(images, ((0, 0), (3, 3), (3, 3))).astype(np.float32) / 255
    static = torch.from_numpy(halved(padded, np.mean))
    labels = np.concatenate([digits().labels[shown], calibration_digits().labels])
    return (
        (seen(films, few), films.labels[few]),
        (static, labels),
        (seen(others, test), others.labels[test]),
    )


def trained(seed, *, images=True):
    """Return the share of events recognised, and how alike features were in the batches that were seen."""
    torch.set_num_threads(1)
    (events, labels), (static, classes), (others, wanted) = data()
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    module = rb.to_torch(
        network(seed),
        surrogate=QGate(2.0),
        outputs=[("static", "v"), ("events", "v"), ("conv2", "v")],
        batch_norm=["x->conv1", "conv1->conv2", "conv2->hidden"],
        compiled=False,
    )
    transfer, y, alike = Transfer(STEPS), torch.tensor(labels).long(), []
    optimiser = torch.optim.AdamW([*module.parameters(), *transfer.parameters()], lr=5e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS, 1e-5)
    for epoch in range(EPOCHS):
        found = module(events)
        if images:
            frames = static_frames(static[pairs(labels, classes, rng)], STEPS)
            mixed = slide(frames, events, replacement(epoch / EPOCHS), generator)
            still = module(mixed)
            features = still["v of conv2"], found["v of conv2"]
            alike.append(float(cka(*(f.detach().flatten(2) for f in features)).mean()))
            loss = transfer(still["v of static"], found["v of events"], y, *features)
        else:
            loss = tet_loss(found["v of events"], y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        guesses = module.eval()(others)["v of events"].mean(dim=0).argmax(dim=1).numpy()
    return float((guesses == wanted).mean()), alike


def test_images_help_to_learn_events():
    alone = [trained(seed, images=False)[0] for seed in SEEDS]
    helped, alike = zip(*(trained(seed) for seed in SEEDS), strict=True)
    print(f"events alone {alone}, with images {helped}, alike {[(a[0], a[-1]) for a in alike]}")
    assert np.mean(helped) >= np.mean(alone) + 0.03
    for history in alike:  # in the end most images were replaced by the events themselves
        assert history[-1] >= history[0] + 0.2
