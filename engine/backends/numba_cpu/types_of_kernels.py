"""Types of kernel arguments: what their annotations mean to readers, type checkers and `kernel.py`.

A plain name is one number, a plural an array. Real, Cell, Payload, Variable and Index stand for a type that
`compile_kernel` is told.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

I4 = I8 = U8 = int
Real = Cell = Any
U1s = NDArray[np.uint8]
I4s = NDArray[np.int32]
U4s = NDArray[np.uint32]
I8s = NDArray[np.int64]
Reals = Cells = Payloads = Variables = NDArray[Any]
