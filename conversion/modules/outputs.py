"""What a network as a torch module returns: what its probes record, or what its last populations send."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ...engine.groups import Group
from ...engine.network import Network
from ...engine.parts import Population, Probe, Projection, variables_of
from ...neurons.errors import SpecError
from .running import Run


@dataclass(frozen=True)
class Output:
    """One tensor that a module returns.

    Attributes
    ----------
    name : str
        Its key where there are several.
    group : str
        Whose.
    variable : str
        "spikes", "counts", or a state variable.
    ids : int64 array or None
        Neurons; all if None.
    """

    name: str
    group: str
    variable: str
    ids: np.ndarray | None = None

    def of(self, run: Run) -> torch.Tensor:
        """Return it: (steps, batch, n); counts (batch, n)."""
        if self.variable in ("spikes", "counts"):
            found = run.sent_by(self.group)
        else:
            found = run.traces[self.group, self.variable]
        if self.ids is not None:
            found = found[..., torch.as_tensor(self.ids, device=found.device)]
        return found.sum(dim=0) if self.variable == "counts" else found


def outputs_of(network: Network, asked: Any) -> tuple[Output, ...]:
    """Return what a module of a network is to return.

    Parameters
    ----------
    network
        The network.
    asked
        A population or its name, a pair of one and a variable, or several of these; None for the network's
        probes, or where it has none, for what no projection takes on: spikes, or the first state variable of
        neurons that never send.

    Raises
    ------
    SpecError
        If there is no such population or variable.
    """
    if asked is None:
        probes = [p for p in network.probes if not isinstance(p.target, Projection)]
        if probes:
            return tuple(_of_probe(probe) for probe in probes)
        sources = {p.source.label for p in network.projections}
        asked = [p for p in network.populations if p.label not in sources]
    several = (
        isinstance(asked, Iterable) and not isinstance(asked, (str, Group)) and not _is_pair(network, asked)
    )
    found = tuple(_asked(network, one) for one in (asked if several else [asked]))
    if not found:
        raise SpecError("to_torch.outputs: got none; allowed is at least one population")
    return found


def _is_pair(network: Network, asked: Any) -> bool:
    return (
        isinstance(asked, tuple) and len(asked) == 2 and isinstance(asked[1], str) and asked[1] not in network
    )


def _asked(network: Network, one: Any) -> Output:
    part, variable = one if _is_pair(network, one) else (one, None)
    part = network[part] if isinstance(part, str) else part
    if not isinstance(part, Population) or part not in network:
        raise SpecError(
            f"to_torch.outputs: got {one!r}; allowed are populations of the network, or pairs of one and a "
            "state variable"
        )
    if variable is None:
        return Output(part.label, part.label, _usual(part))
    if variable not in variables_of(part):
        raise SpecError(f"to_torch.outputs: {part.label} has no {variable!r}; it has {variables_of(part)}")
    return Output(f"{variable} of {part.label}", part.label, variable)


def _usual(part: Population) -> str:
    """Return "spikes", or the first state variable of neurons that never send any."""
    sends = part.payload != "unit" or "spike" in part.model.rules.fire.words
    return "spikes" if sends else part.model.used_states[0].name


def _of_probe(probe: Probe) -> Output:
    ids = probe.recorded()
    whole = np.array_equal(ids, np.arange(probe.group.n))
    return Output(probe.label, probe.group.label, probe.variable, None if whole else ids)
