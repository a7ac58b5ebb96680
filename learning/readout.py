"""Linear read-outs in closed form or nearly so: what a reservoir's states are read by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..neurons.errors import MissingExtra, RunError, SpecError

if TYPE_CHECKING:
    import torch

__all__ = ["Readout", "logistic", "ridge"]


@dataclass(frozen=True, eq=False, repr=False)
class Readout:
    """A trained linear read-out: weight @ features + bias. `ridge` and `logistic` make it.

    Attributes
    ----------
    weight : float64 array (n_out, n_features)
        As a `Projection` with `dense()` takes it.
    bias : float64 array (n_out,)
        For the receiving population: its `drive` or `bias` in every step, or where its sum starts.
    classes : array (n_out,), optional
        The label that each output stands for; None where numbers are predicted.
    alpha : float
        The strength of the penalty on weights.
    flat : bool
        Whether the targets were one number per sample, not a row of them.

    Examples
    --------
    >>> readout = Readout(np.array([[2.0, 0.0]]), np.array([1.0]))
    >>> readout([[3.0, 5.0]]).tolist()
    [[7.0]]
    """

    weight: np.ndarray
    bias: np.ndarray
    classes: np.ndarray | None = None
    alpha: float = 0.0
    flat: bool = False

    def __call__(self, features: Any) -> np.ndarray:
        """Return the outputs for features (n, n_features), float64 (n, n_out)."""
        x = _matrix("Readout.features", features)
        if x.shape[1] != self.weight.shape[1]:
            raise SpecError(
                f"Readout.features: got {x.shape[1]} per sample; allowed are {self.weight.shape[1]}"
            )
        return np.asarray(x @ self.weight.T + self.bias)

    def predict(self, features: Any) -> np.ndarray:
        """Return the label of the largest output of each sample, or the outputs where there are no labels."""
        outputs = self(features)
        if self.classes is not None:
            return np.asarray(self.classes[outputs.argmax(axis=1)])
        return outputs[:, 0] if self.flat else outputs

    def probabilities(self, features: Any) -> np.ndarray:
        """Return the softmax of the outputs, float64 (n, n_out): what `logistic` takes for probabilities."""
        return _softmax(self(features))

    def score(self, features: Any, targets: Any) -> float:
        """Return the share of labels that are right, or R^2 where numbers are predicted.

        R^2 is one less the squared error over that of always predicting the mean, averaged over outputs.
        """
        found = self.predict(features)
        wanted = np.asarray(targets)
        if wanted.shape != found.shape:
            raise SpecError(f"Readout.targets: got shape {wanted.shape}; allowed is {found.shape}")
        if self.classes is not None:
            return float((found == wanted).mean())
        error = ((found - wanted) ** 2).sum(axis=0)
        return float(np.mean(1.0 - error / ((wanted - wanted.mean(axis=0)) ** 2).sum(axis=0)))

    def to_torch(self) -> torch.nn.Linear:
        """Return a `torch.nn.Linear` with these weights in single precision.

        Raises
        ------
        MissingExtra
            If torch is not installed.
        """
        try:
            import torch
        except ImportError:
            raise MissingExtra("torch", "torch", "A read-out as a torch module") from None
        layer = torch.nn.Linear(self.weight.shape[1], self.weight.shape[0])
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(self.weight))
            layer.bias.copy_(torch.from_numpy(self.bias))
        return layer

    def __repr__(self) -> str:
        what = "numbers" if self.classes is None else f"{len(self.classes)} classes"
        n_out, n_in = self.weight.shape
        return f"Readout: {n_in} features to {n_out} outputs ({what}), alpha={self.alpha:.4g}"


def ridge(
    features: Any,
    targets: Any,
    alpha: float | Sequence[float] = 1.0,
    *,
    classify: bool = False,
    cv: Literal["loo", "gcv"] = "loo",
) -> Readout:
    """Return the linear read-out with the least squared error and small weights, in closed form.

    It minimises |Y - X W^T - b|^2 + alpha |W|^2; the bias b costs nothing. One singular value decomposition
    serves any number of alphas.

    Parameters
    ----------
    features : array (n, n_features)
        One row per sample, such as spike counts: `result[probe].counts()`.
    targets : array (n,) or (n, n_out)
        Numbers, or labels (n,) with `classify`.
    alpha : float or sequence of float
        The penalty; of several, that with the smallest error by `cv`, one for all outputs.
    classify : bool
        Whether targets are labels: each class is then an output that is to be 1 for its own samples and 0
        for others, and the largest decides.
    cv : "loo" or "gcv"
        How alphas are compared: by the mean squared error on each sample of a read-out trained on all others,
        e_i / (1 - h_i), or by generalised cross-validation, which puts the mean of all h_i in their place.
        h is the diagonal of the matrix that takes targets to predictions.

    Returns
    -------
    Readout

    Raises
    ------
    SpecError
        If features, targets or alpha cannot be used.

    Notes
    -----
    Source of both errors: G. H. Golub, M. Heath and G. Wahba, Technometrics 21:215 (1979).

    Examples
    --------
    >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> readout = ridge(x, 2.0 * x[:, 0] + 1.0, alpha=[1e-9, 1.0, 100.0])
    >>> readout.alpha, readout.predict([[10.0]]).round(6).tolist()
    (1e-09, [21.0])
    """
    x = _matrix("ridge.features", features)
    y, classes, flat = _targets("ridge", targets, classify, len(x))
    alphas = _alphas(alpha)
    if cv not in ("loo", "gcv"):
        raise SpecError(f"ridge.cv: got {cv!r}; allowed is 'loo' or 'gcv'")
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    u, s, vt = np.linalg.svd(x - x_mean, full_matrices=False)
    kept = s > s.max(initial=0.0) * max(x.shape) * np.finfo(float).eps
    u, s, vt = u[:, kept], s[kept], vt[kept]
    on_u = u.T @ (y - y_mean)
    best = alphas[0]
    if len(alphas) > 1:
        errors = [_left_out(u, s**2 / (s**2 + a), on_u, y - y_mean, cv) for a in alphas]
        best = alphas[int(np.argmin(errors))]
    weight = (vt.T @ ((s / (s**2 + best))[:, None] * on_u)).T
    return Readout(weight, y_mean - weight @ x_mean, classes, best, flat)


def _left_out(u: np.ndarray, kept: np.ndarray, on_u: np.ndarray, y: np.ndarray, cv: str) -> float:
    """Return the mean squared error by cross-validation, for the share that is kept of each direction."""
    residual = y - u @ (kept[:, None] * on_u)
    leverage = 1.0 / len(y) + (u**2) @ kept  # the mean, which is the bias, takes 1 / n of each sample
    if cv == "gcv":
        leverage = np.full(len(y), leverage.mean())
    with np.errstate(divide="ignore", invalid="ignore"):
        error = float(np.mean((residual / (1.0 - leverage)[:, None]) ** 2))
    return error if np.isfinite(error) else np.inf


def logistic(features: Any, labels: Any, alpha: float = 1.0, *, max_iterations: int = 10_000) -> Readout:
    """Return the linear read-out whose softmax makes the labels most likely, with small weights.

    It minimises the sum over samples of -log p(label) plus alpha / 2 |W|^2 (alpha is 1 / C of scikit-learn),
    by L-BFGS; the bias costs nothing. The minimum is the only one, where biases add up to 0.

    Parameters
    ----------
    features : array (n, n_features)
        One row per sample.
    labels : array (n,)
        Numbers or texts, two different ones at least.
    alpha : float
        The penalty, above 0.
    max_iterations : int
        Steps after which it gives up.

    Returns
    -------
    Readout

    Raises
    ------
    SpecError
        If features, labels or alpha cannot be used.
    RunError
        If it has not come to the minimum.

    Examples
    --------
    >>> readout = logistic([[0.0], [1.0], [5.0], [6.0]], ["near", "near", "far", "far"])
    >>> readout.predict([[2.0], [4.0]]).tolist()
    ['near', 'far']
    """
    from scipy.optimize import minimize

    x = _matrix("logistic.features", features)
    y, classes, _ = _targets("logistic", labels, True, len(x))
    strength = _alphas(alpha)[0]
    if np.ndim(alpha) or strength == 0.0:
        raise SpecError(f"logistic.alpha: got {alpha!r}; allowed is one finite number above 0")
    mean = x.mean(axis=0)
    # Centred, which leaves the weights as they are, the problem is rounder.
    start = np.zeros((y.shape[1], x.shape[1] + 1))
    options = {"maxiter": max_iterations, "maxfun": 2 * max_iterations, "gtol": 1e-10, "ftol": 0.0}
    found = minimize(
        _cost, start.ravel(), (x - mean, y, strength), "L-BFGS-B", jac=True, options={**options, "maxcor": 30}
    )
    slope = float(np.abs(found.jac).max())
    if slope > 1e-7:
        raise RunError(
            f"logistic: after {found.nit} steps the slope is still {slope:.2g}; give features of like sizes, "
            f"an alpha above {strength:g}, or max_iterations above {max_iterations}"
        )
    weight, bias = found.x.reshape(start.shape)[:, :-1], found.x.reshape(start.shape)[:, -1]
    bias = bias - weight @ mean
    return Readout(weight, bias - bias.mean(), classes, strength)


def _cost(flat: np.ndarray, x: np.ndarray, y: np.ndarray, alpha: float) -> tuple[float, np.ndarray]:
    """Return what `logistic` minimises and its slope along weights and biases, over the number of samples."""
    both = flat.reshape(y.shape[1], -1)
    weight = both[:, :-1]
    outputs = x @ weight.T + both[:, -1]
    shares = _softmax(outputs)
    top = outputs.max(axis=1)
    log_sum = top + np.log(np.exp(outputs - top[:, None]).sum(axis=1))
    loss = (log_sum - (outputs * y).sum(axis=1)).sum() + 0.5 * alpha * (weight**2).sum()
    off = shares - y
    slope = np.column_stack([off.T @ x + alpha * weight, off.sum(axis=0)])
    return float(loss / len(x)), slope.ravel() / len(x)


def _softmax(outputs: np.ndarray) -> np.ndarray:
    shares = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _matrix(field: str, values: Any) -> np.ndarray:
    """Return finite numbers (n, k) in double precision, or raise SpecError."""
    given = np.asarray(values)
    if given.ndim != 2 or not given.size or given.dtype.kind not in "biuf" or not np.isfinite(given).all():
        got = f"shape {given.shape} of {given.dtype}" if given.dtype.kind in "biuf" else type(values).__name__
        raise SpecError(f"{field}: got {got}; allowed are finite numbers (n, n_features), not empty")
    return given.astype(np.float64)


def _targets(name: str, targets: Any, classify: bool, n: int) -> tuple[np.ndarray, np.ndarray | None, bool]:
    """Return targets as (n, n_out), which label each output is, and whether there was one per sample."""
    given = np.asarray(targets)
    allowed = (1,) if classify else (1, 2)
    if given.ndim not in allowed or len(given) != n:
        shapes = "(n,)" if classify else "(n,) or (n, n_out)"
        raise SpecError(
            f"{name}: got targets of shape {given.shape}; allowed is {shapes} with n = {n} samples"
        )
    if not classify and given.dtype.kind not in "biuf":
        raise SpecError(f"{name}: got targets of type {given.dtype}; allowed are numbers, or classify=True")
    if not classify:
        return _matrix(f"{name}.targets", given.reshape(n, -1)), None, given.ndim == 1
    classes, places = np.unique(given, return_inverse=True)
    if len(classes) < 2:
        raise SpecError(f"{name}: all labels are {classes[0]!r}; allowed are two different ones at least")
    return np.eye(len(classes))[places], classes, True


def _alphas(alpha: Any) -> list[float]:
    """Return penalties, or raise SpecError."""
    given = np.atleast_1d(np.asarray(alpha))
    several = np.ndim(alpha) > 0
    good = given.ndim == 1 and given.size and given.dtype.kind in "iuf" and np.isfinite(given).all()
    if not good or given.min() < 0 or (several and given.min() == 0):
        raise SpecError(
            f"alpha: got {alpha!r}; allowed is a finite number from 0, or several above 0, to choose from"
        )
    return [float(a) for a in given]
