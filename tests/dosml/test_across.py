"""`dosml train --across sigma`: from a folder of labels to one model, its table and refusals."""

import io

import numpy as np
import pandas as pd
import pytest
from helpers.sgp_data import rattled, toy_labels
from rich.console import Console

import dosml
from dosml.errors import InputError
from dosml.progress import Reporter
from dosml.relabel.dataset import Dataset, LabelSet, save
from dosml.relabel.frames import canonical
from dosml.studies.open_study import TrainSettings, load_study_settings
from dosml.studies.train import train
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

WIDTHS = (0.2, 0.5, 1.0, 2.0)
POINT = {
    "inducing": 40,
    "cutoff": 4.0,
    "n_max": 4,
    "l_max": 2,
    "hold_out": 0.25,
    "learner_options": {"sgp": {"max_iterations": 8}},
}


def scaled(labels, width, setting):
    """Labels that fall with sigma: F = F0 (1 - sigma^2 / 10)."""
    factor = 1 - width**2 / 10
    return LabelSet(factor * labels.energies, [factor * f for f in labels.forces], None, setting)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    frames = [canonical(rattled(seed=n, stdev=0.1)[:16]) for n in range(16)]
    labels = toy_labels(frames, stress=False)
    sets = [
        scaled(labels, width, ElectronicSetting(Smearing("fermi-dirac", width))) for width in WIDTHS
    ]
    path = tmp_path_factory.mktemp("labels") / "copper"
    save(Dataset.of(frames, sets), path)
    return path


def settings(folder, out, **options):
    return load_study_settings(
        TrainSettings, {**POINT, "targets": [str(folder)], "out": out, **options}
    )


def quiet():
    return Reporter(Console(file=io.StringIO()))


def test_one_model_of_all_label_sets(folder, tmp_path):
    result = train(settings(folder, tmp_path / "out", across="sigma"), quiet())
    path = result.models["across_sigma"]
    assert path in result.files
    table = pd.read_csv(tmp_path / "out" / "across_sigma.csv")
    assert table["sigma_ev"].tolist() == list(WIDTHS)
    left_out = table["force_percent_error_left_out"]
    assert left_out.isna().tolist() == [True, False, False, True]
    assert (left_out[1:3] < 1.5 * table["force_percent_error"][1:3] + 1).all()
    calc = dosml.load_model(path)
    single = dosml.load_model(result.models["sigma_0.5"])
    atoms = rattled(seed=30, stdev=0.1)[:16]
    calc.set(sigma=0.5)
    forces = calc.get_property("forces", atoms)
    np.testing.assert_allclose(forces, single.get_property("forces", atoms), atol=1e-6)
    # S = -dF/dsigma = F0 sigma / 5
    free = calc.get_property("free_energy", atoms)
    wanted = free / (1 - 0.025) * 0.5 / 5
    assert calc.get_property("entropy", atoms) == pytest.approx(wanted, rel=0.1)


def test_labels_that_differ_in_more_are_refused(folder, tmp_path):
    frames = [canonical(rattled(seed=n, stdev=0.1)[:16]) for n in range(8)]
    labels = toy_labels(frames, stress=False)
    kinds = [("fermi-dirac", 0.2, 0.0), ("fermi-dirac", 0.5, -1.0), ("fermi-dirac", 1.0, 0.0)]
    sets = [
        scaled(labels, width, ElectronicSetting(Smearing(scheme, width), shift))
        for scheme, width, shift in kinds
    ]
    save(Dataset.of(frames, sets), tmp_path / "mixed")
    with pytest.raises(InputError, match="differ in the width of the smearing alone"):
        train(settings(tmp_path / "mixed", tmp_path / "a", across="sigma"), quiet())
    with pytest.raises(InputError, match="3 smearings at least"):
        two = settings(folder, tmp_path / "b", across="sigma", label_sets=["sigma_0.2", "sigma_2"])
        train(two, quiet())
    with pytest.raises(InputError, match="across"):
        settings(folder, tmp_path / "c", across="electrons")


def test_ignored_energies_are_told(tmp_path):
    """Energies without sense: the run says which labels were not learnt, and goes on."""
    frames = [canonical(rattled(seed=n, stdev=0.1)[:16]) for n in range(16)]
    labels = toy_labels(frames, stress=False)
    energies = np.random.default_rng(0).normal(size=16) * 5
    setting = ElectronicSetting(Smearing("fermi-dirac", 0.2))
    wrong = LabelSet(energies, labels.forces, None, setting)
    save(Dataset.of(frames, [wrong]), tmp_path / "wrong")
    screen = io.StringIO()
    train(settings(tmp_path / "wrong", tmp_path / "out"), Reporter(Console(file=screen)))
    said = " ".join(screen.getvalue().split())
    assert "warning: sgp, sigma_0.2: the energies were not learnt: their noise is" in said
