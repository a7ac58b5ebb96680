"""Projections of two kinds of features into one space, where what belongs together lies together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ..neurons.errors import MissingExtra, SpecError

try:
    import torch
except ImportError:
    raise MissingExtra("torch", "torch", "Contrastive training") from None

__all__ = ["ContrastiveProjection", "info_nce", "retrieval_accuracy"]


class ContrastiveProjection(torch.nn.Module):
    """One layer for each modality: features of each become points of one space.

    Where features come from a reservoir that is not trained, these layers are all that is.

    Parameters
    ----------
    widths : dict of str to int
        Modality -> its number of features.
    dim : int
        Dimensions of the space.
    activation : "linear" or "gelu"
        What follows the linear map.
    normalise : bool
        Whether points are brought to length 1, so that products are cosines.

    Raises
    ------
    SpecError
        If there are fewer than two modalities, a width is no whole number from 1, or the activation unknown.

    Examples
    --------
    >>> project = ContrastiveProjection({"image": 200, "sound": 64}, dim=16)
    >>> points = project({"image": torch.rand(5, 200), "sound": torch.rand(5, 64)})
    >>> info_nce(points["image"], points["sound"]).shape
    torch.Size([])
    """

    def __init__(
        self,
        widths: Mapping[str, int],
        dim: int = 64,
        *,
        activation: Literal["linear", "gelu"] = "linear",
        normalise: bool = True,
    ) -> None:
        super().__init__()
        if len(widths) < 2:
            raise SpecError(
                f"ContrastiveProjection.widths: got {[*widths]}; allowed are two modalities or more"
            )
        for name, width in {**widths, "dim": dim}.items():
            if isinstance(width, bool) or not isinstance(width, int) or width < 1:
                raise SpecError(
                    f"ContrastiveProjection.{name}: got {width!r}; allowed is a whole number from 1"
                )
        if activation not in ("linear", "gelu"):
            raise SpecError(
                f"ContrastiveProjection.activation: got {activation!r}; allowed is 'linear' or 'gelu'"
            )
        self.normalise = normalise
        self.layers = torch.nn.ModuleDict({name: torch.nn.Linear(n, dim) for name, n in widths.items()})
        self.activation = torch.nn.GELU() if activation == "gelu" else torch.nn.Identity()

    def forward(self, features: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return the points (batch, dim) of the modalities given, from their features (batch, width)."""
        strange = [name for name in features if name not in self.layers]
        if strange:
            raise SpecError(f"features: got {strange}; allowed are {[*self.layers]}")
        points = {name: self.activation(self.layers[name](x)) for name, x in features.items()}
        if self.normalise:
            points = {name: torch.nn.functional.normalize(point, dim=-1) for name, point in points.items()}
        return points


def info_nce(
    a: torch.Tensor,
    b: torch.Tensor,
    labels: Any = None,
    *,
    temperature: float = 0.1,
    same: Literal["attract", "ignore"] = "attract",
) -> torch.Tensor:
    """Return how badly points find their partners among all others: the mean over both directions.

    For the i-th point of a, it is -log of the softmax of its products with all points of b, over the
    temperature, at its partners; likewise for the points of b.

    Parameters
    ----------
    a, b : tensor (batch, dim)
        Points; the i-th of a and the i-th of b are a pair.
    labels : tensor (batch,), optional
        The class of each pair. Left out, all that is not the pair is pushed away, also of its own class.
    temperature : float
        Divides the products.
    same : "attract" or "ignore"
        What labels do: all points of the same class are partners, and the loss is the mean over them; or
        those that are not the pair are left out of the softmax.

    Notes
    -----
    Sources: A. van den Oord, Y. Li and O. Vinyals, arXiv:1807.03748 (2018); A. Radford et al., ICML (2021),
    both directions; P. Khosla et al., NeurIPS (2020), several partners.

    Examples
    --------
    >>> points = torch.eye(2)
    >>> info_nce(points, points, temperature=1.0)  # log(1 + exp(-1))
    tensor(0.3133)
    """
    if a.shape != b.shape or a.ndim != 2:
        raise SpecError(
            f"info_nce: got points of shape {tuple(a.shape)} and {tuple(b.shape)}; allowed are two of the "
            "same, (batch, dim)"
        )
    if not temperature > 0 or same not in ("attract", "ignore"):
        raise SpecError(
            f"info_nce: got temperature={temperature!r}, same={same!r}; allowed are a number above 0, and "
            "'attract' or 'ignore'"
        )
    products = a @ b.T / temperature
    pairs = torch.eye(len(a), dtype=torch.bool, device=a.device)
    if labels is None:
        partners = pairs
    else:
        label = torch.as_tensor(labels, device=a.device)
        partners = label[:, None] == label[None, :]
        if same == "ignore":
            products = products.masked_fill(partners & ~pairs, -torch.inf)
            partners = pairs
    share = partners.to(products.dtype)
    share = share / share.sum(dim=1, keepdim=True)  # symmetric, so both directions have the same
    rows, columns = products.log_softmax(dim=1), products.log_softmax(dim=0)
    zero = products.new_zeros(())
    return -(torch.where(partners, share * (rows + columns), zero)).sum() / (2 * len(a))


def retrieval_accuracy(
    queries: torch.Tensor, keys: torch.Tensor, query_labels: Any, key_labels: Any
) -> float:
    """Return the share of queries whose nearest key, by the product, is of their own class.

    Parameters
    ----------
    queries, keys : tensor (n, dim), (m, dim)
        Points of two modalities; keys may be means of classes too.
    query_labels, key_labels : tensor (n,), (m,)
        Their classes.

    Examples
    --------
    >>> retrieval_accuracy(torch.eye(3), torch.eye(3)[:2], [4, 5, 6], [4, 5])
    0.6666666666666666
    """
    wanted, labels = torch.as_tensor(query_labels), torch.as_tensor(key_labels)
    if len(wanted) != len(queries) or len(labels) != len(keys):
        raise SpecError(
            f"retrieval_accuracy: got {len(wanted)} and {len(labels)} labels; allowed are one for each of "
            f"{len(queries)} queries and {len(keys)} keys"
        )
    nearest = (queries.detach() @ keys.detach().T).argmax(dim=1).cpu()
    return float((labels.cpu()[nearest] == wanted.cpu()).double().mean())
