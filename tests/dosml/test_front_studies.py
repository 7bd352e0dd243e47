"""`dosml evaluate` and `dosml recommend-smearing` on labels that are made."""

from __future__ import annotations

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from typer.testing import CliRunner

from dosml.cli import app
from dosml.errors import InputError


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def labels(tmp_path, monkeypatch):
    """EMT labels of copper and gold at two widths; the wider are 5 % smaller."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "labels"
    folder.mkdir()
    for width, scale in ((0.2, 1.0), (1.0, 0.95)):
        frames = []
        for seed in range(10):
            atoms = bulk("Cu", cubic=True)
            atoms.symbols[0] = "Au"
            atoms.rattle(0.05 if seed % 2 else 0.2, seed=seed)
            atoms.calc = EMT()
            atoms.info |= {"REF_energy": scale * atoms.get_potential_energy() - 7.0}
            atoms.info["tier"] = "cold" if seed % 2 else "melt"
            atoms.arrays["REF_forces"] = scale * atoms.get_forces()
            atoms.calc = None
            frames.append(atoms)
        ase.io.write(folder / f"sigma_{width:g}.extxyz", frames, format="extxyz")
    return folder


def test_a_force_field_is_scored_by_tier_element_and_frame(labels):
    done = run("evaluate", labels, "--scheme", "fermi-dirac", "--model",
               "ase:ase.calculators.emt:EMT", "--out", "ev")  # fmt: skip
    assert done.exit_code == 0, done.output
    table = pd.read_csv("ev/errors.csv").set_index(["label_set", "tier"])
    # the labels of the first set are EMT's own, but for a constant that is fitted
    assert table.loc[("sigma_0.2", "all"), "force_percent_error"] == pytest.approx(0, abs=1e-4)
    assert table.loc[("sigma_0.2", "all"), "energy_mae_ev_per_atom"] == pytest.approx(0, abs=1e-6)
    for tier in ("all", "cold", "melt"):
        error = table.loc[("sigma_1", tier), "force_percent_error"]
        assert error == pytest.approx(100 * 0.05 / 0.95, rel=1e-4)
    assert set(pd.read_csv("ev/errors_by_element.csv")["element"]) == {"Au", "Cu"}
    worst = ase.io.read("ev/worst.extxyz", index=":")
    assert len(worst) == 10
    assert {"REF_forces", "predicted_forces", "force_error"} <= set(worst[0].arrays)
    np.testing.assert_allclose(
        worst[0].arrays["predicted_forces"], worst[0].arrays["REF_forces"], atol=1e-5
    )
    report = (labels.parent / "ev" / "report.html").read_text(encoding="utf-8")
    for words in ("how hard is it for", "Errors by element", "Worst frames", "One energy per"):
        assert words in report


def test_a_model_that_fails_names_the_frame(labels):
    path = labels.parent / "ti.extxyz"
    frames = []
    for seed in range(3):
        atoms = bulk("Ti")
        atoms.rattle(0.05, seed=seed)
        atoms.info["REF_energy"] = -1.0 - seed
        atoms.arrays["REF_forces"] = np.full((2, 3), 0.1)
        frames.append(atoms)
    ase.io.write(path, frames, format="extxyz")
    done = run("evaluate", path, "--model", "ase:ase.calculators.emt:EMT")
    assert "fails on frame" in str(done.exception)
    assert "Ti2" in str(done.exception)


def test_what_cannot_be_scored_is_refused(labels):
    wrong = run("evaluate", labels, "--scheme", "fermi-dirac", "--model", "nothing.npz")
    assert "no saved model" in str(wrong.exception)
    assert not list(labels.parent.glob("dosml-evaluate-*"))
    wrong = run("evaluate", labels, "--scheme", "fermi-dirac", "--frames", "test", "--model",
                "ase:ase.calculators.emt:EMT")  # fmt: skip
    assert isinstance(wrong.exception, InputError)


@pytest.mark.parametrize(("within", "width"), [(1.0, 0.2), (5000.0, 1.0)])
def test_a_smearing_is_recommended(labels, within, width):
    done = run("recommend-smearing", labels, "--scheme", "fermi-dirac", "--within", within,
               "--out", "rec")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert f"ISMEAR = -1; SIGMA = {width:g}" in done.output
    table = pd.read_csv("rec/recommended.csv")
    wide = table[(table["sigma_ev"] == 1.0) & (table["tier"] == "all")].iloc[0]
    assert wide["force_change_percent"] == pytest.approx(5, rel=1e-4)
    assert set(table["tier"]) == {"all", "cold", "melt"}
    assert (labels.parent / "rec" / "settings.txt").is_file()
    report = (labels.parent / "rec" / "report.html").read_text(encoding="utf-8")
    assert "how much smearing may a training set have?" in report


def test_one_width_recommends_nothing(labels):
    done = run("recommend-smearing", labels / "sigma_0.2.extxyz", "--scheme", "fermi-dirac")
    assert "two smearing widths or more, got 1" in str(done.exception)
    assert not list(labels.parent.glob("dosml-recommend-*"))
