"""What a machine holds, as users describe it: states, weights and synapses, in their shapes and order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..learning.rules.rule import PlasticityRule
from ..learning.rules.short_term import ShortTermRule
from ..neurons.errors import SpecError
from .backends.base import Machine
from .changes import Change
from .connections import Connections, as_described, described_connections, is_matrix, user_order
from .connectivity import RowWise
from .groups import Group, Part, ids_of
from .layout import described_weights
from .parts import Population, Probe, Projection, variables_of
from .plan import Plan
from .planned import ProjectionPlan
from .plastic import check_bounds
from .relays import relay_name


@dataclass
class Access:
    """A way to what a machine holds.

    Attributes
    ----------
    plan : Plan
        What the machine runs.
    machine : Machine
        Where it is held.
    batched : bool
        Whether users see an axis of trials.
    """

    plan: Plan
    machine: Machine
    batched: bool
    _orders: dict[str, np.ndarray] = field(default_factory=dict)

    def state(self, part: Group | Projection) -> dict[str, np.ndarray]:
        """Return the state variables of a population, an operator or a projection's rule by name.

        Raises
        ------
        SpecError
            If it is a projection without a rule.
        """
        if isinstance(part, Projection) and part.rule is None:
            raise SpecError(
                f"Simulator.state: got {part.label}, which has no state of its own; allowed is a "
                "population, an operator, or a projection with a rule such as STDP or TsodyksMarkram"
            )
        if isinstance(part, Projection) and isinstance(part.rule, PlasticityRule):
            values = {name: self._of_rule(part, name) for name in variables_of(part) if name != "weight"}
            return {name: value if self.batched else value[0] for name, value in values.items()}
        group = self.plan.groups[relay_name(part) if isinstance(part, Projection) else part.label]
        names = ["value"]
        if isinstance(group.part, Population):
            names = [state.name for state in group.part.model.used_states]
        values = {name: group.unstored(self.machine.state(group.name, name)) for name in names}
        return {name: value if self.batched else value[0] for name, value in values.items()}

    def weights(self, name: str) -> np.ndarray:
        """Return a projection's weights as they are now, in the shape and order of its description."""
        p = self.plan.projections[name]
        if p.rule is not None:
            weights = as_described(p, self._order(p), self.machine.weights(name))
            return weights if self.batched else np.asarray(weights[0])
        if p.storage == "sparse" and not isinstance(p.part.connectivity, RowWise):
            found = described_connections(self.plan, p)
            self.plan.release()
            place = found.post * found.shape[1] + found.pre if is_matrix(p) else np.arange(len(found))
            return np.asarray(as_described(p, place, found.weight[None])[0])
        return described_weights(self.plan, p).copy()

    def synapses(self, name: str) -> Connections:
        """Return who a projection connects, with weights as they are now."""
        p = self.plan.projections[name]
        found = described_connections(self.plan, p)
        self.plan.release()
        if p.rule is None:
            return found
        weights = self.weights(name)
        if is_matrix(p):
            return replace(found, weight=weights[..., found.post, found.pre])
        return replace(found, weight=weights.reshape(*weights.shape[: self.batched], -1))

    def sample(self, probe: Probe) -> tuple[np.ndarray, np.ndarray]:
        """Return what a probe of a projection sees now, (trials, k), and of which synapses or neurons.

        Raises
        ------
        SpecError
            If it asks for synapses that there are none of.
        """
        part = probe.subject
        assert isinstance(part, Projection)
        if isinstance(part.rule, ShortTermRule):
            relay = self.plan.groups[relay_name(part)]
            values = relay.unstored(self.machine.state(relay.name, probe.variable))
        else:
            values = self._of_rule(part, probe.variable)
            values = values.reshape(len(values), -1)
        ids = np.arange(values.shape[1]) if probe.ids is None else np.asarray(probe.ids, np.int64)
        if ids.size and ids.max() >= values.shape[1]:
            raise SpecError(
                f"{probe.label}.ids: allowed are indices from 0 to {values.shape[1] - 1}, none twice"
            )
        return values[:, ids], ids

    def _of_rule(self, part: Projection, name: str) -> np.ndarray:
        """Return one of the variables of a plastic projection as it is now, in the user's order.

        (trials, *shape of the weights), or (trials, n) of a trace; (trials, n_delays, n) where arrivals
        differ in delay, and (trials,) of a modulator.
        """
        p, rule = self.plan.projections[part.label], part.rule
        assert isinstance(rule, PlasticityRule)
        if name == "weight":
            return as_described(p, self._order(p), self.machine.weights(p.name))
        learned = self.machine.learned(p.name)
        if name in rule.synaptic:
            kept = {key: learned[f"synapse/{p.name}/{key}"] for key in rule.synaptic}
            shared = {key: learned[f"shared/{p.name}/{key}"] for key in rule.shared}
            seen = rule.seen(kept, shared, self.machine.now, self.plan.dt)
            return as_described(p, self._order(p), seen[name])
        trace = learned[f"trace/{p.name}/{name}"]
        side = next(trace.side for trace in rule.memories if trace.name == name)
        if side == "modulator":
            return trace[:, 0]
        group, end = (part.source, part.pre) if side == "pre" else (part.target, part.post)
        trace = self.plan.group_of(group).unstored(trace)[..., ids_of(end)]
        return trace[:, 0] if side == "pre" and trace.shape[1] == 1 else trace

    def has_weights(self, p: Projection, given: Any) -> bool:
        """Whether weights are those that a projection has: nothing changes then, not even its grid."""
        return given is not None and np.ndim(given) > 0 and np.array_equal(self.weights(p.label), given)

    def put(self, part: Part, change: Change, snapshot: dict[str, np.ndarray]) -> None:
        """Put what a change says of states and plastic weights into a snapshot.

        Raises
        ------
        SpecError
            If weights have the wrong shape or lie outside the bounds of their rule.
        """
        if isinstance(part, Projection) and isinstance(part.rule, PlasticityRule):
            self._put_weights(part, change, snapshot)
        for (name, variable), (new, ids) in change.states.items():
            key, places = f"state/{name}/{variable}", self.plan.groups[name].places(ids)
            snapshot[key] = snapshot[key].copy()
            snapshot[key][:, places] = new

    def _put_weights(self, p: Projection, change: Change, snapshot: dict[str, np.ndarray]) -> None:
        key, planned, given = f"weights/{p.label}", self.plan.projections[p.label], change.weights
        if given is not None:
            now = self.weights(p.label)
            shapes = {(), now.shape, now.shape[self.batched :]}
            if given.shape not in shapes:
                raise SpecError(
                    f"{p.label}.weight: got shape {given.shape}; allowed is one of {sorted(shapes)}"
                )
            stored = snapshot[key]
            flat = np.broadcast_to(given, now.shape).reshape(len(stored), -1)
            snapshot[key] = flat[:, self._order(planned)].astype(stored.dtype)
        check_bounds(change.part if isinstance(change.part, Projection) else p, snapshot[key])

    def _order(self, p: ProjectionPlan) -> np.ndarray:
        """Return which of the user's weights each one of a plastic projection's layout is."""
        if p.name not in self._orders:
            self._orders[p.name] = user_order(self.plan, p)
            self.plan.release()
        return self._orders[p.name]
