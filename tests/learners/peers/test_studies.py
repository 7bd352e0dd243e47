"""Learning curves and transfer for every learner: against trainings made by hand."""

from __future__ import annotations

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from typer.testing import CliRunner

from dosml.cli import app
from dosml.errors import EnvironmentMissingError, InputError
from dosml.learners.registry import make_learner
from dosml.relabel.dataset import load

runner = CliRunner()
OPTIONS = {"cutoff": 4.0, "n_max": 4}
WORDS = ["--cutoff", "4", "--n-max", "4"]


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """The label sets of a scan of copper: cold and melt, 8 + 8 frames, a quarter held out."""
    folder = tmp_path_factory.mktemp("study") / "dosml-smear-scan-Cu"
    frames = []
    for number in range(16):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.05 if number % 2 else 0.3, seed=number)
        atoms.calc = EMT()
        energy, forces, stress = (
            atoms.get_potential_energy(),
            atoms.get_forces(),
            atoms.get_stress(),
        )
        atoms.calc = None
        atoms.info |= {"REF_energy": energy, "REF_stress": stress}
        atoms.info |= {"tier": "cold" if number % 2 else "melt"}
        atoms.info |= {"split": "train" if number < 12 else "test"}
        atoms.arrays["REF_forces"] = forces
        frames.append(atoms)
    (folder / "label_sets").mkdir(parents=True)
    ase.io.write(folder / "label_sets" / "sigma_0.2.extxyz", frames)
    return folder


def by_hand(scan, train, **options) -> np.ndarray:
    """Force % error on each held-out tier (cold, melt) of an sgp trained here."""
    data = load(scan)
    mine = data.take(train, [0])
    held = data.take([12, 13, 14, 15], [0])
    fitted = make_learner("sgp", {**OPTIONS, **options}).fit(mine.frames, mine.label_sets)
    predicted = fitted.predict(held.frames)[0].forces
    reference = held.label_sets[0].forces
    out = []
    for tier in ("cold", "melt"):
        chosen = [k for k, name in enumerate(held.tiers) if name == tier]
        wrong = np.concatenate([np.abs(predicted[k] - reference[k]) for k in chosen])
        out.append(100 * wrong.mean() / np.mean([np.abs(reference[k]).mean() for k in chosen]))
    return np.array(out)


def test_transfer_of_the_sgp(scan, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(scan.parent)
    words = ["transfer", "Cu", "--out", str(tmp_path / "out"), *WORDS]
    done = runner.invoke(app, words)
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "out" / "transfer.csv").set_index(["trained_on", "tested_on"])
    for tier, first in (("melt", 0), ("cold", 1)):
        expected = by_hand(scan, list(range(first, 12, 2)))
        got = [table.loc[(tier, tested), "percent_error"] for tested in ("cold", "melt")]
        np.testing.assert_allclose(got, expected, rtol=1e-3)
    # the melt teaches more about the cold crystal than the other way round
    assert table.loc[("cold", "melt"), "change"] > 0
    made = (tmp_path / "out" / "models").glob("*/predictions.npz")
    kept = {path: path.stat().st_mtime_ns for path in made}
    assert len(kept) == 2
    assert runner.invoke(app, words).exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert (tmp_path / "out" / "figures" / "transfer_sgp_sigma_0.2.png").stat().st_size > 1000


def test_learning_curve_over_l(scan, tmp_path) -> None:
    words = ["learning-curve", str(scan), "--l-max", "0,2", "--sizes", "4,12"]
    done = runner.invoke(app, [*words, "--out", str(tmp_path / "out"), *WORDS])
    assert done.exit_code == 0, done.output
    points = pd.read_csv(tmp_path / "out" / "learning_curve.csv")
    assert len(points) == 4
    full = points[(points["n_train"] == 12) & (points["l_max"] == 2)].iloc[0]
    tiers = by_hand(scan, list(range(12)), l_max=2)
    assert tiers.min() < full["force_percent_error"] < tiers.max()
    fits = pd.read_csv(tmp_path / "out" / "learning_curve_fit.csv").set_index("l_max")
    sizes = points[points["l_max"] == 0].set_index("n_train")["force_percent_error"]
    slope = -np.log(sizes[12] / sizes[4]) / np.log(3)
    assert fits.loc[0, "exponent"] == pytest.approx(slope)
    assert "two sizes give no interval" in done.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["learning-curve"], "no labels named"),
        (["learning-curve", "Ti"], "dosml smear-scan Ti"),
        (["learning-curve", "SCAN", "--sizes", "4,400"], "12 training frames"),
        (["learning-curve", "SCAN", "--sizes", "4"], "two different sizes"),
        (["learning-curve", "SCAN", "--label-sets", "sigma_9"], "there is sigma_0.2"),
        (
            ["learning-curve", "SCAN", "--learner-preset", "quick"],
            "--learner-preset is no option of sgp: leave it out, or take one of the learners",
        ),
        (["transfer", "SCAN", "--train-on", "hot"], "the tiers are melt, cold"),
        (["transfer", "SCAN", "--learner", "sgp,sgp"], "different learners"),
        (["transfer", "SCAN", "--learner", "race"], "no learner named 'race'"),
        (["transfer", "SCAN", "--learner", "neqip"], "did you mean nequip?"),
    ],
)
def test_bad_input_is_one_line(scan, tmp_path, monkeypatch, words, message) -> None:
    monkeypatch.chdir(tmp_path)
    words = [str(scan) if word == "SCAN" else word for word in words]
    done = runner.invoke(app, words)
    assert isinstance(done.exception, InputError)
    assert message in str(done.exception)


def test_a_peer_without_environment_is_one_line(scan, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOSML_ENVIRONMENTS", str(tmp_path / "none"))
    done = runner.invoke(app, ["transfer", str(scan), "--learner", "sgp,pet"])
    assert isinstance(done.exception, EnvironmentMissingError)
    assert "dosml env create metatrain" in str(done.exception)
