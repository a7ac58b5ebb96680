"""The ten lines that introduce the library, held to a loop written by hand."""

import numpy as np

import rheobase as rb


def ten_lines():
    net = rb.Network(seed=0)
    noise = net.add(rb.PoissonSource(100, rate=40.0))
    exc = net.add(rb.Population(400, rb.LIF(tau=20e-3), name="exc"))
    net.add(rb.Projection(noise, exc, rb.random(p=0.2), weight=0.3, delay=2e-3))
    spikes = net.add(rb.Probe(exc))
    return net, noise, spikes


def test_the_ten_lines_run_and_can_be_priced(simulator):
    net, _, spikes = ten_lines()
    result = simulator(net, dt=1e-3).run(1.0)
    # 20 inputs of 40 Hz and weight 0.3 drive v at 4.8 times its threshold: tau ln(4.8 / 3.8) = 4.7 ms.
    assert 140 < result[spikes].rate() < 200
    energy = rb.energy(result, chip="loihi")
    assert energy.joules > 0
    assert "loihi" in str(energy)


def test_the_ten_lines_equal_a_loop_in_float64(simulator, raster, twins):
    net, noise, spikes = ten_lines()
    inputs = net.add(rb.Probe(noise))
    sim = simulator(net, dt=1e-3)
    result = sim.run(1.0)
    drawn = sim.plan.synapses("poissonsource->exc")
    matrix = np.zeros((400, 100))
    np.add.at(matrix, (drawn.targets, drawn.sources()), 0.3)
    arriving = np.zeros((1000, 400))
    arriving[2:] = (raster(result[inputs], 1000) @ matrix.T)[:-2]
    ours = raster(result[spikes], 1000)
    for neuron in range(0, 400, 7):
        sent, _ = twins.neurons.lif(arriving[:, neuron], 1e-3, tau=20e-3)
        # Rounding of weights and state may move a spike that only just reaches the threshold.
        assert np.abs(np.cumsum(sent) - np.cumsum(ours[:, neuron])).max() <= 1
        assert np.mean(sent == ours[:, neuron]) > 0.99
