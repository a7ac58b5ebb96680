"""PyNN's synapse types: static ones, and pair STDP as our rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from pyNN.standardmodels import build_translations, synapses

from ..learning import STDP, TsodyksMarkram
from ..neurons.errors import SpecError
from ..neurons.units import ms
from . import simulator


def _unchanged(*names: str) -> Any:
    return build_translations(*((name, name) for name in names))


class Synapse:
    """What a synapse type of ours adds to PyNN's class of the same name."""

    plastic: ClassVar[bool] = False

    def rule(self, label: str, values: Mapping[str, np.ndarray], unit: float) -> Any:
        """Return how its weights change, from its attributes in PyNN's units; `unit` is that of weights."""
        return None

    def _get_minimum_delay(self) -> float:
        return simulator.state.shortest_delay


class StaticSynapse(Synapse, synapses.StaticSynapse):
    __doc__ = synapses.StaticSynapse.__doc__
    translations = _unchanged("weight", "delay")


class TsodyksMarkramSynapse(Synapse, synapses.TsodyksMarkramSynapse):
    __doc__ = synapses.TsodyksMarkramSynapse.__doc__
    translations = _unchanged("weight", "delay", "U", "tau_rec", "tau_facil")

    def rule(self, label: str, values: Mapping[str, np.ndarray], unit: float) -> Any:
        """Return the rule that a whole projection shares."""
        p = {name: _one(label, name, values[name]) for name in ("U", "tau_rec", "tau_facil")}
        return TsodyksMarkram(p["U"], tau_rec=p["tau_rec"] * ms, tau_facil=p["tau_facil"] * ms)


class AdditiveWeightDependence(synapses.AdditiveWeightDependence):
    __doc__ = synapses.AdditiveWeightDependence.__doc__
    translations = _unchanged("w_min", "w_max")
    dependence = "additive"


class MultiplicativeWeightDependence(synapses.MultiplicativeWeightDependence):
    __doc__ = synapses.MultiplicativeWeightDependence.__doc__
    translations = _unchanged("w_min", "w_max")
    dependence = "multiplicative"


class SpikePairRule(synapses.SpikePairRule):
    __doc__ = synapses.SpikePairRule.__doc__
    translations = _unchanged("tau_plus", "tau_minus", "A_plus", "A_minus")


class STDPMechanism(Synapse, synapses.STDPMechanism):
    __doc__ = synapses.STDPMechanism.__doc__
    base_translations = _unchanged("weight", "delay", "dendritic_delay_fraction")
    plastic = True

    def __init__(self, timing_dependence: Any = None, weight_dependence: Any = None, **options: Any) -> None:
        for part, known in (
            (timing_dependence, SpikePairRule),
            (weight_dependence, (AdditiveWeightDependence, MultiplicativeWeightDependence)),
        ):
            if not isinstance(part, known):
                raise SpecError(
                    f"STDPMechanism: got {type(part).__name__}; allowed are a SpikePairRule with an "
                    "AdditiveWeightDependence or a MultiplicativeWeightDependence"
                )
        if options.get("voltage_dependence") is not None:
            raise SpecError("STDPMechanism: got a voltage_dependence; no rule of rheobase.pynn has one")
        if options.get("dendritic_delay_fraction", 1.0) != 0.0:
            raise SpecError(
                "STDPMechanism: delays of rheobase are axonal, so a rule sees a spike when it arrives; give "
                "dendritic_delay_fraction=0"
            )
        # A copy for this mechanism alone: PyNN adds those of its parts to it.
        self.base_translations = dict(self.base_translations)
        super().__init__(timing_dependence, weight_dependence, **options)

    def rule(self, label: str, values: Mapping[str, np.ndarray], unit: float) -> Any:
        """Return a pair rule; additive steps are shares of w_max, as PyNN has them."""
        p = {name: _one(label, name, values[name]) for name in values if name not in ("weight", "delay")}
        low, high = p["w_min"] * unit, p["w_max"] * unit
        dependence = self.weight_dependence.dependence
        step = high if dependence == "additive" else 1.0
        return STDP(
            p["tau_plus"] * ms, p["tau_minus"] * ms, a_pre=p["A_plus"] * step, a_post=-p["A_minus"] * step,
            w_min=low, w_max=high, dependence=dependence, pairing="all",
        )  # fmt: skip


def _one(label: str, name: str, values: np.ndarray) -> float:
    """Return what all synapses of a projection share."""
    if values.size and np.any(values != values[0]):
        raise SpecError(f"{label}: {name} differs between synapses; allowed is one value in a projection")
    return float(values[0]) if values.size else 0.0
