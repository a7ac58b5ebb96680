"""Ready-made networks."""

from .digits import digits_network
from .microcircuit import microcircuit

__all__ = ["digits_network", "microcircuit"]
