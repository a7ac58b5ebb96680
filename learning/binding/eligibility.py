"""Eligibilities: how neurons depend on weights along their own history, from step to step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from ...neurons.errors import ConversionError, SpecError
from .weighing import Weighing, in_place_of, weighing_in

#: State variable -> values.
Values = dict[str, torch.Tensor]


class Fed(Protocol):
    """Weights that carry errors back from read-outs: see `rheobase.learning.eprop.Feedback`."""

    def of(self, name: str) -> torch.Tensor | None:
        """Return those in the place of a projection's; None if there are none."""

    def follow(self, projections: Mapping[str, Any]) -> None:
        """Take the gradients that the projections' weights have now."""


@dataclass
class _Call:
    """What a projection was asked in a step, and what it answered; its eligibilities, from step to step.

    Those of the weights [c, m] are (batch, c, positions, m): a synapse sees m events, of the source's neurons
    or of the window of an image; the neurons behind it are c at each of the positions.
    """

    name: str
    projection: Any
    delay: int
    events: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    weights: Any = None
    output: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    eligible: Values = field(default_factory=dict)
    #: Read-out's projection -> its state variable -> eligibility as the read-out remembers it.
    read: dict[str, Values] = field(default_factory=dict)

    @property
    def matrix(self) -> torch.Tensor:
        """The weights of this delay."""
        found: torch.Tensor = self.weights[self.delay] if isinstance(self.weights, dict) else self.weights
        return found

    def seen(self, batch: int) -> torch.Tensor:
        """Return the events as synapses see them, (batch, 1 or c, positions, m)."""
        events = self.events.detach()
        if self.matrix.ndim == 0:  # one weight for all: what comes to each neuron
            added: torch.Tensor = self.projection.forward(events, self.delay, torch.ones_like(self.matrix))
            return added.reshape(batch, -1, 1, 1)
        if self.matrix.ndim == 1:
            return events.reshape(batch, -1, 1, 1)
        m = math.prod(self.matrix.shape[1:])
        if self.matrix.ndim == 2:
            return events.reshape(batch, 1, -1, m)
        groups = self.projection.groups
        rows = self.projection.rows(events).reshape(batch, -1, groups, m).transpose(1, 2)
        return rows if groups == 1 else rows.repeat_interleave(len(self.matrix) // groups, dim=1)

    def spread(self, values: torch.Tensor, *, whole: bool) -> torch.Tensor:
        """Return numbers of the target's neurons, all or those of the projection's end, for each weight."""
        end = self.projection.post
        mine = values[:, end] if whole and end is not None else values
        return mine.reshape(len(mine), len(self.matrix) if self.matrix.ndim else mine.shape[1], -1, 1)

    def learn(self, signals: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
        """Return the gradient of the weights from pairs of an error (batch, n) and an eligibility."""
        parts = [torch.einsum("bcpk,bcpm->cm", self.spread(error, whole=True), e) for error, e in signals]
        total = torch.stack(parts).sum(dim=0)
        return total.sum() if self.matrix.ndim == 0 else total.reshape(self.matrix.shape)


class Learner:
    """Runs a module step by step, and keeps for its projections how neurons depend on weights.

    Parameters
    ----------
    module : NetworkModule
        The module.
    feedback : Fed, optional
        What carries errors back from read-outs.
    """

    def __init__(self, module: Any, feedback: Fed | None) -> None:
        self.module, self.feedback = module, feedback
        self.projections = projections_in(module)
        self.read_outs = {name for name, p in self.projections.items() if reads_out(module, p)}
        self._calls: dict[tuple[str, int], _Call] = {}
        self._before: dict[str, Values] = {}
        self._after: Any = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear what projections are asked."""
        handles = [p.register_forward_hook(self._hear(name)) for name, p in self.projections.items()]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def run(self, x: Any, state: Any) -> tuple[Any, Any]:
        """Run a step from a state whose values have gradients of their own."""
        if state is None:
            first = next(iter(x.values())) if isinstance(x, Mapping) else x
            state = self.module.initial(first.shape[1])
        state = state.detach()
        self._before = {
            name: {v: value.requires_grad_() for v, value in values.items() if value.is_floating_point()}
            for name, values in state.cells.items()
        }
        found, self._after = self.module.run(x, state)
        return found, self._after

    def backward(self, part: torch.Tensor) -> None:
        """Add the gradients of a step, and take eligibilities on to the next one."""
        torch.autograd.backward(part, retain_graph=True)
        learning = [call for call in self._calls.values() if call.projection.weight.requires_grad]
        with torch.no_grad():
            found = [self._from_the_past(call) for call in learning]
            for call in learning:
                self._remember(call)
        pairs = [(call.matrix, g) for call, g in zip(learning, found, strict=True) if g is not None]
        if pairs:
            torch.autograd.backward([matrix for matrix, _ in pairs], [g for _, g in pairs])
        if self.feedback is not None:
            self.feedback.follow(self.projections)

    def _hear(self, name: str) -> Any:
        def hook(projection: Any, given: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor:
            events, delay, weights = given
            back = None if self.feedback is None else self.feedback.of(name)
            if back is not None:
                forth = projection.forward(events.detach(), delay, weights)
                output = in_place_of(output, forth + projection.forward(events, delay, back))
            call = self._calls.setdefault((name, delay), _Call(name, projection, delay))
            call.events, call.weights, call.output = events, weights, output
            self._check(call)
            return output

        return hook

    def _check(self, call: _Call) -> None:
        matrix, projection = call.matrix, call.projection
        if projection.norm is not None and projection.norm.training:
            raise ConversionError(
                f"{call.name}: got batch normalisation in training, by which neurons depend on other "
                "samples; allowed is one in evaluation: projection.norm.eval()"
            )
        learned = matrix.ndim == 3  # delays are learned: all taps at once
        if learned or (projection.weight.requires_grad and matrix.is_sparse):
            raise ConversionError(
                f"{call.name}: eprop has no eligibilities for {type(projection).__name__} of this size or "
                "kind; freeze it with weight.requires_grad_(False), and learn delays otherwise"
            )
        if call.name in self.read_outs and call.delay:
            raise ConversionError(
                f"{call.name}: got a delay of {call.delay} steps to a read-out; allowed is 0"
            )

    def _from_the_past(self, call: _Call) -> torch.Tensor | None:
        """Return the gradient by what weights did in earlier steps; the step's own is there already."""
        before = self._before[call.projection.target]
        signals = [(g, e) for v, e in call.eligible.items() if (g := before[v].grad) is not None]
        for name, filtered in call.read.items():
            out = self._calls[name, 0]
            for v, e in filtered.items():
                error = self._before[out.projection.target][v].grad
                if error is not None:
                    signals.append((self._sent_back(out, error), e))
        return call.learn(signals) if signals else None

    def _sent_back(self, out: _Call, error: torch.Tensor) -> torch.Tensor:
        """Return the error of a read-out's neurons as those hear it that it reads, (batch, n)."""
        end = out.projection.post
        mine = (error if end is None else error[:, end]).reshape(out.output.shape)
        (heard,) = torch.autograd.grad(out.output, out.events, mine, retain_graph=True)
        heard = heard.reshape(len(error), -1)
        if out.projection.pre is None:
            return heard
        source = next(iter(self._before[out.projection.source].values()))
        whole = torch.zeros_like(source)
        whole[:, out.projection.pre] = heard
        return whole

    def _remember(self, call: _Call) -> None:
        """Take the eligibilities of a projection's weights through a step."""
        target = call.projection.target
        before, after = self._before[target], self._after.cells[target]
        moved = {v: self._moved(call, after[v]) for v in before if after[v].requires_grad}
        for name in self.read_outs:
            out = self._calls[name, 0]
            if out.projection.source == target:
                call.read[name] = self._read(call, out)
        call.eligible = {v: e for v, e in moved.items() if e is not None}

    def _moved(self, call: _Call, what: torch.Tensor) -> torch.Tensor | None:
        """Return how what a step left depends on the weights: by their neurons' past, and by what came in."""
        before = self._before[call.projection.target]
        given = [*(before[v] for v in call.eligible), call.output]
        slopes = _slopes(what, given)
        total = None
        for e, slope in zip(call.eligible.values(), slopes[:-1], strict=True):
            if slope is not None:
                total = _plus(total, call.spread(slope, whole=True) * e)
        if slopes[-1] is not None:
            batch = len(next(iter(before.values())))
            new = call.spread(slopes[-1].reshape(batch, -1), whole=False) * call.seen(batch)
            total = _plus(total, new)
        return total

    def _read(self, call: _Call, out: _Call) -> Values:
        """Return the eligibilities of what neurons send, as the neurons that read them out remember it."""
        sent, known = self._moved(call, out.events), call.read.get(out.name, {})
        before, after = self._before[out.projection.target], self._after.cells[out.projection.target]
        found = {}
        for v in before:
            if not after[v].requires_grad:
                continue
            *kept, gain = _slopes(after[v], [*(before[u] for u in known), out.output])
            total = None
            for e, slope in zip(known.values(), kept, strict=True):
                if slope is not None:
                    total = _plus(total, _alike(out, slope) * e)
            if sent is not None and gain is not None:
                total = _plus(total, _alike(out, gain) * sent)
            if total is not None:
                found[v] = total
        return found


def _slopes(what: torch.Tensor, given: list[torch.Tensor]) -> tuple[torch.Tensor | None, ...]:
    """Return the derivatives of each neuron's number by others of its own; None where there are none."""
    if not what.requires_grad:
        return (None,) * len(given)
    return torch.autograd.grad(what, given, torch.ones_like(what), retain_graph=True, allow_unused=True)


def _plus(total: torch.Tensor | None, more: torch.Tensor) -> torch.Tensor:
    return more if total is None else total + more


def _alike(out: _Call, slope: torch.Tensor) -> torch.Tensor:
    """Return the one derivative that all neurons of a read-out have, or raise ConversionError."""
    one = slope.reshape(-1)[0]
    if not torch.allclose(slope, one.expand(slope.shape)):
        raise ConversionError(
            f"{out.projection.target}: got a read-out whose neurons remember differently; allowed are the "
            "same constants for all of a population that never fires"
        )
    return one


def projections_in(module: Any) -> dict[str, Any]:
    """Return the projections of a module by name, or raise SpecError if it is none of a network."""
    found = {name: m for name, m in weighing_in(module).items() if isinstance(m, Weighing)}
    if not found or not hasattr(module, "cell"):
        raise SpecError(f"module: got {type(module).__name__}; allowed is what rheobase.to_torch returns")
    return found


def reads_out(module: Any, projection: Any) -> bool:
    """Say whether a projection leads to neurons that never fire."""
    model = module.cell(projection.target).model
    return "spike" not in model.rules.fire.words and model.payload == "unit"
