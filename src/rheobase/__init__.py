"""rheobase: simulate spiking networks, convert trained ones, estimate what they cost on hardware.

Every public name is loaded when it is first used, so importing the package needs only NumPy and is fast.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

#: Where each public name lives. One line adds a name.
_ROOMS: dict[str, tuple[str, ...]] = {
    "neurons.errors": (
        "ConversionError", "FormatError", "MissingExtra", "PlanError", "RheobaseError", "RunError",
        "SpecError",
    ),
    "neurons": (
        "ALIF", "IF", "LI", "LIF", "AdEx", "Alpha", "AlphaLIF", "ConductanceLIF", "CubaLI", "CubaLIF",
        "CurrentLI", "CurrentLIF", "EventNeuron", "ExpIF", "FirstSpike", "Izhikevich", "Leaky",
        "NeuronModel", "OrnsteinUhlenbeck", "Parameter", "ReLU", "Receptor", "SigmaDelta", "Sigmoid",
    ),
    "neurons.units": ("mV", "ms", "nS", "pA", "pF", "us"),
    "learning": (
        "BCM", "STDP", "Hebb", "Oja", "PlasticityRule", "RewardSTDP", "TripletSTDP", "TsodyksMarkram",
    ),
    "engine.network": ("Network",),
    "engine.parts": ("Operator", "Population", "Probe", "Projection", "Read"),
    "engine.sources": ("CurrentSource", "FrameSource", "PoissonSource", "RateSource", "SpikeSource"),
    "engine.connectivity": (
        "all_to_all", "conv2d", "dense", "distance", "explicit", "fixed_in", "fixed_out", "fixed_total",
        "one_to_one", "pool2d", "random", "rows", "sparse",
    ),
    "engine.edges": ("read_edges",),
    "engine.distributions": ("empirical", "lognormal", "normal", "uniform"),
    "engine.profiles": (
        "by_distance", "conduction", "cone", "disc", "exponential", "gaussian", "mexican_hat", "tabulated",
    ),
    "engine.space": ("grid", "positions", "scattered"),
    "engine.result": ("Result",),
    "engine.simulator": ("Simulator",),
    "hardware": ("Chip", "Energy", "compare_chips", "energy"),
    "conversion": (
        "Confident", "Converted", "Stable", "convert", "from_torch", "quantise_activations", "read_nir",
        "read_sonata", "to_snntorch", "to_torch", "write_nir",
    ),
}  # fmt: skip
_HOMES = {name: room for room, names in _ROOMS.items() for name in names}
_FOLDERS = ("conversion", "datasets", "engine", "hardware", "learning", "models", "neurons")

__all__ = [*_HOMES, *_FOLDERS, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    elif name in _FOLDERS:
        value = importlib.import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
