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
    moving_frames,
    pairs,
    replacement,
    slide,
    static_frames,
    tet_loss,
)

pytestmark = pytest.mark.slow

STEPS, EPOCHS, PER_CLASS, SEEDS = 6, 300, 5, (0, 1, 2)
#: Of a saccade's two steps, by how many pixels the digit moved to the right and down.
MOVES = np.repeat([(1, 2), (1, -2), (-2, 0)], 2, axis=0).tolist()


def network(seed):
    """Two convolutions and a dense layer that images and events share, and an answer to each."""
    rng, net = np.random.default_rng(seed), rb.Network(seed=seed)
    spiking = rb.Leaky(0.5, leak="relax", threshold=0.5, reset="hard", reset_delay=False)
    summing = rb.Leaky(0.0, threshold=1e9, reset="none")
    x = net.add(rb.FrameSource((2, 17, 17), name="x"))
    conv1 = net.add(rb.Population((12, 9, 9), spiking, name="conv1"))
    conv2 = net.add(rb.Population((24, 4, 4), spiking, name="conv2"))
    hidden = net.add(rb.Population(64, spiking, name="hidden"))
    answers = [net.add(rb.Population(10, summing, name=name)) for name in ("static", "events")]

    def connect(pre, post, pattern, *shape):
        most = np.prod(shape[1:]) ** -0.5
        net.add(rb.Projection(pre, post, pattern, weight=rng.uniform(-most, most, shape), delay=0.0))

    connect(x, conv1, rb.conv2d(stride=2, padding=2), 12, 2, 5, 5)
    connect(conv1, conv2, rb.conv2d(stride=2), 24, 12, 3, 3)
    connect(conv2, hidden, rb.dense(), 64, 384)
    for answer in answers:
        connect(hidden, answer, rb.dense(), 10, 64)
    return net


def halved(frames):
    """Return the mean of every four pixels of (..., 34, 34)."""
    return frames.reshape(*frames.shape[:-2], 17, 2, 17, 2).mean((-3, -1))


def seen(data, places):
    """Return recordings as frames (steps, n, 2, 17, 17): logarithms of counts."""
    counts = [bin_events(data[int(k)][0], 0.0526, STEPS, clip=True).dense() for k in places]
    return halved(torch.from_numpy(np.stack(counts, axis=1).astype(np.float32)).log1p())


@functools.cache
def recordings():
    """Return a few recordings of each digit to learn from, and their classes."""
    films = moving_digits(split="train")
    few = np.concatenate([np.flatnonzero(films.labels == k)[:PER_CLASS] for k in range(10)])
    return seen(films, few), films.labels[few]


@functools.cache
def unseen():
    """Return 1,002 recordings of 334 digits that nothing learns from, and their classes."""
    films, places = moving_digits(3000, split="test"), np.flatnonzero(np.arange(3000) % 1000 % 3 == 0)
    return seen(films, places), films.labels[places]


def pictures(show):
    """Return 1,066 images of other digits as frames (steps, n, 2, 17, 17), and their classes."""
    shown, more = np.flatnonzero(np.arange(1000) % 3 != 0), calibration_digits()
    images = np.concatenate([digits().images[shown], more.images])
    padded = np.pad(images, ((0, 0), (3, 3), (3, 3))).astype(np.float32) / 255
    return halved(show(torch.from_numpy(padded))), np.concatenate([digits().labels[shown], more.labels])


def still(images):
    return static_frames(images, STEPS)


def moving(images):
    return moving_frames(images, MOVES)


def trained(seed, show=None):
    """Return the share of events recognised, and how alike features were in the batches that were seen."""
    torch.set_num_threads(1)
    (events, labels), (others, wanted) = recordings(), unseen()
    frames, classes = (None, None) if show is None else pictures(show)
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    module = rb.to_torch(
        network(seed),
        surrogate=QGate(2.0),
        outputs=[("static", "v"), ("events", "v"), ("hidden", "v")],
        batch_norm=["x->conv1", "conv1->conv2", "conv2->hidden"],
        compiled=False,
    )
    transfer, y, alike = Transfer(STEPS), torch.tensor(labels).long(), []
    optimiser = torch.optim.AdamW([*module.parameters(), *transfer.parameters()], lr=5e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS, 1e-5)
    for epoch in range(EPOCHS):
        found = module(events)
        if frames is None:
            loss = tet_loss(found["v of events"], y)
        else:
            partners = frames[:, pairs(labels, classes, rng)]
            images = module(slide(partners, events, replacement(epoch / EPOCHS), generator))
            features = images["v of hidden"], found["v of hidden"]
            alike.append(float(cka(*(f.detach() for f in features)).mean()))
            loss = transfer(images["v of static"], found["v of events"], y, *features)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        guesses = module.eval()(others)["v of events"].mean(dim=0).argmax(dim=1).numpy()
    return float((guesses == wanted).mean()), alike


def test_images_help_to_learn_events_and_more_so_as_a_camera_sees_them_move():
    alone = [trained(seed)[0] for seed in SEEDS]
    helped, alike = zip(*(trained(seed, still) for seed in SEEDS), strict=True)
    more, _ = trained(SEEDS[0], moving)
    print(f"alone {alone}, still {helped}, moving {more}, alike {[(a[0], a[EPOCHS // 2]) for a in alike]}")
    assert np.mean(helped) >= np.mean(alone) + 0.03
    assert more >= helped[0] + 0.03
    for history in alike:  # at half time, when seven images in eight are still shown
        assert history[EPOCHS // 2] >= history[0] + 0.2
