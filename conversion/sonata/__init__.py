"""SONATA files: circuits of point neurons in, spikes in and out."""

from .circuit import read_sonata
from .spikes import read_sonata_spikes, write_sonata_spikes

__all__ = ["read_sonata", "read_sonata_spikes", "write_sonata_spikes"]
