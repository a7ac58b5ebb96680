"""What a neuron is: the vocabulary, the model, and the family."""

from .adaptive import ALIF
from .adex import AdEx
from .alpha import Alpha
from .conductance import ConductanceLIF
from .counting import operations, state_words
from .cuba import CubaLI, CubaLIF
from .current import AlphaLIF, CurrentLI, CurrentLIF
from .event import EventNeuron
from .exponential import ExpIF
from .first_spike import FirstSpike
from .graded import ReLU, Sigmoid
from .integrate import IF, LI, LIF, Leaky
from .model import NeuronModel, Parameter, State
from .noise import OrnsteinUhlenbeck
from .quadratic import Izhikevich
from .receptor import Receptor
from .sigma_delta import SigmaDelta

__all__ = [
    "ALIF",
    "IF",
    "LI",
    "LIF",
    "AdEx",
    "Alpha",
    "AlphaLIF",
    "ConductanceLIF",
    "CubaLI",
    "CubaLIF",
    "CurrentLI",
    "CurrentLIF",
    "EventNeuron",
    "ExpIF",
    "FirstSpike",
    "Izhikevich",
    "Leaky",
    "NeuronModel",
    "OrnsteinUhlenbeck",
    "Parameter",
    "ReLU",
    "Receptor",
    "SigmaDelta",
    "Sigmoid",
    "State",
    "operations",
    "state_words",
]
