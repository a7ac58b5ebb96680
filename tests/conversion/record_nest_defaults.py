"""Record the default parameters of the NEST models that SONATA circuits name: run with NEST's Python.

Usage: python tests/conversion/record_nest_defaults.py   (recorded with NEST 3.10)
"""

from __future__ import annotations

import json
from pathlib import Path

import nest

MODELS = (
    "iaf_psc_exp", "iaf_psc_alpha", "iaf_psc_delta", "iaf_cond_exp", "iaf_cond_alpha", "aeif_cond_exp",
    "aeif_cond_alpha",
)  # fmt: skip
NAMES = (
    "C_m", "tau_m", "g_L", "E_L", "V_th", "V_reset", "V_peak", "t_ref", "I_e", "tau_syn_ex", "tau_syn_in",
    "E_ex", "E_in", "Delta_T", "tau_w", "a", "b",
)  # fmt: skip

if __name__ == "__main__":
    found = {}
    for model in MODELS:
        defaults = nest.GetDefaults(model)
        found[f"nest:{model}"] = {name: float(defaults[name]) for name in NAMES if name in defaults}
    text = json.dumps(found, indent=1)
    Path(__file__).with_name("nest_defaults.json").write_text(text + "\n")
