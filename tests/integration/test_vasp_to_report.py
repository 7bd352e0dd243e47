"""VASP jobs of two metals from frames to reports, as a user types it, with the stand-in VASP.

Numbers of the reports are compared with those computed here from vasprun.xml, without dosml.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import ase.io
import numpy as np
import pandas as pd
import pytest
from helpers.vasp_study import STAND_IN, rattled, write_potcars

WIDTHS = (0.2, 0.5, 1.0, 2.0)
SMALL = ("--cutoff", "4", "--n-max", "4", "--l-max", "2", "--inducing", "40", "--workers", "1")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Folder with a study that was written, run and collected."""
    folder = tmp_path_factory.mktemp("vasp")
    frames = [*rattled("Ti", 8, test=3), *rattled("Cu", 8, (2, 2, 1), test=3)]
    ase.io.write(folder / "frames.extxyz", frames, format="extxyz")
    write_potcars(folder / "potcars")
    (folder / "cluster.toml").write_text(
        f'executor = "processes"\ncommand = "{sys.executable} {STAND_IN}"\nworkers = 2\n'
    )
    options = ("--sigma", "0.2,0.5,1.0,2.0", "--electrons=-1,0", "--incar", "NEDOS=2001")
    dosml(folder, "relabel", "frames.extxyz", "--engine", "vasp", *options, "--out", "study")
    ran = dosml(folder, "relabel", "run", "study", "--config", "cluster.toml")
    assert "128 done" in ran
    collected = dosml(folder, "relabel", "collect", "study")
    assert "128 labels; 0 jobs refused" in collected
    return folder


def dosml(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dosml", *arguments],
        cwd=folder,
        env={**os.environ, "PMG_VASP_PSP_DIR": str(folder / "potcars"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


class Outputs:
    """What VASP wrote for one metal, read with an XML parser only."""

    def __init__(self, folder: Path, metal: str) -> None:
        self.jobs = {}
        for path in sorted((folder / "study" / "jobs").glob("*/*/vasprun.xml.gz")):
            with gzip.open(path) as handle:
                tree = ET.parse(handle)
            if tree.find("atominfo/array[@name='atoms']/set/rc/c").text.strip() != metal:
                continue
            name = path.parents[1].name.rsplit("-", 1)[0]
            self.jobs[name, path.parent.name] = tree.find("calculation[last()]")

    def forces(self, name: str, frame: str) -> np.ndarray:
        rows = self.jobs[name, frame].findall("varray[@name='forces']/v")
        return np.array([row.text.split() for row in rows], dtype=float)

    def energy(self, name: str, frame: str) -> float:
        return float(self.jobs[name, frame].find("energy/i[@name='e_fr_energy']").text)

    def frames(self, name: str) -> list[str]:
        return [frame for other, frame in self.jobs if other == name]

    def d_moments(self, name: str) -> tuple[float, float]:
        """Centre of the mean d-DOS within 10 eV of E_F, and its value at E_F."""
        grid = np.linspace(-12, 12, 4801)
        curves = []
        for frame in self.frames(name):
            step = self.jobs[name, frame]
            fermi = float(step.find("dos/i[@name='efermi']").text)
            atoms = step.findall("dos/partial/array/set/set")
            parts = [
                np.array([row.text.split() for row in atom.findall("set[1]/r")], dtype=float)
                for atom in atoms
            ]
            energies = np.linspace(parts[0][0, 0], parts[0][-1, 0], len(parts[0]))
            d = sum(part[:, 5:].sum(axis=1) for part in parts) / len(parts)
            curves.append(np.interp(grid, energies - fermi, d))
        mean = np.mean(curves, axis=0)
        inside = np.abs(grid) <= 10
        weight = np.trapezoid(mean[inside], grid[inside])
        centre = np.trapezoid((grid * mean)[inside], grid[inside]) / weight
        return float(centre), float(np.interp(0, grid, mean))


def held_out(folder: Path, metal: str) -> list[str]:
    table = pd.read_csv(folder / "study" / "collected" / "labels.csv")
    frames = ase.io.read(folder / "study" / "collected" / "sigma_0.2.extxyz", ":")
    ids = table[table["setting"] == "sigma_0.2"]["frame"]
    return [
        identity
        for identity, frame in zip(ids, frames, strict=True)
        if set(frame.symbols) == {metal} and frame.info["split"] == "test"
    ]


def check_scan(folder: Path, campaign: Path, metal: str, names: list[str]) -> None:
    """Every label-set's row against the files."""
    table = pd.read_csv(campaign / "results.csv")
    outputs, test = Outputs(folder, metal), held_out(folder, metal)
    assert len(test) == 3
    (kept,) = campaign.glob("models/*/predictions.npz")
    with np.load(kept) as arrays:
        predictions = {n: arrays[f"forces_{n}"] for n in range(len(names))}
        energies = {n: arrays[f"energies_{n}"] for n in range(len(names))}
    for number, (name, row) in enumerate(zip(names, table.to_dict("records"), strict=True)):
        forces = np.concatenate([outputs.forces(name, frame) for frame in test])
        mae, mav = np.abs(predictions[number] - forces).mean(), np.abs(forces).mean()
        assert row["force_mav_ev_per_angstrom"] == pytest.approx(mav, rel=1e-6)
        assert row["force_mae_ev_per_angstrom"] == pytest.approx(mae, rel=1e-4)
        assert row["force_percent_error"] == pytest.approx(100 * mae / mav, rel=1e-4)
        free = np.array([outputs.energy(name, frame) for frame in test])
        n_atoms = len(forces) / len(test)
        assert row["energy_mae_ev_per_atom"] == pytest.approx(
            np.abs(energies[number] - free).mean() / n_atoms, rel=1e-3, abs=1e-9
        )
        centre, at_fermi = outputs.d_moments(name)
        assert row["d_band_center_ev"] == pytest.approx(centre, abs=0.02)
        assert row["n_d_fermi_bare_states_per_ev_atom"] == pytest.approx(at_fermi, rel=0.02)


def figures(campaign: Path) -> set[str]:
    return {path.stem for path in (campaign / "figures").glob("*.png")}


def test_smear_scan_takes_every_metal_of_the_study(place) -> None:
    out = dosml(place, "smear-scan", "--labels", "study", "--out", "survey", *SMALL)
    assert "does the d-DOS predict learnability?" in out
    for metal in ("Cu", "Ti"):
        campaign = place / "survey" / metal
        check_scan(place, campaign, metal, [f"sigma_{width:g}" for width in WIDTHS])
        assert {
            "d_dos",
            "error_against_sigma",
            "error_against_dos",
            "force_parity",
            "force_differences",
        } <= figures(campaign)
        report = (campaign / "report.html").read_text(encoding="utf-8")
        assert "VASP" in report
        assert "stand-in" not in report
    assert (place / "survey" / "report.html").is_file()


def test_electron_numbers_and_the_map(place) -> None:
    dosml(place, "nelect-scan", "Ti", "--labels", "study", "--sigma", "0.5", "--out", "ne", *SMALL)
    check_scan(place, place / "ne", "Ti", ["sigma_0.5_electrons_-1", "sigma_0.5"])
    assert {"error_against_electrons", "electron_axis", "d_dos"} <= figures(place / "ne")
    dosml(place, "map", "Cu", "--labels", "study", "--sigma", "0.2,2.0", "--out", "map", *SMALL)
    names = [
        *("sigma_0.2_electrons_-1", "sigma_2_electrons_-1"),
        *("sigma_0.2", "sigma_2"),
    ]
    check_scan(place, place / "map", "Cu", names)
    assert "map" in figures(place / "map")


def test_trainings_take_the_same_labels(place) -> None:
    labels = ("--labels", "study", "--label-sets", "sigma_0.2,sigma_2", *SMALL)
    dosml(place, "train", "Cu", *labels, "--out", "train")
    table = pd.read_csv(place / "train" / "training.csv")
    assert list(table["label_set"]) == ["sigma_0.2", "sigma_2"]
    dosml(place, "learning-curve", "Cu", *labels, "--sizes", "3,5", "--out", "curve")
    curve = pd.read_csv(place / "curve" / "learning_curve.csv")
    last = curve[curve["n_train"] == 5].set_index("label_set")["force_percent_error"]
    both = table.set_index("label_set")["force_percent_error"]
    pd.testing.assert_series_equal(last, both)


def test_what_cannot_be_asked_of_the_labels_is_said(place) -> None:
    for arguments, words in (
        (("smear-scan", "Ti", "--labels", "study", "--sigma", "0.2,0.3"), "finds 1 of"),
        (("smear-scan", "Au", "--labels", "study"), "it holds Cu, Ti"),
        (("smear-scan", "Ti", "--labels", "study", "--kpoints", "2,2,2"), "cannot be chosen"),
        (("smear-scan", "Ti", "--labels", "study", "--scheme", "cold"), "methfessel-paxton-1"),
        (("smear-scan", "Ti", "--labels", "nowhere"), "no labelled data at nowhere"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "dosml", *arguments],
            cwd=place,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert words in done.stderr, done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
