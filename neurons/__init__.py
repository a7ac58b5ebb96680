"""What a neuron is: the vocabulary, the model, and the family."""

from .adaptive import ALIF
from .adex import AdEx
from .conductance import ConductanceLIF
from .counting import operations, state_words
from .cuba import CubaLI, CubaLIF
from .current import AlphaLIF, CurrentLI, CurrentLIF
from .exponential import ExpIF
from .graded import EventNeuron, ReLU
from .integrate import IF, LI, LIF, Leaky
from .model import NeuronModel, Parameter, State
from .quadratic import Izhikevich
from .receptor import Receptor

__all__ = [
    "ALIF",
    "IF",
    "LI",
    "LIF",
    "AdEx",
    "AlphaLIF",
    "ConductanceLIF",
    "CubaLI",
    "CubaLIF",
    "CurrentLI",
    "CurrentLIF",
    "EventNeuron",
    "ExpIF",
    "Izhikevich",
    "Leaky",
    "NeuronModel",
    "Parameter",
    "ReLU",
    "Receptor",
    "State",
    "operations",
    "state_words",
]
