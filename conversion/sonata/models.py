"""SONATA's point neurons as ours: NEST's templates, in NEST's units and with NEST's defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ...neurons import LIF, AdEx, ConductanceLIF, CurrentLIF, NeuronModel, Receptor
from ...neurons.errors import ConversionError, nearest
from ...neurons.units import ms, mV, nS, pA, pF

Values = Mapping[str, np.ndarray]
_MEMBRANE = {
    "E_L": -70.0, "V_th": -55.0, "V_reset": -70.0, "tau_m": 10.0, "C_m": 250.0, "t_ref": 2.0, "I_e": 0.0,
}  # fmt: skip
_CURRENTS = {**_MEMBRANE, "tau_syn_ex": 2.0, "tau_syn_in": 2.0}
_CONDUCTANCES = {
    "E_L": -70.0, "V_th": -55.0, "V_reset": -60.0, "g_L": 16.6667, "C_m": 250.0, "t_ref": 2.0, "I_e": 0.0,
    "tau_syn_ex": 0.2, "tau_syn_in": 2.0, "E_ex": 0.0, "E_in": -85.0,
}  # fmt: skip
_ADAPTIVE = {
    **_CONDUCTANCES, "E_L": -70.6, "V_th": -50.4, "g_L": 30.0, "C_m": 281.0, "t_ref": 0.0, "V_peak": 0.0,
    "Delta_T": 2.0, "tau_w": 144.0, "a": 4.0, "b": 80.5,
}  # fmt: skip
_BY_SIGN = ("excitatory", "inhibitory")


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
    magnitude : bool
        Whether weights lose their sign, as those of conductances do.
    """

    make: Callable[[Values], NeuronModel]
    defaults: Mapping[str, float]
    unit: float
    by_sign: tuple[str, ...] = ()
    magnitude: bool = False

    def receptors(self, weights: np.ndarray) -> dict[str | None, np.ndarray]:
        """Return which weights go to which receptor."""
        if not self.by_sign:
            return {None: np.ones(weights.shape, bool)}
        return dict(zip(self.by_sign, (weights >= 0, weights < 0), strict=True))

    def weights(self, given: np.ndarray) -> np.ndarray:
        """Return weights in our unit."""
        return (np.abs(given) if self.magnitude else given) * self.unit

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


def _psc_alpha(p: Values) -> NeuronModel:
    return CurrentLIF(
        p["tau_m"] * ms,
        synapses=_synapses(p, alpha=True, reversal=False),
        capacitance=p["C_m"] * pF,
        drive=p["I_e"] * pA,
        **_common(p),
    )


def _psc_delta(p: Values) -> NeuronModel:
    return LIF(p["tau_m"] * ms, drive=p["I_e"] * pA * p["tau_m"] * ms / (p["C_m"] * pF), **_common(p))


def _cond(p: Values, alpha: bool) -> NeuronModel:
    return ConductanceLIF(_synapses(p, alpha=alpha), **_leak(p), **_common(p))


def _aeif(p: Values, alpha: bool) -> NeuronModel:
    return AdEx(
        synapses=_synapses(p, alpha=alpha),
        slope_factor=p["Delta_T"] * mV,
        v_peak=p["V_peak"] * mV,
        tau_w=p["tau_w"] * ms,
        a=p["a"] * nS,
        b=p["b"] * pA,
        method="rk4",
        **_leak(p),
        **_common(p),
    )


def _leak(p: Values) -> dict[str, Any]:
    return {"capacitance": p["C_m"] * pF, "g_leak": p["g_L"] * nS, "drive": p["I_e"] * pA}


def _synapses(p: Values, *, alpha: bool, reversal: bool = True) -> tuple[Receptor, ...]:
    return tuple(
        Receptor(
            name,
            p[f"tau_syn_{short}"] * ms,
            tau_rise=p[f"tau_syn_{short}"] * ms if alpha else None,
            reversal=p[f"E_{short}"] * mV if reversal else None,
        )
        for name, short in zip(_BY_SIGN, ("ex", "in"), strict=True)
    )


TEMPLATES: dict[str, Template] = {
    "nest:iaf_psc_exp": Template(_psc_exp, _CURRENTS, pA, _BY_SIGN),
    "nest:iaf_psc_alpha": Template(_psc_alpha, _CURRENTS, pA, _BY_SIGN),
    "nest:iaf_psc_delta": Template(_psc_delta, _MEMBRANE, mV),
    "nest:iaf_cond_exp": Template(partial(_cond, alpha=False), _CONDUCTANCES, nS, _BY_SIGN, True),
    "nest:iaf_cond_alpha": Template(partial(_cond, alpha=True), _CONDUCTANCES, nS, _BY_SIGN, True),
    "nest:aeif_cond_exp": Template(partial(_aeif, alpha=False), _ADAPTIVE, nS, _BY_SIGN, True),
    "nest:aeif_cond_alpha": Template(partial(_aeif, alpha=True), _ADAPTIVE, nS, _BY_SIGN, True),
}


def template_of(name: str, place: str) -> Template:
    """Return the template of this name, or raise ConversionError that says which are known."""
    if name not in TEMPLATES:
        raise ConversionError(
            f"{place}: model_template {name!r} is not known{nearest(name, TEMPLATES)}; there are "
            f"{[*TEMPLATES]}"
        )
    return TEMPLATES[name]
