"""Learn events from few recordings, with the help of images of which there are many.

    python examples/17_images_to_events.py [--recordings 5] [--epochs 300] [--seeds 0] [--data FOLDER]

An event camera saw five digits of each class move, which is little to learn from; images of other digits
help: one network sees both, and its features of a recording and of an image of the same class are aligned.
They help more where images are shown as the camera would have seen them move. Three networks are trained:
on events alone, with images that stand still, and with images that move; then 1,002 recordings of digits
that none has seen are recognised. The images are the digits that ship, or with --data 200 of each class of
MNIST in FOLDER. Needs torch; takes a minute.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from training import first_of_each

import rheobase as rb
from rheobase.datasets import EventDataset, bin_events, calibration_digits, digits, moving_digits, read_mnist
from rheobase.learning.surrogate import QGate
from rheobase.learning.transfer import (
    Transfer,
    cka,
    moving_frames,
    pairs,
    replacement,
    slide,
    static_frames,
    tet_loss,
)

STEPS, BATCH = 6, 50
#: Of a saccade's two steps, by how many pixels the digit moved to the right and down.
MOVES = np.repeat([(1, 2), (1, -2), (-2, 0)], 2, axis=0).tolist()
SHOWN = {
    "alone": None,
    "still": partial(static_frames, steps=STEPS),
    "moving": partial(moving_frames, moves=MOVES),
}
Labelled = tuple[Tensor, np.ndarray]


def network(seed: int) -> rb.Network:
    """Describe two convolutions and a dense layer, which images and events share, and an answer to each."""
    rng, net = np.random.default_rng(seed), rb.Network(seed=seed)
    spiking = rb.Leaky(0.5, leak="relax", threshold=0.5, reset="hard", reset_delay=False)
    summing = rb.Leaky(0.0, threshold=1e9, reset="none")
    x = net.add(rb.FrameSource((2, 17, 17), name="x"))
    conv1 = net.add(rb.Population((12, 9, 9), spiking, name="conv1"))
    conv2 = net.add(rb.Population((24, 4, 4), spiking, name="conv2"))
    hidden = net.add(rb.Population(64, spiking, name="hidden"))
    answers = [net.add(rb.Population(10, summing, name=name)) for name in ("static", "events")]

    def connect(pre: rb.Population, post: rb.Population, pattern: object, *shape: int) -> None:
        most = np.prod(shape[1:]) ** -0.5
        net.add(rb.Projection(pre, post, pattern, weight=rng.uniform(-most, most, shape), delay=0.0))

    connect(x, conv1, rb.conv2d(stride=2, padding=2), 12, 2, 5, 5)
    connect(conv1, conv2, rb.conv2d(stride=2), 24, 12, 3, 3)
    connect(conv2, hidden, rb.dense(), 64, 384)
    for answer in answers:
        connect(hidden, answer, rb.dense(), 10, 64)
    return net


def halved(frames: Tensor) -> Tensor:
    """Return the mean of every four pixels of (..., 34, 34)."""
    return frames.reshape(*frames.shape[:-2], 17, 2, 17, 2).mean((-3, -1))


def seen(films: EventDataset, places: np.ndarray) -> Labelled:
    """Return recordings as frames (steps, n, 2, 17, 17), logarithms of counts, and their classes."""
    counts = [bin_events(films[int(k)][0], 0.0526, STEPS, clip=True).dense() for k in places]
    frames = torch.from_numpy(np.stack(counts, axis=1).astype(np.float32)).log1p()
    return halved(frames), films.labels[places]


def pictures(folder: Path | None) -> Labelled:
    """Return images (n, 34, 34) of digits that no recording for the test is of, and their classes."""
    recorded = calibration_digits()
    if folder is None:
        shown = np.arange(1000) % 3 != 0
        images = np.concatenate([digits().images[shown], recorded.images])
        labels = np.concatenate([digits().labels[shown], recorded.labels])
    else:
        images, labels = read_mnist(folder, "train")
        others = np.setdiff1d(np.arange(len(labels)), recorded.places)
        chosen = others[first_of_each(labels[others], 200)]
        images, labels = images[chosen], labels[chosen]
    padded = np.pad(images, ((0, 0), (3, 3), (3, 3))).astype(np.float32) / 255
    return torch.from_numpy(padded), labels


def train(
    recordings: Labelled, images: Labelled, show: Callable[[Tensor], Tensor] | None, *, epochs: int, seed: int
) -> tuple[torch.nn.Module, list[float]]:
    """Train a network, and return it with the CKA between features of images and events in each batch."""
    module = rb.to_torch(
        network(seed),
        surrogate=QGate(2.0),
        outputs=[("static", "v"), ("events", "v"), ("hidden", "v")],
        batch_norm=["x->conv1", "conv1->conv2", "conv2->hidden"],
    )
    transfer, alike = Transfer(STEPS), list[float]()
    optimiser = torch.optim.AdamW([*module.parameters(), *transfer.parameters()], lr=5e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs, 1e-5)
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    frames = None if show is None else halved(show(images[0]))
    for epoch in range(epochs):
        for chosen in torch.randperm(len(recordings[1]), generator=generator).split(BATCH):
            events, labels = recordings[0][:, chosen], recordings[1][chosen.numpy()]
            found, wanted = module(events), torch.from_numpy(labels).long()
            if frames is None:
                loss = tet_loss(found["v of events"], wanted)
            else:
                partners = frames[:, pairs(labels, images[1], rng)]
                static = module(slide(partners, events, replacement(epoch / epochs), generator))
                features = static["v of hidden"], found["v of hidden"]
                alike.append(float(cka(*(f.detach() for f in features)).mean()))
                loss = transfer(static["v of static"], found["v of events"], wanted, *features)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        schedule.step()
    return module.eval(), alike


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--recordings", type=int, default=5, help="of each digit, up to 40")
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--images", nargs="+", choices=SHOWN, default=list(SHOWN), help="how they are shown")
    parser.add_argument("--data", type=Path, help="folder with MNIST")
    options = parser.parse_args()
    torch.set_num_threads(1)

    films, others = moving_digits(split="train"), moving_digits(3000, split="test")
    recordings = seen(films, first_of_each(films.labels, options.recordings))
    events, labels = seen(others, np.flatnonzero(np.arange(3000) % 1000 % 3 == 0))
    images = pictures(options.data)
    print(
        f"{len(recordings[1])} recordings and {len(images[1])} images, {len(labels)} recordings to recognise"
    )
    for how in options.images:
        for seed in options.seeds:
            module, alike = train(recordings, images, SHOWN[how], epochs=options.epochs, seed=seed)
            with torch.inference_mode():
                guesses = module(events)["v of events"].mean(dim=0).argmax(dim=1).numpy()
            half = f", CKA {alike[0]:.2f}, by half time {alike[len(alike) // 2]:.2f}" if alike else ""
            print(f"{how:7}{seed:3}: {(guesses == labels).mean():.1%}{half}", flush=True)


if __name__ == "__main__":
    main()
