"""`dosml validate`: a sound force field is called stable, one that is not is called unstable."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from typer.testing import CliRunner

import dosml
from dosml.analysis.statistics.stability import (
    Check,
    Run,
    elastic_numbers,
    failures,
    pair_distribution,
    run_checks,
    verdict,
)
from dosml.cli import app
from dosml.errors import CampaignMismatchError, InputError
from dosml.learners.sgp.learner import SgpLearner
from dosml.learners.sgp.settings import SgpSettings
from dosml.relabel.dataset import LabelSet
from dosml.studies.model_crystal import relax_crystal
from dosml.studies.model_runs import RunPlan, find, keep, melting_ramp, simulate, superheating
from dosml.studies.validate_report import _word

#: Å, of EMT's copper.
CONSTANT = 3.59


class Hole(Calculator):
    """EMT with a well that two atoms fall into once they are closer than 2.3 Å."""

    implemented_properties = ["energy", "free_energy", "forces"]  # noqa: RUF012 (ase declares it so)

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        inner = self.atoms.copy()
        inner.calc = EMT()
        energy, forces = inner.get_potential_energy(), inner.get_forces()
        vectors = self.atoms.get_all_distances(mic=True, vector=True)
        lengths = np.linalg.norm(vectors, axis=2) + 10 * np.eye(len(self.atoms))
        depth = np.clip(2.3 - lengths, 0, None)
        energy -= 40 * (depth**2).sum() / 2
        forces += (
            (80 * depth / lengths)[:, :, None]
            .transpose(0, 1, 2)
            .repeat(3, 2)
            .__mul__(vectors)
            .sum(axis=1)
        )
        self.results = {"energy": energy, "free_energy": energy, "forces": forces}


def hole():
    return Hole()


def trained(frames, path):
    """Save a small sgp trained on EMT labels of frames."""
    forces, energies, stresses = [], [], []
    for frame in frames:
        atoms = frame.copy()
        atoms.calc = EMT()
        energies.append(atoms.get_potential_energy())
        forces.append(atoms.get_forces())
        stresses.append(atoms.get_stress())
    labels = LabelSet(np.array(energies), forces, np.array(stresses), name="emt")
    settings = SgpSettings(cutoff=4.5, n_max=6, l_max=3, n_inducing=120)
    SgpLearner(settings).fit(frames, [labels]).save(path, 0)
    return path


def copper(rattles, strains, seed=0):
    """Rattled and strained cells of eight atoms."""
    rng = np.random.default_rng(seed)
    frames = []
    for rattle in rattles:
        for strain in strains:
            atoms = bulk("Cu", "fcc", a=CONSTANT) * (2, 2, 2)
            shape = np.eye(3) * (1 + strain) + rng.normal(0, 0.01 if strain else 0, (3, 3))
            atoms.set_cell(np.asarray(atoms.cell) @ shape, scale_atoms=True)
            atoms.positions += rng.normal(0, rattle, atoms.positions.shape)
            frames.append(atoms)
    return frames


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    frames = copper((0.05, 0.15, 0.25), (-0.06, -0.03, 0.0, 0.03, 0.07))
    return trained(frames, tmp_path_factory.mktemp("good") / "good.npz")


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    """Three cold frames, which say nothing of hot ones."""
    return trained(copper((0.01,), (0.0, 0.0, 0.0)), tmp_path_factory.mktemp("bad") / "bad.npz")


def test_checks_that_are_passed_on_guessed_forces_show_no_stability():
    passed = Check("NPT 900 K", "Bragg order", 0.9, "at least 0.1", "", True)
    guess = Check(
        "NPT 900 K", "standard deviation of forces", 1.3, "at most 0.5", "", False, decides=False
    )
    assert verdict([passed, passed]) == "stable: all 2 checks passed"
    assert verdict([passed, passed, guess]).startswith(
        "not shown to be stable: all 2 checks passed"
    )
    assert [_word(each) for each in ([passed], [passed, guess])] == ["Yes", "Undecided"]
    failed = Check("NVE 300 K", "drift", 90.0, "at most 10", "meV/atom/ps", False)
    assert _word([failed, guess]) == "No"


def run(*arguments):
    return CliRunner().invoke(app, ["validate", *map(str, arguments)])


def test_a_good_model_is_stable_and_its_runs_are_kept(good, tmp_path):
    out = tmp_path / "good"
    options = (good, "--steps", 60, "--min-length", 5, "--temperature", "300,900", "--out", out)
    result = run(*options)
    assert result.exit_code == 0, result.output
    assert "good.npz on Cu is stable" in " ".join(result.stdout.split())
    table = pd.read_csv(out / "validation.csv")
    assert list(table["ensemble"]) == ["NVT", "NVE", "NVT", "NVE", "NPT"]
    assert (table["verdict"] == "ok").all()
    assert (table["extrapolation"] < 0.5).all()
    crystal = pd.read_csv(out / "crystals.csv").iloc[0]
    assert crystal["a_angstrom"] == pytest.approx(CONSTANT, abs=0.02)
    report = (out / "report.html").read_text(encoding="utf-8")
    assert "good.npz stable?" in report
    assert "<strong>Yes.</strong>" in report
    assert (out / "figures" / "stability.png").is_file()
    # the same command reads the runs, but for one that was damaged
    runs = sorted((out / "runs").glob("*.npz"))
    runs[0].write_bytes(b"damaged")
    before = {path: path.stat().st_mtime_ns for path in runs[1:]}
    assert (
        run(
            good, "--steps", 60, "--min-length", 5, "--temperature", "300,900", "--out", out
        ).exit_code
        == 0
    )
    assert before == {path: path.stat().st_mtime_ns for path in runs[1:]}
    assert find(runs[0]) is not None
    pd.testing.assert_frame_equal(pd.read_csv(out / "validation.csv"), table)


def test_elastic_constants_are_those_of_the_literature():
    """EMT copper: 173, 116 and 91 GPa (Jacobsen, Stoltze, Norskov, Surf. Sci. 366, 394 (1996))."""
    crystal = relax_crystal(bulk("Cu", "fcc", a=3.7, cubic=True), EMT())
    assert np.allclose(crystal.lengths, CONSTANT, atol=0.003)
    found = elastic_numbers(crystal.stiffness)
    assert found["c11_gpa"] == pytest.approx(173, abs=3)
    assert found["c12_gpa"] == pytest.approx(116, abs=3)
    assert found["c44_gpa"] == pytest.approx(91, abs=3)


def test_a_model_of_a_few_cold_frames_is_called_unstable(bad, tmp_path):
    out = tmp_path / "bad"
    result = run(bad, "--steps", 250, "--min-length", 5, "--temperature", "2500", "--out", out)
    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.split())
    assert "bad.npz on Cu is unstable" in text
    assert "<strong>No.</strong>" in (out / "report.html").read_text(encoding="utf-8")
    assert pd.read_csv(out / "validation.csv")["extrapolation"].max() > 0.5
    with pytest.raises(CampaignMismatchError, match="holds a study of validation of bad"):
        dosml.validate("ase:ase.calculators.emt:EMT", structure="Cu", out=out)


def test_a_hole_is_found_in_any_ase_calculator(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"ase:{__name__.rpartition('.')[2]}:hole"
    (tmp_path / f"{__name__.rpartition('.')[2]}.py").write_text("")
    monkeypatch.setattr("dosml.studies.force_source.make_calculator", lambda _factory: Hole())
    monkeypatch.setattr(
        "dosml.studies.force_source.AseFactory.fingerprint", lambda _factory: {"calculator": "hole"}
    )
    found = dosml.validate(
        name, structure="Cu", temperature=(1500.0,), steps=150, min_length=5, out=tmp_path / "hole"
    )
    assert not found.stable
    assert "unstable" in found.sentence
    assert "distance" in found.sentence or "ended early" in found.sentence


def test_what_cannot_be_run_is_named(tmp_path):
    with pytest.raises(InputError, match="does not say which crystal to run: give --structure"):
        dosml.validate("ase:ase.calculators.emt:EMT", out=tmp_path)
    with pytest.raises(InputError, match="neither a file nor an engine"):
        dosml.validate("nothing", out=tmp_path)
    with pytest.raises(InputError, match="--temperature takes different numbers"):
        dosml.validate("ase:ase.calculators.emt:EMT", temperature=(0.0,), out=tmp_path)
    with pytest.raises(InputError, match="--steps"):
        dosml.validate("ase:ase.calculators.emt:EMT", steps=1, out=tmp_path)
    coarse = {"kpoint_spacing": 0.6}
    with pytest.raises(InputError, match="held against: give --engine"):
        dosml.validate("ase:ase.calculators.emt:EMT", engine_options=coarse, out=tmp_path)
    with pytest.raises(InputError, match="the engine tb"):
        dosml.validate("ase:ase.calculators.emt:EMT", engine="tb", engine_options={"no": 1})


def test_melting_is_told_of_crystals_that_do_not_melt_too(tmp_path):
    found = dosml.validate(
        "ase:ase.calculators.emt:EMT", structure="Cu", temperature=(300.0,), steps=20,
        min_length=5, melting=True, out=tmp_path / "emt",
    )  # fmt: skip
    table = pd.read_csv(found.report.with_name("melting.csv"))
    assert list(table["calculator"]) == ["EMT", "the sampling potential"]
    text = found.report.read_text(encoding="utf-8")
    for row in table.to_dict("records"):
        # sixty steps up to three times the melting temperature: some order is lost, some is not
        lost = np.isfinite(row["order_lost_k"])
        assert row["outcome"].startswith("order lost at" if lost else "a crystal up to 4")
        assert row["outcome"] in text
    assert "nan K" not in text


@pytest.mark.slow
def test_an_engine_with_its_options_melts_beside_the_model(good, tmp_path):
    result = run(
        good, "--steps", 30, "--min-length", 5, "--temperature", "300", "--engine", "tb",
        "--engine-option", "kpoint_spacing=0.6", "--melting", "--out", tmp_path / "tb",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "tb" / "melting.csv")
    assert [name.split(",")[0] for name in table["calculator"]][1:] == [
        "the sampling potential", "tb",
    ]  # fmt: skip
    assert pd.read_csv(tmp_path / "tb" / "crystals.csv")["bulk_modulus_gpa"].iloc[1] > 50


def made_up(energy=(0.0, 0.0, 0.0), closest=2.5, ensemble="NVE", **more):
    time = np.linspace(0.1, 1.1, len(energy))
    full = np.full(len(energy), 1.0)
    return Run(
        "run",
        ensemble,
        300.0,
        time,
        np.array(energy),
        300 * full,
        12 * full,
        closest * full,
        **more,
    )


@pytest.mark.parametrize(
    ("run_", "word"),
    [
        (made_up(), "stable"),
        (made_up(energy=(0.0, 0.01, 0.02)), "energy drift 20"),
        (made_up(closest=1.4), "shortest distance 0.56"),
        (made_up(ended="ValueError: no"), "ended early (ValueError: no)"),
        (made_up(ensemble="NPT", energy=(0.0,)), "stable"),
        (made_up(reference=np.array([1.0, 9.5])), "largest force of the reference 3.17"),
        (made_up(order=0.2), "Bragg order 0.2"),
    ],
)
def test_every_limit_is_held_against(run_, word):
    text = verdict(run_checks(run_, 2.5, 12.0, 3.0, coldest=True))
    assert word in text
    assert text.startswith("unstable") == (word != "stable")


def test_extrapolation_is_told_and_decides_nothing():
    checks = run_checks(
        made_up(spread=np.array([0.8]), force=np.array([1.0])), 2.5, 12.0, np.nan, coldest=False
    )
    assert [one.passed for one in checks if not one.decides] == [False]
    assert not failures(checks)
    assert verdict(checks).startswith("not shown to be stable")


def test_pairs_of_a_crystal_and_of_a_gas():
    crystal = bulk("Cu", cubic=True) * (2, 2, 2)
    distances, values = pair_distribution([crystal], 4.0)
    assert abs(distances[values.argmax()] - 3.61 / np.sqrt(2)) < 0.05
    rng = np.random.default_rng(0)
    gas = []
    for _ in range(30):
        frame = crystal.copy()
        frame.set_scaled_positions(rng.random((32, 3)))
        gas.append(frame)
    distances, values = pair_distribution(gas, 4.0, bins=4)
    assert np.allclose(values[1:], 31 / 32, atol=0.1)


def test_runs_are_the_same_bits_from_their_file(tmp_path):
    crystal = bulk("Cu", cubic=True) * (2, 2, 2)
    made = simulate(crystal, EMT(), RunPlan("NVT", 300.0, 24, 1), crystal)
    again = simulate(crystal, EMT(), RunPlan("NVT", 300.0, 24, 1), crystal)
    keep(tmp_path / "run.npz", made)
    read = find(tmp_path / "run.npz")
    for other in (again, read):
        assert np.array_equal(made.run.energy, other.run.energy)
        assert np.array_equal(made.frames[-1].positions, other.frames[-1].positions)
        assert np.array_equal(made.frames[-1].get_momenta(), other.frames[-1].get_momenta())
    assert made.run.order > 0.8


def test_a_ramp_finds_where_order_is_lost():
    temperatures = np.array([100.0, 200.0, 300.0, 400.0])
    assert superheating(temperatures, np.array([0.9, 0.8, 0.1, 0.1]), 32) == 300.0
    assert np.isnan(superheating(temperatures, np.full(4, 0.9), 32))
    crystal = bulk("Cu", cubic=True) * (2, 2, 2)
    found, order, ended = melting_ramp(crystal, EMT(), first=100.0, last=300.0, steps=50, seed=0)
    assert len(found) == len(order) == 25
    assert not ended
    assert order.min() > 0.5
