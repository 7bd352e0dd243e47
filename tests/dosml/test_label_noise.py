"""A scan measures its label noise; which engine it takes where none is named."""

from __future__ import annotations

import io
import json

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase.build import bulk
from helpers.tb_metal import made_up_parameters
from rich.console import Console

from dosml.errors import EngineError
from dosml.plan import resolve
from dosml.progress import Reporter
from dosml.relabel.dataset import load
from dosml.relabel.engines.tb import model
from dosml.relabel.engines.tb.engine import TbEngine
from dosml.relabel.engines.tb.options import TbOptions
from dosml.relabel.store import LabelStore
from dosml.studies.scan import run_scan
from dosml.studies.scan_settings import SmearScanSettings, load_scan_settings
from dosml.studies.survey import survey_plans

GRID = (2, 2, 1)
QUICK = {"sigma": "0.2,1", "cutoff": 4.0, "n_max": 3, "l_max": 1, "inducing": 20, "workers": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Frames of two tiers, and parameters of the made-up metal."""
    folder = tmp_path_factory.mktemp("noise")
    frames = []
    for seed in range(8):
        atoms = bulk("Ti", "fcc", a=4.0) * (2, 1, 1)
        atoms.rattle(0.05, seed=seed)
        atoms.info["tier"] = "cold" if seed % 2 else "warm"
        frames.append(atoms)
    ase.io.write(folder / "frames.extxyz", frames)
    (folder / "made_up.json").write_text(json.dumps(made_up_parameters().to_json()))
    return folder


def settings(folder, **options):
    target = str(folder / "frames.extxyz")
    given = {"target": target, "train": 5, "test": 3, **QUICK, **options}
    return load_scan_settings(SmearScanSettings, given)


@pytest.fixture(scope="module")
def asked(folder):
    options = {"tb": {"parameters": str(folder / "made_up.json"), "kpoints": GRID}}
    return settings(folder, engine="tb", engine_options=options, out=str(folder / "study"))


def run(asked) -> str:
    printed = io.StringIO()
    run_scan(resolve(asked), Reporter(Console(file=printed, width=200)))
    return printed.getvalue()


@pytest.fixture(scope="module")
def first(asked) -> str:
    plan = resolve(asked)
    assert any("; 4 more on the next denser k-grid" in line for line in plan.lines())
    return run(asked)


def test_the_noise_is_the_difference_to_one_more_point_a_direction(folder, asked, first) -> None:
    """An independent path to the same numbers: the engine itself on both grids."""
    assert "labels on a denser grid: 4 in all (2 frames x 2 settings), 0 on disk" in first
    data = load(folder / "study" / "label_sets")
    held = {data.tiers[n]: n for n in reversed(data.test)}
    path = folder / "made_up.json"
    engines = [TbEngine(TbOptions(parameters=path, kpoints=grid)) for grid in (GRID, (3, 3, 2))]
    table = pd.read_csv(folder / "study" / "results.csv")
    for labels, (_, row) in zip(data.label_sets, table.iterrows(), strict=True):
        assert {one.frame for one in labels.noise.frames} == {
            data.frame_ids[n] for n in held.values()
        }
        both = np.array(
            [
                [e.label(data.frames[n], labels.setting).forces for n in held.values()]
                for e in engines
            ]
        )
        change = np.abs(both[1] - both[0]).mean()
        assert change > 1e-3
        assert row["label_noise_ev_per_angstrom"] == pytest.approx(change, rel=1e-4)
        percent = 100 * change / np.abs(both[0]).mean()
        assert row["label_noise_percent"] == pytest.approx(percent, rel=1e-4)
    assert asked.sigma == tuple(table["sigma_ev"])


def test_the_same_again_makes_nothing(asked, first) -> None:
    assert "to make" in first
    assert "labels on a denser grid: 4 in all (2 frames x 2 settings), 4 on disk, 0 to" in run(
        asked
    )
    estimate = next(line for line in resolve(asked).lines() if line.startswith("estimate"))
    assert "no labels to compute" in estimate


def test_a_label_that_fails_there_costs_the_frame_its_say(folder, asked, first) -> None:
    assert first
    plan = resolve(asked)
    data = load(folder / "study" / "label_sets")
    identity = data.label_sets[0].noise.frames[0].frame
    store = plan.source.store(folder / "study")
    denser = plan.source.engine.denser(data.frames[0])
    path = LabelStore(store.folder, denser.fingerprint()).label_path(identity, data.electronic[1])
    kept = path.read_bytes()
    path.unlink()
    path.with_name(f"{identity}.failed.json").write_text('{"reason": "made to fail"}')
    text = run(asked)
    assert f"frame {identity} tells nothing of the label noise" in text
    left = load(folder / "study" / "label_sets").label_sets
    assert [len(one.noise.frames) for one in left] == [1, 1]
    path.with_name(f"{identity}.failed.json").unlink()
    path.write_bytes(kept)
    run(asked)
    assert len(load(folder / "study" / "label_sets").label_sets[0].noise.frames) == 2


def test_labels_that_are_made_bring_theirs(folder, first, tmp_path) -> None:
    assert first
    again = load_scan_settings(
        SmearScanSettings,
        {"target": "Ti", "labels": str(folder / "study"), "out": str(tmp_path / "x"), **QUICK},
    )
    run(again)
    before, after = (pd.read_csv(one / "results.csv") for one in (folder / "study", tmp_path / "x"))
    pd.testing.assert_series_equal(before["label_noise_percent"], after["label_noise_percent"])
    report = (tmp_path / "x" / "report.html").read_text(encoding="utf-8")
    assert "2 frames against one more k-point in every direction" in report


def test_an_engine_without_k_points_says_so(folder, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "from ase.calculators.lj import LennardJones\n"
        "def engine(setting):\n    return LennardJones(sigma=2.5, epsilon=0.1, rc=5.0)\n"
    )
    asked = settings(folder, engine="ase:mine:engine", out=str(tmp_path / "study"))
    assert not any("denser" in line for line in resolve(asked).lines())
    assert "denser" not in run(asked)
    table = pd.read_csv(tmp_path / "study" / "results.csv")
    assert table[["label_noise_ev_per_angstrom", "label_noise_percent"]].isna().all(axis=None)
    text = (tmp_path / "study" / "report.html").read_text(encoding="utf-8")
    assert "the engine ase:mine:engine has no denser grid of k-points" in text


@pytest.fixture
def shipped(folder, tmp_path, monkeypatch):
    """Titanium is the one metal whose parameters ship."""
    (tmp_path / "Ti.json").write_bytes((folder / "made_up.json").read_bytes())
    monkeypatch.setattr(model, "SHIPPED", tmp_path)
    return tmp_path


@pytest.mark.usefixtures("shipped")
def test_the_plan_says_which_engine_it_takes_and_why(folder) -> None:
    plan = resolve(load_scan_settings(SmearScanSettings, {"target": "Ti"}))
    assert "engine    tb, the default for Ti" in plan.lines()
    assert {one.smearing.scheme for one in plan.electronic} == {"methfessel-paxton-1"}
    own = resolve(settings(folder))
    assert own.source.engine.symbol == "Ti"
    plan = resolve(load_scan_settings(SmearScanSettings, {"target": "Zr"}))
    assert "engine    xtb, the default for Zr (tb ships no parameters for Zr)" in plan.lines()
    assert {one.smearing.scheme for one in plan.electronic} == {"fermi-dirac"}
    named = resolve(load_scan_settings(SmearScanSettings, {"target": "Ti", "engine": "xtb"}))
    assert not any(line.startswith("engine") for line in named.lines())
    with pytest.raises(EngineError, match="ships no parameters for Zr"):
        resolve(load_scan_settings(SmearScanSettings, {"target": "Zr", "engine": "tb"}))


@pytest.mark.usefixtures("shipped")
def test_metals_of_a_survey_share_their_engine(tmp_path) -> None:
    def engines(*metals: str) -> list[str]:
        plans = survey_plans(metals, {}, None, small=True, folder=tmp_path / "study")
        assert all("engine" in line for plan in plans for line in plan.lines()[3:4])
        return [plan.source.engine.name for plan in plans]

    assert engines("Ti") == ["tb"]
    assert engines("Ti", "Zr") == ["xtb", "xtb"]
