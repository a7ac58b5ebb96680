"""The one generator of the house: a counter hash, keyed by what is drawn, without state.

A stream is named by (seed, part, stage, trial) and gives a 64-bit key; draws are hashes of the key
and a counter. So every thread, backend and restart draws the same numbers in any order. The hashes
are the splitmix64 finaliser and a two-key 32-bit mixer whose steps a compiler can vectorise.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .compiled import compiled, inlined

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_A = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B = np.uint64(0x94D049BB133111EB)
_TO_UNIT = 2.0**-52
#: At which of a step's draws those of each word of a rule begin: words share no random bits.
FIRST_DRAW = {"uniform": 0, "normal": 1 << 32}


def stream_key(seed: int, part: str, stage: str, trial: int = 0) -> np.uint64:
    """Return the 64-bit key of one stream."""
    digest = hashlib.blake2b(f"{seed}\x1f{part}\x1f{stage}\x1f{trial}".encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


@inlined
def mix64(x: Any) -> Any:
    """Return a well-mixed 64-bit hash of a 64-bit number (splitmix64's finaliser)."""
    x = np.uint64(x)
    x = (x ^ (x >> np.uint64(30))) * _MIX_A
    x = (x ^ (x >> np.uint64(27))) * _MIX_B
    return x ^ (x >> np.uint64(31))


@inlined
def draw64(key: Any, counter: Any) -> Any:
    """Return the counter-th 64-bit draw of a stream."""
    return mix64(np.uint64(key) + (np.uint64(counter) + np.uint64(1)) * GOLDEN)


@inlined
def to_unit(bits: Any) -> Any:
    """Return a float64 in (0, 1) from 64 random bits."""
    # Of 53 bits the largest would round to one.
    return (float(np.uint64(bits) >> np.uint64(12)) + 0.5) * _TO_UNIT


@inlined
def below(bits: Any, n: Any) -> Any:
    """Return a whole number in [0, n), n < 2**32, from the upper 32 random bits."""
    return np.int64(((np.uint64(bits) >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))


@inlined
def mix32(index: Any, key_a: Any, key_b: Any) -> Any:
    """Return 32 random bits for one neuron in one step: every operation stays in 32 bits."""
    x = np.uint32(np.uint32(index) + np.uint32(key_a))
    x = np.uint32(x ^ np.uint32(x >> np.uint32(16)))
    x = np.uint32(x * np.uint32(0x7FEB352D))
    x = np.uint32(x ^ np.uint32(x >> np.uint32(15)))
    x = np.uint32(x + np.uint32(key_b))
    x = np.uint32(x * np.uint32(0x846CA68B))
    x = np.uint32(x ^ np.uint32(x >> np.uint32(16)))
    x = np.uint32(x * np.uint32(0x9E3779B1))
    return np.uint32(x ^ np.uint32(x >> np.uint32(15)))


@inlined
def uniform_of(bits: Any) -> Any:
    """Return the uniform number in [0, 1) that 32 random bits stand for: their upper 24."""
    return np.float32(np.uint32(bits) >> np.uint32(8)) * np.float32(2.0**-24)


@inlined
def normal_of(bits: Any) -> Any:
    """Return the standard normal number that 32 random bits stand for: the quantile at (bits + 1/2) / 2**32.

    With u this place, x = 2 u - 1 and L = log(1 - x**2), it is x times a rational function of L, fitted
    for the least relative error, 1.1e-7; with all roundings it stays below 5e-7, in the tails too. NumPy
    runs these lines on arrays, and CUDA takes their source: they hold nothing but arithmetic and casts.
    """
    place = np.int32(np.uint32(bits) ^ np.uint32(0x80000000))
    outside = np.int32(np.int32(0x7FFFFFFF) - np.int32(place ^ np.int32(place >> np.int32(31))))
    tail = (np.float32(outside) + np.float32(0.5)) * np.float32(2.0**-31)
    q = tail * (np.float32(2.0) - tail)
    # log(q) from its exponent and a mantissa within a factor of sqrt(2) of one; the error is below 4e-7.
    whole = np.float32(q).view(np.int32)
    exponent = np.int32(np.int32(whole - np.int32(0x3F3504F3)) >> np.int32(23))
    f = np.int32(whole - np.int32(exponent << np.int32(23))).view(np.float32) - np.float32(1.0)
    p = np.float32(0.1198657779) * f - np.float32(0.187619326)
    p = p * f + np.float32(0.2049259923)
    p = p * f - np.float32(0.24897748)
    p = p * f + np.float32(0.3331554227)
    p = p * f - np.float32(0.5000148619)
    log = np.float32(exponent) * np.float32(0.6931471805599453) + (p * (f * f) + f)
    a = np.float32(9.9968655936e-04) - np.float32(2.9281578273e-05) * log
    a = a * log - np.float32(1.1877402710e-02)
    a = a * log + np.float32(8.9843988537e-02)
    a = a * log - np.float32(4.5243869154e-01)
    a = a * log + np.float32(1.2533142768)
    b = np.float32(1.6978253829e-04) - np.float32(1.0080051309e-06) * log
    b = b * log - np.float32(2.2808422238e-03)
    b = b * log + np.float32(3.2672512296e-02)
    b = b * log - np.float32(9.9197232429e-02)
    b = b * log + np.float32(1.0)
    return (np.float32(place) + np.float32(0.5)) * np.float32(2.0**-31) * (a / b)


@compiled()
def binomial(n: Any, p: Any, u: Any) -> Any:
    """Return a binomial number from one uniform, by exact inversion outwards from the mode."""
    if p <= 0.0 or n == 0:
        return np.int64(0)
    if p >= 1.0:
        return np.int64(n)
    mode = np.int64(math.floor((n + 1) * p))
    log_p = math.lgamma(n + 1.0) - math.lgamma(mode + 1.0) - math.lgamma(n - mode + 1.0)
    at_mode = math.exp(log_p + mode * math.log(p) + (n - mode) * math.log1p(-p))
    odds = p / (1.0 - p)
    u -= at_mode
    low = high = mode
    p_low = p_high = at_mode
    while u > 0.0 and (low > 0 or high < n):
        if high < n:
            p_high *= (n - high) / (high + 1.0) * odds
            high += 1
            u -= p_high
            if u <= 0.0:
                return high
        if low > 0:
            p_low *= low / (n - low + 1.0) / odds
            low -= 1
            u -= p_low
            if u <= 0.0:
                return low
        if p_high < 1e-300 and p_low < 1e-300:
            break
    return mode


def plain(function: Any) -> Callable[..., Any]:
    """Return one of the functions above as it is written, to be run on arrays."""
    # Under NUMBA_DISABLE_JIT they are what is written.
    written: Callable[..., Any] = getattr(function, "py_func", function)
    return written


def bits_array(key: Any, index: np.ndarray) -> np.ndarray:
    """Return `mix32` of every index, uint32; the two keys are the halves of a 64-bit one."""
    key = int(key)
    bits = plain(mix32)(index.astype(np.uint32), np.uint32(key & 0xFFFFFFFF), np.uint32(key >> 32))
    return np.asarray(bits)


def paired_bits_array(key: Any, index: np.ndarray) -> np.ndarray:
    """Return 32 random bits for every index, uint32, of which one hash gives the upper half to two.

    An even index and the next share `mix32` of half their number: its lower and upper 16 bits, each
    with the highest bit turned over (so that a signed comparison of a lane is one of the bits). The
    lower halves come from hashes of their own, which a compiled loop needs for few of them.
    """
    pairs = bits_array(key, index >> 1)
    lanes = (pairs >> (np.uint32(16) * (index & 1).astype(np.uint32))) & np.uint32(0xFFFF)
    upper = (lanes ^ np.uint32(0x8000)) << np.uint32(16)
    return np.asarray(upper | (bits_array(draw64(np.uint64(key), 0), index) & np.uint32(0xFFFF)))


def uniform_array(key: np.uint64, n: int) -> np.ndarray:
    """Return n uniform numbers in (0, 1): draws 0 to n - 1 of a stream."""
    return np.asarray(_uniform_array(key, n))


@compiled()
def _uniform_array(key: Any, n: Any) -> Any:
    out = np.empty(n, np.float64)
    for i in range(n):
        out[i] = to_unit(draw64(key, i))
    return out
