"""Campaign folders with made-up numbers: what is joined is known by construction."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from dosml.analysis.measures.columns import result_columns, tier_column
from dosml.analysis.measures.table import PRIMARY, REDUCED
from dosml.analysis.statistics.published import published_metals

METALS = ["Ti", "V", "Cr", "Zr", "Nb", "Mo", "Ni", "Cu", "Pd", "Ag", "Pt", "Au"]
SIGMAS = (0.2, 0.5, 2.0)


def write_campaign(
    folder,
    metal,
    *,
    slope=2.0,
    noise=0.3,
    sigmas=SIGMAS,
    scheme="fermi-dirac",
    seed=0,
    run=(),
    label_noise=0.01,
):
    """Force error = 9 + slope * n_d(E_F) of the metal + noise - 1 point per eV; chi_4 = 0.3 n_d."""
    known = published_metals()["metal"].tolist()
    rng = np.random.default_rng([seed, known.index(metal)])
    n_d = rng.uniform(0.2, 3.0)
    rows = []
    for sigma in sigmas:
        error = 9 + slope * n_d + noise * rng.normal() - 1.0 * (sigma - sigmas[0])
        row = {name: rng.uniform(0.5, 1.5) for name in result_columns()}
        row |= {
            "sigma_ev": sigma,
            "smearing_scheme": scheme,
            "electrons_per_atom_shift": 0.0,
            "n_frames": 21,
            "n_test_frames": 9,
            "force_percent_error": error,
            "label_noise_ev_per_angstrom": label_noise,
            "label_noise_percent": 30 * label_noise,
            "force_percent_error_low": error - 0.5,
            "force_percent_error_high": error + 0.5,
            "force_percent_error_change": -1.0 * (sigma - sigmas[0]),
            "d_band_filling": (filling := rng.uniform(0.1, 0.95)),
            "d_filling_product": filling * (1 - filling),
            "n_d_fermi_bare_states_per_ev_atom": n_d,
            "n_d_fermi_states_per_ev_atom": n_d / (1 + sigma),
            PRIMARY: 0.3 * n_d,
            REDUCED: 0.3 * n_d,
        }
        for tier in ("cold", "melt"):
            for end, by in (("", 0.0), ("low", -0.7), ("high", 0.7)):
                row[tier_column(tier, end)] = error * (0.6 if tier == "cold" else 1.2) + by
        rows.append(row)
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(folder / "results.csv", index=False)
    angular = [
        {"setting": f"σ = {s:g} eV", "l_max": level, "n_functions": 10, "explained": value}
        for s in sigmas
        for level, value in ((-1, 0.7), (0, 0.8), (1, 0.85), (2, 0.9 + 0.02 * rng.random()))
    ]
    pd.DataFrame(angular).to_csv(folder / "angular_resolution.csv", index=False)
    energies = np.arange(-10, 10.001, 0.05).round(6)
    curve = 4 * np.exp(-((energies - rng.uniform(-3, 1)) ** 2))
    dos = [
        {
            "sigma_ev": s,
            "electrons_per_atom_shift": 0.0,
            "energy_ev": e,
            "d_bare_states_per_ev_atom": d,
            "d_smeared_states_per_ev_atom": d / 2,
            "total_bare_states_per_ev_atom": d + 0.2,
        }
        for s in sigmas
        for e, d in zip(energies, curve, strict=True)
    ]
    pd.DataFrame(dos).to_csv(folder / "d_dos.csv", index=False)
    settings = {"engine": "xtb", "learner": "sgp", "train": 12, "test": 9, "sigma": list(sigmas)}
    record = {"dosml": "0.1.0", "subject": metal, "run": {**settings, **dict(run)}}
    (folder / "campaign.json").write_text(json.dumps(record))
    return folder
