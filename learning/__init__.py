"""How synapses change: rules written once, like neurons."""

from .rule import PlasticityRule, Trace
from .stdp import STDP

__all__ = ["STDP", "PlasticityRule", "Trace"]
