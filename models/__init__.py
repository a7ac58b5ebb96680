"""Ready-made networks."""

from .digits import digits_network
from .microcircuit import microcircuit
from .references import REFERENCES, Reference, reference

__all__ = ["REFERENCES", "Reference", "digits_network", "microcircuit", "reference"]
