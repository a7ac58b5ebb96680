"""In and out of other worlds, and from trained to spiking."""

from .convert import convert
from .converted import Comparison, Converted, Inference
from .nir_read import read_nir
from .nir_write import write_nir
from .torch_bridge import layers_from_torch

__all__ = ["Comparison", "Converted", "Inference", "convert", "layers_from_torch", "read_nir", "write_nir"]
