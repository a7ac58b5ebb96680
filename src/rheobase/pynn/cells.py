"""PyNN's standard cells as neuron models of ours.

Parameters keep PyNN's names and units (ms, mV, nA, nF, uS, Hz) until a model is made of them, so that
what a script reads back is what it wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from pyNN.standardmodels import build_translations, cells

from ..engine.sources import PoissonSource, RateSource, Source, SpikeSource
from ..neurons import LIF, AdEx, AlphaLIF, ConductanceLIF, CurrentLIF, NeuronModel, Receptor
from ..neurons import Izhikevich as Quadratic
from ..neurons.units import ms, mV, nS

nA, nF, uS = 1e-9, 1e-9, 1e-6
Values = Mapping[str, Any]


class Variable(NamedTuple):
    """A state variable of ours, and what one of PyNN's units of it is in ours."""

    name: str
    unit: float


def unchanged(model: Any) -> Any:
    """Return translations that keep the names and values of a cell's or a current's parameters."""
    return build_translations(*((name, name) for name in model.default_parameters))


class Neuron:
    """What a cell type of ours adds to PyNN's class of the same name."""

    #: What can be recorded and initialised, by PyNN's names.
    variables: ClassVar[Mapping[str, Variable]] = {"v": Variable("v", mV)}
    #: Our receptors, by PyNN's names.
    receptors: ClassVar[Mapping[str, str]] = {"excitatory": "excitatory", "inhibitory": "inhibitory"}
    #: What one of PyNN's weights is in ours.
    weight_unit: ClassVar[float] = nA

    @staticmethod
    def neurons(p: Values) -> NeuronModel:
        """Return the model of parameters in PyNN's units, numbers or arrays with one per cell."""
        raise NotImplementedError


def _firing(p: Values) -> dict[str, Any]:
    """Return what all integrate-and-fire neurons share."""
    return {
        "v_rest": p["v_rest"] * mV,
        "v_reset": p["v_reset"] * mV,
        "threshold": p["v_thresh"] * mV,
        "refractory": p["tau_refrac"] * ms,
    }


class IF_curr_exp(Neuron, cells.IF_curr_exp):
    __doc__ = cells.IF_curr_exp.__doc__
    translations = unchanged(cells.IF_curr_exp)

    @staticmethod
    def neurons(p: Values) -> NeuronModel:
        """Return a `CurrentLIF`."""
        return CurrentLIF(
            p["tau_m"] * ms, tau_syn_exc=p["tau_syn_E"] * ms, tau_syn_inh=p["tau_syn_I"] * ms,
            capacitance=p["cm"] * nF, drive=p["i_offset"] * nA, **_firing(p),
        )  # fmt: skip


class IF_curr_delta(Neuron, cells.IF_curr_delta):
    __doc__ = cells.IF_curr_delta.__doc__
    translations = unchanged(cells.IF_curr_delta)
    receptors: ClassVar[Mapping[str, str]] = {"excitatory": "input", "inhibitory": "input"}
    weight_unit: ClassVar[float] = mV

    @staticmethod
    def neurons(p: Values) -> NeuronModel:
        """Return a `LIF`, whose drive is what the current does to the potential."""
        drive = p["i_offset"] * nA * (p["tau_m"] * ms) / (p["cm"] * nF)
        return LIF(p["tau_m"] * ms, drive=drive, **_firing(p))


class IF_curr_alpha(Neuron, cells.IF_curr_alpha):
    __doc__ = cells.IF_curr_alpha.__doc__
    translations = unchanged(cells.IF_curr_alpha)

    @staticmethod
    def neurons(p: Values) -> NeuronModel:
        """Return an `AlphaLIF`."""
        return AlphaLIF(
            p["tau_m"] * ms, tau_syn_exc=p["tau_syn_E"] * ms, tau_syn_inh=p["tau_syn_I"] * ms,
            capacitance=p["cm"] * nF, drive=p["i_offset"] * nA, **_firing(p),
        )  # fmt: skip


class _Conductances(Neuron):
    """Neurons with an excitatory and an inhibitory conductance."""

    variables: ClassVar[Mapping[str, Variable]] = {
        "v": Variable("v", mV),
        "gsyn_exc": Variable("g_excitatory", uS),
        "gsyn_inh": Variable("g_inhibitory", uS),
    }
    weight_unit: ClassVar[float] = uS


def _conductances(p: Values, *, alpha: bool) -> tuple[Receptor, ...]:
    """Return the two receptors, whose conductances jump, or are alpha functions."""
    return tuple(
        Receptor(name, p[tau] * ms, tau_rise=p[tau] * ms if alpha else None, reversal=p[reversal] * mV)
        for name, tau, reversal in (
            ("excitatory", "tau_syn_E", "e_rev_E"), ("inhibitory", "tau_syn_I", "e_rev_I")
        )
    )  # fmt: skip


def _conductance_lif(p: Values, *, alpha: bool) -> NeuronModel:
    capacitance = p["cm"] * nF
    return ConductanceLIF(
        _conductances(p, alpha=alpha), capacitance=capacitance, g_leak=capacitance / (p["tau_m"] * ms),
        drive=p["i_offset"] * nA, **_firing(p),
    )  # fmt: skip


def _adex(p: Values, *, alpha: bool) -> NeuronModel:
    capacitance = p["cm"] * nF
    return AdEx(
        _conductances(p, alpha=alpha), capacitance=capacitance, g_leak=capacitance / (p["tau_m"] * ms),
        slope_factor=p["delta_T"] * mV, v_peak=p["v_spike"] * mV, tau_w=p["tau_w"] * ms, a=p["a"] * nS,
        b=p["b"] * nA, drive=p["i_offset"] * nA, method="rk4", **_firing(p),
    )  # fmt: skip


class IF_cond_exp(_Conductances, cells.IF_cond_exp):
    __doc__ = cells.IF_cond_exp.__doc__
    translations = unchanged(cells.IF_cond_exp)

    @staticmethod
    def neurons(p: Values) -> NeuronModel:
        """Return a `ConductanceLIF` whose conductances jump."""
        return _conductance_lif(p, alpha=False)


class IF_cond_alpha(_Conductances, cells.IF_cond_alpha):
    __doc__ = cells.IF_cond_alpha.__doc__
    translations = unchanged(cells.IF_cond_alpha)

    @staticmethod
    def neurons(p: Values) -> NeuronModel:
        """Return a `ConductanceLIF` whose conductances are alpha functions."""
        return _conductance_lif(p, alpha=True)


class _Adapting(_Conductances):
    """Neurons with an adaptation current as well."""

    variables: ClassVar[Mapping[str, Variable]] = {**_Conductances.variables, "w": Variable("w", nA)}


class EIF_cond_exp_isfa_ista(_Adapting, cells.EIF_cond_exp_isfa_ista):
    __doc__ = cells.EIF_cond_exp_isfa_ista.__doc__
    translations = unchanged(cells.EIF_cond_exp_isfa_ista)

    @staticmethod
    def neurons(p: Values) -> NeuronModel:
        """Return an `AdEx` whose conductances jump."""
        return _adex(p, alpha=False)


class EIF_cond_alpha_isfa_ista(_Adapting, cells.EIF_cond_alpha_isfa_ista):
    __doc__ = cells.EIF_cond_alpha_isfa_ista.__doc__
    translations = unchanged(cells.EIF_cond_alpha_isfa_ista)

    @staticmethod
    def neurons(p: Values) -> NeuronModel:
        """Return an `AdEx` whose conductances are alpha functions."""
        return _adex(p, alpha=True)


class Izhikevich(Neuron, cells.Izhikevich):
    __doc__ = cells.Izhikevich.__doc__
    translations = unchanged(cells.Izhikevich)
    # Its potentials are numbers of mV in ours too.
    variables: ClassVar[Mapping[str, Variable]] = {"v": Variable("v", 1.0), "u": Variable("u", 1.0)}
    receptors: ClassVar[Mapping[str, str]] = {"excitatory": "input", "inhibitory": "input"}
    weight_unit: ClassVar[float] = 1.0

    @staticmethod
    def neurons(p: Values) -> NeuronModel:
        """Return an `Izhikevich`, stepped as NEST's; a current of 1 pA is a drive of 1 mV/ms."""
        return Quadratic(p["a"], p["b"], p["c"], p["d"], drive=1e3 * p["i_offset"], method="euler")


class Emitter:
    """What a spike source of ours adds to PyNN's class of the same name."""

    @staticmethod
    def source(p: Values, n: int, name: str, dt: float) -> Source:
        """Return the source of parameters in PyNN's units; `dt` is the step in ms."""
        raise NotImplementedError


class SpikeSourceArray(Emitter, cells.SpikeSourceArray):
    __doc__ = cells.SpikeSourceArray.__doc__
    translations = unchanged(cells.SpikeSourceArray)

    @staticmethod
    def source(p: Values, n: int, name: str, dt: float) -> Source:
        """Return a source that every run feeds with its own stretch of spikes."""
        return SpikeSource(n, name=name)


class SpikeSourcePoisson(Emitter, cells.SpikeSourcePoisson):
    __doc__ = cells.SpikeSourcePoisson.__doc__
    translations = unchanged(cells.SpikeSourcePoisson)

    @staticmethod
    def source(p: Values, n: int, name: str, dt: float) -> Source:
        """Return a Poisson source, with rates that change where sources begin and end within a run.

        What is said of a time is done in the step that leads up to it, as NEST has it.
        """
        rate, start, length = (np.broadcast_to(p[key], (n,)) for key in ("rate", "start", "duration"))
        on = np.maximum(np.rint(start / dt), 0.0)
        off = np.rint((start + length) / dt)
        if not on.any() and np.all(off > LONGEST):
            return PoissonSource(n, rate=p["rate"], name=name)
        edges = np.unique(np.concatenate([[0.0], on, off[off <= LONGEST]]))
        rates = np.where((edges[:, None] >= on) & (edges[:, None] < off), rate, 0.0)
        return RateSource(n, times=edges * (dt * ms), rates=rates, name=name)


#: Sources that end beyond so many steps do not end: PyNN's default is 1e10 ms.
LONGEST = 2.0**30
