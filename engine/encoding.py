"""Values of a description as plain data and back: arrays, distributions, receptors, models, rules, patterns.

A thing with a name and arguments is a table with one key, {normal = {mean = 1.0, sd = 0.1}}; where it
needs no arguments, its name alone will do. Arrays of more than 16 entries go to a mapping of arrays,
and a reference {array = "key"} takes their place.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import numpy as np

from .. import learning, neurons
from ..learning.rules.homeostasis import Normalise, Scale
from ..learning.rules.rule import Homeostasis, PlasticityRule
from ..learning.rules.short_term import ShortTermRule
from ..neurons.errors import FormatError, RheobaseError, SpecError, nearest
from ..neurons.model import NeuronModel
from ..neurons.receptor import Receptor
from . import connectivity as patterns
from .checks import check_array
from .connectivity import Connectivity, Pool2d, Sparse
from .distributions import Distribution, Empirical, LogNormal, Normal, Uniform
from .profiles import (
    Affine,
    ByDistance,
    Cone,
    Disc,
    Exponential,
    Gaussian,
    MexicanHat,
    Profile,
    Tabulated,
)
from .space import Positions

Classes = Mapping[str, type[Any]]
Arrays = Mapping[str, np.ndarray]

_LARGEST_INLINE = 16
#: What a value may be besides numbers, texts and arrays.
_NAMED: Classes = {
    "normal": Normal, "uniform": Uniform, "lognormal": LogNormal, "empirical": Empirical,
    "gaussian": Gaussian, "exponential": Exponential, "disc": Disc, "cone": Cone, "mexican_hat": MexicanHat,
    "tabulated": Tabulated, "affine": Affine, "by_distance": ByDistance, "positions": Positions,
    "Receptor": Receptor, "Normalise": Normalise, "Scale": Scale,
}  # fmt: skip
_NONE = {"none": True}


def known_models(extra: Classes | None = None) -> dict[str, type[NeuronModel]]:
    """Return the neuron models that files may name, those of the author included."""
    return _known(neurons, (NeuronModel,), "models", extra)


def known_rules(extra: Classes | None = None) -> dict[str, type[PlasticityRule | ShortTermRule]]:
    """Return the rules of synapses that files may name, those of the author included."""
    return _known(learning, (PlasticityRule, ShortTermRule), "rules", extra)


def _known(room: Any, bases: tuple[type, ...], argument: str, extra: Classes | None) -> dict[str, Any]:
    named = {name: getattr(room, name) for name in room.__all__}
    ours = {n: c for n, c in named.items() if isinstance(c, type) and issubclass(c, bases) and c not in bases}
    for name, cls in (extra or {}).items():
        if not isinstance(cls, type) or not issubclass(cls, bases):
            allowed = " or ".join(base.__name__ for base in bases)
            raise SpecError(f"{argument}[{name!r}]: got {cls!r}; allowed is a subclass of {allowed}")
        if ours.get(name, cls) is not cls:
            raise SpecError(f"{argument}[{name!r}]: the name is taken by a class of rheobase; choose another")
    return {**ours, **(extra or {})}


class Encoder:
    """Turns values into plain data, moving large arrays into `arrays` (or keeping all inline if None)."""

    def __init__(self, arrays: MutableMapping[str, np.ndarray] | None) -> None:
        self.arrays = arrays
        # Every class that has been named, so that no name stands for two.
        self._named: dict[str, type[Any]] = {**known_models(), **known_rules()}

    def value(self, value: Any, key: str) -> Any:
        """Return a number, text, array, distribution, profile, positions or receptors as plain data."""
        if value is None:
            return dict(_NONE)
        if isinstance(value, (Distribution, Profile, ByDistance, Positions, Receptor, Homeostasis)):
            for name, cls in _NAMED.items():
                if type(value) is cls:
                    return {name: self.fields(value, key)}
            raise SpecError(f"{key}: a {type(value).__name__} cannot be written; there are {[*_NAMED]}")
        if isinstance(value, tuple) and any(isinstance(part, Receptor) for part in value):
            return [self.value(part, f"{key}/{k}") for k, part in enumerate(value)]
        if isinstance(value, (bool, str)):
            return value
        return self._numbers(value, key)

    def _numbers(self, value: Any, key: str) -> Any:
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise SpecError(
                f"{key}: a {type(value).__name__} cannot be written; allowed are numbers, texts, arrays"
            )
        inline = array.size <= _LARGEST_INLINE and (array.size or array.ndim == 1)
        if inline or self.arrays is None:
            return array.tolist()
        self.arrays[key] = array
        return {"array": key}

    def fields(self, spec: Any, key: str) -> dict[str, Any]:
        """Return the fields of a dataclass as plain data; a default of None, or of nothing, is left out."""
        return {
            f.name: self.value(getattr(spec, f.name), f"{key}/{f.name}")
            for f in dataclasses.fields(spec)
            if f.init and not (f.default in (None, ()) and getattr(spec, f.name) is f.default)
        }

    def named(self, spec: NeuronModel | PlasticityRule, key: str) -> Any:
        """Return a neuron model or plasticity rule by the name of its class, with its parameters."""
        cls = type(spec)
        if self._named.setdefault(cls.__name__, cls) is not cls:
            raise SpecError(
                f"{key}: a file could not tell {cls.__module__}.{cls.__qualname__} from another class called "
                f"{cls.__name__}; give yours a name of its own"
            )
        return {cls.__name__: self.fields(spec, key)}

    def connectivity(self, pattern: Connectivity, key: str) -> Any:
        """Return a pattern by name, with its arguments."""
        fields = self.fields(pattern, key)
        if isinstance(pattern, Pool2d):
            fields["kind"] = fields.pop("mode")
        return {pattern.kind: fields}


class Decoder:
    """Turns plain data back into values; `origin` names the file in errors."""

    def __init__(self, arrays: Arrays, models: Classes, rules: Classes, origin: str) -> None:
        self.arrays, self.origin = arrays, origin
        self.models, self.rules = models, rules

    def value(self, data: Any, where: str) -> Any:
        """Return a number, text, array, distribution, profile, positions or receptors."""
        if isinstance(data, list):
            if data and all(isinstance(entry, dict) for entry in data):
                return tuple(self.value(entry, f"{where}[{k}]") for k, entry in enumerate(data))
            return self._array(data, where)
        if not isinstance(data, dict):
            return data
        if data == _NONE:
            return None
        name, arguments = self.single(data, where, [*_NAMED, "array"])
        if name == "array":
            if not isinstance(arguments, str) or arguments not in self.arrays:
                raise FormatError(f"{self.origin}: {where}: there is no array {arguments!r} beside this file")
            return self.arrays[arguments]
        return self.call(_NAMED[name], arguments, f"{where}.{name}")

    def _array(self, data: list[Any], where: str) -> np.ndarray:
        try:
            array = np.array(data)
        except ValueError:
            array = np.array(None)
        if array.dtype.kind not in "biuf":
            raise FormatError(f"{self.origin}: {where}: got a list that is not an array of numbers")
        return array

    def model(self, data: Any, where: str) -> Any:
        """Return a neuron model."""
        return self._named(data, self.models, "models", where)

    def rule(self, data: Any, where: str) -> Any:
        """Return a plasticity rule."""
        return self._named(data, self.rules, "rules", where)

    def _named(self, data: Any, classes: Classes, argument: str, where: str) -> Any:
        hint = f"; a class of your own is named by {argument}={{...}}"
        name, arguments = self.single(data, where, [*classes], hint)
        return self.call(classes[name], arguments, f"{where}.{name}")

    def connectivity(self, data: Any, where: str) -> Connectivity:
        """Return a pattern."""
        name, arguments = self.single(data, where, [*_PATTERNS])
        pattern: Connectivity = self.call(_PATTERNS[name], arguments, f"{where}.{name}")
        return pattern

    def single(self, data: Any, where: str, known: list[str], hint: str = "") -> tuple[str, Any]:
        """Return (name, arguments) of a table with one key, or of a name alone."""
        if isinstance(data, str):
            data = {data: {}}
        if not isinstance(data, dict) or len(data) != 1 or next(iter(data)) not in known:
            got = str(data)[:80]
            near = nearest(next(iter(data)), known) if isinstance(data, dict) and len(data) == 1 else ""
            raise FormatError(f"{self.origin}: {where}: got {got}{near}; allowed is one of {known}{hint}")
        return next(iter(data.items()))

    def call(self, make: Callable[..., Any], arguments: Any, where: str) -> Any:
        """Call a constructor with decoded arguments; what is wrong with them is told with its place."""
        if not isinstance(arguments, dict):
            raise FormatError(f"{self.origin}: {where}: got {str(arguments)[:80]!r}; allowed is a table")
        decoded = {name: self.value(entry, f"{where}.{name}") for name, entry in arguments.items()}
        return self.make(where, make, decoded)

    def make(self, where: str, make: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        """Call a constructor; an argument that it does not have is refused with the nearest that it has."""
        known = [name for name in inspect.signature(make).parameters if not name.startswith("_")]
        for name in arguments:
            if name not in known:
                # In a file the size of a group is n, or its shape.
                keys = [key for key in known if key != "n_or_shape"]
                keys += ["n", "shape"] if len(keys) < len(known) else []
                near = nearest(name, keys)
                raise FormatError(f"{self.origin}: {where}: unknown key {name!r}{near}; allowed are {keys}")
        return self.guard(where, make, **arguments)

    def guard(self, where: str, make: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call `make`; an error names the file and the place in it."""
        try:
            return make(*args, **kwargs)
        except FormatError:
            raise
        except RheobaseError as error:
            raise SpecError(f"{self.origin}: {where}: {error}") from None
        except (TypeError, ValueError, OverflowError) as error:
            text = str(error).replace("__init__() ", "")
            raise FormatError(f"{self.origin}: {where}: {text}") from None


def _sparse(pre_ids: Any, post_ids: Any, shape: Any, values: Any) -> Sparse:
    pairs = patterns.explicit(pre_ids, post_ids)
    sizes = tuple(int(n) for n in np.asarray(shape).reshape(-1))
    if len(sizes) != 2:
        raise SpecError(f"sparse.shape: got {sizes}; allowed is [n_post, n_pre]")
    checked = check_array("sparse.values", np.asarray(values).reshape(-1), pairs.pre_ids.shape)
    return Sparse(pre_ids=pairs.pre_ids, post_ids=pairs.post_ids, shape=sizes, values=checked)


_PATTERNS: dict[str, Callable[..., Connectivity]] = {
    **{
        make.__name__: make
        for make in (
            patterns.random, patterns.fixed_in, patterns.fixed_out, patterns.fixed_total, patterns.one_to_one,
            patterns.all_to_all, patterns.dense, patterns.conv2d, patterns.pool2d, patterns.explicit,
            patterns.distance, patterns.rows,
        )
    },
    "sparse": _sparse,
}  # fmt: skip
