"""Neurons of snnTorch as models of ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ...neurons import Alpha, CubaLIF, Leaky
from ...neurons.errors import ConversionError
from ...neurons.model import NeuronModel

NEURONS = ("Leaky", "RLeaky", "Synaptic", "RSynaptic", "Alpha")
_RESETS: dict[str, Any] = {"subtract": "soft", "zero": "hard", "none": "none"}


def model_of(
    neuron: Any, bias: np.ndarray | None, dt: float, where: str, shape: tuple[int, ...]
) -> tuple[NeuronModel, np.ndarray | None]:
    """Return a neuron's model, and the bias that must be fed to it.

    Raises
    ------
    ConversionError
        If it does what no model of ours does.
    """
    kind = type(neuron).__name__
    reset, delayed = neuron.reset_mechanism, bool(getattr(neuron, "reset_delay", True))
    soft = "allowed is reset_mechanism='subtract' or 'none'"
    refused = {
        "inhibition=True; leave it out": neuron.inhibition,
        "state_quant; leave it out": neuron.state_quant,
        "graded spikes; allowed is a factor of 1, put it into the next weights": bool(
            (torch.as_tensor(neuron.graded_spikes_factor) != 1).any()
        ),
        "reset_delay=False and 'subtract', which may subtract twice; allowed is reset_delay=True": not delayed
        and reset == "subtract",
        f"reset to zero, which there takes away the input too; {soft}": kind not in ("Leaky", "Alpha")
        and reset == "zero",
        "'subtract', which leaves its sums as they never were; allowed is 'zero' or 'none'": kind == "Alpha"
        and reset == "subtract",
    }
    for what, found in refused.items():
        if found:
            raise ConversionError(f"{where}: cannot convert a {kind} with {what}")
    beta, threshold, alpha = (
        _number(getattr(neuron, name, 0.0), name, shape, where) for name in ("beta", "threshold", "alpha")
    )
    common: Any = {
        "threshold": threshold, "reset": _RESETS[reset], "reset_delay": delayed,
        "strict": True,
    }  # fmt: skip
    beta = np.clip(beta, 0.0, 1.0)
    if kind == "Alpha":
        return Alpha(alpha, _plain(beta), threshold, reset=_RESETS[reset]), bias
    if "Synaptic" not in kind:
        drive: Any = 0.0 if bias is None else bias
        return Leaky(_plain(beta), drive=drive, **common), None
    alpha = np.clip(alpha, 0.0, 1.0)
    if np.any(alpha >= 1.0) or np.any(beta >= 1.0):
        raise ConversionError(f"{where}: alpha and beta of 1 never decay; allowed are numbers below 1")
    tau, tau_syn = dt / (1.0 - beta), dt / (1.0 - alpha)
    model = CubaLIF(
        _plain(tau), _plain(tau_syn), w_in=_plain(tau_syn / dt), resistance=_plain(tau / dt),
        integration="euler", **common,
    )  # fmt: skip
    return model, bias


def array_of(tensor: Any) -> np.ndarray:
    """Return what a parameter of torch holds, float64."""
    return torch.as_tensor(tensor).detach().cpu().double().numpy()


def _number(tensor: Any, name: str, shape: tuple[int, ...], where: str) -> Any:
    """Return one number, or one for each neuron, as torch spreads it over their shape."""
    values = array_of(tensor)
    if values.size == 1:
        return float(values.flat[0])
    try:
        return np.broadcast_to(values, shape).reshape(-1).copy()
    except ValueError:
        raise ConversionError(
            f"{where}: {name} has the shape {values.shape}, which does not fit neurons of shape {shape}"
        ) from None


def _plain(value: Any) -> Any:
    return value if np.ndim(value) else float(value)
