"""What libraries upon torch share: the layers and draws of `torch_networks.py`, with neurons of their own.

A library also gets a few steps at a time, one by one or all, and the fastest way is the one that is timed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from protocol import Prepared, answer
from torch_networks import blocks_of_currents, feed_forward_options, prepare_layers

#: Takes blocks of currents [steps, batch, ...] in turn, from rest on, and yields the spikes of each.
Neurons = Callable[[Iterable[Any]], Iterator[Any]]


def time_library(
    peer: str, load: Callable[[str], tuple[str, Neurons]], devices: Sequence[str] = ("cpu",)
) -> None:
    """Time a library on one network; `load` returns its version and its neurons on a device."""

    def prepare(args: argparse.Namespace) -> Prepared:
        import torch

        version, neurons = load(args.device)

        def layer(weight: Any, x: Any, chunk: int) -> Any:
            spikes = list(neurons(blocks_of_currents(weight, x, chunk)))
            return spikes[0] if len(spikes) == 1 else torch.cat(spikes)

        return prepare_layers(args, version, layer)

    answer(peer, feed_forward_options(devices), prepare)
