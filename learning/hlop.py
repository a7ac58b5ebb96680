"""Hebbian learning of orthogonal projections: new tasks change only what old ones did not use."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, get_args
from weakref import WeakSet

from ..neurons.errors import MissingExtra, RunError, SpecError, nearest

try:
    import torch
except ImportError:
    raise MissingExtra("torch", "torch", "Continual learning with HLOP") from None

from .binding.layers import Layer, key_of, layer_of, readable
from .binding.weighing import weighing_in
from .dsr import step_weights
from .lateral import Lateral
from .traces import PresynapticTraces

__all__ = ["HLOP", "Lateral", "ProtectionWarning"]

#: What rows may learn of events, as weights see them.
Seen = Literal["events", "traces", "rates"]


class ProtectionWarning(UserWarning):
    """Something changes weights otherwise than by their projected gradient: old tasks are forgotten."""


class HLOP(torch.nn.Module):
    """Continual learning: a `Lateral` for each protected layer, whose weights change only across old rows.

    dW = delta (x - H^T H x)^T, with the rows H of old tasks; errors below a layer still use W itself. Since
    it is linear, gradients are projected after they were summed, however they came about: by
    backpropagation through time, by traces, or by rates. Layers are a module's, by name: projections of
    `rheobase.to_torch` that are dense or convolutional, `torch.nn.Linear`, and `torch.nn.Conv2d`. What comes
    to them in training, in a batch with gradients, is what their rows learn.

    Plain gradient descent keeps the protection, with momentum or without, if the optimiser is made anew
    for each task. What scales weights one by one (Adam) or shrinks them (weight decay) breaks it, and so do
    biases and the affine part of normalisations that go on learning: a `ProtectionWarning` names them.

    Parameters
    ----------
    module : torch.nn.Module
        The network.
    rows : dict of str to int
        Layer -> rows for the first task, well below the number of its inputs in total over all tasks.
    rate : float or dict
        Of learning H; layer -> rate, 0.01 for those left out. Images that come as numbers need a lower one
        than spikes, such as 0.001.
    seen : "events", "traces" or "rates"
        What rows learn, as errors meet it: what came in each step (backpropagation through time, SLTT), its
        traces (`traces.ottt`), or one weighted rate of all steps (`dsr.spike_representation`).
    decay : float or dict of str to float, optional
        Of traces and rates, as for `PresynapticTraces`: by default what neurons keep of their potential.
    generator : torch.Generator, optional
        Draws the rows.
    **lateral
        Further arguments of `Lateral`.

    Raises
    ------
    SpecError
        If there is no such layer, or it has no matrix of weights.

    Examples
    --------
    >>> net = torch.nn.Sequential(torch.nn.Linear(20, 10, bias=False))
    >>> hlop = HLOP(net, {"0": 4})
    >>> optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    >>> for task in range(2):
    ...     for _ in range(3):
    ...         net(torch.rand(8, 20)).square().mean().backward()
    ...         hlop.project()
    ...         optimiser.step()
    ...         hlop.learn()
    ...     hlop.next_task({"0": 3})
    >>> hlop["0"]
    Lateral(n=20, old=7, new=3)
    """

    def __init__(
        self,
        module: torch.nn.Module,
        rows: Mapping[str, int],
        *,
        rate: float | Mapping[str, float] = 0.01,
        seen: Seen = "events",
        decay: float | Mapping[str, float] | None = None,
        generator: torch.Generator | None = None,
        **lateral: Any,
    ) -> None:
        super().__init__()
        if seen not in get_args(Seen):
            raise SpecError(f"HLOP.seen: got {seen!r}; allowed are {', '.join(map(repr, get_args(Seen)))}")
        self.seen, self._generator, self._told = seen, generator, False
        self._layers = {name: layer_of(module, name) for name in rows}
        self._traces = PresynapticTraces(module, 0.0 if seen == "events" else decay)
        self._paths = {weighing: path for path, weighing in weighing_in(module).items()}
        rates = rate if isinstance(rate, Mapping) else dict.fromkeys(rows, rate)
        self._known(rates)
        self.laterals = torch.nn.ModuleDict()
        for name, layer in self._layers.items():
            options = {"rate": rates.get(name, 0.01), **lateral}
            made = Lateral(layer.weight[0].numel(), **options).to(layer.weight.device)
            self.laterals[key_of(name)] = made
        self.grow(rows)
        self._heard: dict[str, list[_Heard]] = {name: [] for name in rows}
        self._hooks = [
            layer.module.register_forward_hook(self._hear(name)) for name, layer in self._layers.items()
        ]
        self._checked: WeakSet[torch.optim.Optimizer] = WeakSet()
        _warn_of_unprotected(module, self._layers.values())

    def __getitem__(self, name: str) -> Lateral:
        """Return the lateral connections of a layer."""
        self._known([name])
        found = self.laterals[key_of(name)]
        assert isinstance(found, Lateral)
        return found

    def project(self) -> None:
        """Project the gradients of the protected weights, after backward and before the optimiser's step."""
        for name, layer in self._layers.items():
            lateral, gradient = self[name], layer.weight.grad
            if gradient is None or not len(lateral.old):
                continue
            if lateral.levels is None:
                lateral.project(gradient)
                continue
            with torch.no_grad():
                spanned = lateral.activity(self.activity(name), lateral.old) @ lateral.old
                gradient.sub_((self._errors(name).T @ spanned).reshape(gradient.shape))
        self._told = True

    def learn(self, activity: Mapping[str, torch.Tensor] | None = None) -> None:
        """Let new rows learn what came to each layer in the last batch.

        Parameters
        ----------
        activity : dict of str to tensor, optional
            Layer -> x (N, n), where something else is to be learned than what came, such as a trace.

        Raises
        ------
        RunError
            If nothing came to a layer that has rows to learn, and nothing is given.
        """
        given = activity or {}
        self._known(given)
        for name in self._layers:
            if name not in given and not self._heard[name] and len(self[name].new):
                raise RunError(
                    f"HLOP.learn: nothing was heard of {name} in the last batch; run the network in training "
                    "and with gradients before, or give its activity"
                )
            if len(self[name].new):
                self[name].learn(given[name] if name in given else self._different(name))
        self._told = True

    def step(self, optimiser: torch.optim.Optimizer) -> None:
        """Project, let the optimiser make its step, and learn; warn where it breaks the protection."""
        if optimiser not in self._checked:
            self._checked.add(optimiser)
            _warn_of(optimiser, [layer.weight for layer in self._layers.values()])
        self.project()
        optimiser.step()
        self.learn()

    def next_task(self, rows: Mapping[str, int]) -> None:
        """Freeze all rows, so that they protect what was learned, and grow new ones: layer -> rows."""
        self._known(rows)
        for name in self._layers:
            self[name].merge()
        self.grow(rows)

    def grow(self, rows: Mapping[str, int]) -> None:
        """Add new rows: layer -> rows."""
        self._known(rows)
        for name, more in rows.items():
            self[name].grow(more, self._generator)

    def activity(self, name: str) -> torch.Tensor:
        """Return what weights of a layer saw in the last batch, as rows (N, n)."""
        layer, heard = self._layers[name], [h.x for h in self._heard[name]]
        key, runs = (self._paths[layer.module], None), [layer.steps(x) for x in heard]
        if self.seen == "traces":
            self._traces.reset()
            heard = [self._traces(key, step) for run in runs for step in run]
        elif self.seen == "rates":
            leak = self._traces.decays[key[0]]
            heard = [(step_weights(leak, run) * run).sum(dim=0) for run in runs]
        return torch.cat([layer.rows(x) for x in heard])

    def close(self) -> None:
        """Take the hooks off the layers."""
        for hook in self._hooks:
            hook.remove()

    def _errors(self, name: str) -> torch.Tensor:
        """Return the errors at a layer's outputs, as rows (N, m) beside those of `activity`."""
        layer, found = self._layers[name], []
        for heard in self._heard[name]:
            error = layer.errors(heard.error)
            if self.seen == "rates":
                error = error.reshape(len(layer.steps(heard.x)), -1, error.shape[-1]).sum(dim=0)
            found.append(error)
        return torch.cat(found)

    def _different(self, name: str) -> torch.Tensor:
        """Return rows with the means of `activity`: of an image shown in all steps those of one step."""
        layer, heard = self._layers[name], [h.x for h in self._heard[name]]
        lasting = all(x.ndim > 1 and x.stride(0) == 0 and len(x) == len(heard[0]) for x in heard)
        if self.seen != "events" or not lasting:
            return self.activity(name)
        return torch.cat([layer.rows(x[:1]) for x in heard])

    def _hear(self, name: str) -> Callable[..., None]:
        """Return what keeps a layer's input, as long as nobody was told of the batch before."""

        def hook(layer: torch.nn.Module, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
            if not (layer.training and output.requires_grad):
                return
            if self._told:
                self._heard = {name: [] for name in self._heard}
                self._told = False
            heard = _Heard(inputs[0].detach())
            self._heard[name].append(heard)
            if self[name].levels is not None:
                output.register_hook(heard.take)  # type: ignore[no-untyped-call]

        return hook

    def _known(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self._layers:
                near = nearest(name, self._layers)
                raise SpecError(f"HLOP: got {name!r}; allowed are {list(self._layers)}{near}")


class _Heard:
    """One call of a layer: its input, and the error at its output once that is known."""

    def __init__(self, x: torch.Tensor) -> None:
        self.x = x
        self._error: torch.Tensor | None = None

    def take(self, error: torch.Tensor) -> None:
        """Keep the error."""
        self._error = error.detach()

    @property
    def error(self) -> torch.Tensor:
        """The error."""
        if self._error is None:
            raise RunError(
                "HLOP.project: with levels= it needs the error at the output of each call of a layer; got "
                "none; call backward first, and leave out levels= where errors go other ways (OTTT)"
            )
        return self._error


def _warn_of_unprotected(module: torch.nn.Module, layers: Iterable[Layer]) -> None:
    """Warn of biases and normalisations that would go on learning without protection."""
    norms = tuple(getattr(torch.nn, name) for name in ("GroupNorm", "LayerNorm"))
    norms += (torch.nn.modules.batchnorm._BatchNorm,)
    found = [f"{layer.name}.bias" for layer in layers if _learns(getattr(layer.module, "bias", None))]
    for path, part in module.named_modules():
        if isinstance(part, norms) and any(_learns(p) for p in part.parameters(recurse=False)):
            found.append(f"{readable(path)} ({type(part).__name__})")
    if found:
        warnings.warn(
            f"HLOP: nothing protects {', '.join(found)}; leave them out, or freeze them after the first task",
            ProtectionWarning,
            stacklevel=3,
        )


def _warn_of(optimiser: torch.optim.Optimizer, weights: Iterable[torch.nn.Parameter]) -> None:
    """Warn of an optimiser whose steps are no multiples of gradients."""
    mine, reasons = {id(weight) for weight in weights}, []
    if not isinstance(optimiser, torch.optim.SGD):
        reasons.append(f"{type(optimiser).__name__} may scale weights one by one; take torch.optim.SGD")
    if any(
        group.get("weight_decay") and any(id(parameter) in mine for parameter in group["params"])
        for group in optimiser.param_groups
    ):
        reasons.append("weight decay shrinks protected weights; set it to 0 for them")
    if reasons:
        warnings.warn(f"HLOP.step: {'; '.join(reasons)}", ProtectionWarning, stacklevel=3)


def _learns(parameter: Any) -> bool:
    return isinstance(parameter, torch.nn.Parameter) and parameter.requires_grad
