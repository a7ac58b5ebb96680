"""Record NEST neurons with shaped currents and conductances: run by its Python to make nest_synapses.npz.

Usage: python tests/neurons/record_nest_synapses.py   (recorded with NEST 3.10)
"""

from __future__ import annotations

from record_nest import COMMON, record_all

CURRENT = COMMON | {"I_e": 100.0}
CONDUCTANCE = {
    "C_m": 200.0, "g_L": 10.0, "E_L": -60.0, "V_reset": -60.0, "V_th": -50.0, "t_ref": 5.0, "V_m": -60.0,
    "E_ex": 0.0, "E_in": -80.0, "I_e": 20.0,
}  # fmt: skip
BETA = {"tau_rise_ex": 0.5, "tau_decay_ex": 5.0, "tau_rise_in": 2.0, "tau_decay_in": 10.0}
#: Model, parameters, mean and standard deviation of the weights (pA or nS); negative ones inhibit.
CASES = {
    "psc_alpha": ("iaf_psc_alpha", CURRENT | {"tau_syn_ex": 2.0, "tau_syn_in": 5.0}, (60.0, 100.0)),
    "cond_exp": ("iaf_cond_exp", CONDUCTANCE | {"tau_syn_ex": 5.0, "tau_syn_in": 10.0}, (0.6, 1.5)),
    "cond_alpha": ("iaf_cond_alpha", CONDUCTANCE | {"tau_syn_ex": 2.0, "tau_syn_in": 5.0}, (0.6, 1.5)),
    "cond_beta": ("iaf_cond_beta", CONDUCTANCE | BETA, (0.6, 1.5)),
    "multisynapse": ("iaf_psc_exp_multisynapse", CURRENT | {"tau_syn": [0.5, 2.0, 20.0]}, (40.0, 150.0)),
}

if __name__ == "__main__":
    record_all(CASES, "nest_synapses.npz")
