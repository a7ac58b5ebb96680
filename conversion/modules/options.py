"""What is asked of a network as a torch module, checked: by the names of its parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from ...engine.connectivity import Pool2d, RowWise
from ...engine.groups import Part
from ...engine.network import Network
from ...engine.parts import Population, Projection
from ...engine.sources import CurrentSource, FrameSource
from ...learning.delays import LearnedDelays
from ...neurons.errors import ConversionError, SpecError

P = TypeVar("P", bound=Part)


def trained_of(network: Network, train: Any) -> dict[str, tuple[str, ...]]:
    """Return which parameters of which populations are trained, or raise SpecError."""
    given = _by_part("train", network, train, Population, "names")
    named = {label: [names] if isinstance(names, str) else names for label, names in given.items()}
    for label, names in named.items():
        if not isinstance(names, list | tuple | set) or not all(isinstance(name, str) for name in names):
            raise SpecError(f"to_torch.train of {label}: got {names!r}; allowed are names of parameters")
    return {label: tuple(dict.fromkeys(names)) for label, names in named.items()}


def dropped_of(network: Network, dropout: Any) -> dict[str, float]:
    """Return which share of a population's spikes is left out in training, or raise SpecError."""
    given = _by_part("dropout", network, dropout, Population, "shares")
    for label, share in given.items():
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0.0 <= share < 1.0:
            raise SpecError(
                f"to_torch.dropout of {label}: got {share!r}; allowed is a share from 0 to below 1"
            )
    return {label: float(share) for label, share in given.items()}


def normed_of(network: Network, batch_norm: Any) -> tuple[str, ...]:
    """Return the projections whose sums are normalised.

    A population stands for the projections to it, but for constants and pooling.

    Raises
    ------
    SpecError
        If there is no such projection or population.
    ConversionError
        If targets of a projection share their weights, or its source sends a constant.
    """
    found: dict[str, None] = {}
    several = isinstance(batch_norm, list | tuple | set | frozenset)
    for one in batch_norm if several else [] if batch_norm is None else [batch_norm]:
        part = network[one] if isinstance(one, str) else one
        if isinstance(part, Population) and part in network:
            arriving = [p for p in network.projections if p.target is part]
            found |= dict.fromkeys(p.label for p in arriving if _unfit(p) is None)
        elif isinstance(part, Projection) and part in network:
            reason = _unfit(part)
            if reason is not None:
                raise ConversionError(f"to_torch.batch_norm: {part.label} {reason}; leave it out")
            found[part.label] = None
        else:
            raise SpecError(
                f"to_torch.batch_norm: got {one!r}; allowed are projections and populations of the network"
            )
    return tuple(found)


def learned_of(network: Network, delays: Any) -> dict[str, LearnedDelays]:
    """Return which projections learn their delays, and how.

    Raises
    ------
    SpecError
        If there is no such projection.
    ConversionError
        If synapses of a projection share their delay.
    """
    given = _by_part("delays", network, delays, Projection, "LearnedDelays")
    for label, learned in given.items():
        kind = network[label].connectivity.kind  # type: ignore[attr-defined]
        if kind in ("conv2d", "pool2d", "rows"):
            raise ConversionError(
                f"to_torch.delays: {label} is {kind}, whose synapses share a delay; allowed are projections "
                "with a synapse for each pair, such as dense()"
            )
        if not isinstance(learned, LearnedDelays):
            raise SpecError(
                f"to_torch.delays of {label}: got {learned!r}; allowed is a LearnedDelays, such as "
                "rb.learning.delays.LearnedDelays(longest=24e-3)"
            )
    return given


def _unfit(p: Projection) -> str | None:
    """Return why a projection cannot be normalised; None if it can."""
    if isinstance(p.connectivity, Pool2d | RowWise):
        return f"is {p.connectivity.kind}, whose targets share weights that would have to differ"
    constant = isinstance(p.source, CurrentSource | FrameSource) and p.source.values is not None
    return "has a source that sends the same in every run" if constant else None


def _by_part(option: str, network: Network, given: Any, kind: type[P], what: str) -> dict[str, Any]:
    """Return what is given for parts by their names, or raise SpecError."""
    if given is not None and not isinstance(given, Mapping):
        plural = f"{kind.__name__.lower()}s"
        raise SpecError(f"to_torch.{option}: got {given!r}; allowed is a dict from {plural} to {what}")
    found = {}
    for key, value in (given or {}).items():
        part = network[key] if isinstance(key, str) else key
        if not isinstance(part, kind) or part not in network:
            plural = f"{kind.__name__.lower()}s"
            raise SpecError(f"to_torch.{option}: got {key!r}; allowed are {plural} of the network")
        found[part.label] = value
    return found
