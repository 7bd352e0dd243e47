"""Angular need: labels of a known pair potential, and the rule on curves made up by hand."""

import json

import numpy as np
import pandas as pd
import pytest
from ase.build import bulk

from dosml.analysis.measures.table import PRIMARY
from dosml.analysis.report.angular_need_report import across_sentence, need_sentences
from dosml.analysis.statistics.angular_need import against_response, angular_need, need_table
from dosml.errors import InputError
from dosml.progress import Reporter
from dosml.relabel.dataset import Dataset, LabelSet, save
from dosml.relabel.frames import canonical
from dosml.studies.angular_need import AngularNeedSettings
from dosml.studies.angular_need import angular_need as study
from dosml.studies.pair_control import PREFIX, pair_control
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

# the published probe on PBE labels at 0.2 eV, l_max 0, 1, 2, 3, 4, 6
PROBE = {
    "Ti": ([27, 18, 16, 15, 11.1, 10.5], 4),
    "Os": ([24, 20, 18, 10, 9.2, 7.7], 6),
    "Cu": ([4.5, 0.9, 1.0, 1.1, 1.0, 2.2], 1),
}


@pytest.mark.parametrize("metal", PROBE)
def test_the_need_is_the_first_l_near_the_lowest_error(metal):
    errors, expected = PROBE[metal]
    assert angular_need([0, 1, 2, 3, 4, 6], errors) == (expected, expected == 6)


def test_curves_without_a_need_are_refused():
    with pytest.raises(InputError, match="two or more ascending"):
        angular_need([0], [1.0])
    with pytest.raises(InputError, match="two or more ascending"):
        angular_need([2, 1], [1.0, 2.0])
    with pytest.raises(InputError, match="positive"):
        angular_need([0, 1], [1.0, np.nan])


def test_a_table_has_one_row_per_curve_and_the_words_follow_it():
    rows = [
        {"metal": metal, "kind": kind, "setting": setting, "l_max": l_max}
        | {"force_percent_error": error * (0.5 if kind == "pairs" else 1.0)}
        for metal, (errors, _) in PROBE.items()
        for kind in ("labels", "pairs")
        for setting in ("σ = 0.2 eV", "σ = 2 eV")
        for l_max, error in zip([0, 1, 2, 3, 4, 6], errors, strict=True)
    ]
    needs = need_table(pd.DataFrame(rows), by=["metal", "kind", "setting"])
    assert len(needs) == 12
    assert needs["angular_need"].tolist() == [4] * 4 + [6] * 4 + [1] * 4
    assert needs["largest_step"].tolist() == [1] * 4 + [3] * 4 + [1] * 4
    beyond = needs.set_index("metal")["fall_beyond_l1"].groupby("metal").first()
    assert beyond.to_dict() == pytest.approx({"Cu": 1.0, "Os": 20 / 7.7, "Ti": 18 / 10.5})
    noisy = needs.assign(label_noise_percent=np.where(needs["metal"] == "Os", 5.0, 0.1))
    marked = [line for line in need_sentences(noisy) if "times the label noise" in line]
    assert len(marked) == 2
    assert all(line.startswith("The lowest error of Os at") for line in marked)
    text = " ".join(need_sentences(needs))
    assert "falls by a factor of Ti 1.7 (pair potential 1.7)" in text
    assert "At σ = 0.2 eV the force error stops falling at: Ti l = 4 (pair potential" in text
    assert "Os l = 6 or more" in text
    alone = " ".join(need_sentences(needs[needs["kind"] == "labels"]))
    assert "falls by a factor of Ti 1.7, Os 2.6, Cu 1.0." in alone
    assert "pair potential" not in alone
    assert "falls in 0 of 3 metals and rises in 0" in text


def made_needs(sign):
    """Eight metals whose fall beyond l = 1 over the pair potential's is exp(sign chi_4)."""
    rng = np.random.default_rng(1)
    rows = []
    for number in range(8):
        chi, pair = 0.1 * number, 2.5 + rng.random()
        shared = {"metal": f"M{number}", "setting": "σ = 0.2 eV", PRIMARY: chi}
        for kind, fall in (("labels", pair * np.exp(sign * chi)), ("pairs", pair)):
            errors = [30.0, 10.0, 9.0, 10.0 / fall]
            rows += [
                {**shared, "kind": kind, "l_max": l_max, "force_percent_error": error}
                for l_max, error in zip((0, 1, 2, 4), errors, strict=True)
            ]
    points = pd.DataFrame(rows)
    needs = need_table(points, by=["metal", "kind", "setting"])
    chi = points.groupby("metal")[PRIMARY].first()
    return needs.assign(**{PRIMARY: needs["metal"].map(chi)})


@pytest.mark.parametrize(("sign", "word"), [(1, "Yes"), (-1, "The other way round")])
def test_many_metals_are_held_against_their_response(sign, word):
    needs = made_needs(sign)
    across = against_response(needs)
    first = across.iloc[0]
    # exp(sign chi_4) over the pair potential's: a straight line
    assert first["pearson"] == pytest.approx(sign)
    assert first["n"] == 8
    # all errors at l_max = 0 are alike: no such row
    assert "error, smallest l_max" not in set(across["quantity"])
    assert across_sentence(across).startswith(f"{word}: over 8 metals at σ = 0.2 eV")
    listed = " ".join(need_sentences(needs))
    assert "l = 4 or more M0, M1, M2" in listed
    assert "8 of the pair potentials on the same frames" in listed
    more = 7 if sign > 0 else 0
    assert f"more than its pair potential's in {more} of 8 metals" in listed


def test_few_metals_or_none_with_a_response_have_no_such_answer():
    needs = made_needs(1)
    few = needs[needs["metal"].isin(["M0", "M1", "M2"])]
    assert across_sentence(against_response(few)) is None
    assert across_sentence(against_response(needs.drop(columns=PRIMARY))) is None
    assert across_sentence(against_response(needs.assign(**{PRIMARY: 0.3}))) is None


def pair_forces(frame, scale):
    """Forces and energy of a smooth pair potential of a finite reach, by hand."""
    from vesin import ase_neighbor_list

    reach = 3.6
    i, _, vectors = ase_neighbor_list("ijD", frame, reach)
    r = np.linalg.norm(vectors, axis=1)
    energy = 0.5 * np.sum((r - reach) ** 4)
    slope = 4 * (r - reach) ** 3
    forces = np.zeros((len(frame), 3))
    np.add.at(forces, i, (slope / r)[:, None] * vectors)
    return scale * energy, scale * forces


@pytest.fixture
def labelled():
    """Copper frames: forces of a pair potential, once with something random on top."""
    rng = np.random.default_rng(0)
    frames = []
    for seed in range(16):
        atoms = bulk("Cu", cubic=True) * (2, 2, 1)
        atoms.rattle(0.15, seed=seed)
        atoms.info |= {"tier": "cold", "split": "train" if seed < 12 else "test"}
        frames.append(canonical(atoms))
    made = [pair_forces(frame, 0.4) for frame in frames]
    energies = np.array([energy for energy, _ in made])
    sets = []
    for width, noise in ((0.2, 0.0), (0.5, 0.0), (2.0, 0.3)):
        forces = [f + noise * rng.normal(size=f.shape) for _, f in made]
        setting = ElectronicSetting(Smearing("fermi-dirac", width), 0.0)
        sets.append(LabelSet(energies, forces, setting=setting))
    return Dataset.of(frames, sets)


def test_the_control_is_the_pair_potential_nearest_to_the_labels(labelled):
    control = pair_control(labelled)
    assert control.data.names == tuple(f"{PREFIX}{name}" for name in labelled.names)
    assert control.data.train == labelled.train
    first, _, noisy = labelled.names
    assert control.explained[first] > 0.999
    total = np.concatenate([f.ravel() for f in labelled.label_sets[2].forces])
    noise = 1 - 0.3**2 / np.mean(total**2)
    assert control.explained[noisy] == pytest.approx(noise, abs=0.02)
    found = np.concatenate(control.data.label_sets[2].forces)
    clean = np.concatenate(labelled.label_sets[0].forces)
    assert np.sqrt(np.mean((found - clean) ** 2)) < 0.1 * np.sqrt(np.mean(clean**2))
    # forces are those of the energies: moved along the forces, the energy falls
    assert control.data.label_sets[0].stresses is None
    joined = labelled.frames[0].copy()
    joined.symbols[0] = "Ti"
    with pytest.raises(InputError, match="frames of one element"):
        pair_control(Dataset.of([joined], [labelled.label_sets[0].take([0])]))


def test_the_study_of_a_folder_of_labels(labelled, tmp_path):
    save(labelled, tmp_path / "labels")
    settings = AngularNeedSettings(
        targets=(str(tmp_path / "labels"),),
        l_max=(0, 2),
        out=tmp_path / "study",
        cutoff=3.8,
        n_max=3,
        inducing=30,
        workers=1,
        learner_options={"sgp": {"max_iterations": 4}},
    )
    outcome = study(settings, Reporter())
    table = outcome.table
    assert table["kind"].tolist() == ["labels", "labels", "pairs", "pairs"]
    assert table["sigma_ev"].tolist() == [0.2, 2.0, 0.2, 2.0]  # the ends alone
    points = pd.read_csv(tmp_path / "study" / "angular_need_points.csv")
    assert sorted(set(points["l_max"])) == [0, 2]
    by = points.set_index(["kind", "sigma_ev", "l_max"])["force_percent_error"]
    # noise cannot be learnt whatever the l; its pair potential can
    assert by["labels", 2.0, 2] > 3 * by["pairs", 2.0, 2]
    report = (tmp_path / "study" / "report.html").read_text(encoding="utf-8")
    assert "How much angular resolution" in report
    assert (tmp_path / "study" / "figures" / "angular_need.png").is_file()
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("predictions.npz")}
    study(settings, Reporter())
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("predictions.npz")} == before
    record = json.loads((tmp_path / "study" / "campaign.json").read_text())
    assert record["run"]["l_max"] == [0, 2]


def test_settings_that_make_no_study_are_refused():
    with pytest.raises(ValueError, match="two or more different"):
        AngularNeedSettings(targets=("Ti",), l_max=(3,))
    with pytest.raises(ValueError, match="no labels named"):
        AngularNeedSettings()
