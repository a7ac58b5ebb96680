"""What a neuron is: the vocabulary, the model, and the family."""

from .integrate import IF, LI, LIF, Leaky
from .model import NeuronModel, Parameter, State

__all__ = ["IF", "LI", "LIF", "Leaky", "NeuronModel", "Parameter", "State"]
