"""What it costs: counts times a chip.

`energy` and `compare_chips` price what a run counted; a `Chip` is a TOML file in which every figure has
its unit, node, source and class of evidence; `counts` says the same counts in the words of other tools.
"""

from __future__ import annotations

from .charges import Charge
from .chip import Chip, chips
from .comparison import Comparison, compare_chips
from .constant import EVIDENCE, Constant
from .counts import counts
from .energy import Energy, energy

__all__ = [
    "EVIDENCE", "Charge", "Chip", "Comparison", "Constant", "Energy", "chips", "compare_chips", "counts",
    "energy",
]  # fmt: skip
