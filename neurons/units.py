"""Multiples of SI units, so that parameters read as in papers: 20 * ms, 250 * pF."""

ms = 1e-3
us = 1e-6
mV = 1e-3
nS = 1e-9
pA = 1e-12
pF = 1e-12
