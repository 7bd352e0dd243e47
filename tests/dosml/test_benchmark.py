"""`dosml benchmark`: protocols, ranking, why, resuming; learners that take no time."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from helpers.foreign_files import TIERS, extxyz_text, frames, with_keys
from typer.testing import CliRunner

import dosml as package
from dosml.analysis.statistics.benchmark import SCALED, TARGET
from dosml.cli import app
from dosml.errors import FrameError, InputError, LearnerError
from dosml.progress import Reporter
from dosml.relabel.execution.runner import Runner
from dosml.relabel.foreign.collect import ImportOptions
from dosml.settings import join_settings
from dosml.studies.benchmark.points import curve_sizes
from dosml.studies.benchmark.run import run_benchmark
from dosml.studies.benchmark.settings import BenchmarkSettings
from dosml.studies.benchmark.source import open_source
from dosml.studies.data import import_files
from dosml.terminal import make_console

SGP = {"inducing": 30, "cutoff": 4.0, "n_max": 3, "l_max": 2,
       "learner_options": {"sgp": {"max_iterations": 4}}}  # fmt: skip
MODULE = '''
from ase.calculators.calculator import all_changes
from ase.calculators.emt import EMT

class Soft(EMT):
    """Forces of EMT times 0.8: a softened potential, whose factor is 1.25."""
    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        for name in ("energy", "free_energy", "forces", "stress"):
            if name in self.results:
                self.results[name] = 0.8 * self.results[name]
'''


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Two metals in three tiers, split, as `dosml data import` makes them."""
    folder = tmp_path_factory.mktemp("source")
    files = []
    for number, metal in enumerate(("Ag", "Cu")):
        for tier, (name, stdev) in enumerate(TIERS.items()):
            given = frames(metal, 7, stdev, seed=10 * number + tier)
            for role, some in (("train", given[:5]), ("test", given[5:])):
                path = folder / f"{metal}_{name}_{role}.xyz"
                path.write_text(extxyz_text(some))
                files.append(path)
    out = folder / "pair"
    import_files(files, "pair", ImportOptions(), quiet(), out=out)
    return out


@pytest.fixture(autouse=True)
def _here(monkeypatch, request):
    """Train in this process: the start of others takes longer than such trainings."""
    if request.node.name != "test_every_learner_on_every_metal":
        monkeypatch.setattr(
            Runner, "run", lambda _, function, tasks, **__: ((one, function(one)) for one in tasks)
        )


@pytest.fixture
def soft(tmp_path, monkeypatch):
    """Name of a learner that is not trained."""
    (tmp_path / "softened.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "ase:softened:Soft"
    sys.modules.pop("softened", None)


def quiet() -> Reporter:
    return Reporter(make_console(quiet=True))


def run(source, out, **options):
    given = {"dos_engine": "none", "workers": 1, **options, "source": str(source), "out": out}
    settings = join_settings(BenchmarkSettings, given, None, required="source", nothing="")
    return run_benchmark(settings, quiet())


def test_every_learner_on_every_metal(source, tmp_path, soft) -> None:
    result = run(source, tmp_path / "out", learner=("sgp", soft), **SGP)
    table = result.table
    assert result.failures == ()
    names = {"sgp", soft, f"{soft} {SCALED}"}
    assert set(table["learner"]) == names
    every = table[table["tier"] == "all"]
    assert len(every) == 2 * len(names)
    assert set(every["n_test"]) == {6}
    assert set(table["tier"]) == {"all", *TIERS}
    # a potential with 0.8 times the forces errs by 20 %, and by nothing once that is known
    plain = every[every["learner"] == soft]
    np.testing.assert_allclose(plain[TARGET], 20.0, atol=1e-3)
    np.testing.assert_allclose(plain["stress_percent_error"], 20.0, atol=1e-3)
    scaled = every[every["learner"] == f"{soft} {SCALED}"]
    np.testing.assert_allclose(scaled["force_factor"], 1.25, atol=1e-5)
    np.testing.assert_allclose(scaled[TARGET], 0.0, atol=1e-3)
    np.testing.assert_allclose(scaled["energy_mae_ev_per_atom"], 0.0, atol=1e-5)
    assert result.ranking["learner"].iloc[0] == f"{soft} {SCALED}"
    page = result.report.read_text(encoding="utf-8")
    assert "Which force field learns which metal" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    tex = (result.folder / "benchmark.tex").read_text(encoding="utf-8")
    assert tex.count(r"\\") == 3
    assert r"\textbf" in tex
    assert (result.folder / "figures" / "map_force.png").is_file()
    costs = pd.read_csv(result.folder / "costs.csv")
    assert costs["learner"].iloc[-1] == "all"
    assert costs["cpu_seconds_in_all"].iloc[-1] > 0


def test_what_was_trained_is_not_trained_again(source, tmp_path, monkeypatch) -> None:
    first = run(source, tmp_path / "out", metals=("Cu",), **SGP)
    before = {path: path.stat().st_mtime_ns for path in first.folder.glob("models/*/*.npz")}
    monkeypatch.setattr("dosml.trainings.train_one", None)  # would fail
    again = run(source, tmp_path / "out", metals=("Cu",), **SGP)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    pd.testing.assert_frame_equal(first.table, again.table)


def test_transfer_and_curve_and_grid(source, tmp_path) -> None:
    options = {**SGP, "metals": ("Cu",), "protocol": ("full", "transfer", "curve", "grid")}
    options["learner_options"] = {"sgp": {"max_iterations": 2}}
    options.pop("l_max")
    result = run(source, tmp_path / "out", sizes=(2, 5), vary={"l_max": (1, 2)}, **options)
    by = dict(list(result.table.groupby("protocol")))
    assert set(by) == {"full", "transfer", "curve", "grid"}
    assert set(by["transfer"]["variant"]) == {"cold"}
    assert set(by["transfer"]["n_train"]) == {5}
    assert set(by["transfer"]["tier"]) == {"all", *TIERS}
    assert sorted(by["curve"]["n_train"]) == [2, 5]
    assert set(by["curve"]["variant"]) == {"melt"}
    assert set(by["grid"]["n_train"]) == {15}
    (variant,) = set(by["grid"]["variant"])
    assert variant in {"best: l_max 1", "best: l_max 2"}
    assert (result.folder / "figures" / "curves.png").is_file()


def test_larger_cells(source, tmp_path) -> None:
    train, test = tmp_path / "Cu_train.xyz", tmp_path / "Cu_test.xyz"
    train.write_text(extxyz_text(frames("Cu", 4, 0.2, seed=78)))
    test.write_text(extxyz_text(frames("Cu", 2, 0.2, seed=77)))
    import_files([train, test], "large", ImportOptions(), quiet(), out=tmp_path / "large")
    result = run(
        source,
        tmp_path / "out",
        metals=("Cu",),
        protocol=("full", "size"),
        supercell=str(tmp_path / "large"),
        **SGP,
    )
    size = result.table[(result.table["protocol"] == "size") & (result.table["tier"] == "all")]
    assert dict(zip(size["variant"], size["n_train"], strict=True)) == {
        "small cells": 15,
        "large cells": 4,
    }


@pytest.mark.slow
def test_the_shipped_labels_bring_their_own_dos(tmp_path, soft) -> None:
    result = run(
        "reference",
        tmp_path / "out",
        metals=("Au", "Cu"),
        learner=(soft,),
        label_sets=("sigma_0.2", "sigma_2"),
        train=4,
        test=4,
        dos_engine="auto",
    )
    assert set(result.dos["dos_engine"]) == {"labels"}
    assert len(result.dos) == 4
    assert (result.folder / "figures" / "softening.png").is_file()
    assert result.why == {}  # two metals are no correlation


def test_a_metal_that_cannot_be_split_is_left_out(source, tmp_path) -> None:
    with pytest.raises(LearnerError, match="--train 99"):
        run(source, tmp_path / "none", learner=("sgp",), metals=("Cu",), train=99, **SGP)


def test_files_of_others_are_read_once(tmp_path) -> None:
    """A folder as others publish it is one command, and is read again when a file changes."""
    folder = tmp_path / "published"
    folder.mkdir()
    for seed, (metal, role, count) in enumerate(
        (("Ag", "train", 5), ("Ag", "Test", 2), ("Cu", "train", 5), ("Cu", "Test", 2))
    ):
        (folder / f"{metal}_{role}.extxyz").write_text(
            extxyz_text(frames(metal, count, 0.1, seed=seed))
        )
    options = {**SGP, "learner": ("sgp",), "metals": ("Cu",)}
    first = run(folder, tmp_path / "out", **options)
    assert set(first.table["n_train"]) == {5}
    labels = tmp_path / "out" / "imported" / "Cu" / "labels.extxyz"
    before = labels.stat().st_mtime_ns
    run(folder, tmp_path / "out", **options)
    assert labels.stat().st_mtime_ns == before
    (folder / "Cu_train.extxyz").write_text(extxyz_text(frames("Cu", 4, 0.1, seed=9)))
    assert set(run(folder, tmp_path / "out", **options).table["n_train"]) == {4}


def test_files_of_others_that_need_options_say_where_these_are(tmp_path) -> None:
    for role in ("train", "test"):
        text = extxyz_text(with_keys(frames("Cu", 2, 0.1), "energy", "push"))
        (tmp_path / f"Cu_{role}.xyz").write_text(text)
    with pytest.raises(FrameError, match=r"--forces-key; dosml data import has the options"):
        run(tmp_path, tmp_path / "out", learner=("sgp",), **SGP)


def test_sources(source, tmp_path) -> None:
    assert open_source(str(source), ("all",)).names == ("Ag", "Cu")
    assert open_source("reference", ("Ti",)).names == ("Ti",)
    with pytest.raises(InputError, match="--metals Xx: .* has Ag, Cu"):
        open_source(str(source), ("Xx",))
    with pytest.raises(InputError, match="dosml data list"):
        open_source(str(tmp_path / "nothing"), ("all",))


def test_sizes_of_a_curve() -> None:
    assert curve_sizes(None, 900) == [100, 200, 300, 400, 500, 600, 700, 800, 900]
    assert curve_sizes(None, 40) == [5, 10, 20, 40]
    assert curve_sizes((10, 50), 40) == [10]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"protocol": ("fast",)}, "--protocol fast: choose some of full"),
        ({"protocol": ("size",)}, "--supercell names: give both"),
        ({"metals": ("Cu", "Cu")}, "holds a metal twice"),
        ({"sizes": (1,)}, "--sizes takes numbers"),
    ],
)
def test_settings_that_cannot_be_used(options, words) -> None:
    with pytest.raises(InputError, match=words):
        join_settings(
            BenchmarkSettings, {"source": "x", **options}, None, required="source", nothing=""
        )


@pytest.mark.slow
def test_the_command_line_and_python(source, tmp_path, soft, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["benchmark", str(source), "--metals", "Cu", "--learner", soft, "--dos-engine", "none"]
    result = CliRunner().invoke(app, [*words, "--out", "out"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "Learners by mean force error" in result.output
    same = package.benchmark(
        source, metals=("Cu",), learner=(soft,), dos_engine="none", out=tmp_path / "out"
    )
    assert len(same.ranking) == 2
