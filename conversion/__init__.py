"""In and out of other worlds, and from trained to spiking."""

from .comparison import Comparison
from .convert import convert
from .converted import Converted
from .exit import Confident, Stable
from .inference import Inference
from .nir import read_nir, write_nir
from .sonata import read_sonata, read_sonata_spikes, write_sonata_spikes

__all__ = [
    "Comparison", "Confident", "Converted", "Inference", "Stable", "convert", "read_nir", "read_sonata",
    "read_sonata_spikes", "write_nir", "write_sonata_spikes",
]  # fmt: skip
