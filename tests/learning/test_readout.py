"""Read-outs against scikit-learn, closed forms, and as projections of the network that they read."""

import numpy as np
import pytest

import rheobase as rb
from rheobase.learning.readout import Readout, logistic, ridge

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 12)) @ RNG.normal(size=(12, 12))
Y = X @ RNG.normal(size=(12, 3)) + RNG.normal(0.0, 3.0, (60, 3)) + [5.0, 0.0, -2.0]
LABELS = np.array(["a", "b", "c"])[(X[:, :3] + RNG.normal(0.0, 1.0, (60, 3))).argmax(axis=1)]
ALPHAS = np.logspace(-3, 4, 15)


@pytest.mark.parametrize("alpha", [0.0, 0.1, 30.0])
def test_ridge_is_that_of_scikit_learn(alpha):
    linear_model = pytest.importorskip("sklearn.linear_model")
    theirs = linear_model.Ridge(alpha).fit(X, Y)
    ours = ridge(X, Y, alpha)
    np.testing.assert_allclose(ours.weight, theirs.coef_, atol=1e-8)
    np.testing.assert_allclose(ours.bias, theirs.intercept_, atol=1e-8)
    assert ours.score(X, Y) == pytest.approx(theirs.score(X, Y), abs=1e-9)
    assert ridge(X, Y[:, 0], alpha).predict(X).shape == (60,)


@pytest.mark.parametrize("targets", [Y, Y[:, 0]])
def test_the_penalty_is_chosen_as_scikit_learn_does_leaving_one_out(targets):
    linear_model = pytest.importorskip("sklearn.linear_model")
    theirs = linear_model.RidgeCV(ALPHAS).fit(X, targets)
    ours = ridge(X, targets, ALPHAS)
    assert ours.alpha == theirs.alpha_ not in (ALPHAS[0], ALPHAS[-1])
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-8)


def test_the_error_of_leaving_one_out_is_that_of_training_without_it():
    def error(alpha):
        left_out = [ridge(np.delete(X, i, 0), np.delete(Y, i, 0), alpha)(X[i : i + 1])[0] for i in range(60)]
        return ((np.array(left_out) - Y) ** 2).mean()

    few = ALPHAS[::3]
    assert ridge(X, Y, few).alpha == min(few, key=error)


def test_generalised_cross_validation_follows_its_formula():
    def error(alpha):
        centred = X - X.mean(axis=0)
        inverse = np.linalg.inv(centred.T @ centred + alpha * np.eye(12))
        hat = centred @ inverse @ centred.T + 1.0 / 60  # takes targets to predictions
        return (((Y - hat @ Y) / (1.0 - np.trace(hat) / 60)) ** 2).mean()

    assert ridge(X, Y, ALPHAS, cv="gcv").alpha == min(ALPHAS, key=error)


def test_more_features_than_samples_leave_a_minimum():
    wide = RNG.normal(size=(20, 50))
    w, b = (lambda r: (r.weight, r.bias))(ridge(wide, Y[:20], 2.0))
    residual = wide @ w.T + b - Y[:20]
    np.testing.assert_allclose(residual.T @ wide + 2.0 * w, 0.0, atol=1e-9)
    np.testing.assert_allclose(residual.sum(axis=0), 0.0, atol=1e-9)


def test_classes_by_ridge_are_those_of_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    theirs = linear_model.RidgeClassifier(3.0).fit(X, LABELS)
    ours = ridge(X, LABELS, 3.0, classify=True)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    assert ours.score(X, LABELS) == theirs.score(X, LABELS)


@pytest.mark.parametrize("alpha", [0.05, 1.0, 50.0])
def test_logistic_is_that_of_scikit_learn(alpha):
    linear_model = pytest.importorskip("sklearn.linear_model")
    options = {"C": 1.0 / alpha, "tol": 1e-12, "max_iter": 1000, "solver": "newton-cholesky"}
    theirs = linear_model.LogisticRegression(**options).fit(X, LABELS)
    ours = logistic(X, LABELS, alpha)
    np.testing.assert_allclose(ours.weight, theirs.coef_, atol=1e-6)
    np.testing.assert_allclose(ours.bias, theirs.intercept_, atol=1e-6)
    np.testing.assert_allclose(ours.probabilities(X), theirs.predict_proba(X), atol=1e-6)
    assert ours.classes.tolist() == theirs.classes_.tolist()


def test_two_separable_samples_have_the_weight_of_the_closed_form():
    from scipy.optimize import brentq

    # At -1 and 1 weights are -w and w: the slope of 2 log(1 + exp(-2 w)) + alpha w^2 is zero.
    w = brentq(lambda w: 0.3 * w * (1.0 + np.exp(2.0 * w)) - 2.0, 0.0, 10.0)
    found = logistic([[-1.0], [1.0]], [0, 1], 0.3)
    np.testing.assert_allclose(found.weight, [[-w], [w]], rtol=1e-7)
    np.testing.assert_allclose(found.bias, 0.0, atol=1e-9)


def test_a_reservoir_is_read_by_neurons_with_these_weights():
    net = rb.Network(seed=1)
    noise = net.add(rb.PoissonSource(20, rate=60.0))
    liquid = net.add(rb.Population(30, rb.LIF(20e-3), name="liquid"))
    net.add(rb.Projection(noise, liquid, rb.random(0.3), weight=0.4))
    net.add(rb.Projection(liquid, liquid, rb.random(0.2), weight=-0.1))
    spikes = net.add(rb.Probe(liquid))
    record = rb.Simulator(net, dt=1e-3, batch=8, backend="reference").run(0.1)[spikes]
    readout = ridge(record.counts(), np.arange(8) % 2, classify=True, alpha=0.1)
    out = net.add(rb.Population(2, rb.LI(), name="out", initial={"v": readout.bias}))
    net.add(rb.Projection(liquid, out, rb.dense(), weight=readout.weight, delay=0.0))
    sim = rb.Simulator(net, dt=1e-3, batch=8, backend="reference")
    sim.run(0.1)
    np.testing.assert_allclose(sim.state(out)["v"], readout(record.counts()), atol=1e-5)
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        as_module = readout.to_torch()(torch.tensor(record.counts(), dtype=torch.float32))
    np.testing.assert_allclose(as_module, readout(record.counts()), atol=1e-5)


def test_traces_of_spikes_are_a_recursion_over_steps():
    steps, ids, trials = [0, 3, 3, 9, 5], [4, 4, 7, 7, 4], [0, 0, 0, 0, 1]
    record = rb.engine.records.SpikeRecord(
        steps=np.add(steps, 10), ids=ids, trials=trials, dt=1e-3, n=2, n_trials=2, neurons=[7, 4],
        start=0.010, stop=0.020,
    )  # fmt: skip
    trace, seen = np.zeros((2, 2)), []
    for step in range(10):
        trace *= np.exp(-1.0 / 3.0)
        for at, id, trial in zip(steps, ids, trials, strict=True):
            if at == step:
                trace[trial, [7, 4].index(id)] += 1.0
        seen.append(trace.copy())
    expected = np.stack([seen[4], seen[9]], axis=-1)
    np.testing.assert_allclose(record.filtered(3e-3, samples=2), expected, rtol=1e-12)
    np.testing.assert_allclose(record.filtered(3e-3)[..., 0], expected[..., 1], rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ridge(X[0], Y), r"ridge.features: got shape \(12,\) of float64"),
        (lambda: ridge(X, Y[:5]), r"targets of shape \(5, 3\)"),
        (lambda: ridge(X, LABELS), "classify=True"),
        (lambda: ridge(np.where(X > 2, np.nan, X), Y), "finite"),
        (lambda: ridge(X, Y, -1.0), "alpha: got -1.0"),
        (lambda: ridge(X, Y, [0.0, 1.0]), "several above 0"),
        (lambda: ridge(X, Y, cv="none"), "'loo' or 'gcv'"),
        (lambda: logistic(X, LABELS, 0.0), "logistic.alpha: got 0.0"),
        (lambda: logistic(X, np.ones(60)), "all labels are"),
        (lambda: ridge(X, Y)(X[:, 1:]), "got 11 per sample; allowed are 12"),
        (lambda: ridge(X, Y).score(X, Y[:, 0]), r"Readout.targets: got shape \(60,\)"),
        (lambda: rb.engine.records.SpikeRecord(
            steps=[], ids=[], trials=[], dt=1e-3, n=1, stop=0.01).filtered(1e-3, samples=3), "10 steps"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(rb.SpecError, match=message):
        call()


def test_giving_up_says_what_to_do():
    with pytest.raises(rb.RunError, match="max_iterations above 2"):
        logistic(X, LABELS, max_iterations=2)


def test_it_prints():
    assert (
        repr(Readout(np.ones((2, 3)), np.zeros(2))) == "Readout: 3 features to 2 outputs (numbers), alpha=0"
    )
