"""In and out of other worlds, and from trained to spiking."""

from .checkpoint import TrainingCheckpoint, load_checkpoint, save_checkpoint
from .convert import convert
from .nir import read_nir, write_nir
from .quantise import quantise_activations
from .sonata import read_sonata, read_sonata_spikes, write_sonata_spikes
from .spiking.comparison import Comparison
from .spiking.converted import Converted
from .spiking.exit import Confident, Stable
from .spiking.inference import Inference
from .torch_bridge import from_torch, to_snntorch, to_torch

__all__ = [
    "Comparison", "Confident", "Converted", "Inference", "Stable", "TrainingCheckpoint", "convert",
    "from_torch", "load_checkpoint", "quantise_activations", "read_nir", "read_sonata", "read_sonata_spikes",
    "save_checkpoint", "to_snntorch", "to_torch", "write_nir", "write_sonata_spikes",
]  # fmt: skip
