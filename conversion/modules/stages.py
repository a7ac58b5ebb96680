"""In which order a network is computed over time: what feeds back runs step by step, all else at once."""

from __future__ import annotations

from dataclasses import dataclass

from ...engine.parts import Population
from ...engine.plan import Plan


@dataclass(frozen=True)
class Stage:
    """Populations that hear one another, directly or not; one alone where nothing comes back to it.

    Attributes
    ----------
    names : tuple of str
        In the order in which they are updated within a step.
    cyclic : bool
        Whether anything that they send comes back: then each of their steps needs those before.
    """

    names: tuple[str, ...]
    cyclic: bool


def stages_of(plan: Plan) -> tuple[Stage, ...]:
    """Return the stages of a plan, each after all that it hears.

    Where a stage is not cyclic all steps of what comes in are known, so weights are multiplied with all
    of them at once.

    Examples
    --------
    >>> import rheobase as rb
    >>> from rheobase.engine.planning import make_plan
    >>> net = rb.Network()
    >>> a, b, c = (net.add(rb.Population(1, rb.IF(), name=name)) for name in "abc")
    >>> for pre, post in ((a, b), (b, a), (b, c)):
    ...     _ = net.add(rb.Projection(pre, post, rb.dense()))
    >>> stages_of(make_plan(net, 1e-3))
    (Stage(names=('a', 'b'), cyclic=True), Stage(names=('c',), cyclic=False))
    """
    hears: dict[str, list[str]] = {name: [] for name in plan.groups}
    for p in plan.projections.values():
        hears[p.part.target.label].append(p.part.source.label)
    place = {name: k for k, name in enumerate(plan.groups)}
    stages = []
    for together in _strongly_connected(hears):
        names = sorted(together, key=lambda name: (plan.groups[name].level, place[name]))
        if isinstance(plan.groups[names[0]].part, Population):
            stages.append(Stage(tuple(names), len(names) > 1 or names[0] in hears[names[0]]))
    return tuple(stages)


def _strongly_connected(hears: dict[str, list[str]]) -> list[list[str]]:
    """Return sets of groups that all reach one another, each after those that it hears (Tarjan, 1972)."""
    found: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    done: list[list[str]] = []
    for root in hears:
        path = [] if root in found else [(root, iter(hears[root]))]
        while path:
            name, others = path[-1]
            if name not in found:
                found[name] = lowest[name] = len(found)
                stack.append(name)
            for other in others:
                if other not in found:
                    path.append((other, iter(hears[other])))
                    break
                if other in stack:
                    lowest[name] = min(lowest[name], lowest[other])
            else:
                path.pop()
                if path:
                    lowest[path[-1][0]] = min(lowest[path[-1][0]], lowest[name])
                if lowest[name] == found[name]:
                    first = stack.index(name)
                    done.append(stack[first:])
                    del stack[first:]
    return done
