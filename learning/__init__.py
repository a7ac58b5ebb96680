"""How synapses change: rules written once, like neurons."""

from .hebbian import BCM, Hebb, Oja
from .reward import RewardSTDP
from .rule import PlasticityRule, Trace
from .short_term import ShortTermRule, TsodyksMarkram
from .stdp import STDP
from .triplet import TripletSTDP

__all__ = [
    "BCM", "STDP", "Hebb", "Oja", "PlasticityRule", "RewardSTDP", "ShortTermRule", "Trace", "TripletSTDP",
    "TsodyksMarkram",
]  # fmt: skip
