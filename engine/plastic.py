"""Plastic projections in the order of storage: what every backend starts from when weights can change."""

from __future__ import annotations

import numpy as np

from ..learning.rules.rule import PlasticityRule
from ..neurons.errors import PlanError, SpecError
from .layout import Cells, Matrix, Rows, dense_matrix, sparse_rows
from .parts import Projection
from .plan import Plan
from .planned import ProjectionPlan


def plastic_matrix(plan: Plan, p: ProjectionPlan, cells: Cells) -> Matrix:
    """Return a dense plastic projection with its initial weights.

    Raises
    ------
    SpecError
        If a weight lies outside the rule's bounds.
    """
    matrix = dense_matrix(plan, p, cells)
    check_bounds(p.part, matrix.weights)
    return matrix


def plastic_rows(plan: Plan, p: ProjectionPlan, cells: Cells) -> Rows:
    """Return a sparse or dense plastic projection as rows by source, with its initial weights.

    Raises
    ------
    SpecError
        If a weight lies outside the rule's bounds.
    PlanError
        If the projection's weights are shared between synapses, as those of a convolution are.
    """
    if p.storage == "sparse":
        rows = sparse_rows(plan, (p.name,), cells)
        check_bounds(p.part, rows.weights)
        return rows
    if p.storage != "dense":
        raise PlanError(
            f"{p.name}.rule: got a rule for {p.storage}, whose weights are shared between synapses; allowed "
            "are patterns with a weight per synapse, such as dense(), random(p) or sparse(matrix)"
        )
    matrix = plastic_matrix(plan, p, cells)
    n_rows, n_columns = matrix.weights.shape
    n_source = plan.group_of(p.part.source).n
    indptr = np.clip(np.arange(n_source + 1) - matrix.first_row, 0, n_rows) * n_columns
    return Rows(
        indptr=indptr,
        cells=np.tile(matrix.first_column + np.arange(n_columns), n_rows),
        weights=matrix.weights.reshape(-1),
        delays=np.full(matrix.weights.size, p.delays[0], np.int32),
        order=np.arange(matrix.weights.size),
    )


def check_bounds(part: Projection, weights: np.ndarray) -> None:
    """Raise SpecError if weights of a plastic projection lie outside its rule's bounds."""
    assert isinstance(part.rule, PlasticityRule)
    low, high = (weights.dtype.type(bound) for bound in part.rule.bounds)
    if weights.size and not (low <= weights.min() and weights.max() <= high):
        raise SpecError(
            f"{part.label}.weight: got weights from {weights.min():g} to {weights.max():g}; allowed by its "
            f"rule's w_min and w_max are {low:g} to {high:g}"
        )
