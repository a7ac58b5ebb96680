"""Networks as torch modules and back, and what can be said of a module without torch."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..engine.network import Network
from ..engine.planning import make_plan
from ..learning.surrogate import ATan, Surrogate
from ..neurons.errors import ConversionError, MissingExtra, SpecError

if TYPE_CHECKING:
    from ..learning.delays import LearnedDelays
    from .modules.module import NetworkModule


def is_torch_module(model: Any) -> bool:
    """Say whether the model is a torch module, without importing torch.

    Examples
    --------
    >>> is_torch_module([1, 2])
    False
    """
    return any(base.__module__ == "torch.nn.modules.module" for base in type(model).__mro__)


def to_torch(
    network: Network,
    *,
    dt: float = 1e-3,
    surrogate: Any = None,
    outputs: Any = None,
    detach_reset: bool = True,
    precision: str | None = None,
    compiled: bool = True,
    train: Mapping[Any, Any] | None = None,
    batch_norm: Any = None,
    dropout: Mapping[Any, float] | None = None,
    delays: Mapping[Any, LearnedDelays] | None = None,
) -> NetworkModule:
    """Return a network as a torch module, to be trained in any torch loop.

    Its forward takes what sources send in each step and gives what the simulator would: the neurons' own
    rules, bound to torch, in the same order, with the same delays. Populations that nothing comes back to are
    computed over all steps at once, others step by step.

    Parameters
    ----------
    network : Network
        Sources, populations, and projections without plasticity. Sources send what forward is given.
    dt : float
        Seconds per step.
    surrogate : Surrogate or function, optional
        What takes the place of the derivative of a spike, of `rheobase.learning.surrogate`; `ATan(2.0)` if
        left out. Or a differentiable function of the distance above threshold, which then takes the place of
        the step too.
    outputs : population, name, pair with a state variable, or several of these, optional
        What forward returns: spikes (steps, batch, n) or a state variable. If left out, what the network's
        probes record, in every step; without probes, the spikes of populations that project nowhere, or v of
        those that never spike.
    detach_reset : bool
        Whether gradients pass over resets, as in snnTorch.
    precision : None, "fixed" or "float32"
        How projections sum their input, as for `Simulator`. With "fixed" all weights lie on a grid, and the
        spikes are the simulator's, without exception. Otherwise torch adds real numbers in another order, and
        a neuron that comes within rounding of its threshold may differ.
    compiled : bool
        Whether neurons run in compiled loops each way, on a CPU or a GPU: the same numbers, many times
        faster, after some seconds of compiling when a model is new.
    train : dict, optional
        Population, or its name -> parameters of its model to be trained beside the weights, as
        {"hidden": ["tau", "threshold"]}: one number, or one per neuron where the model has an array, as
        multiples of what the model has.
    batch_norm : projection, population, name, or several of these, optional
        Projections whose sums are normalised, over steps and batch, for each neuron, or each channel of a
        convolution; of a population all that are neither constant nor pooling. In training statistics are
        those of what is computed at once: of single steps where something feeds back. In evaluation, and in
        the network, they are running ones, and lie in the weights and a constant input.
    dropout : dict, optional
        Population, or its name -> share of its spikes that others do not get in training.
    delays : dict, optional
        Projection, or its name -> `rheobase.learning.delays.LearnedDelays`: each of its synapses has a
        parameter `position` besides `weight`, which begins at the delay that it has in the network.

    Returns
    -------
    torch.nn.Module
        `module(x)`, or `module.run(x, state)`, which also returns the state from which to go on.
        `module.network()` is the network with its parameters as they are now.

    Raises
    ------
    MissingExtra
        If torch is not installed.
    ConversionError
        If something has no gradient: plasticity, operators, or models that draw random numbers or count.
    SpecError, PlanError
        As when a simulator is made, or if there is no such output.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> import rheobase as rb
    >>> net = rb.Network()
    >>> x = net.add(rb.SpikeSource(2, name="x"))
    >>> y = net.add(rb.Population(3, rb.Leaky(0.9), name="y"))
    >>> _ = net.add(rb.Projection(x, y, rb.dense(), weight=np.full((3, 2), 0.6), delay=0.0))
    >>> module = rb.to_torch(net)
    >>> module(torch.ones(4, 1, 2)).sum(dim=0)
    tensor([[4., 4., 4.]], grad_fn=<SumBackward1>)
    >>> list(module.state_dict())
    ['projections.x->y.weight']
    """
    _check_network(network, "to_torch")
    surrogate = ATan() if surrogate is None else surrogate
    sound = isinstance(surrogate, Surrogate) or callable(surrogate)
    if not sound or isinstance(surrogate, type):
        raise SpecError(
            f"to_torch.surrogate: got {surrogate!r}; allowed is a Surrogate such as ATan(2.0), or a function"
        )
    if precision not in (None, "fixed", "float32"):
        raise SpecError(f"to_torch.precision: got {precision!r}; allowed is None, 'fixed' or 'float32'")
    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingExtra("torch", "torch", "A network as a torch module") from None
    from ..learning.binding.cell import refuse_untrainable
    from .modules.learned import with_own_delays
    from .modules.module import NetworkModule
    from .modules.options import dropped_of, learned_of, normed_of, trained_of
    from .modules.outputs import outputs_of

    _refuse(network, "to_torch")
    for population in network.populations:
        refuse_untrainable(population.label, population.model)
    learned = learned_of(network, delays)
    return NetworkModule(
        make_plan(with_own_delays(network, learned, dt), dt, precision=precision),
        outputs_of(network, outputs),
        precision=precision,
        surrogate=surrogate,
        detach_reset=detach_reset,
        compiled=compiled,
        train=trained_of(network, train),
        batch_norm=normed_of(network, batch_norm),
        dropout=dropped_of(network, dropout),
        delays=learned,
    )


def _check_network(network: Any, caller: str) -> None:
    """Raise SpecError if it is none."""
    if not isinstance(network, Network):
        more = ", which rb.from_torch makes of a module that spikes" if is_torch_module(network) else ""
        raise SpecError(f"{caller}.network: got a {type(network).__name__}; allowed is a Network{more}")


def _refuse(network: Network, caller: str) -> None:
    """Raise ConversionError where a network holds what no module of torch does."""
    learning = [p.label for p in network.projections if p.rule is not None]
    operators = [operator.label for operator in network.operators]
    if learning or operators:
        raise ConversionError(
            f"{caller}: {learning or operators} cannot be trained by gradients; allowed are projections "
            "without a rule, and no operators"
        )
    if not network.sources or not network.populations:
        raise ConversionError(f"{caller}: the network has no sources or no populations; add some")


def from_torch(
    module: Any, *, input_shape: tuple[int, ...] | None = None, inputs: str = "spikes", dt: float = 1e-3
) -> Network:
    """Return a torch module as a network.

    Parameters
    ----------
    module : torch.nn.Module, or list of them
        What `to_torch` made, trained or not. Or a network of snnTorch: a `torch.nn.Sequential`, or a list, of
        layers in order; neurons are `Leaky`, `RLeaky`, `Synaptic`, `RSynaptic` and `Alpha`, and between them
        stand linear layers: Linear, convolutions, average pooling, BatchNorm (as in evaluation), Flatten,
        Dropout (left out). MaxPool2d of spikes becomes a population that fires where any of a window does.
    input_shape : tuple of int, optional
        Of one input of snnTorch's network, where its first layer is no Linear: (channels, height, width).
    inputs : "spikes" or "values"
        Whether snnTorch's network gets spikes or real numbers: its source "input" is then a SpikeSource or a
        CurrentSource.
    dt : float
        Seconds per step in which `Synaptic` neurons are to run; others are the same in any step.

    Returns
    -------
    Network
        It gives the module's spikes: see `to_torch`. What has not changed is described as it was. snnTorch's
        layers become populations called "leaky1" and so on, and the last one has a probe "output".

    Raises
    ------
    MissingExtra
        If torch is not installed.
    ConversionError
        If the module is something else, or a layer does what a network cannot: all are named.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> import rheobase as rb
    >>> net = rb.Network()
    >>> x = net.add(rb.SpikeSource(2, name="x"))
    >>> y = net.add(rb.Population(3, rb.Leaky(0.9), name="y"))
    >>> _ = net.add(rb.Projection(x, y, rb.dense(), weight=np.full((3, 2), 0.6)))
    >>> module = rb.to_torch(net)
    >>> with torch.no_grad():
    ...     _ = module.projections["x->y"].weight.fill_(0.5)
    >>> float(rb.from_torch(module)["x->y"].weight[0, 0])
    0.5
    """
    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingExtra("torch", "torch", "A torch module as a network") from None
    from .modules.module import NetworkModule
    from .modules.snntorch_layers import layers_of, network_of_layers

    if inputs not in ("spikes", "values"):
        raise SpecError(f"from_torch.inputs: got {inputs!r}; allowed is 'spikes' or 'values'")
    if isinstance(module, NetworkModule):
        return module.network()
    return network_of_layers(layers_of(module), input_shape=input_shape, inputs=inputs, dt=dt)


def to_snntorch(network: Network, *, dt: float = 1e-3) -> Any:
    """Return a network as layers and neurons of snnTorch, to be trained or run there.

    Parameters
    ----------
    network : Network
        A chain from one source: populations of `Leaky`, of `CubaLIF`, or of `Alpha` that reset in the next
        step, with projections of zero delay between them (dense, conv2d, or average pool2d of weight 1), and
        perhaps one of a step within a population; constant inputs become biases.
    dt : float
        Seconds per step, on which a CubaLIF's decay depends.

    Returns
    -------
    torch.nn.Sequential
        Linear, Conv2d, AvgPool2d, and neurons that keep their state (`init_hidden=True`); it takes one step,
        (batch, n) or (batch, channels, height, width), and the last neuron also gives its state.

    Raises
    ------
    MissingExtra
        If torch or snnTorch is not installed.
    ConversionError
        If the network is no such chain, or a neuron has what snnTorch has not: it is named.

    Examples
    --------
    >>> import rheobase as rb
    >>> net = rb.Network()
    >>> x = net.add(rb.SpikeSource(2))
    >>> y = net.add(rb.Population(3, rb.Leaky(0.9)))
    >>> _ = net.add(rb.Projection(x, y, rb.dense(), weight=0.5, delay=0.0))
    >>> to_snntorch(net)
    Sequential(
      (0): Linear(in_features=2, out_features=3, bias=False)
      (1): Leaky()
    )
    """
    for package in ("torch", "snntorch"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(package, "torch", "A network for snnTorch")
    from .modules.to_layers import layers_of_network

    _check_network(network, "to_snntorch")
    _refuse(network, "to_snntorch")
    return layers_of_network(make_plan(network, dt))
