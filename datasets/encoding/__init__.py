"""Numbers as spikes, and back: each code is a small object whose `decode` inverts its `encode`.

Spikes are arrays (steps, batch, n) of int8, 0 or 1 unless a code says otherwise: what a torch module takes
as floats, and `Simulator.run` with the first two axes exchanged.
"""

from .burst import Burst
from .code import Code
from .delta import Delta, SendOnDelta
from .event_form import from_events, to_events
from .latency import Latency, LogLatency
from .phase import Phase
from .population import Population
from .rate import Bernoulli, Poisson, Regular

__all__ = [
    "Bernoulli", "Burst", "Code", "Delta", "Latency", "LogLatency", "Phase", "Poisson", "Population",
    "Regular", "SendOnDelta", "from_events", "to_events",
]  # fmt: skip
