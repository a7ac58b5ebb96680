"""Types of kernel arguments: what their annotations mean to readers and to `kernel.py`.

A plain name is one number, a plural an array: I8 is a 64-bit integer, U4s an array of unsigned 32-bit
ones. Real, Cell, Payload, Synapse, Length, Position and Variable stand for a type that `compile_kernel`
is told. To a type checker all are Any: kernels are checked by the compiler, which knows more about
machine types.
"""

from __future__ import annotations

from typing import Any, TypeAlias

I4: TypeAlias = Any
I8: TypeAlias = Any
U8: TypeAlias = Any
Real: TypeAlias = Any
U1s: TypeAlias = Any
I1s: TypeAlias = Any
I2s: TypeAlias = Any
I4s: TypeAlias = Any
U4s: TypeAlias = Any
I8s: TypeAlias = Any
Reals: TypeAlias = Any
Cells: TypeAlias = Any
Payloads: TypeAlias = Any
Synapses: TypeAlias = Any
Lengths: TypeAlias = Any
Positions: TypeAlias = Any
Variables: TypeAlias = Any
