"""Ready-made networks."""

from .digits import digits_network
from .microcircuit import microcircuit
from .references import REFERENCES, Reference, reference
from .zoo import ZOO, Block, block

__all__ = ["REFERENCES", "ZOO", "Block", "Reference", "block", "digits_network", "microcircuit", "reference"]
