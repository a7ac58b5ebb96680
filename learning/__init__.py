"""How synapses change: rules written once, like neurons, and methods of training, a module for each."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from .rules.hebbian import BCM, Hebb, Oja
from .rules.homeostasis import Normalise, Scale
from .rules.reward import RewardSTDP
from .rules.rule import PlasticityRule, Trace
from .rules.short_term import ShortTermRule, TsodyksMarkram
from .rules.stdp import STDP
from .rules.triplet import TripletSTDP

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
