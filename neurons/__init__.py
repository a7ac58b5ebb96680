"""What a neuron is: the vocabulary, the model, and the family."""

from .adaptive import ALIF
from .counting import operations, state_words
from .cuba import CubaLI, CubaLIF
from .current import CurrentLIF
from .graded import EventNeuron, ReLU
from .integrate import IF, LI, LIF, Leaky
from .model import NeuronModel, Parameter, State
from .quadratic import Izhikevich

__all__ = [
    "ALIF",
    "IF",
    "LI",
    "LIF",
    "CubaLI",
    "CubaLIF",
    "CurrentLIF",
    "EventNeuron",
    "Izhikevich",
    "Leaky",
    "NeuronModel",
    "Parameter",
    "ReLU",
    "State",
    "operations",
    "state_words",
]
