"""Populations: neurons of one model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..neurons.errors import SpecError, nearest
from ..neurons.model import NeuronModel
from .checks import check_values, set_shape
from .distributions import Values
from .groups import Group


@dataclass(frozen=True, eq=False)
class Population(Group):
    """n neurons of one model.

    Parameters
    ----------
    n_or_shape : int or tuple of int
        Number of neurons, or the shape of a layer or image: (channels, height, width).
    model : NeuronModel
        The neurons' rule and parameters; array parameters hold one value per neuron.
    name : str, optional
        Unique name; random streams are keyed by it.
    initial : dict
        State variable -> number, array (n,) or distribution; the model's own value otherwise.
    positions : array (n, d) or Positions, optional
        Where the neurons are: an array, or what `grid`, `scattered` or `positions` return.

    Examples
    --------
    >>> import rheobase as rb
    >>> rb.Population((2, 8, 8), rb.LIF(20e-3)).n
    128
    """

    n_or_shape: int | tuple[int, ...]
    model: NeuronModel
    initial: Mapping[str, Values] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        set_shape(self, self.n_or_shape)
        if not isinstance(self.model, NeuronModel):
            raise SpecError(
                f"{self.label}.model: got {self.model!r}; allowed is a NeuronModel such as LIF(20e-3)"
            )
        size = self.model.per_neuron()
        if size is not None and size != self.n:
            raise SpecError(
                f"{self.label}.model: its arrays describe {size} neurons, the population has {self.n}"
            )
        known = {state.name: state for state in self.model.used_states}
        if not isinstance(self.initial, Mapping):
            raise SpecError(f"{self.label}.initial: got {self.initial!r}; allowed is a dict from variables")
        initial = {}
        for key, value in self.initial.items():
            if key not in known:
                raise SpecError(
                    f"{self.label}.initial: unknown state variable {key!r}{nearest(key, known)}; "
                    f"{self.model!r} has {[*known]}"
                )
            where, state = f"{self.label}.initial[{key!r}]", known[key]
            initial[key] = check_values(where, value, (self.n,), low=state.low, high=state.high)
        object.__setattr__(self, "initial", initial)

    @property
    def receptors(self) -> tuple[str, ...]:
        """The model's receptors."""
        return self.model.receptors

    @property
    def payload(self) -> str:
        """What the model's events carry."""
        return self.model.payload

    @property
    def readable(self) -> tuple[str, ...]:
        """The model's state variables, and "total" and "told" where it has such."""
        return self.model.readable
