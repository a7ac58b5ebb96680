"""Who is connected to whom: one frozen description per pattern.

A description knows its own parameters; what it means for two populations (how many synapses, which
shapes the weights need) is worked out by the plan. How patterns are drawn stands in `engine/recipes.py`.
"""

from .drawn import (
    Distance,
    Drawn,
    FixedIn,
    FixedOut,
    FixedTotal,
    Random,
    distance,
    fixed_in,
    fixed_out,
    fixed_total,
    random,
)
from .listed import Explicit, OneToOne, Sparse, explicit, one_to_one, sparse
from .pattern import Connectivity
from .shared import Conv2d, Dense, Pool2d, RowWise, all_to_all, conv2d, dense, pool2d, rows

__all__ = [
    "Connectivity", "Conv2d", "Dense", "Distance", "Drawn", "Explicit", "FixedIn", "FixedOut", "FixedTotal",
    "OneToOne", "Pool2d", "Random", "RowWise", "Sparse", "all_to_all", "conv2d", "dense", "distance",
    "explicit", "fixed_in", "fixed_out", "fixed_total", "one_to_one", "pool2d", "random", "rows", "sparse",
]  # fmt: skip
