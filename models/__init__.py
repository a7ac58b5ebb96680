"""Ready-made networks."""

from .digits import digits_network

__all__ = ["digits_network"]
