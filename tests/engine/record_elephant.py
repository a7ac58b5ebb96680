"""Record what elephant says of spike trains, for test_spike_statistics.py.

Run with a Python that has elephant (1.2.1 was used): python record_elephant.py data/elephant.npz
"""

import sys

import elephant.spike_train_correlation as correlation
import elephant.statistics as statistics
import neo
import numpy as np
import quantities as pq
from elephant.conversion import BinnedSpikeTrain

DT, STOP, N = 1e-3, 20.0, 6


def trains(rng: np.random.Generator) -> list[np.ndarray]:
    """Return the steps of six trains: gamma processes of several shapes, two of which share spikes."""
    shared = np.flatnonzero(rng.random(20_000) < 0.004)
    found = []
    for k in range(N):
        shape = 1.0 + k
        gaps = rng.gamma(shape, 1.0 / (shape * (8.0 + 4.0 * k)), 2000)
        steps = np.unique(np.rint(np.cumsum(gaps) / DT).astype(np.int64))
        steps = np.union1d(steps, shared) if k >= 4 else steps
        found.append(steps[steps < round(STOP / DT)])
    return found


def main(path: str) -> None:
    """Write trains and what elephant computes from them."""
    steps = trains(np.random.default_rng(5))
    spikes = [neo.SpikeTrain(one * DT * pq.s, t_stop=STOP * pq.s) for one in steps]
    gaps = [statistics.isi(train).rescale("s").magnitude for train in spikes]
    binned = BinnedSpikeTrain(spikes, bin_size=5 * pq.ms)
    fine = BinnedSpikeTrain(spikes, bin_size=1 * pq.ms)

    def counts(a: int, b: int) -> np.ndarray:
        histogram, _ = correlation.cross_correlation_histogram(
            fine[a], fine[b], window=[-50, 50], border_correction=False
        )
        return histogram.magnitude.ravel()

    np.savez(
        path,
        steps=np.concatenate(steps).astype(np.int16),
        ids=np.repeat(np.arange(N), [one.size for one in steps]).astype(np.int8),
        rates=[float(statistics.mean_firing_rate(train).rescale("Hz")) for train in spikes],
        cv=[statistics.cv(gap) for gap in gaps],
        cv2=[statistics.cv2(gap) for gap in gaps],
        lv=[statistics.lv(gap) for gap in gaps],
        lvr=[statistics.lvr(gap * pq.s, R=5 * pq.ms) for gap in gaps],
        fano=statistics.fanofactor(spikes),
        correlations=correlation.correlation_coefficient(binned),
        cross=counts(4, 5),
        auto=counts(2, 2),
    )


if __name__ == "__main__":
    main(sys.argv[1])
