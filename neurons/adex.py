"""The exponential neuron that adapts: AdEx."""

# ruff: noqa: RUF009 - Parameter() declares a field, as dataclasses.field() does

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np

from .exponential import ExpIF
from .model import Parameter, Value
from .presets import Presets


@dataclass(frozen=True, eq=False)
class AdEx(Presets, ExpIF):
    """Adaptive exponential integrate-and-fire.

    C dv/dt = g_leak (v_rest - v) + g_leak D exp((v - threshold) / D) - w + drive + sum of synapses,
    tau_w dw/dt = a (v - v_rest) - w; where v reaches `v_peak` a spike is sent, v goes to `v_reset` and w
    grows by `b`.

    Parameters
    ----------
    tau_w : float or array (n,)
        Time constant of the adaptation current w, in seconds.
    a : float or array
        How far w follows v, in siemens.
    b : float or array
        What a spike adds to w, in ampere.
    synapses, capacitance, g_leak, v_rest, threshold, slope_factor, v_peak, v_reset
        As for `ExpIF`.
    refractory, drive, noise, noise_tau, method
        As for `ExpIF`; while v is held, w goes on as for that v.

    Raises
    ------
    SpecError
        As for `ExpIF`.

    Notes
    -----
    Without synapses, with tau = capacitance / g_leak, a slowly growing current makes it fire beyond
    (g_leak + a) (threshold - v_rest - D + D log(1 + s)) + g_leak D (a / g_leak - s), where s is the
    smaller of a / g_leak and tau / tau_w; where it is the second, v swings before it fires.

    The defaults are the pyramidal cell of the first source. Presets, as `AdEx.preset("bursting")`, are
    cells with the current that shows their pattern as `drive` (0 for use in a network): "tonic",
    "adapting", "initial_burst", "bursting", "delayed_accelerating", "delayed_bursting", "transient" and
    "irregular", from figure 4 of the second source, in the values by which Brian2's example of that
    paper reproduces it.

    With conductances for synapses it is NEST's aeif_cond_exp or aeif_cond_alpha and PyNN's
    EIF_cond_exp_isfa_ista, with currents aeif_psc_exp, without synapses aeif_psc_delta.

    Source: R. Brette and W. Gerstner, Journal of Neurophysiology 94:3637 (2005); R. Naud et al.,
    Biological Cybernetics 99:335 (2008); J. Touboul and R. Brette, Biological Cybernetics 99:319 (2008),
    for the rheobase.

    Examples
    --------
    >>> AdEx.preset("bursting").v_reset
    -0.046
    >>> from rheobase.neurons import Receptor
    >>> AdEx([Receptor("excitatory", 5e-3, reversal=0.0)], refractory=5e-3).receptors
    ('excitatory', 'current')
    """

    PRESETS: ClassVar[Mapping[str, Mapping[str, float]]] = {
        name: dict(
            zip(
                ("capacitance", "g_leak", "v_rest", "a", "tau_w", "b", "v_reset", "drive"),
                (
                    c * 1e-12,
                    g * 1e-9,
                    rest * 1e-3,
                    a * 1e-9,
                    tau_w * 1e-3,
                    b * 1e-12,
                    reset * 1e-3,
                    i * 1e-12,
                ),
                strict=True,
            ),
            threshold=-50e-3,
            slope_factor=2e-3,
        )
        for name, (c, g, rest, a, tau_w, b, reset, i) in {
            # pF, nS, mV, nS, ms, pA, mV, pA
            "tonic": (200, 10, -70, 2, 30, 0, -58, 500),
            "adapting": (200, 12, -70, 2, 300, 60, -58, 500),
            "initial_burst": (130, 18, -58, 4, 150, 120, -50, 400),
            "bursting": (200, 10, -58, 2, 120, 100, -46, 210),
            "delayed_accelerating": (200, 12, -70, -10, 300, 0, -58, 300),
            "delayed_bursting": (100, 10, -65, -10, 90, 30, -47, 110),
            "transient": (100, 10, -65, 10, 90, 100, -47, 180),
            "irregular": (100, 12, -60, -11, 130, 30, -48, 160),
        }.items()
    }

    _: KW_ONLY
    tau_w: Value = Parameter(144e-3, unit="s", above=0.0)
    a: Value = Parameter(4e-9, unit="S")
    b: Value = Parameter(80.5e-12, unit="A")

    def unit_of(self, variable: str) -> str:
        """Return the unit of a state variable; the adaptation is a current."""
        return "A" if variable == "w" else super().unit_of(variable)

    def options(self) -> dict[str, object]:
        """Adapt."""
        return {**super().options(), "adapts": True}

    def derive(self, elapsed: float) -> dict[str, Value]:
        """Return the constants of one step."""
        self.check_step("tau_w", self.tau_w, elapsed)
        span_w = np.divide(elapsed, self.tau_w)
        return {**super().derive(elapsed), "span_w": span_w, "a": self.a, "w_step": self.b}
