"""A small real scan of the electron number: left-out settings, pairing, swap, map, files."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase.build import bulk
from rich.console import Console

from dosml.campaign import Campaign
from dosml.errors import InputError, LabelError
from dosml.plan import resolve
from dosml.progress import Reporter
from dosml.relabel.engines.base import LabelFailure
from dosml.relabel.engines.registry import make_engine
from dosml.relabel.engines.xtb import XtbEngine
from dosml.relabel.frames import canonical, frame_id, read_frames
from dosml.relabel.label import Label
from dosml.relabel.store import LabelStore
from dosml.studies.labelling import trial_frames
from dosml.studies.scan import make_swap, run_scan
from dosml.studies.scan_settings import (
    ElectronScanSettings,
    MapSettings,
    ScanSettings,
    load_scan_settings,
)
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

SMALL = {
    "engine": "xtb",
    "train": 5,
    "test": 3,
    "cutoff": 4.0,
    "n_max": 4,
    "l_max": 2,
    "inducing": 30,
    "workers": 2,
}


def setting(shift: float, width: float = 1.0) -> ElectronicSetting:
    return ElectronicSetting(Smearing("fermi-dirac", width), shift)


def run(settings: ScanSettings) -> tuple[object, str]:
    printed = io.StringIO()
    result = run_scan(resolve(settings), Reporter(Console(file=printed, width=200)))
    return result, printed.getvalue()


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    folder = tmp_path_factory.mktemp("electrons")
    images = []
    for seed in range(8):
        atoms = bulk("Os") * (2, 1, 1)
        atoms.rattle(0.06 if seed % 2 else 0.12, seed=seed)
        atoms.info["tier"] = "cold" if seed % 2 else "warm"
        images.append(atoms)
    ase.io.write(folder / "frames.extxyz", images)
    return folder


@pytest.fixture(scope="module")
def scanned(frames):
    """Three numbers of electrons; the labels of +1 are made to fail for most frames."""
    settings = load_scan_settings(
        ElectronScanSettings,
        {
            "target": str(frames / "frames.extxyz"),
            "electrons": "-1:1",
            "sigma": "1",
            "out": str(frames / "scan"),
            **SMALL,
        },
        None,
    )
    images = read_frames(frames / "frames.extxyz")
    plan = resolve(settings)
    with Campaign(plan.folder, plan.subject):  # a run that was stopped
        pass
    store = LabelStore(settings.folder / "labels", make_engine("xtb").fingerprint())
    for atoms in images[:6]:
        store.put_failure(frame_id(atoms), setting(1), LabelFailure("put here by the test"))
    result, printed = run(settings)
    return settings, result, printed


@pytest.fixture
def own(scanned, tmp_path) -> ElectronScanSettings:
    """Settings of a copy of the finished scan, for tests that change it."""
    settings, _, _ = scanned
    shutil.copytree(settings.folder, tmp_path / "scan")
    return settings.model_copy(update={"out": tmp_path / "scan"})


def test_a_setting_that_fails_on_most_frames_is_left_out_and_named(scanned) -> None:
    _, result, printed = scanned
    assert len(result.dataset.dropped_settings) == 1
    assert result.dataset.dropped_settings[0].startswith("sigma_1_electrons_+1: no label for")
    assert "put here by the test" in result.dataset.dropped_settings[0]
    assert "setting left out: sigma_1_electrons_+1" in printed
    assert "sigma_1_electrons_+1" in result.report.read_text()
    # the others keep all their frames
    assert result.dataset.dropped == ()
    assert list(result.table["electrons_per_atom_shift"]) == [-1, 0]
    assert set(result.table["n_frames"]) == {8}


def test_files_of_the_electron_axis(scanned) -> None:
    _, result, _ = scanned
    written = {path.stem for path in (result.folder / "figures").glob("*.png")}
    assert {"error_against_electrons", "electron_axis", "d_dos"} <= written
    axis = pd.read_csv(result.folder / "electron_axis.csv")
    # the rigid band starts from the neutral setting: there it is no prediction
    neutral = axis[axis["electrons_per_atom_shift"] == 0].iloc[0]
    for name in ("chi_4_states2_per_ev_atom2", "n_times_ten_minus_n"):
        assert neutral[f"{name}_rigid_band"] == pytest.approx(neutral[name], rel=1e-3)
    report = result.report.read_text()
    assert "rigid band" in report
    assert "uniform background" in report


def test_labels_hold_the_electrons_asked_for(scanned) -> None:
    _, result, _ = scanned
    table = pd.read_csv(result.folder / "label_sets" / "labels.csv")
    assert set(table["setting"]) == {"sigma_1", "sigma_1_electrons_-1"}
    expected = (8 + table["electrons_per_atom_shift"]) * table["n_atoms"]
    assert table["n_electrons"].to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-6)


def test_a_label_of_a_ladder_is_that_of_a_fresh_start(scanned) -> None:
    _, result, _ = scanned
    frame = ase.io.read(result.folder / "label_sets" / "sigma_1_electrons_-1.extxyz", 0)
    fresh = XtbEngine().label(canonical(frame), setting(-1))
    assert isinstance(fresh, Label)
    assert frame.info["REF_energy"] == pytest.approx(fresh.free_energy, abs=2e-4)
    assert np.abs(frame.arrays["REF_forces"] - fresh.forces).max() < 2e-3


def test_a_frame_that_fails_at_one_kept_setting_leaves_all(own) -> None:
    store = LabelStore(own.folder / "labels", make_engine("xtb").fingerprint())
    identity = frame_id(read_frames(Path(own.target))[0])
    store.label_path(identity, setting(-1)).unlink()
    store.put_failure(identity, setting(-1), LabelFailure("put here too"))
    again, _ = run(own)
    assert len(again.dataset.dropped) == 1
    assert "sigma_1_electrons_-1: put here too" in again.dataset.dropped[0]
    assert set(again.table["n_frames"]) == {7}


def test_nothing_to_compare_is_one_clear_error(own) -> None:
    store = LabelStore(own.folder / "labels", make_engine("xtb").fingerprint())
    for atoms in read_frames(Path(own.target)):
        store.put_failure(frame_id(atoms), setting(2), LabelFailure("no"))
    asked = own.model_copy(update={"electrons": (0.0, 2.0)})
    with pytest.raises(LabelError, match="converges at 1 of the settings asked for"):
        run(asked)


@pytest.mark.slow
def test_map_is_a_grid_in_table_figure_and_folder(frames, own) -> None:
    settings = load_scan_settings(
        MapSettings,
        {
            "target": str(frames / "frames.extxyz"),
            "sigma": "1,2",
            "electrons": "-1,0",
            "out": str(own.folder),
            **SMALL,
        },
        None,
    )
    before = {path: path.stat().st_mtime_ns for path in own.folder.glob("labels/sigma_1*/*.npz")}
    assert len(before) >= 16
    assert any("4: fermi-dirac sigma 1, 2 eV x -1, 0" in line for line in resolve(settings).lines())
    result, printed = run(settings)
    # the labels at sigma = 1 eV are those of the scan
    assert "32 in all (8 frames x 4 settings)" in printed
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    points = result.table[["sigma_ev", "electrons_per_atom_shift"]].to_numpy().tolist()
    assert points == [[1, -1], [2, -1], [1, 0], [2, 0]]
    assert (result.folder / "figures" / "map.png").exists()
    grid = pd.read_csv(result.folder / "electron_axis.csv")
    count = 10 * result.table["d_band_filling"]
    assert grid["n_times_ten_minus_n"].to_numpy() == pytest.approx(count * (10 - count))
    chi = 2 / 35 * result.table["d_response_states2_per_ev_atom2"]
    assert grid["chi_4_states2_per_ev_atom2"].to_numpy() == pytest.approx(chi.to_numpy())


def test_trial_takes_a_training_frame_of_every_tier() -> None:
    images = []
    for tier, part in (("cold", "test"), ("cold", "train"), ("melt", "train"), ("cold", "train")):
        atoms = bulk("Cu")
        atoms.info.update(tier=tier, split=part)
        images.append(atoms)
    assert trial_frames(images) == images[1:3]


def test_collapsed_and_empty_cells_are_no_labels() -> None:
    atoms = bulk("Ti") * (2, 1, 1)
    atoms.rattle(0.1, seed=1)
    outcome = XtbEngine().label(atoms, setting(-4))
    assert isinstance(outcome, LabelFailure)
    assert "0 electrons do not fit" in outcome.reason or "0.0 electrons" in outcome.reason


def test_campaign_of_another_metal_is_refused(scanned) -> None:
    settings, result, _ = scanned
    asked = load_scan_settings(
        ElectronScanSettings, {"target": "Cu", "as": "Fe", "with": str(result.folder)}, None
    )
    with pytest.raises(InputError, match="not of Fe"):
        make_swap(asked)
    missing = asked.model_copy(update={"with_campaign": settings.folder / "labels"})
    with pytest.raises(InputError, match=r"no results\.csv"):
        make_swap(missing)
