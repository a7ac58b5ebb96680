"""Checkpoints of training: resumed, losses are those of what never stopped; broken files say so."""

import contextlib
import json

import numpy as np
import pytest

import rheobase as rb
from rheobase.conversion import load_checkpoint, save_checkpoint
from rheobase.learning.surrogate import ATan, FastSigmoid

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from rheobase.learning.delays import LearnedDelays  # noqa: E402

STEPS, BATCH = 5, 6


def network():
    rng, net = np.random.default_rng(0), rb.Network(seed=4)
    x, y = net.add(rb.SpikeSource(12, name="x")), net.add(rb.Population(20, rb.Leaky(0.8), name="y"))
    out = net.add(rb.Population(3, rb.LI(5e-3), name="out"))
    net.add(rb.Projection(x, y, rb.dense(), weight=rng.normal(0.2, 0.3, (20, 12)), delay=0.0, name="in"))
    net.add(rb.Projection(y, y, rb.random(p=0.2), weight=rb.normal(0.0, 0.2), name="rec"))
    net.add(rb.Projection(y, out, rb.dense(), weight=rng.normal(0.0, 0.3, (3, 20)), delay=0.0, name="read"))
    return net


class Training:
    """Everything that a loop of training has, made anew."""

    def __init__(self, kind, net=None):
        self.module = rb.to_torch(
            network() if net is None else net, compiled=False, dropout={"y": 0.3}, batch_norm="in",
            train={"y": "beta"},
        )  # fmt: skip
        options = {"Adam": {"weight_decay": 1e-3}, "SGD": {"momentum": 0.9}}[kind]
        self.optimiser = getattr(torch.optim, kind)(self.module.parameters(), lr=0.05, **options)
        self.schedulers = [
            torch.optim.lr_scheduler.OneCycleLR(self.optimiser, 0.1, total_steps=20),
            torch.optim.lr_scheduler.MultiStepLR(self.optimiser, [2, 4], 0.5),
        ]
        self.generators = {
            "order": torch.Generator().manual_seed(1), "noise": np.random.default_rng(2),
            "old": np.random.Generator(np.random.MT19937(3)),
        }  # fmt: skip

    def losses(self, n):
        """Train for some steps on batches that are drawn, with noise that is."""
        x = (torch.rand(STEPS, 40, 12, generator=torch.Generator().manual_seed(5)) < 0.4).float()
        found = []
        for _ in range(n):
            chosen = torch.randperm(40, generator=self.generators["order"])[:BATCH]
            noise = self.generators["noise"].normal() + self.generators["old"].normal()
            loss = (self.module(x[:, chosen]).mean(dim=0) - float(noise)).square().mean()
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            for scheduler in self.schedulers:
                scheduler.step()
            found.append(loss.item())
        return found

    @property
    def parts(self):
        return {"schedulers": self.schedulers, "generators": self.generators}


@pytest.mark.parametrize("kind", ["Adam", "SGD"])
def test_training_that_goes_on_from_a_file_has_the_losses_of_training_that_never_stopped(kind, tmp_path):
    path = tmp_path / "c.safetensors"
    torch.manual_seed(0)
    whole = Training(kind).losses(6)
    torch.manual_seed(0)
    first = Training(kind)
    before = first.losses(3)
    save_checkpoint(
        path, first.module, first.optimiser, **first.parts, extra={"epoch": 3, "best": (0.5, None)}
    )
    torch.manual_seed(99)
    checkpoint = load_checkpoint(path)
    assert checkpoint.extra == {"epoch": 3, "best": (0.5, None)}
    second = Training(kind, checkpoint.network())
    second.losses(1)
    checkpoint.restore(second.module, second.optimiser, **second.parts)
    assert before + second.losses(3) == whole
    assert len(set(whole)) == 6
    assert repr(checkpoint.network()) == repr(network())
    again, x = checkpoint.module().eval(), torch.ones(STEPS, 1, 12)
    assert again.options == first.module.options
    assert torch.equal(again(x), first.module.eval()(x))


def saved(tmp_path, **options):
    path, training = tmp_path / "c.safetensors", Training("Adam")
    training.losses(1)
    save_checkpoint(path, training.module, training.optimiser, **{**training.parts, **options})
    return path, training


def test_what_is_not_what_was_saved_is_refused_and_nothing_changes(tmp_path):
    path, _ = saved(tmp_path)
    checkpoint, other = load_checkpoint(path), Training("Adam")
    before = {name: value.clone() for name, value in other.module.state_dict().items()}
    sgd = torch.optim.SGD(other.module.parameters(), lr=0.1)
    one = torch.optim.Adam([other.module.projections["in"].weight])
    for arguments, options, match in (
        ((torch.nn.Linear(2, 2),), {}, r"restore.module: \['bias', .* differ in name or shape"),
        ((other.module, sgd), {}, r"restore.optimiser: got a SGD; .* of another kind \(with \['amsgrad'"),
        ((other.module, one), {}, r"restore.optimiser: has groups of \[1\] parameters; .* holds \[\d+\]"),
        ((other.module,), {"schedulers": other.schedulers[:1]}, r"restore.schedulers: got 1; .* holds 2"),
        ((other.module,), {"generators": {"noise": torch.Generator()}}, r"got 'noise', a Generator; .*PCG64"),
    ):
        with pytest.raises(rb.SpecError, match=match):
            checkpoint.restore(*arguments, **options)
    assert all(torch.equal(value, before[name]) for name, value in other.module.state_dict().items())


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"dt": 2e-3}, "it has dt = 0.002, where 0.001 was in .*make it with checkpoint.module"),
        ({"surrogate": FastSigmoid(9.0)}, "it has surrogate = {'name': 'FastSigmoid', 'slope': 9.0}, where"),
        ({"detach_reset": False}, "it has detach_reset = False"),
        ({"dropout": {"y": 0.1}}, "it has dropout"),
        ({"batch_norm": "in"}, r"it has batch_norm = \['in'\], where \[\] was"),
        ({"outputs": "y", "compiled": False}, None),
    ],
)
def test_a_module_that_was_made_otherwise_is_refused(options, match, tmp_path):
    module = rb.to_torch(network(), delays={"rec": LearnedDelays(4e-3)})
    save_checkpoint(tmp_path / "c.safetensors", module)
    checkpoint = load_checkpoint(tmp_path / "c.safetensors")
    other = rb.to_torch(network(), **{"delays": {"rec": LearnedDelays(4e-3)}, **options})
    with contextlib.nullcontext() if match is None else pytest.raises(rb.SpecError, match=match):
        checkpoint.restore(other)


def test_a_module_of_another_network_is_refused_unless_only_its_weights_are_others(tmp_path):
    net = network()
    save_checkpoint(tmp_path / "c.safetensors", torch.nn.Sequential(rb.to_torch(net)))
    checkpoint = load_checkpoint(tmp_path / "c.safetensors")
    checkpoint.restore(torch.nn.Sequential(rb.to_torch(net.with_weights({"in": np.zeros((20, 12))}))))
    slower = net.with_part(rb.Population(20, rb.Leaky(0.9), name="y"))
    with pytest.raises(rb.SpecError, match=r"0 has another y\.model"):
        checkpoint.restore(torch.nn.Sequential(rb.to_torch(slower)))
    assert checkpoint.module().options["dt"] == 1e-3
    with pytest.raises(rb.SpecError, match=r"name: got '1'; .*holds networks called \['0'\]"):
        checkpoint.network(name="1")


def test_a_surrogate_of_ones_own_is_asked_for(tmp_path):
    save_checkpoint(tmp_path / "c.safetensors", rb.to_torch(network(), surrogate=torch.sigmoid))
    checkpoint = load_checkpoint(tmp_path / "c.safetensors")
    with pytest.raises(rb.SpecError, match=r"one of your own, {'name': 'sigmoid'}; give it"):
        checkpoint.module()
    with pytest.raises(rb.SpecError, match="surrogate: got ATan"):
        checkpoint.module(surrogate=ATan())
    assert checkpoint.module(surrogate=torch.sigmoid).options["surrogate"] is torch.sigmoid


def test_what_cannot_be_written_is_refused_and_the_older_file_stays(tmp_path):
    path, training = saved(tmp_path)
    before = path.read_bytes()
    for options, match in (
        ({"extra": {"loss": print}}, r"extra/loss: got a builtin_function_or_method; allowed are tensors"),
        ({"extra": {1.5: 0}}, r"extra: got the key 1.5; allowed are texts and whole numbers"),
        ({"generators": {"a": 3}}, r"save_checkpoint.generators: got 'a', a int"),
        ({"generators": [3]}, r"save_checkpoint.generators: got a list; allowed is a dict by name"),
        ({"schedulers": training.schedulers[0]}, "got a OneCycleLR; allowed is a list of schedulers"),
    ):
        with pytest.raises(rb.SpecError, match=match):
            save_checkpoint(path, training.module, training.optimiser, **options)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["c.safetensors"]
    with pytest.raises(FileNotFoundError):
        save_checkpoint(tmp_path / "no" / "c.safetensors", training.module)


def test_a_file_that_is_broken_or_another_is_refused(tmp_path):
    from safetensors.torch import save_file

    path, _ = saved(tmp_path)
    data, size = path.read_bytes(), int.from_bytes(path.read_bytes()[:8], "little")
    other = tmp_path / "other.safetensors"
    for place in (0, 3, 9, size // 2, size - 5, len(data) - 1, (size + len(data)) // 2):
        other.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(rb.FormatError, match=r"other\.safetensors"):
            load_checkpoint(other)
    for end in (0, 7, 8, size, len(data) - 1):
        other.write_bytes(data[:end])
        with pytest.raises(rb.FormatError, match="no safetensors file, or truncated or damaged"):
            load_checkpoint(other)
    save_file({"w": torch.zeros(2)}, other)
    with pytest.raises(
        rb.FormatError, match="holds a 'file of others', not a 'rheobase training checkpoint'"
    ):
        load_checkpoint(other)
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda c: c.pop("module"), r"lacks \['module'\]"),
        (lambda c: c.update(optimiser={"dict": []}), r"lacks \['optimiser'\]"),
        (lambda c: c["global"].update(dict=[["cpu", 3], ["cuda", []]]), r"lacks \['global'\]"),
        (
            lambda c: c.update(extra={"tensor": "none"}),
            r"its header holds {'tensor': 'none'}, which is none of",
        ),
        (lambda c: c.update(extra={"dict": [[[], 1]]}), r"its header holds {'dict'"),
        (lambda c: c["digests"].pop("global/cpu"), r"tensors \['global/cpu'\] do not match their checksums"),
    ],
)
def test_a_hostile_header_is_refused(change, match, tmp_path):
    from safetensors import safe_open
    from safetensors.torch import save_file

    from rheobase.conversion.modules.tensor_file import _hash

    path = tmp_path / "c.safetensors"
    save_checkpoint(path, torch.nn.Linear(2, 1))
    with safe_open(path, framework="pt") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()
    content = json.loads(metadata["content"])
    change(content)
    text = json.dumps(content)
    save_file(tensors, path, {**metadata, "content": text, "digest": _hash(text.encode())})
    with pytest.raises(rb.FormatError, match=match):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "change",
    [{"delays": {"in": {"a": 1}}}, {"outputs": ["z"]}, {"more": 1}, {"surrogate": {"name": "ATan", "a": 1}}],
)
def test_hostile_options_are_refused(change, tmp_path):
    save_checkpoint(tmp_path / "c.safetensors", rb.to_torch(network()))
    checkpoint = load_checkpoint(tmp_path / "c.safetensors")
    checkpoint._parts["networks"][""]["options"].update(change)
    with pytest.raises(rb.FormatError, match="safetensors: holds"):
        checkpoint.module()


def test_any_module_has_checkpoints_but_only_those_of_networks_hold_one(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)).to(torch.bfloat16)
    model[0].bias = model[1].bias  # shared
    save_checkpoint(tmp_path / "c.safetensors", model)
    checkpoint, other = load_checkpoint(tmp_path / "c.safetensors"), torch.nn.Sequential(
        torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)
    ).to(torch.bfloat16)  # fmt: skip
    checkpoint.restore(other)
    assert all(torch.equal(v, other.state_dict()[name]) for name, v in model.state_dict().items())
    with pytest.raises(rb.FormatError, match="holds the state of a module, but no network"):
        checkpoint.network()
