"""NIR files: networks in and out, with shapes of our own inference."""

from .read import nir_step, read_nir
from .write import write_nir

__all__ = ["nir_step", "read_nir", "write_nir"]
