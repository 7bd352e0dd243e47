"""Studies of trainings: one training, the grid with a kill in the middle, the learning curve."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase.calculators.emt import EMT
from helpers.sgp_data import rattled
from rich.console import Console

from dosml.analysis.statistics.learning_curves import nested_subsets
from dosml.errors import InputError, LearnerError
from dosml.learners.sgp.learner import SgpLearner
from dosml.learners.sgp.model import SgpModels
from dosml.learners.sgp.settings import sgp_settings
from dosml.plan import resolve
from dosml.progress import Reporter
from dosml.relabel.dataset import Dataset, load_files, save
from dosml.relabel.frames import canonical
from dosml.studies.grid import grid
from dosml.studies.grid_figure import grid_figure
from dosml.studies.labels import split_labels
from dosml.studies.learning_curve import learning_curve
from dosml.studies.open_study import (
    CurveSettings,
    GridSettings,
    TrainSettings,
    load_study_settings,
)
from dosml.studies.scan import run_scan
from dosml.studies.scan_settings import SmearScanSettings, load_scan_settings
from dosml.studies.train import train
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

SMALL = {"inducing": 40, "learner_options": {"sgp": {"max_iterations": 8}}}
POINT = {**SMALL, "cutoff": 4.0, "n_max": 4, "l_max": 2}
DONE = "*/predictions.npz"
GRID = ["--cutoff", "3.5,4.0", "--n-max", "3,4", "--l-max", "2", "--zeta", "1,2"]


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    frames = []
    for seed in range(15):
        atoms = rattled("Cu", 2, 0.05 + 0.1 * (seed % 2), seed=seed)
        atoms.calc = EMT()
        energy, forces, stress = (
            atoms.get_potential_energy(),
            atoms.get_forces(),
            atoms.get_stress(),
        )
        atoms.calc = None
        atoms.info.update(REF_energy=energy, REF_stress=stress, tier=("cold", "melt")[seed % 2])
        atoms.arrays["REF_forces"] = forces
        frames.append(atoms)
    path = tmp_path_factory.mktemp("labels") / "copper.extxyz"
    ase.io.write(path, frames, format="extxyz")
    return path


def settings(labels, out, **options):
    return load_study_settings(
        TrainSettings, {**POINT, "targets": [str(labels)], "out": out, **options}
    )


def grid_settings(labels, out, *, vary, **options):
    asked = {**SMALL, "targets": [str(labels)], "out": out, "vary": vary, **options}
    return load_study_settings(GridSettings, asked)


def held_out_mae(model_file, labels):
    """Force MAE of a saved model on the frames that its settings file says were held out."""
    beside = json.loads(model_file.with_suffix(".settings.json").read_text())
    numbers = []
    for part in beside["frames"]["held_out"].split(", "):
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    frames = ase.io.read(labels, ":")
    kept = [frames[n] for n in numbers]
    forces = np.concatenate(SgpModels.load(model_file).predict(kept)[0].forces)
    return np.abs(forces - np.concatenate([f.arrays["REF_forces"] for f in kept])).mean(), beside


def test_one_training(labels, tmp_path):
    out = tmp_path / "study"
    outcome = train(settings(labels, out, hold_out=0.2), Reporter())
    mae, beside = held_out_mae(out / "copper.npz", labels)
    errors = pd.read_csv(out / "errors.csv")
    assert list(errors["tier"]) == ["all", "cold", "melt"]
    assert errors["force_mae_ev_per_angstrom"][0] == pytest.approx(mae, rel=1e-6)
    assert outcome.table["force_mae_ev_per_angstrom"][0] == pytest.approx(mae, rel=1e-6)
    assert errors["n_test"].tolist() == [3, *errors["n_test"][1:]]
    assert errors["n_test"][1:].sum() == 3
    # learned: far below the mean absolute force
    assert mae < 0.3 * errors["force_mav_ev_per_angstrom"][0]
    # the settings beside the model are exact: they make the same model again
    data = load_files([labels])
    options = beside["learner"]["settings"]
    assert options["cutoff"] == 4.0
    train_numbers = [n for n in range(15) if n not in _numbers(beside["frames"]["held_out"])]
    part = data.take(train_numbers, [0])
    again = SgpLearner(sgp_settings(options)).fit(part.frames, part.label_sets)
    saved = SgpModels.load(out / "copper.npz")
    np.testing.assert_allclose(
        again.predict(part.frames[:1])[0].forces[0],
        saved.predict(part.frames[:1])[0].forces[0],
        atol=1e-10,
    )


def _numbers(text):
    found = set()
    for part in text.split(", "):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


@pytest.mark.parametrize("name", ["errors.csv", "copper.npz", "copper.settings.json"])
def test_somebody_elses_folder_is_left_alone(labels, tmp_path, name):
    (tmp_path / name).write_text("precious")
    with pytest.raises(InputError, match=rf"holds {name}, which would be replaced"):
        train(settings(labels, tmp_path, hold_out=0.2), Reporter())
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "precious"


def test_the_same_training_is_not_done_twice(labels, tmp_path):
    model = tmp_path / "copper.npz"
    train(settings(labels, tmp_path, hold_out=0.2), Reporter())
    first = model.stat().st_mtime_ns
    train(settings(labels, tmp_path, hold_out=0.2), Reporter())
    assert model.stat().st_mtime_ns == first
    # other settings, or a model that was removed, are
    train(settings(labels, tmp_path, hold_out=0.2, n_max=3), Reporter())
    second = model.stat().st_mtime_ns
    assert second > first
    train(settings(labels, tmp_path, hold_out=0.2), Reporter())
    assert (
        json.loads((tmp_path / "copper.settings.json").read_text())["learner"]["settings"]["n_max"]
        == 4
    )
    model.unlink()
    train(settings(labels, tmp_path, hold_out=0.2), Reporter())
    assert model.exists()


def test_label_sets_that_are_trained_together_are_those_trained_alone(labels, tmp_path):
    frames = ase.io.read(labels, ":")
    for frame in frames:
        frame.info["REF_energy"] *= 0.5
        frame.info["REF_stress"] = frame.info["REF_stress"] * 0.5
        frame.arrays["REF_forces"] = frame.arrays["REF_forces"] * 0.5
    half = tmp_path / "half.extxyz"
    ase.io.write(half, frames, format="extxyz")
    both = settings(labels, tmp_path / "both", hold_out=0.2, targets=[str(labels), str(half)])
    table = train(both, Reporter()).table
    alone = train(settings(half, tmp_path / "alone", hold_out=0.2), Reporter()).table
    assert table["label_set"].tolist() == ["copper", "half"]
    assert table["force_mae_ev_per_angstrom"][1] == pytest.approx(
        alone["force_mae_ev_per_angstrom"][0], rel=1e-5
    )
    assert (tmp_path / "both" / "half.npz").exists()


def test_frames_of_another_file_are_held_out(labels, tmp_path):
    frames = ase.io.read(labels, ":")
    ase.io.write(tmp_path / "own.extxyz", frames[:10], format="extxyz")
    ase.io.write(tmp_path / "other.extxyz", frames[10:], format="extxyz")
    out = tmp_path / "study"
    train(settings(tmp_path / "own.extxyz", out, test_file=tmp_path / "other.extxyz"), Reporter())
    forces = np.concatenate(SgpModels.load(out / "own.npz").predict(frames[10:])[0].forces)
    truth = np.concatenate([frame.arrays["REF_forces"] for frame in frames[10:]])
    errors = pd.read_csv(out / "errors.csv")
    assert errors["force_mae_ev_per_angstrom"][0] == pytest.approx(
        np.abs(forces - truth).mean(), rel=1e-6
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_grid_goes_on_where_it_was(labels, tmp_path):
    arguments = [
        *("grid", str(labels), *GRID, "--inducing", "40", "--learner-option", "max_iterations=8"),
        *("--hold-out", "0.2", "--workers", "2", "--out", str(tmp_path / "grid")),
    ]
    command = [sys.executable, "-m", "dosml", *arguments]
    points = tmp_path / "grid" / "models"
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not (points.is_dir() and any(points.glob(DONE))):
        assert time.monotonic() < deadline
        assert first.poll() is None
        time.sleep(0.05)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    time.sleep(1)  # workers see the end of their parent
    kept = {path: path.stat().st_mtime_ns for path in points.glob(DONE)}
    assert not (tmp_path / "grid" / "grid.csv").exists()
    second = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert second.returncode == 0, second.stderr
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    _check_grid(tmp_path / "grid", labels)


def _check_grid(folder, labels):
    table = pd.read_csv(folder / "grid.csv", keep_default_na=False)
    axes = ["cutoff", "n_max", "l_max", "zeta"]
    assert len(table) == 8
    assert not table.duplicated(axes).any()
    # 15 frames: 3 held out, and of the other 12 a fifth to compare on
    assert set(table["n_train"]) == {10}
    assert set(table["n_test"]) == {2}
    best = pd.read_csv(folder / "best.csv")
    wins = {
        "likelihood": table["log_likelihood"].astype(float).idxmax(),
        "force-mae": table["force_mae_ev_per_angstrom"].astype(float).idxmin(),
    }
    for choice, index in wins.items():
        assert choice in table["best_by"][index].split(", ")
        row = best[best["best_by"].str.contains(choice)].iloc[0]
        assert row[axes].tolist() == table.loc[index, axes].tolist()
        assert row["n_train"] == 12
        stem = f"copper-best-{row['best_by'].replace(', ', '-and-')}"
        mae, beside = held_out_mae(folder / f"{stem}.npz", labels)
        assert row["force_mae_ev_per_angstrom"] == pytest.approx(mae, rel=1e-6)
        assert beside["learner"]["settings"]["zeta"] == row["zeta"]
    for quantity in ("force_mae", "log_likelihood"):
        assert (folder / "figures" / f"copper_{quantity}.png").stat().st_size > 5000


def test_points_without_neighbours_are_named_and_left_out(labels, tmp_path):
    vary = {"cutoff": (1.0, 4.0), "n_max": (3,), "l_max": (1,), "zeta": (2,)}
    table = grid(grid_settings(labels, tmp_path, vary=vary, workers=1), Reporter()).table
    assert table["cutoff"].tolist() == [4.0]
    points = pd.read_csv(tmp_path / "grid.csv", keep_default_na=False)
    assert points["failure"].str.contains("raise cutoff").tolist() == [True, False]


def test_a_grid_of_nothing_is_an_error(labels, tmp_path):
    vary = {"cutoff": (0.5, 1.0), "n_max": (3,), "l_max": (1,), "zeta": (2,)}
    with pytest.raises(LearnerError, match="no point of the grid"):
        grid(grid_settings(labels, tmp_path, vary=vary, workers=1), Reporter())


def test_learning_curve(labels, tmp_path):
    asked = {"targets": [str(labels)], "out": tmp_path, "sizes": "9,3,6", "repeats": 2}
    curve = load_study_settings(CurveSettings, {**POINT, **asked, "hold_out": 0.2, "workers": 2})
    table = learning_curve(curve, Reporter()).table
    assert table["n_train"].tolist() == [3, 6, 9] * 2
    assert table["seed"].tolist() == [0, 0, 0, 1, 1, 1]
    assert set(table["cutoff_angstrom"]) == {4.0}
    # one point by hand: the frames of the smallest subset are inside the larger ones
    data = load_files([labels])
    data, _ = split_labels(data, hold_out=0.2, seed=0)
    kept, test = data.train, data.test
    small, large = nested_subsets([data.tiers[n] for n in kept], [3, 9], seed=1)
    assert set(small) < set(large)
    part = data.take(sorted(kept[k] for k in large), [0])
    options = {"n_inducing": 40, "max_iterations": 8, "cutoff": 4.0, "n_max": 4, "l_max": 2}
    models = SgpLearner(sgp_settings(options)).fit(part.frames, part.label_sets)
    held_out = data.take(test, [0])
    forces = np.concatenate(models.predict(held_out.frames)[0].forces)
    mae = np.abs(forces - np.concatenate(held_out.label_sets[0].forces)).mean()
    assert table["force_mae_ev_per_angstrom"][5] == pytest.approx(mae, rel=1e-5)
    fit = pd.read_csv(tmp_path / "learning_curve_fit.csv")
    slopes = np.polyfit(
        np.log([3, 6, 9]),
        np.log(table["force_percent_error"].to_numpy().reshape(2, 3)).T,
        1,
    )[0]
    assert fit["exponent"][0] == pytest.approx(-slopes.mean(), rel=1e-6)
    assert (tmp_path / "figures" / "learning_curve.png").exists()
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "How does the force error fall with training frames?" in report
    assert f"is {table['force_percent_error'][[2, 5]].mean():.1f}" in report


def test_heat_map_shows_every_point_and_marks_one():
    rows = [
        {
            "label_set": "a",
            "cutoff": cutoff,
            "n_max": n,
            "l_max": l,
            "zeta": z,
            "force_mae_ev_per_angstrom": cutoff * n * 0.001 + 0.01 * l + z,
            "log_likelihood": -cutoff * n + l,
        }
        for cutoff in (4.0, 5.0)
        for n in (4, 8, 12)
        for l in (2, 3)  # noqa: E741
        for z in (1, 2)
    ]
    table = pd.DataFrame(rows)
    table.loc[5, "force_mae_ev_per_angstrom"] = np.nan
    figure = grid_figure(table, "force_mae", ["cutoff", "n_max", "l_max", "zeta"])
    panels = [axes for axes in figure.axes if axes.get_title(loc="left") or axes.get_title()]
    panels = [axes for axes in figure.axes if axes.images]
    assert len(panels) == 4
    texts = [text.get_text() for axes in panels for text in axes.texts]
    assert len(texts) == 24
    assert texts.count("-") == 1
    marked = [(axes, patch) for axes in panels for patch in axes.patches]
    assert len(marked) == 1
    # smallest: cutoff 4, n_max 4 (lower left), l_max 2, zeta 1 (first panel)
    assert marked[0][0] is panels[0]
    assert marked[0][1].get_xy() == (-0.5, -0.5)


TRAIN, CURVE, GRID_OF = (
    (train, TrainSettings),
    (learning_curve, CurveSettings),
    (grid, GridSettings),
)


@pytest.mark.parametrize(
    ("study", "options", "message"),
    [
        (TRAIN, {"targets": None}, "no labels named"),
        (GRID_OF, {"vary": {"zeta": (2, 2)}}, "--zeta holds a value twice"),
        (GRID_OF, {"vary": {"zeta": ()}}, "--zeta is empty"),
        (GRID_OF, {"vary": {"zeta": (1, 2)}, "zeta": 2}, "varied and given one value"),
        (GRID_OF, {"learner": "sgp,nequip"}, "one learner"),
        (CURVE, {"sizes": "3"}, "two different sizes"),
        (CURVE, {"sizes": "3,99"}, "there are 12 training frames"),
        (TRAIN, {"hold_out": 1.5}, "--hold-out 1.5 cannot be used"),
        (TRAIN, {"hold_out": 0.5, "test_file": "x.extxyz"}, "give one"),
        (TRAIN, {"descriptor": "B3"}, "descriptor .* cannot be 'B3'"),
        (TRAIN, {"cutoff": "far"}, "--cutoff 'far' cannot be used"),
        (TRAIN, {"n_max": 99}, "n_max .* cannot be .*: input should be less than"),
        (GRID_OF, {"vary": {"n_max": (4, 99)}}, "n_max .* cannot be .*: input should be less than"),
        (GRID_OF, {"vary": {"nmax": (4, 9)}}, "nmax"),
        (TRAIN, {"test_file": "missing.extxyz"}, "no label set at --test-file missing.extxyz"),
        (TRAIN, {"label_sets": "sigma_9"}, "--label-sets sigma_9: there is copper"),
        (TRAIN, {"labels": "reference"}, "no Cu2"),
    ],
)
def test_options_that_cannot_be(labels, tmp_path, study, options, message):
    run, model = study
    given = {"targets": [str(labels)], "out": tmp_path / "out", "hold_out": 0.2, **options}
    if "labels" in options:
        given["targets"] = ["Cu2"]
    if "test_file" in options and "hold_out" not in options:
        del given["hold_out"]
    with pytest.raises(InputError, match=message):
        run(load_study_settings(model, given), Reporter())


def test_options_from_a_file(labels, tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text('seed = 3\nout = "there"\n[vary]\nn_max = [4, 8]\n')
    read = load_study_settings(GridSettings, {"targets": [str(labels)], "seed": 5}, path)
    assert read.vary == {"n_max": (4, 8)}
    assert read.seed == 5
    path.write_text("nmax = 4\n")
    with pytest.raises(InputError, match=r"unknown key nmax; did you mean n_max\?"):
        load_study_settings(TrainSettings, {"targets": [str(labels)]}, path)


def test_a_curve_of_a_scan_ends_with_the_model_of_the_scan(labels, tmp_path):
    """The last point of a learning curve is read from the campaign, costs and all."""
    frames = ase.io.read(labels, ":")
    for number, frame in enumerate(frames):
        frame.info["split"] = "test" if number % 5 == 0 else "train"
    data = Dataset.of(
        [canonical(frame) for frame in frames],
        [
            replace(one, setting=ElectronicSetting(Smearing("gaussian", width)), name="")
            for one, width in zip(load_files([labels]).label_sets * 2, (0.2, 1.0), strict=True)
        ],
    )
    save(data, tmp_path / "labels")
    scan = run_scan(
        resolve(
            load_scan_settings(
                SmearScanSettings,
                {
                    "target": "Cu",
                    "labels": str(tmp_path / "labels"),
                    "out": tmp_path / "scan",
                    **POINT,
                },
            )
        ),
        Reporter(),
    )
    assert scan.table["d_band_center_ev"].isna().all()
    printed = io.StringIO()
    curve = learning_curve(
        load_study_settings(
            CurveSettings,
            {**POINT, "targets": [str(tmp_path / "scan")], "sizes": "4,12", "out": tmp_path / "lc"},
        ),
        Reporter(Console(file=printed, width=200)),
    )
    assert "1 of 2 were done before" in printed.getvalue()
    table = curve.table
    assert np.isfinite(table[["seconds_training", "peak_memory_mib", "n_parameters"]]).all(None)
    assert table["device"].notna().all()
    last = table[table["n_train"] == 12]["force_percent_error"].to_numpy()
    assert last == pytest.approx(scan.table["force_percent_error"].to_numpy(), rel=1e-9)
    assert len(list((tmp_path / "lc" / "models").glob(DONE))) == 1


def test_command_line_errors_are_one_line(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "dosml", "train", "missing.extxyz"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr.strip() == (
        "dosml: error: no label set at missing.extxyz: give an extxyz file or a campaign folder"
    )
