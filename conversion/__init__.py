"""In and out of other worlds, and from trained to spiking."""

from .convert import convert
from .converted import Comparison, Converted, Inference
from .nir import read_nir, write_nir
from .sonata import read_sonata, read_sonata_spikes, write_sonata_spikes
from .torch_bridge import layers_from_torch

__all__ = [
    "Comparison", "Converted", "Inference", "convert", "layers_from_torch", "read_nir", "read_sonata",
    "read_sonata_spikes", "write_nir", "write_sonata_spikes",
]  # fmt: skip
