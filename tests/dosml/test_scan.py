"""A whole scan in small: real engine, real learner, tables, figures, report, dropped frames."""

from __future__ import annotations

import io
import json
import shutil

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase.build import bulk
from rich.console import Console

from dosml.analysis.statistics.campaigns import finished, read_campaign
from dosml.campaign import OWN_ENDINGS, OWN_NAMES
from dosml.errors import InputError, LabelError
from dosml.plan import resolve
from dosml.progress import Reporter
from dosml.records import CAMPAIGN, CampaignRecord, read_record
from dosml.relabel.engines.base import LabelFailure
from dosml.relabel.engines.registry import make_engine
from dosml.relabel.frames import frame_id
from dosml.relabel.store import LabelStore
from dosml.results import Scan
from dosml.studies.scan import run_scan
from dosml.studies.scan_settings import SmearScanSettings, load_scan_settings
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

WIDTHS = (0.5, 2.0)


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> SmearScanSettings:
    folder = tmp_path_factory.mktemp("scan")
    frames = []
    for seed in range(10):
        atoms = bulk("Ti") * (2, 2, 1)
        atoms.rattle(0.06 if seed % 2 else 0.12, seed=seed)
        atoms.info["tier"] = "cold" if seed % 2 else "warm"
        frames.append(atoms)
    ase.io.write(folder / "frames.extxyz", frames)
    return load_scan_settings(
        SmearScanSettings,
        {
            "target": str(folder / "frames.extxyz"),
            "engine": "xtb",
            "sigma": "2.0,0.5",
            "train": 6,
            "test": 4,
            "out": str(folder / "study"),
            "cutoff": 4.0,
            "n_max": 4,
            "l_max": 2,
            "inducing": 30,
            "workers": 2,
        },
    )


@pytest.fixture(scope="module")
def first(settings):
    printed = io.StringIO()
    result = run_scan(resolve(settings), Reporter(Console(file=printed, width=120)))
    return result, printed.getvalue()


@pytest.fixture
def own(first, settings, tmp_path) -> SmearScanSettings:
    """Settings of a copy of the finished campaign, for tests that change it."""
    shutil.copytree(first[0].folder, tmp_path / "study")
    return settings.model_copy(update={"out": tmp_path / "study"})


def test_table_has_one_row_per_sigma_with_the_promised_columns(first) -> None:
    result, _ = first
    table = pd.read_csv(result.folder / "results.csv")
    assert list(table["sigma_ev"]) == [0.5, 2.0]
    promised = [
        "force_mae_ev_per_angstrom",
        "force_mav_ev_per_angstrom",
        "force_percent_error",
        "energy_mae_ev_per_atom",
        "d_band_center_ev",
        "d_band_width_ev",
        "n_d_fermi_states_per_ev_atom",
    ]
    assert np.isfinite(table[promised].to_numpy()).all()
    # two held-out frames a tier are too few for an interval
    assert table[["force_percent_error_low", "force_percent_error_high"]].isna().all(axis=None)
    pd.testing.assert_frame_equal(pd.read_parquet(result.folder / "results.parquet"), table)


def test_errors_in_the_table_are_those_of_the_files(first, settings) -> None:
    """An independent path to the same number: exported label sets against kept predictions."""
    result, _ = first
    table = pd.read_csv(result.folder / "results.csv")
    (kept,) = result.folder.glob("models/*/predictions.npz")
    for number, width in enumerate(WIDTHS):
        frames = ase.io.read(result.folder / "label_sets" / f"sigma_{width:g}.extxyz", ":")
        assert len(frames) == settings.train + settings.test
        test = [frame for frame in frames if frame.info["split"] == "test"]
        labelled = np.concatenate([frame.arrays["REF_forces"] for frame in test])
        with np.load(kept) as arrays:
            predicted = arrays[f"forces_{number}"]
        mae = np.abs(predicted - labelled).mean()
        mav = np.abs(labelled).mean()
        assert table["force_mae_ev_per_angstrom"][number] == pytest.approx(mae, rel=1e-6)
        assert table["force_percent_error"][number] == pytest.approx(100 * mae / mav, rel=1e-6)


def test_figures_and_report_are_there(first) -> None:
    result, _ = first
    names = {path.stem for path in (result.folder / "figures").glob("*.png")}
    assert {"d_dos", "error_against_sigma", "force_differences"} <= names
    assert names == {path.stem for path in (result.folder / "figures").glob("*.pdf")}
    text = result.report.read_text()
    assert "GFN1-xTB" in text
    assert "cannot be concluded" in text
    record = json.loads((result.folder / "campaign.json").read_text())
    assert record["run"]["sigma"] == [2.0, 0.5]


def test_the_same_again_makes_nothing(first, settings) -> None:
    result, printed = first
    assert "0 on disk, 20 to make" in printed
    before = {path: path.stat().st_mtime_ns for path in result.folder.glob("labels/*/*.npz")}
    again = io.StringIO()
    second = run_scan(resolve(settings), Reporter(Console(file=again, width=120)))
    assert "20 on disk, 0 to make" in again.getvalue()
    assert "trained before" in again.getvalue()
    after = {path: path.stat().st_mtime_ns for path in result.folder.glob("labels/*/*.npz")}
    assert before == after
    pd.testing.assert_frame_equal(second.table, result.table)


def test_a_further_sigma_keeps_the_labels_that_are_there(own) -> None:
    printed = io.StringIO()
    wider = own.model_copy(update={"sigma": (0.5, 1.0, 2.0)})
    assert any("20 on disk" in line for line in resolve(wider).lines())
    run_scan(resolve(wider), Reporter(Console(file=printed, width=120)))
    assert "20 on disk, 10 to make" in printed.getvalue()


def test_a_failed_frame_is_named_and_dropped_from_all_label_sets(own) -> None:
    store = LabelStore(own.folder / "labels", make_engine("xtb").fingerprint())
    frames = ase.io.read(own.folder / "label_sets" / "sigma_2.extxyz", ":")
    broken = next(frame for frame in frames if frame.info["split"] == "train")
    identity = frame_id(broken)
    narrow = ElectronicSetting(Smearing("fermi-dirac", 0.5))
    label_path = store.label_path(identity, narrow)
    label = label_path.read_bytes()
    label_path.unlink()
    store.put_failure(identity, narrow, LabelFailure("SCF not converged (put here by the test)"))
    printed = io.StringIO()
    dropped = run_scan(resolve(own), Reporter(Console(file=printed, width=120)))
    assert identity in printed.getvalue()
    assert len(dropped.dataset.dropped) == 1
    assert identity in dropped.report.read_text()
    for width in WIDTHS:
        kept = ase.io.read(own.folder / "label_sets" / f"sigma_{width:g}.extxyz", ":")
        assert identity not in {frame_id(frame) for frame in kept}
        assert len(kept) == 9
    # the failure is not tried again at every run, but it is when asked for
    again_please = resolve(own.model_copy(update={"retry_failed": True}))
    retried = run_scan(again_please, Reporter(Console(file=io.StringIO())))
    assert retried.dataset.dropped == ()
    again = store.get(identity, narrow)
    assert not isinstance(again, LabelFailure)
    assert len(label) > 0


def test_damaged_labels_are_made_again_and_the_result_is_the_same(first, own) -> None:
    """Dropping their frames would make another comparison, with other numbers."""
    store = LabelStore(own.folder / "labels", make_engine("xtb").fingerprint())
    frames = ase.io.read(own.folder / "label_sets" / "sigma_2.extxyz", ":")
    narrow, wide = (ElectronicSetting(Smearing("fermi-dirac", width)) for width in WIDTHS)
    cut = store.label_path(frame_id(frames[0]), narrow)
    cut.write_bytes(cut.read_bytes()[:-100])
    short = store.label_path(frame_id(frames[1]), wide)
    with np.load(short) as arrays:
        values = dict(arrays)
    values["forces"] = values["forces"][:-1]
    np.savez_compressed(short, **values)
    printed = io.StringIO()
    plan = resolve(own)
    assert any("19 on disk" in line for line in plan.lines())  # the frame of the other is not known
    again = run_scan(plan, Reporter(Console(file=printed, width=120)))
    assert "18 on disk, 2 to make" in printed.getvalue()
    assert again.dataset.dropped == ()
    # two labels were made anew, from another start of the self-consistent cycle
    pd.testing.assert_frame_equal(again.table, first[0].table, rtol=1e-3)


def test_the_record_tells_what_the_results_are(first, own) -> None:
    record = read_record(own.folder / CAMPAIGN, CampaignRecord)
    assert {"results.csv", "d_dos.csv", "angular_resolution.csv", "report.json"} <= set(
        record.files
    )
    assert finished(own.folder)
    assert len(read_campaign(own.folder).results) == 2
    table = own.folder / "results.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    assert not finished(own.folder)
    with pytest.raises(InputError, match=r"results\.csv is not what campaign\.json"):
        read_campaign(own.folder)
    with pytest.raises(InputError, match=r"results\.csv is not what campaign\.json"):
        Scan(own.folder).table  # noqa: B018 - reading is what is tested
    run_scan(resolve(own), Reporter(Console(file=io.StringIO())))
    pd.testing.assert_frame_equal(
        Scan(own.folder).table, pd.read_csv(first[0].folder / "results.csv")
    )


def test_everything_a_scan_writes_is_known_as_its_own(first) -> None:
    """What is not would be replaced in somebody else's folder."""
    names = {path.name for path in first[0].folder.iterdir()}
    known = {f"{name}{ending}" for name in OWN_NAMES for ending in OWN_ENDINGS}
    assert names - known == {"campaign.json", "campaign.lock", "dosml.log", "run.json", "run.lock"}


def test_too_few_labelled_frames_are_one_clear_error(own) -> None:
    store = LabelStore(own.folder / "labels", make_engine("xtb").fingerprint())
    frames = ase.io.read(own.folder / "label_sets" / "sigma_2.extxyz", ":")
    tests = [frame_id(frame) for frame in frames if frame.info["split"] == "test"]
    narrow = ElectronicSetting(Smearing("fermi-dirac", 0.25))
    for frame in frames:
        store.put_failure(frame_id(frame), narrow, LabelFailure("put here by the test"))
    assert len(tests) == 4
    with pytest.raises(
        LabelError, match="none of 10 frames has a label at every one of 2 settings"
    ):
        run_scan(
            resolve(own.model_copy(update={"sigma": (0.25, 2.0)})),
            Reporter(Console(file=io.StringIO())),
        )


def test_a_default_that_is_typed_leaves_the_same_record() -> None:
    plain = resolve(SmearScanSettings(target="Ti")).record()
    typed = SmearScanSettings(
        target="Ti", engine="tb", scheme="methfessel-paxton-1", cell="published", min_length=7.0
    )
    assert resolve(typed).record() == plain
    assert resolve(SmearScanSettings(target="Ti", min_length=6.0)).record() != plain
