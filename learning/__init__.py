"""How synapses change: rules written once, like neurons."""

from .rule import PlasticityRule, Trace
from .short_term import ShortTermRule, TsodyksMarkram
from .stdp import STDP
from .triplet import TripletSTDP

__all__ = ["STDP", "PlasticityRule", "ShortTermRule", "Trace", "TripletSTDP", "TsodyksMarkram"]
