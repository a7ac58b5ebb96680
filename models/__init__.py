"""Ready-made networks."""

from .demo import Demo, run_demo
from .digits import digits_network

__all__ = ["Demo", "digits_network", "run_demo"]
