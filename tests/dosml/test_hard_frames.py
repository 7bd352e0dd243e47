"""Frames chosen by variance: the posterior against a textbook, pool, command, sampler."""

from __future__ import annotations

from dataclasses import replace

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from typer.testing import CliRunner

import dosml
from dosml.analysis.statistics.errors import component_sums
from dosml.analysis.statistics.hard_frames import chosen_overlap, difference_row, rank_correlation
from dosml.cli import app
from dosml.errors import InputError, LearnerError
from dosml.learners.sgp.calculator import SgpCalculator
from dosml.learners.sgp.kernel import kernel_rows
from dosml.learners.sgp.learner import SgpLearner
from dosml.learners.sgp.selection import FramePosterior
from dosml.learners.sgp.settings import SgpSettings
from dosml.plan import resolve
from dosml.progress import Reporter
from dosml.records import CAMPAIGN, CampaignRecord, write_record
from dosml.relabel.ase_factory import evaluate
from dosml.relabel.dataset import Dataset, LabelSet, Provenance, load, save
from dosml.relabel.engines.ase_calculator import AseEngine
from dosml.relabel.engines.base import LabelFailure
from dosml.relabel.engines.registry import make_engine
from dosml.relabel.frames import canonical, frame_id
from dosml.relabel.labelling import LadderTask, run_ladder
from dosml.studies.candidates import CLOSEST, make_pool, neighbour_of
from dosml.studies.folder_engine import engine_of
from dosml.studies.model_runs import closest_pair
from dosml.studies.scan_settings import SmearScanSettings, load_scan_settings
from dosml.terminal import make_console
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

ENGINE = "ase:emt_engine:make"
MODULE = """
from ase.calculators.emt import EMT

def make(setting):
    return EMT()
"""
SMALL = ("--inducing", "60", "--n-max", "4", "--l-max", "2", "--cutoff", "4.5")


@pytest.fixture(autouse=True)
def short_runs(monkeypatch):
    monkeypatch.setattr("dosml.studies.candidates.STEPS", 24)


def copper(rattle, count, seed=0):
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(count):
        atoms = bulk("Cu", a=3.6) * (2, 2, 1)
        atoms.positions += rng.normal(0, rattle, atoms.positions.shape)
        frames.append(atoms)
    return frames


@pytest.fixture(scope="module")
def models():
    frames = copper(0.1, 5)
    found = [evaluate(frame, EMT()) for frame in frames]
    labels = LabelSet(
        np.array([one.energy for one in found]), [one.forces for one in found], name="emt"
    )
    settings = SgpSettings(cutoff=4.0, n_max=4, l_max=2, n_inducing=20)
    return SgpLearner(settings).fit(frames, [labels]), frames


def test_the_posterior_is_that_of_a_regression_on_forces(models):
    """A = (I + W W^T / r)^-1, and conditioning on one more frame is the same from scratch."""
    trained, frames = models
    pool = [*copper(0.05, 3, seed=1), *copper(0.2, 3, seed=2)]
    posterior = FramePosterior(trained.shared, [*frames, *pool], size=40)
    model = trained.models[0]
    ratio = (model.hyperparameters.force_noise / model.hyperparameters.signal) ** 2
    rows = [one.numpy() for one in posterior._rows]
    known = list(range(5))
    precision = np.eye(len(rows[0])) + sum(rows[n] @ rows[n].T for n in known) / ratio
    covariance = np.linalg.inv(precision)
    wanted = [np.sqrt(np.trace(one.T @ covariance @ one) / one.shape[1]) for one in rows]
    found = posterior.spread(model, known) / model.hyperparameters.signal
    assert np.allclose(found, wanted, rtol=1e-6)
    before = posterior._posterior(model, known)
    again = posterior._conditioned(before, posterior._ratio(model), 7)
    assert np.allclose(again, posterior._posterior(model, [*known, 7]), atol=1e-8)


def test_rows_are_those_of_the_kernel(models):
    """W^T W is the kernel of forces with itself, as far as the basis reaches."""
    trained, frames = models
    posterior = FramePosterior(trained.shared, frames, size=20)
    shared = trained.shared
    batch = shared.pair_builder().build(frames[:1], 0)
    rows = kernel_rows(
        shared.descriptor(), batch, shared.inducing, 2, stress=False,
        dtype=posterior._rows[0].dtype, chunk_elements=10**6,
    ).forces  # fmt: skip
    gram = shared.inducing.gram(2) + 1e-10 * np.eye(shared.inducing.size)
    full = rows.numpy() @ np.linalg.solve(gram, rows.numpy().T)
    mine = posterior._rows[0].numpy()
    assert np.allclose(mine.T @ mine, full, atol=1e-4 * np.abs(full).max())


def test_choice_is_hard_and_diverse(models):
    trained, frames = models
    strange = copper(0.3, 1, seed=5)[0]
    twin = strange.copy()
    twin.positions += 1e-4
    other = copper(0.3, 1, seed=6)[0]
    pool = [*frames[:3], strange, twin, other]
    posterior = FramePosterior(trained.shared, [*frames, *pool])
    chosen = posterior.choose(trained.models, range(5), range(5, 11), 6)
    assert sorted(chosen) == list(range(5, 11))
    # one of the twins and the other strange frame come first, what is known comes last
    assert {*chosen[:2]} in ({8, 10}, {9, 10})
    spread = posterior.spread(trained.models[0], range(5))
    assert spread[8:].min() > 3 * spread[5:8].max()


def test_unknown_elements_are_refused(models):
    trained, frames = models
    with pytest.raises(LearnerError, match="frames hold elements"):
        FramePosterior(trained.shared, [*frames, bulk("Au") * (2, 2, 1)])


def test_pool_is_apart_different_and_the_same_again(models):
    trained, frames = models
    given = copper(0.15, 2, seed=9)
    pools = [make_pool(SgpCalculator(trained), frames, 20, seed=1, given=given) for _ in range(2)]
    first, again = pools
    assert [frame_id(one) for one in first] == [frame_id(one) for one in again]
    ids = {frame_id(one) for one in first}
    assert len(ids) == len(first) >= 12
    assert not ids & {frame_id(one) for one in frames}
    for frame in first:
        assert closest_pair(frame, 3.0) >= CLOSEST * neighbour_of(frames[0]) - 1e-9
        assert frame.info["split"] == "train"
    tiers = {frame.info["tier"].split()[0] for frame in first}
    assert tiers == {"md", "rattle", "strain", "given"}
    volumes = {round(frame.cell.volume, 3) for frame in first if frame.info["tier"] == "strain"}
    assert len(volumes) > 2
    with pytest.raises(InputError, match="none of 3 candidates"):
        make_pool(Crashing(), [squeezed()], 3, seed=0)


class Crashing(EMT):
    def calculate(self, *_, **__):
        raise ValueError("no")


def squeezed():
    """All atoms within a corner of the cell: nothing that is made of it has them apart."""
    atoms = bulk("Cu", a=3.6) * (2, 2, 1)
    atoms.positions *= 0.35
    return atoms


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Label sets of an engine in a file, so that worker processes find it too."""
    (tmp_path / "emt_engine.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dosml.studies.label_more.make_labels", in_this_process)
    frames = [canonical(frame) for frame in copper(0.1, 12, seed=3)]
    for number, frame in enumerate(frames):
        frame.info["split"] = "train" if number < 8 else "test"
    found = [evaluate(frame, EMT()) for frame in frames]
    sets = [
        LabelSet(
            np.array([one.energy for one in found]),
            [one.forces for one in found],
            np.array([one.stress for one in found]),
            setting=ElectronicSetting(Smearing("fermi-dirac", width)),
        )
        for width in (0.2, 1.0)
    ]
    engine = make_engine(ENGINE)
    provenance = Provenance(engine=engine.name, protocol=engine.fingerprint())
    save(Dataset.of(frames, sets, provenance), tmp_path / "labels")
    return tmp_path


def label_more(*arguments):
    return CliRunner().invoke(app, ["label-more", *map(str, arguments)])


@pytest.mark.slow
def test_label_more_grows_the_folder_and_goes_on(folder):
    options = (
        "labels",
        "--add",
        4,
        "--batch",
        2,
        "--pool",
        15,
        "--pool-test",
        3,
        "--workers",
        1,
    )
    result = label_more(*options, *SMALL, "--out", "more")
    assert result.exit_code == 0, result.output
    table = pd.read_csv("more/hard_frames.csv")
    assert set(table["curve"]) == {"hard", "random 1"}
    assert set(table["held_out"]) == {"folder", "pool"}
    grown = load(folder / "more" / "label_sets")
    hard = ase.io.read("more/hard.extxyz", ":")
    assert len(grown.train) == 8 + len(hard)
    assert {frame_id(frame) for frame in hard} <= set(grown.frame_ids)
    assert grown.names == ("sigma_0.2", "sigma_1")
    for n, frame in enumerate(grown.frames):  # labels are those of the engine
        assert np.allclose(grown.label_sets[0].forces[n], evaluate(frame, EMT()).forces, atol=1e-6)
    overlap = pd.read_csv("more/overlap.csv").iloc[0]
    assert overlap["common"] == overlap["chosen"] == 4  # both settings have the same labels
    assert (folder / "more" / "sigma_0.2.npz").is_file()
    report = (folder / "more" / "report.html").read_text(encoding="utf-8")
    assert "what do the frames teach that it knows least?" in report
    # what was done is read: nothing is labelled or trained again
    stamps = {path: path.stat().st_mtime_ns for path in (folder / "more").rglob("*.npz")}
    again = label_more(*options, *SMALL, "--out", "more")
    assert again.exit_code == 0, again.output
    kept = {path for path, stamp in stamps.items() if path.stat().st_mtime_ns == stamp}
    assert {path for path in stamps if path.parent.name != "more"} <= kept
    pd.testing.assert_frame_equal(pd.read_csv("more/hard_frames.csv"), table)


def test_a_frame_that_fails_is_in_no_label_set(folder, monkeypatch):
    real = AseEngine._label

    def label(engine, frame, setting, place):
        # strained cells fail, at one setting of two
        whole = abs(frame.cell.volume - (bulk("Cu", a=3.6) * (2, 2, 1)).cell.volume) < 1e-3
        if whole or setting.smearing.width < 0.5:
            return real(engine, frame, setting, place)
        return LabelFailure("did not converge")

    monkeypatch.setattr(AseEngine, "_label", label)
    result = label_more(
        "labels", "--add", 6, "--batch", 6, "--pool", 12, "--pool-test", 0, "--random", 0,
        "--workers", 1, *SMALL, "--out", "more",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "have no label at every setting" in " ".join(result.stdout.split())
    grown = load(folder / "more" / "label_sets")
    assert 8 <= len(grown.train) < 8 + 6
    assert all(len(one.forces) == len(grown.frames) for one in grown.label_sets)


def in_this_process(engine, store, frames, settings, *_, **__):
    for frame in frames:
        run_ladder(LadderTask(engine, store, frame, tuple(settings)))


def test_the_engine_has_to_be_the_same(folder):
    data = load(folder / "labels")
    assert engine_of(data, None).name == ENGINE
    other = replace(data.provenance, protocol={**data.provenance.protocol, "source": "other"})
    with pytest.raises(InputError, match="would label in another way than the labels .* source is"):
        engine_of(replace(data, provenance=other), None)
    with pytest.raises(InputError, match="do not say which engine made them"):
        engine_of(replace(data, provenance=Provenance()), None)
    with pytest.raises(InputError, match="chosen by the variance of the sgp"):
        dosml.label_more("labels", learner=("mace",), out=folder / "other")


def test_options_of_the_engine_are_those_of_the_campaign(tmp_path):
    frames = [canonical(bulk("Cu", a=3.6, cubic=True))]
    labels = LabelSet(
        np.zeros(1), [np.zeros((4, 3))], setting=ElectronicSetting(Smearing("fermi-dirac", 0.2))
    )
    engine = make_engine("tb", {"kpoints": (3, 3, 3)}, ("Cu",))
    provenance = Provenance(engine="tb", protocol=engine.fingerprint())
    data = Dataset.of(frames, [labels], provenance)
    run = {"kpoints": "3x3x3", "engine_options": {}, "preset": None}
    write_record(tmp_path / CAMPAIGN, CampaignRecord(dosml="0", subject="Cu", run=run))
    assert engine_of(data, tmp_path).fingerprint() == engine.fingerprint()
    assert engine_of(data, None, "tb", {"kpoints": (3, 3, 3)}).name == "tb"
    with pytest.raises(InputError, match="kpoint"):
        engine_of(data, None)


def test_hard_sampler_makes_half_of_the_training_frames(tmp_path, monkeypatch):
    (tmp_path / "emt_engine.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dosml.relabel.sampling.EQUILIBRATION_STEPS", 10)
    monkeypatch.setattr("dosml.relabel.sampling.SPACING_STEPS", 5)
    options = {
        "target": "Cu", "engine": ENGINE, "sigma": (0.2, 1.0), "sampler": "hard", "train": 8,
        "test": 4, "cell": "small", "inducing": 60, "n_max": 4, "l_max": 2, "cutoff": 4.5,
    }  # fmt: skip
    plan = resolve(load_scan_settings(SmearScanSettings, options))
    assert plan.counts.train == 8
    assert plan.record()["cell"] == "small"
    assert "knows least" in plan.source.frames.words
    reporter = Reporter(make_console(quiet=True))
    frames = plan.source.frames.get(tmp_path / "scan", reporter)
    train = [frame.info["tier"].split()[0] for frame in frames if frame.info["split"] == "train"]
    assert len(train) == 8
    assert sum(tier in {"cold", "warm", "hot"} for tier in train) == 4
    held = [frame.info["tier"] for frame in frames if frame.info["split"] == "test"]
    assert sorted(set(held)) == ["cold", "hot", "warm"]
    assert len(held) == 4
    (path,) = (tmp_path / "scan" / "frames").glob("hard-*.extxyz")
    before = path.stat().st_mtime_ns
    again = plan.source.frames.get(tmp_path / "scan", reporter)
    assert [frame_id(one) for one in again] == [frame_id(one) for one in frames]
    assert path.stat().st_mtime_ns == before
    with pytest.raises(InputError, match="give 4 at least"):
        resolve(load_scan_settings(SmearScanSettings, {**options, "train": 3}))


def test_overlap_and_difference_by_hand():
    spreads = {"a": np.array([1.0, 2, 3, 4]), "b": np.array([4.0, 3, 2, 1])}
    row = chosen_overlap({"a": [0, 1], "b": [1, 2]}, spreads, 4).iloc[0]
    assert (row["common"], row["by_chance"], row["rank_correlation"]) == (1, 1.0, -1.0)
    assert np.isnan(rank_correlation(np.ones(4), spreads["a"]))
    truth = [np.full((2, 3), 1.0)] * 8
    hard = component_sums([one + 0.1 for one in truth], truth)
    draws = [component_sums([one + width for one in truth], truth) for width in (0.2, 0.4)]
    found = difference_row("x", hard, draws, ["t"] * 8)
    assert found["difference_points"] == pytest.approx(-20)
    assert found["difference_points_low"] == pytest.approx(-20)
    assert (found["lowest_draw"], found["highest_draw"]) == pytest.approx((20, 40))
