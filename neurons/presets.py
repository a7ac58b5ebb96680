"""Published parameter sets of a model, by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from .errors import SpecError


class Presets:
    """Adds `preset` to a model with published parameter sets.

    Attributes
    ----------
    PRESETS : mapping of str to mapping
        Parameters by the name of their set.
    """

    PRESETS: ClassVar[Mapping[str, Mapping[str, float]]]

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """Return the model with a published set of parameters.

        Parameters
        ----------
        name : str
            One of `PRESETS`.
        **changes
            Parameters that are to be others than in the set, or that are not in it.

        Raises
        ------
        SpecError
            If there is no set of this name.
        """
        if name not in cls.PRESETS:
            near = difflib.get_close_matches(str(name), cls.PRESETS, 1, 0.4)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise SpecError(f"{cls.__name__}.preset: got {name!r}; there are {[*cls.PRESETS]}{meant}")
        return cls(**{**cls.PRESETS[name], **changes})
