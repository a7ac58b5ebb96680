"""Published parameter sets of a model, by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from .errors import SpecError, nearest


class Presets:
    """Adds `preset` to a model with published parameter sets.

    Attributes
    ----------
    PRESETS : mapping of str to mapping
        Parameters by the name of their set.
    """

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]]

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
            If there is no set, or no parameter, of this name.
        """
        if name not in cls.PRESETS:
            known = [*cls.PRESETS]
            raise SpecError(f"{cls.__name__}.preset: got {name!r}; there are {known}{nearest(name, known)}")
        fields = inspect.signature(cls).parameters
        for change in changes:
            if change not in fields:
                raise SpecError(
                    f"{cls.__name__}.preset: got {change!r}, which is no parameter; there are "
                    f"{[*fields]}{nearest(change, fields)}"
                )
        return cls(**{**cls.PRESETS[name], **changes})
