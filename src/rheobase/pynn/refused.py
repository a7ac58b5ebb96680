"""What PyNN has and rheobase has not: its names are there, and refuse to be used."""

from __future__ import annotations

import inspect
from typing import Any

import pyNN.connectors
import pyNN.standardmodels.cells
import pyNN.standardmodels.electrodes
import pyNN.standardmodels.ion_channels
import pyNN.standardmodels.receptors
import pyNN.standardmodels.synapses

from ..neurons.errors import SpecError, nearest

_MODULES = (
    pyNN.standardmodels.cells, pyNN.standardmodels.synapses, pyNN.standardmodels.electrodes,
    pyNN.standardmodels.receptors, pyNN.standardmodels.ion_channels, pyNN.connectors,
)  # fmt: skip


def refused(name: str) -> type:
    """Return a class of this name that raises SpecError when it is made.

    Raises
    ------
    AttributeError
        If PyNN has no model, synapse type or connector of this name either.
    """
    if not any(_has(module, name) for module in _MODULES):
        names = [name for module in _MODULES for name in vars(module) if _has(module, name)]
        raise AttributeError(f"rheobase.pynn has no {name!r}{nearest(name, names)}")

    def refuse(self: Any, *args: Any, **kwargs: Any) -> None:
        raise SpecError(f"{name}: rheobase.pynn does not have it; docs/pynn.md lists what it has")

    return type(name, (), {"__init__": refuse, "__doc__": f"{name} is not available."})


def _has(module: Any, name: str) -> bool:
    return not name.startswith("_") and inspect.isclass(getattr(module, name, None))
