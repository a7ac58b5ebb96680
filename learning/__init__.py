"""How synapses change: rules written once, like neurons, and methods of training, a module for each."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from .hebbian import BCM, Hebb, Oja
from .homeostasis import Normalise, Scale
from .reward import RewardSTDP
from .rule import PlasticityRule, Trace
from .short_term import ShortTermRule, TsodyksMarkram
from .stdp import STDP
from .triplet import TripletSTDP

__all__ = [
    "BCM",
    "STDP",
    "Hebb",
    "Normalise",
    "Oja",
    "PlasticityRule",
    "RewardSTDP",
    "Scale",
    "ShortTermRule",
    "Trace",
    "TripletSTDP",
    "TsodyksMarkram",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # Methods of training are loaded when they are first used: many need torch.
    path = f"{__name__}.{name}"
    if name.startswith("_") or importlib.util.find_spec(path) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(path)
