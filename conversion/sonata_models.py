"""SONATA's point neurons as ours: NEST's templates, in NEST's units and with NEST's defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..neurons import LIF, CurrentLIF, NeuronModel
from ..neurons.errors import ConversionError, nearest
from ..neurons.units import ms, mV, pA, pF

Values = Mapping[str, np.ndarray]
_MEMBRANE = {
    "E_L": -70.0, "V_th": -55.0, "V_reset": -70.0, "tau_m": 10.0, "C_m": 250.0, "t_ref": 2.0, "I_e": 0.0,
}  # fmt: skip


@dataclass(frozen=True)
class Template:
    """How nodes of one model template become a population.

    Attributes
    ----------
    make : function
        Parameters in SONATA's units -> model.
    defaults : mapping
        Every parameter, with the value that it has unless a file says another.
    unit : float
        What a weight of one is in ours.
    by_sign : tuple of str
        The receptors of weights from zero on and below zero, where these differ.
    """

    make: Callable[[Values], NeuronModel]
    defaults: Mapping[str, float]
    unit: float
    by_sign: tuple[str, ...] = ()

    def receptors(self, weights: np.ndarray) -> dict[str | None, np.ndarray]:
        """Return which weights go to which receptor."""
        if not self.by_sign:
            return {None: np.ones(weights.shape, bool)}
        return dict(zip(self.by_sign, (weights >= 0, weights < 0), strict=True))

    def model(self, given: Values, place: str) -> tuple[NeuronModel, dict[str, Any]]:
        """Return the model and first values of nodes; `given` holds NaN where nothing is said.

        Raises
        ------
        ConversionError
            If a parameter is unknown.
        """
        known = {*self.defaults, "V_m"}
        for name in given:
            if name not in known:
                raise ConversionError(
                    f"{place}: parameter {name!r} is not known{nearest(name, known)}; there are "
                    f"{sorted(known)}"
                )
        merged = {name: np.full(1, value) for name, value in self.defaults.items()}
        for name, values in given.items():
            merged[name] = np.where(np.isnan(values), self.defaults.get(name, np.nan), values)
        start = merged.pop("V_m", np.full(1, np.nan))
        start = np.where(np.isnan(start), merged["E_L"], start)
        return self.make({name: _short(values) for name, values in merged.items()}), {"v": _short(start) * mV}


def _short(values: np.ndarray) -> Any:
    """Return one number where all are the same."""
    return float(values[0]) if np.all(values == values[0]) else values


def _common(p: Values) -> dict[str, Any]:
    return {
        "v_rest": p["E_L"] * mV, "threshold": p["V_th"] * mV, "v_reset": p["V_reset"] * mV,
        "refractory": p["t_ref"] * ms,
    }  # fmt: skip


def _psc_exp(p: Values) -> NeuronModel:
    return CurrentLIF(
        p["tau_m"] * ms,
        tau_syn_exc=p["tau_syn_ex"] * ms,
        tau_syn_inh=p["tau_syn_in"] * ms,
        capacitance=p["C_m"] * pF,
        drive=p["I_e"] * pA,
        **_common(p),
    )


def _psc_delta(p: Values) -> NeuronModel:
    return LIF(p["tau_m"] * ms, drive=p["I_e"] * pA * p["tau_m"] * ms / (p["C_m"] * pF), **_common(p))


TEMPLATES: dict[str, Template] = {
    "nest:iaf_psc_exp": Template(
        _psc_exp, {**_MEMBRANE, "tau_syn_ex": 2.0, "tau_syn_in": 2.0}, pA, ("excitatory", "inhibitory")
    ),
    "nest:iaf_psc_delta": Template(_psc_delta, _MEMBRANE, mV),
}


def template_of(name: str, place: str) -> Template:
    """Return the template of this name, or raise ConversionError that says which are known."""
    if name not in TEMPLATES:
        raise ConversionError(
            f"{place}: model_template {name!r} is not known{nearest(name, TEMPLATES)}; there are "
            f"{[*TEMPLATES]}"
        )
    return TEMPLATES[name]
