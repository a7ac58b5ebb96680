"""Operators that write: whose input they compute, and what cannot be beside that."""

from __future__ import annotations

from dataclasses import replace

from ..neurons.errors import PlanError
from .network import Network
from .parts import Group, Operator, Population


def written_by(network: Network) -> dict[str, str]:
    """Return by which operator each population that has one is written."""
    return {o.output.label: o.label for o in network.operators if o.output is not None}


def refuse_lost_input(network: Network) -> None:
    """Refuse what would be lost: input of what an operator writes, and events of one that writes."""
    written: dict[str, str] = {}
    for operator in network.operators:
        if operator.output is not None and operator.output.label in written:
            raise PlanError(
                f"{operator.label}.output: {written[operator.output.label]} writes {operator.output.label} "
                "already; make two populations"
            )
        if operator.output is not None:
            written[operator.output.label] = operator.label
    for p in network.projections:
        if p.target.label in written:
            raise PlanError(
                f"{p.label}.post: {written[p.target.label]} writes what stands in place of all input of "
                f"{p.target.label}; project to a population that has no operator as its input"
            )
        if isinstance(p.source, Operator) and p.source.output is not None:
            raise PlanError(
                f"{p.label}.pre: {p.source.label} writes to {p.source.output.label} and sends no events; "
                f"project from {p.source.output.label}"
            )


def taking(group: Group) -> Group:
    """Return a population whose model takes what an operator computes."""
    assert isinstance(group, Population)
    return replace(group, model=group.model.taking())
