"""A threshold that each spike lifts: how neurons keep from firing all the time, and from falling silent."""

# ruff: noqa: RUF009 - Parameter() declares a field, as dataclasses.field() does

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

import numpy as np

from .errors import SpecError
from .firing import Firing
from .model import Parameter, Value, decay_of


@dataclass(frozen=True, eq=False)
class Lifted(Firing):
    """Base class of the models whose threshold adapts: they fire where v reaches threshold + `lift`.

    tau_lift dl/dt = -l, and a spike adds `lift_step` to l. A model's `flow` multiplies `lift` with
    `decay_lift` where the option `lifts` is set.

    Parameters
    ----------
    tau_lift : float or array (n,), optional
        Time constant of the threshold's lift in seconds; None for a fixed threshold.
    lift_step : float or array
        What a spike adds to the threshold, in the unit of v.
    """

    _: KW_ONLY
    tau_lift: Value | None = Parameter(None, unit="s", above=0.0, optional=True)
    lift_step: Value = Parameter(0.0)

    def check(self) -> None:
        """Refuse a step that would never fade, and a reset that would not know what to take off."""
        super().check()
        owner = type(self).__name__
        if self.tau_lift is None and np.any(np.asarray(self.lift_step) != 0):
            raise SpecError(
                f"{owner}.lift_step: got {self.lift_step!r} without tau_lift; give tau_lift too, in s"
            )
        if self.reset == "soft" and self.reset_delay and self.reset_by is None and self.tau_lift is not None:
            raise SpecError(
                f"{owner}.reset_delay: got True with a soft reset by a threshold that moves; set reset_by, "
                "or reset_delay=False"
            )

    def options(self) -> dict[str, object]:
        """Add whether the threshold moves, and whether a soft reset takes it off as it stands."""
        lifts = self.tau_lift is not None
        by_threshold = lifts and self.reset_by is None and not self.reset_delay
        return {**super().options(), "lifts": lifts, "by_threshold": by_threshold}

    def derive(self, elapsed: float) -> dict[str, Value]:
        """Add how far a spike lifts the threshold, and what is left of a lift after a step."""
        decay = {} if self.tau_lift is None else {"decay_lift": decay_of(self.tau_lift, elapsed)}
        return {**super().derive(elapsed), "lift_step": self.lift_step, **decay}
