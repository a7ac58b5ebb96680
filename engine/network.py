"""A network: a list of parts and a seed. Append-only, printable, without state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..neurons.errors import SpecError, nearest
from .arguments import check_seed
from .groups import Group, Part, Slice, group_of
from .parts import Operator, Population, Probe, Projection
from .sources import Source

P = TypeVar("P", bound=Part)


class Network:
    """One description of a network, for simulating, converting, costing and training.

    Parameters
    ----------
    seed : int
        Keys every random stream, together with the parts' names: adding a part changes no other.

    Examples
    --------
    >>> import rheobase as rb
    >>> net = rb.Network(seed=0)
    >>> exc = net.add(rb.Population(400, rb.LIF(tau=20e-3), name="exc"))
    >>> net["exc"] is exc
    True
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = check_seed("Network.seed", seed)
        self._parts: dict[str, Part] = {}
        self._next: dict[str, int] = {}  # numbers from which names that the network gives are tried

    def add(self, part: P) -> P:
        """Add a part and return it.

        Raises
        ------
        SpecError
            If its name is taken, or it refers to a part that was not added before.
        """
        if not isinstance(part, Part):
            raise SpecError(
                f"Network.add: got {part!r}; allowed is a population, source, projection, probe or operator"
            )
        if part in self:
            raise SpecError(f"Network.add: {part.label} has been added before")
        for end in _ends(part):
            if end not in self:
                raise SpecError(
                    f"{part.label}: refers to {end.label}, which this network does not hold; add it first"
                )
        name = part.name or self._free_name(part)
        if name in self._parts:
            raise SpecError(
                f"Network.add: the name {name!r} is taken by a {type(self._parts[name]).__name__}"
            )
        object.__setattr__(part, "name", name)
        self._parts[name] = part
        return part

    def _free_name(self, part: Part) -> str:
        if isinstance(part, Projection):
            stem = f"{part.source.label}->{part.target.label}"
        elif isinstance(part, Probe):
            stem = f"{part.variable} of {part.subject.label}"
        elif isinstance(part, Population):
            stem = type(part.model).__name__.lower()
        else:
            stem = type(part).__name__.lower()
        k = self._next.get(stem, 1)
        while (name := stem if k == 1 else f"{stem} {k}") in self._parts:
            k += 1
        self._next[stem] = k + 1
        return name

    def __getitem__(self, name: str) -> Part:
        try:
            return self._parts[name]
        except KeyError:
            near = nearest(name, self._parts)
            raise SpecError(
                f"Network: no part is called {name!r}{near}; there are {sorted(self._parts)}"
            ) from None

    def __iter__(self) -> Iterator[Part]:
        return iter(self._parts.values())

    def __len__(self) -> int:
        return len(self._parts)

    def __contains__(self, part: object) -> bool:
        if isinstance(part, Part):
            return part.name is not None and self._parts.get(part.name) is part
        return isinstance(part, str) and part in self._parts

    def of(self, kind: type[P]) -> tuple[P, ...]:
        """Return the parts of one kind, in the order in which they were added."""
        return tuple(part for part in self if isinstance(part, kind))

    @property
    def populations(self) -> tuple[Population, ...]:
        """All populations."""
        return self.of(Population)

    @property
    def sources(self) -> tuple[Source, ...]:
        """All sources."""
        return self.of(Source)

    @property
    def projections(self) -> tuple[Projection, ...]:
        """All projections."""
        return self.of(Projection)

    @property
    def probes(self) -> tuple[Probe, ...]:
        """All probes."""
        return self.of(Probe)

    @property
    def operators(self) -> tuple[Operator, ...]:
        """All operators."""
        return self.of(Operator)

    def copy(self) -> Network:
        """Return a network of the same parts, to which other parts can be added."""
        copy = Network(self.seed)
        copy._parts.update(self._parts)
        return copy

    def with_weights(self, weights: Mapping[str | Projection, Any]) -> Network:
        """Return a copy whose named projections have other weights; everything else is the same.

        Parameters
        ----------
        weights
            Projection (or its name) -> number, array or distribution, as the projection describes its weights
            or as `Simulator.weights` returned them. A pattern that is drawn becomes the list of its pairs
            where each has a weight of its own. Or the `state_dict` of a module that `to_torch` made.

        Raises
        ------
        SpecError
            If this network has no such projection, or the weights do not fit it.
        """
        from .connections import with_own_weights

        if not isinstance(weights, Mapping):
            raise SpecError(
                f"Network.with_weights: got {type(weights).__name__}; allowed is a dict from projections to "
                "weights (rb.from_torch(module) takes what a module holds)"
            )
        by_name = {}
        for key, value in weights.items():
            name = str(key.name if isinstance(key, Projection) else key)
            part = self._parts.get(name) or self._parts.get(trained_name(name))
            if not isinstance(part, Projection) or (isinstance(key, Projection) and key is not part):
                more = "; rb.from_torch(module) takes all that a module holds" if "." in name else ""
                raise SpecError(f"Network.with_weights: {key!r} is not a projection of this network{more}")
            if hasattr(value, "detach"):  # a tensor of torch, perhaps on a card
                value = value.detach().cpu().double().numpy()
            by_name[part.label] = np.asarray(value) if getattr(value, "ndim", 0) else value
        copy = self.copy()
        for name, weight in by_name.items():
            part = self._parts[name]
            assert isinstance(part, Projection)
            if isinstance(weight, np.ndarray) and weight.ndim:
                copy._parts[name] = with_own_weights(part, self.seed, weight)
            else:
                copy._parts[name] = replace(part, weight=weight)
        return copy

    def with_part(self, part: Part) -> Network:
        """Return a copy in which a part takes the place of that of its name, and others refer to it instead.

        Examples
        --------
        >>> import rheobase as rb
        >>> net = rb.Network()
        >>> cells = net.add(rb.Population(3, rb.LIF(20e-3), name="cells"))
        >>> probe = net.add(rb.Probe(cells[:2], name="probe"))
        >>> other = net.with_part(rb.Population(3, rb.LIF(10e-3), name="cells"))
        >>> other["probe"].group.model.tau, net["probe"].group.model.tau
        (0.01, 0.02)
        """
        taken = self._parts.get(part.name or "") if isinstance(part, Part) else None
        if taken is None or isinstance(part, Group) != isinstance(taken, Group):
            raise SpecError(
                f"Network.with_part: got {part!r}; allowed is a part with the name of one like it"
            )
        copy = Network(self.seed)
        for old in self:
            copy._parts[old.label] = part if old.name == part.name else _moved(old, copy._parts)
        return copy

    def save(self, path: str | Path) -> None:
        """Write the network as TOML, and large arrays to an `.npz` of the same stem beside it.

        Errors as `engine.experiment.save_network`.
        """
        from .experiment import save_network

        save_network(self, path)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        models: Mapping[str, Any] | None = None,
        rules: Mapping[str, Any] | None = None,
    ) -> Network:
        """Read a network that `save` wrote; arguments and errors as `engine.experiment.load_network`."""
        from .experiment import load_network

        return load_network(path, models=models, rules=rules)

    def __repr__(self) -> str:
        lines = [f"Network(seed={self.seed}): {len(self)} parts"]
        for part in self:
            lines.append(f"  {part.name}: {_describe(part)}")
        return "\n".join(lines)


def trained_key(name: str) -> str:
    """Return what the weights of a projection are called in the state of a torch module, without dots."""
    return f"projections.{name.replace('.', '%2E')}.weight"


def trained_name(key: str) -> str:
    """Return the projection that `trained_key` stands for, or an empty text."""
    name = key.removeprefix("projections.").removesuffix(".weight").replace("%2E", ".")
    return name if trained_key(name) == key else ""


def _moved(part: Part, parts: Mapping[str, Part]) -> Part:
    """Return a part that refers to parts of these names; itself where it does so already."""
    moved: dict[str, Any] = {}
    for name in ("pre", "post", "modulator", "target"):
        end = vars(part).get(name)
        if isinstance(end, (Group, Slice)) and (to := parts[group_of(end).label]) is not group_of(end):
            assert isinstance(to, Group)
            moved[name] = replace(end, group=to) if isinstance(end, Slice) else to
        elif isinstance(end, Projection) and parts[end.label] is not end:
            moved[name] = parts[end.label]
    if isinstance(part, Operator) and any(parts[end.label] is not end for end in _ends(part)):
        moved["inputs"] = tuple(
            tuple(replace(read, group=parts[read.group.label]) for read in reads) for reads in part.inputs
        )
        moved["output"] = parts[part.output.label] if part.output is not None else None
    return replace(part, **moved) if moved else part


def _ends(part: Part) -> tuple[Part, ...]:
    if isinstance(part, Projection):
        return part.source, part.target, *([] if part.modulator is None else [part.modulator])
    if isinstance(part, Probe):
        return (part.subject,)
    if isinstance(part, Operator):
        return (*part.sources, *([] if part.output is None else [part.output]))
    return ()


def _describe(part: Part) -> str:
    if isinstance(part, Population):
        return f"{'x'.join(map(str, part.shape))} {type(part.model).__name__}"
    if isinstance(part, Projection):
        ends = " -> ".join(
            str(end) if isinstance(end, Slice) else str(end.name) for end in (part.pre, part.post)
        )
        rule = f", {type(part.rule).__name__}" if part.rule else ""
        return f"{ends}, {part.connectivity.kind}{rule}"
    if isinstance(part, Probe):
        return f"{part.variable} of {part.subject.name}"
    if isinstance(part, Operator):
        written = "" if part.output is None else f" -> {part.output.name}"
        return f"{part.kind} of {', '.join(str(group.name) for group in part.sources)}{written}"
    return f"{part.n} channels of {type(part).__name__}" if isinstance(part, Group) else type(part).__name__
