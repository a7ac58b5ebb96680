"""Networks of snnTorch, trained there, as networks here: the same spikes, and there and back."""

import pytest

import rheobase as rb

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")
nn = torch.nn

STEPS, BATCH = 25, 3


def theirs(layers, x):
    """Run snnTorch's layers step by step: spikes of the last neuron and how near it came to its threshold."""
    for layer in layers:
        layer.init_hidden, layer.output = True, False
        layer.eval()
        for reset in ("reset_mem", "reset_hidden"):
            getattr(layer, reset, lambda: None)()
    sent, near = [], []
    with torch.no_grad():
        for frame in x:
            for layer in layers:
                frame = layer(frame)
            sent.append(frame)
            near.append((layers[-1].mem - layers[-1].threshold).abs())
    return torch.stack(sent), torch.stack(near)


def run(make, shape):
    """Return layers with strong weights, some spikes, and what the layers make of them."""
    torch.manual_seed(1)
    layers = make()
    for layer in layers:
        if isinstance(layer, nn.Linear | nn.Conv2d):
            layer.weight.data.mul_(3.0)
    x = (torch.rand(STEPS, BATCH, *shape) < 0.4).float()
    sent, near = theirs(layers, x)
    assert 0.02 < float(sent.mean()) < 0.9
    return layers, x, sent, near


def dense_layers():
    scattered = torch.linspace(0.7, 0.95, 20)
    norm = nn.BatchNorm1d(20)
    norm.running_mean.uniform_(-0.2, 0.2)
    norm.running_var.uniform_(0.5, 1.5)
    return [
        nn.Linear(30, 20), norm, snn.Leaky(scattered, threshold=0.8), nn.Dropout(0.5),
        nn.Linear(20, 16, bias=False), snn.RLeaky(0.8, linear_features=16),
        nn.Linear(16, 12), snn.Leaky(0.9, reset_mechanism="zero", threshold=0.5),
        snn.RLeaky(0.7, all_to_all=False, V=0.3, threshold=0.6),
    ]  # fmt: skip


def synaptic_layers():
    return [
        nn.Linear(30, 20), snn.Synaptic(0.6, 0.8), nn.Linear(20, 10, bias=False),
        snn.RSynaptic(0.5, 0.9, linear_features=10, reset_mechanism="none"), snn.Synaptic(0.4, 0.7),
    ]  # fmt: skip


def alpha_layers():
    return [
        nn.Linear(30, 20), snn.Alpha(0.9, 0.7, threshold=0.8),
        nn.Linear(20, 12), snn.Alpha(torch.linspace(0.6, 0.9, 12), 0.5, reset_mechanism="none"),
        nn.Linear(12, 10), snn.Leaky(0.8, threshold=0.4),
    ]  # fmt: skip


def pooled_layers():
    return [
        nn.MaxPool2d(2), nn.Conv2d(2, 3, 3, padding=1), snn.Leaky(0.8, threshold=0.3), nn.Dropout2d(0.2),
        nn.MaxPool2d(3, stride=2), snn.RLeaky(0.5, conv2d_channels=3, kernel_size=3), nn.MaxPool2d(2),
        nn.MaxPool2d(1), nn.Flatten(), nn.Linear(12, 6), snn.Leaky(0.9, threshold=0.3),
    ]  # fmt: skip


def image_layers():
    norm = nn.BatchNorm2d(4)
    norm.running_var.uniform_(0.5, 1.5)
    of_channels = torch.linspace(0.6, 0.9, 4).reshape(4, 1, 1)
    return [
        nn.Conv2d(2, 4, 3, padding=1), norm, nn.AvgPool2d(2), snn.Leaky(of_channels, threshold=0.4),
        nn.AvgPool2d(2), snn.Leaky(0.5, threshold=0.2),
        nn.Conv2d(4, 5, 2, padding=1), snn.Leaky(0.9, threshold=0.3),
        nn.AdaptiveAvgPool2d(1), nn.Dropout2d(0.5), nn.Flatten(),
        nn.Linear(5, 6), snn.Leaky(0.9, threshold=0.3),
        nn.Unflatten(1, (6, 1, 1)), nn.Flatten(), nn.Linear(6, 5), snn.Leaky(0.9, threshold=0.3),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (dense_layers, (30,)),
        (synaptic_layers, (30,)),
        (alpha_layers, (30,)),
        (image_layers, (2, 8, 8)),
        (pooled_layers, (2, 22, 22)),
    ],
)
def test_the_network_spikes_as_snntorchs_layers_do(make, shape):
    layers, x, sent, near = run(make, shape)
    sent, near = sent.reshape(STEPS, BATCH, -1), near.reshape(STEPS, BATCH, -1)
    net = rb.from_torch(nn.Sequential(nn.Sequential(*layers[:2]), *layers[2:]), input_shape=shape)
    given = x.reshape(STEPS, BATCH, -1).transpose(0, 1).numpy().astype(int)
    record = rb.Simulator(net, dt=1e-3, backend="reference", batch=BATCH).run(
        STEPS * 1e-3, inputs={"input": given}
    )["output"]
    ours = torch.zeros_like(sent)
    ours[record.steps, record.trials, record.ids] = 1.0
    trained_here = rb.to_torch(net, compiled=False)(x).detach()
    for found in (ours, trained_here):
        differ = found != sent
        if differ.any():  # only after a tie: a potential at the threshold, for all that rounding can say
            first = int(differ.any(dim=2).any(dim=1).nonzero()[0])
            assert float(near[first][differ[first]].max()) < 1e-5


def recurrent_image():
    return [
        nn.Conv2d(2, 3, 3, stride=2), snn.RLeaky(0.5, conv2d_channels=3, kernel_size=3, threshold=0.4),
        nn.AvgPool2d(3), snn.Synaptic(0.4, 0.6, threshold=0.1), nn.Flatten(), nn.Linear(3, 6),
        snn.Leaky(torch.linspace(0.5, 0.9, 6), threshold=0.3, reset_mechanism="zero"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "shape"),
    [(dense_layers, (30,)), (synaptic_layers, (30,)), (alpha_layers, (30,)), (recurrent_image, (2, 8, 8))],
)
def test_a_network_goes_back_as_layers_that_spike_as_it_came(make, shape):
    layers, x, sent, near = run(make, shape)
    back = rb.to_snntorch(rb.from_torch(layers, input_shape=shape))
    kinds = [type(layer) for layer in layers if type(layer).__module__.startswith("snntorch")]
    assert kinds == [type(layer) for layer in back if type(layer).__module__.startswith("snntorch")]
    with torch.no_grad():
        found = torch.stack([back(frame)[0] for frame in x])
    differ = found.reshape(sent.shape) != sent
    if differ.any():
        first = int(differ.flatten(1).any(dim=1).nonzero()[0])
        assert float(near[first][differ[first]].max()) < 1e-5


def chain(model, **options):
    net = rb.Network()
    x, y = net.add(rb.SpikeSource(2)), net.add(rb.Population(3, model, name="y"))
    net.add(rb.Projection(x, y, rb.dense(), weight=0.5, **{"delay": 0.0, **options}))
    return net


@pytest.mark.parametrize(
    ("network", "match"),
    [
        (chain(rb.LIF(1e-2, strict=True)), "allowed are Leaky, CubaLIF and Alpha"),
        (chain(rb.Leaky(0.9, refractory=2e-3)), "has refractory"),
        (chain(rb.Leaky(0.9, strict=False)), "allowed is strict=True"),
        (chain(rb.Leaky(0.9), delay=2e-3), r"delays of \(2,\) steps; allowed is 0"),
        (chain(rb.Leaky(0.9, leak="blend")), "leak='decay'"),
    ],
)
def test_what_snntorch_cannot_do_is_refused_by_name(network, match):
    with pytest.raises(rb.ConversionError, match=match):
        rb.to_snntorch(network)


def test_a_network_that_is_no_chain_is_refused():
    net = chain(rb.Leaky(0.9))
    net.add(rb.Population(2, rb.Leaky(0.9), name="alone"))
    with pytest.raises(rb.ConversionError, match=r"y leads to nothing while \['alone'\] are left"):
        rb.to_snntorch(net)


def test_the_largest_of_what_is_no_spike_is_refused():
    layers = [nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), snn.Leaky(0.9)]
    with pytest.raises(rb.ConversionError, match=r"\['MaxPool2d'\] cannot .* of spikes: put it behind"):
        rb.from_torch(layers, input_shape=(1, 8, 8))
    with pytest.raises(rb.SpecError, match="input_shape: got 'large'"):
        rb.from_torch(layers, input_shape="large")
    with pytest.raises(rb.SpecError, match=r"to_torch.network: got a Sequential; .* rb.from_torch makes"):
        rb.to_torch(nn.Sequential(*layers))


@pytest.mark.parametrize(
    ("layers", "match"),
    [
        ([nn.Linear(3, 2)], r"without a neuron, \['Linear'\]; .* rb.convert makes one"),
        ([nn.Linear(3, 2), snn.Leaky(0.9), nn.Linear(2, 2)], r"last layers, \['Linear'\], lead to no neuron"),
        ({"fc.weight": torch.ones(2, 2)}, "got a dict; .* a state_dict goes into a network by net.with"),
        ([nn.Linear(3, 2), snn.Leaky(torch.ones(3))], r"beta has the shape \(3,\), which does not fit"),
        ([nn.Linear(3, 2), nn.ReLU(), snn.Leaky(0.9)], r"Linear, ReLU, Leaky\): \['ReLU'\] cannot"),
        ([nn.Linear(3, 2), snn.Lapicque(0.8)], "a Lapicque cannot be converted; allowed are Leaky, RLeaky"),
        ([nn.Linear(3, 2), snn.Alpha(0.8, 0.7, reset_mechanism="subtract")], "as they never were"),
        ([nn.MaxPool2d(2, ceil_mode=True), nn.Flatten(), nn.Linear(3, 2), snn.Leaky(0.9)], "input_shape"),
        ([nn.Linear(3, 2), snn.Leaky(0.9, inhibition=True)], "cannot convert a Leaky with inhibition=True"),
        ([nn.Linear(3, 2), snn.Leaky(0.9, reset_delay=False)], "may subtract twice"),
        ([nn.Linear(3, 2), snn.Synaptic(0.9, 0.8, reset_mechanism="zero")], "takes away the input too"),
        ([snn.RLeaky(0.9, linear_features=2, reset_mechanism="zero")], "input_shape"),
        ([nn.Linear(3, 2), snn.Leaky(0.9), nn.Linear(5, 2), snn.Leaky(0.9)], r"of shape \(2,\) do not"),
        ([nn.Conv2d(1, 1, 3), snn.Leaky(0.9)], "input_shape: the first layer is a Conv2d"),
    ],
)  # fmt: skip
def test_what_a_network_cannot_do_is_refused_by_name(layers, match):
    with pytest.raises(rb.ConversionError, match=match):
        rb.from_torch(layers)


def test_a_module_whose_order_is_hidden_is_refused():
    class Hidden(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.lif = nn.Linear(2, 2), snn.Leaky(0.9)

    with pytest.raises(rb.ConversionError, match=r"got Hidden, in whose forward .* \[net.fc1, net.lif1"):
        rb.from_torch(Hidden())
    with pytest.raises(rb.SpecError, match="inputs: got 'both'"):
        rb.from_torch([], inputs="both")
