"""Cut a list of layers into stages: one weighted layer each, with the ReLU behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..neurons.errors import ConversionError
from .layers import Affine, Conv, Flatten, Layer, Pool, ReLU, Shape


@dataclass(frozen=True, eq=False)
class Stage:
    """One weighted layer, its place, and whether a ReLU follows.

    Attributes
    ----------
    name : str
        Name of the population that it becomes.
    layer : Affine, Conv or Pool
        The weighted layer.
    rectified : bool
        True if a ReLU follows.
    input_shape, shape : tuple of int
        Shapes of one input and one output.
    shared : bool
        True if the next stage uses one weight for many of these neurons (convolution, pooling), so
        that neurons of a channel must mean the same by a spike.
    """

    name: str
    layer: Affine | Conv | Pool
    rectified: bool
    input_shape: Shape
    shape: Shape
    shared: bool


def stages_of(layers: Sequence[Layer], input_shape: Shape) -> tuple[Stage, ...]:
    """Return the stages of a feed-forward network.

    Raises
    ------
    ConversionError
        Where shapes do not fit, or a layer that hands on negative values is not the last.

    Examples
    --------
    >>> stages = stages_of([Affine([[1.0, 2.0]]), ReLU(), Affine([[3.0]])], (2,))
    >>> [(stage.name, stage.rectified) for stage in stages]
    [('layer1', True), ('output', False)]
    """
    found: list[tuple[Affine | Conv | Pool, int, Shape, Shape]] = []
    rectified: list[bool] = []
    shape = input_shape
    for i, layer in enumerate(layers):
        try:
            after = layer.output_shape(shape)
        except ConversionError as error:
            raise ConversionError(f"layer {i}: {error}") from None
        if isinstance(layer, (Affine, Conv, Pool)):
            found.append((layer, i, shape, after))
            rectified.append(False)
        elif isinstance(layer, ReLU):
            if not found:
                raise ConversionError(f"layer {i} (ReLU): nothing weighted comes before it; leave it out")
            rectified[-1] = True
        elif not isinstance(layer, Flatten):
            raise ConversionError(
                f"layer {i}: got {layer!r}; allowed are Affine, Conv, Pool, ReLU and Flatten of "
                "rheobase.conversion.layers"
            )
        shape = after
    if not found:
        raise ConversionError(
            "convert: the model has no Affine, Conv or Pool layer; there is nothing to convert"
        )
    for (layer, i, _, _), relu in list(zip(found, rectified, strict=True))[:-1]:
        if not relu and not isinstance(layer, Pool):
            raise ConversionError(
                f"layer {i} ({layer.name}): no ReLU follows, so it hands on negative values, which spikes of "
                "integrate-and-fire neurons cannot carry; put a ReLU behind it, or merge it with the next "
                "layer"
            )
    return tuple(
        Stage(
            name="output" if k == len(found) - 1 else f"layer{k + 1}",
            layer=layer,
            rectified=rectified[k],
            input_shape=before,
            shape=after,
            shared=k + 1 < len(found) and not isinstance(found[k + 1][0], Affine),
        )
        for k, (layer, _, before, after) in enumerate(found)
    )
