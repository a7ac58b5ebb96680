"""Short-term plasticity: what a synapse delivers depends on when its source last fired, and on that alone.

So all synapses of a source share their state, and no weight changes. A rule of this kind is a neuron
model that stands between a source and its synapses, updated in the step of the source's spike: it takes
the spike and sends what share of the weight is delivered. It is written as any neuron is (see
`neurons.model`), and runs wherever neurons run.
"""
# ruff: noqa: RUF009 - Parameter() declares a field, as dataclasses.field() does

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...neurons.errors import SpecError
from ...neurons.model import NeuronModel, Parameter, Payload, State, Value
from ...neurons.vocabulary import exp, floor, where

#: Spikes of one source that a rule takes in one step.
MOST_SPIKES = 256


@dataclass(frozen=True, eq=False)
class ShortTermRule(NeuronModel):
    """Base class of rules by which a source's spikes differ in strength; see the module's text.

    A subclass is a neuron model. Its receptor gets the number of spikes that the source sent in this
    step; what it sends, from -1 to 1, multiplies the weights. Array parameters hold one value per source
    neuron. Where nothing arrives, its functions must leave all state as it is and send nothing.

    Examples
    --------
    >>> issubclass(TsodyksMarkram, ShortTermRule)
    True
    """

    at_rest_without_input: ClassVar[bool] = True

    @property
    def payload(self) -> Payload:
        """A share of the weight."""
        return "real"


@dataclass(frozen=True, eq=False)
class TsodyksMarkram(ShortTermRule):
    r"""Depression and facilitation: a spike uses a share u of the resources x that are left.

    Between spikes dx/dt = (1 - x) / tau_rec and du/dt = -u / tau_facil. A spike first raises u by
    U (1 - u), then delivers weight * u * x and takes u x from x. With u_n and x_n as the n-th spike finds
    and uses them, and a time D since the one before,

    * u_n = U + u_{n-1} (1 - U) exp(-D / tau_facil);
    * x_n = 1 + (x_{n-1} (1 - u_{n-1}) - 1) exp(-D / tau_rec).

    These are evaluated at spikes only, for any D exactly. The first spike finds x = 1 and uses u = U.

    Parameters
    ----------
    U : float or array (n_source,)
        What the first spike uses, and by which share of 1 - u each raises u; above 0, up to 1.
    tau_rec : float or array
        Time in seconds in which resources recover.
    tau_facil : float or array
        Time in seconds in which facilitation decays; 0 (all of them) for depression alone, where u = U.

    Notes
    -----
    State variables, one each per source neuron, are `x` and `u` of the last spike, `released`, the share
    u x that it delivered, and `last`, its step (-1 before the first). Several spikes of one step follow
    one another without recovery, so that together they deliver what x loses, and `x` and `u` are those of
    the last of them. Delays are axonal: u and x belong to the step in which the source fires.

    The recursion is that of NEST's `tsodyks2_synapse`, whose first spike uses the u that it is given (0.5 if
    none): give it u = U. Its `tsodyks_synapse` is the same in the limit of short currents.

    Sources: M. Tsodyks, A. Uziel, H. Markram, Journal of Neuroscience 20 (2000) RC50; W. Maass,
    H. Markram, Neural Networks 15 (2002) 155.

    Examples
    --------
    >>> depressing = TsodyksMarkram(U=0.5, tau_rec=0.8)
    >>> facilitating = TsodyksMarkram(U=0.03, tau_rec=0.13, tau_facil=0.53)
    >>> depressing.options()["facilitates"], facilitating.options()["facilitates"]
    (False, True)
    """

    U: Value = Parameter(0.5, above=0.0, high=1.0)
    tau_rec: Value = Parameter(0.8, unit="s", above=0.0)
    tau_facil: Value = Parameter(0.0, unit="s", low=0.0)

    states: ClassVar[tuple[State, ...]] = (
        State("x", 1.0, low=0.0, high=1.0),
        State("u", low=0.0, high=1.0),
        State("released", low=0.0, high=1.0),
        State("last", -1.0, "integer", low=-1.0),
    )

    def initial(self) -> dict[str, Value]:
        """Start with u = U, which the first spike uses."""
        return {"u": self.U}

    def check(self) -> None:
        """Refuse facilitation of some sources alone, which would be another rule."""
        facil = np.asarray(self.tau_facil)
        if np.any(facil > 0) and not np.all(facil > 0):
            raise SpecError(
                f"TsodyksMarkram.tau_facil: got zeros among {facil.max():g} s; allowed are 0 for all "
                "sources, or times above 0 for all"
            )

    def options(self) -> dict[str, object]:
        """Add whether there is facilitation, and the bits of a number of spikes."""
        facilitates = bool(np.all(np.asarray(self.tau_facil) > 0))
        return {**super().options(), "facilitates": facilitates, "bits": tuple("12345678")}

    def derive(self, elapsed: float) -> dict[str, Value]:
        """Return the constants of one step."""
        with np.errstate(divide="ignore"):
            kept, recovery = np.log(np.subtract(1.0, self.U)), np.divide(-elapsed, self.tau_rec)
            fading = np.divide(-elapsed, np.maximum(self.tau_facil, 1e-300))
        # Where U is 1 the logarithm is infinite; this much is nothing too.
        return {"U": self.U, "recovery": recovery, "fading": fading, "kept": np.maximum(kept, -87.0)}

    @staticmethod
    def flow(x: Any) -> Any:
        """Let time pass: what it does is worked out when the next spike comes."""
        return x

    @staticmethod
    def jump(x: Any, u: Any, released: Any, last: Any, now: Any, input: Any, U: Any, recovery: Any,
             fading: Any, kept: Any, facilitates: Any, bits: Any) -> Any:  # fmt: skip
        """Take this step's spikes: recover since the last one, then release one after another."""
        found = where(last < 0, 1.0, 1.0 + (x - x * u - 1.0) * exp((now - last) * recovery))
        if facilitates:
            first = where(last < 0, U, U + u * (1.0 - U) * exp((now - last) * fading))
        else:
            first = U
        # The n-th further spike finds (1 - first)^n of that, times (1 - U)^(n (n - 1) / 2) if u rises.
        further = input - 1.0
        left = found
        used = first
        if facilitates:
            base, power, n = 1.0 - first, 1.0, further
            for _bit in bits:
                odd = n > 2.0 * floor(0.5 * n)
                power, base, n = where(odd, power * base, power), base * base, floor(0.5 * n)
            left = found * power * exp(0.5 * further * (further - 1.0) * kept)
            used = 1.0 - (1.0 - first) * exp(further * kept)
        else:
            left = found * exp(further * kept)
        more = further > 0.0
        left = where(more, left, found)
        used = where(more, used, first)
        share = where(more, found - left + left * used, found * first)
        came = input > 0.0
        x, u = where(came, left, x), where(came, used, u)
        return x, u, where(came, share, released), where(came, now, last)

    @staticmethod
    def fire(released: Any, last: Any, now: Any) -> Any:
        """Send the share in the step in which spikes came."""
        return where(last == now, released, 0.0)
