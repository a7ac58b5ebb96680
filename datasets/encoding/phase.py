"""The phase code: the bits of a number, one in each step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...neurons.errors import SpecError
from .code import Code, whole


@dataclass(frozen=True)
class Phase(Code):
    """Weighted spikes: in step t a spike stands for 2^-(1 + t mod bits), so a period holds the bits.

    Numbers are rounded to multiples of 2^-bits, at most 1 - 2^-bits, and repeated in each period. Decoding,
    the sum of the weights over the number of periods, is off by at most 2^-bits.

    Parameters
    ----------
    steps : int
        Length of the code, a multiple of `bits`.
    bits : int
        Length of a period, at most 52.

    Source: J. Kim, H. Kim, S. Huh, J. Lee and K. Choi, Deep neural networks with weighted spikes,
    Neurocomputing 311 (2018), equations 4 to 6.

    Examples
    --------
    >>> code = Phase(8, bits=4)
    >>> code.encode([0.25, 0.6875]).T
    array([[0, 1, 0, 0, 0, 1, 0, 0],
           [1, 0, 1, 1, 1, 0, 1, 1]], dtype=int8)
    >>> code.decode(code.encode([0.25, 0.6875]))
    array([0.25  , 0.6875])
    """

    bits: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        whole(self, "bits")
        if self.bits > 52 or self.steps % self.bits:
            raise SpecError(
                f"Phase: got steps={self.steps} and bits={self.bits}; allowed are up to 52 bits, "
                f"and a whole number of periods of so many steps"
            )

    @property
    def weights(self) -> np.ndarray:
        """What a spike stands for in each step."""
        return np.asarray(np.exp2(-(1.0 + np.arange(self.steps) % self.bits)))

    def _spikes(self, x: np.ndarray) -> np.ndarray:
        levels = 1 << self.bits
        whole_number = np.minimum(np.rint(x * levels), levels - 1).astype(np.int64)
        places = self.bits - 1 - np.arange(self.steps) % self.bits
        return np.asarray(whole_number >> places.reshape(-1, *[1] * x.ndim) & 1, np.int8)

    def _values(self, spikes: np.ndarray) -> np.ndarray:
        return np.asarray(np.tensordot(self.weights, spikes, axes=1) * (self.bits / self.steps))
