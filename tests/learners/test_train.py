"""`dosml train`: one training, the grid with a kill in the middle, the learning curve."""

import json
import os
import signal
import subprocess
import sys
import time

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase.calculators.emt import EMT
from sgp_data import rattled

from dosml.analysis.statistics.learning_curves import nested_subsets
from dosml.errors import InputError, LearnerError
from dosml.learners.sgp.learner import SgpLearner
from dosml.learners.sgp.settings import sgp_settings
from dosml.learners.sgp.storage import load_model
from dosml.progress import Reporter
from dosml.studies.grid_figure import grid_figure
from dosml.studies.label_files import read_label_sets, split_frames
from dosml.studies.train_run import train
from dosml.studies.train_settings import load_train_settings

SMALL = {"inducing": 40, "max_iterations": 8, "cutoff": 4.0, "n_max": 4, "l_max": 2}
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
    return load_train_settings({**SMALL, "targets": [labels], "out": out, **options}, None)


def held_out_mae(model_file, labels):
    """Force MAE of a saved model on the frames that its settings file says were held out."""
    beside = json.loads(model_file.with_suffix(".settings.json").read_text())
    numbers = []
    for part in beside["frames"]["held_out"].split(", "):
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    frames = ase.io.read(labels, ":")
    kept = [frames[n] for n in numbers]
    forces = np.concatenate(load_model(model_file).predict(kept)[0].forces)
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
    data = read_label_sets([labels])
    options = beside["settings"]
    assert options["cutoff"] == 4.0
    train_numbers = [n for n in range(15) if n not in _numbers(beside["frames"]["held_out"])]
    part = data.take(train_numbers, [0])
    again = SgpLearner(sgp_settings(options)).fit(part.frames, part.label_sets)
    saved = load_model(out / "copper.npz")
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
    assert json.loads((tmp_path / "copper.settings.json").read_text())["settings"]["n_max"] == 4
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
    both = load_train_settings(
        {**SMALL, "targets": [labels, half], "out": tmp_path / "both", "hold_out": 0.2}, None
    )
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
    forces = np.concatenate(load_model(out / "own.npz").predict(frames[10:])[0].forces)
    truth = np.concatenate([frame.arrays["REF_forces"] for frame in frames[10:]])
    errors = pd.read_csv(out / "errors.csv")
    assert errors["force_mae_ev_per_angstrom"][0] == pytest.approx(
        np.abs(forces - truth).mean(), rel=1e-6
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_grid_goes_on_where_it_was(labels, tmp_path):
    arguments = [
        *("train", str(labels), "--grid", *GRID, "--inducing", "40", "--max-iterations", "8"),
        *("--hold-out", "0.2", "--workers", "2", "--out", str(tmp_path / "grid")),
    ]
    command = [sys.executable, "-m", "dosml", *arguments]
    points = tmp_path / "grid" / "points"
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not (points.is_dir() and any(points.glob("[!.]*.json"))):
        assert time.monotonic() < deadline
        assert first.poll() is None
        time.sleep(0.05)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    time.sleep(1)  # workers see the end of their parent
    kept = {path.name: path.stat().st_mtime_ns for path in points.glob("[!.]*.json")}
    assert not (tmp_path / "grid" / "grid.csv").exists()
    second = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert second.returncode == 0, second.stderr
    assert {name: (points / name).stat().st_mtime_ns for name in kept} == kept
    _check_grid(tmp_path / "grid", labels)


def _check_grid(folder, labels):
    table = pd.read_csv(folder / "grid.csv", keep_default_na=False)
    axes = ["cutoff_angstrom", "n_max", "l_max", "zeta"]
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
        assert beside["settings"]["zeta"] == row["zeta"]
    for quantity in ("force_mae", "log_likelihood"):
        assert (folder / "figures" / f"copper_{quantity}.png").stat().st_size > 5000


def test_points_without_neighbours_are_named_and_left_out(labels, tmp_path):
    options = {"grid": True, "cutoff": "1.0,4.0", "n_max": 3, "l_max": 1, "zeta": 2}
    table = train(settings(labels, tmp_path, **options, workers=1), Reporter()).table
    assert table["cutoff_angstrom"].tolist() == [4.0]
    points = pd.read_csv(tmp_path / "grid.csv", keep_default_na=False)
    assert points["failure"].str.contains("raise cutoff").tolist() == [True, False]


def test_a_grid_of_nothing_is_an_error(labels, tmp_path):
    options = {"grid": True, "cutoff": "0.5,1.0", "n_max": 3, "l_max": 1, "zeta": 2}
    with pytest.raises(LearnerError, match="no point of the grid"):
        train(settings(labels, tmp_path, **options, workers=1), Reporter())


def test_learning_curve(labels, tmp_path):
    table = train(
        settings(labels, tmp_path, sizes="9,3,6", repeats=2, hold_out=0.2, workers=2), Reporter()
    ).table
    assert table["n_train"].tolist() == [3, 6, 9] * 2
    assert table["seed"].tolist() == [0, 0, 0, 1, 1, 1]
    assert set(table["cutoff_angstrom"]) == {4.0}
    # one point by hand: the frames of the smallest subset are inside the larger ones
    data = read_label_sets([labels])
    kept, test, _ = split_frames(data, hold_out=0.2, seed=0)
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


def test_heat_map_shows_every_point_and_marks_one():
    rows = [
        {
            "label_set": "a",
            "cutoff_angstrom": cutoff,
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
    figure = grid_figure(table, "force_mae")
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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": None}, "nothing to train on"),
        ({"cutoff": "4,5"}, "several values need --grid"),
        ({"zeta": "2,2", "grid": True}, "--zeta holds a value twice"),
        ({"grid": True, "sizes": "2,3"}, "two studies"),
        ({"repeats": 2}, "give --sizes too"),
        ({"sizes": "3"}, "two different sizes"),
        ({"hold_out": 1.5}, "--hold-out 1.5 cannot be used"),
        ({"hold_out": 0.5, "test_file": "x.extxyz"}, "give one"),
        ({"descriptor": "B3"}, "--descriptor 'B3' cannot be used"),
        ({"cutoff": "far"}, "--cutoff 'far' cannot be used"),
        ({"grid": True, "descriptor": "B1", "l_max": "2"}, "B1 has no angular part"),
        ({"sizes": "3,99"}, "between 1 and the 12 training frames, got 3, 99"),
        ({"n_max": 99}, "n_max .* cannot be .*: input should be less than"),
        ({"grid": True, "n_max": "4,99"}, "n_max .* cannot be .*: input should be less than"),
        ({"test_file": "missing.extxyz"}, "no label set at --test-file missing.extxyz"),
    ],
)
def test_options_that_cannot_be(labels, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        train(
            load_train_settings({"targets": [labels], "out": tmp_path / "out", **options}, None),
            Reporter(),
        )


def test_options_from_a_file(labels, tmp_path):
    path = tmp_path / "train.toml"
    path.write_text('n-max = [4, 8]\ngrid = true\nseed = 3\nout = "there"\n')
    read = load_train_settings({"targets": [labels], "seed": 5}, path)
    assert read.n_max == (4, 8)
    assert read.grid
    assert read.seed == 5
    path.write_text("nmax = 4\n")
    with pytest.raises(InputError, match=r"unknown key nmax; did you mean n_max\?"):
        load_train_settings({"targets": [labels]}, path)


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
