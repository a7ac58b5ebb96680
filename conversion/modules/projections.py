"""Which module a projection becomes."""

from __future__ import annotations

import numpy as np

from ...engine.connections import described_connections
from ...engine.layout import described_weights
from ...engine.plan import Plan
from ...engine.planned import ProjectionPlan
from .dense import Dense
from .images import Convolution, Pooling
from .listed import Listed, OneToOne, listed_weights
from .synapses import Synapses


def synapses_of(plan: Plan, p: ProjectionPlan, *, compiled: bool) -> Synapses:
    """Return the module of a projection."""
    kind = p.part.connectivity.kind
    if p.storage == "dense":
        dense = Dense(plan, p, described_weights(plan, p))
        dense.compiled = compiled
        return dense
    if p.storage == "conv2d":
        return Convolution(plan, p, described_weights(plan, p))
    if p.storage == "pool2d":
        return Pooling(plan, p, np.asarray(float(p.part.weight)))  # type: ignore[arg-type]
    listed = described_connections(plan, p)
    kind_of_list = OneToOne if kind == "one_to_one" and len(p.delays) == 1 else Listed
    return kind_of_list(plan, p, listed_weights(p, listed))
