"""Scans of labels that somebody else made: without a DOS, with one from files or an engine."""

from __future__ import annotations

import io
from pathlib import Path

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from rich.console import Console

from dosml.errors import EngineError, InputError
from dosml.plan import resolve
from dosml.progress import Reporter
from dosml.studies.scan import ScanResult, run_scan
from dosml.studies.scan_settings import ScanSettings, SmearScanSettings, load_scan_settings

SMALL = {"cutoff": 4.0, "n_max": 3, "l_max": 1, "inducing": 20, "workers": 1}
DOS_COLUMNS = ["d_band_center_ev", "n_d_fermi_bare_states_per_ev_atom", "d_band_filling"]


@pytest.fixture
def theirs(tmp_path) -> Path:
    """Label sets as another code writes them: extxyz files named after sigma, no split."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    for width, scale in ((0.5, 1.0), (2.0, 0.9)):
        frames = []
        for seed in range(10):
            atoms = bulk("Cu", cubic=True)
            atoms.rattle(0.1, seed=seed)
            atoms.calc = EMT()
            atoms.info["REF_energy"] = scale * atoms.get_potential_energy()
            atoms.arrays["REF_forces"] = scale * atoms.get_forces()
            atoms.info["tier"] = ("cold", "warm")[seed % 2]
            atoms.calc = None
            frames.append(atoms)
        ase.io.write(folder / f"sigma_{width:g}.extxyz", frames, format="extxyz")
    return folder


def settings(labels: Path, **options: object) -> ScanSettings:
    given = {"target": "Cu", "labels": str(labels), "out": labels.parent / "scan", **SMALL}
    return load_scan_settings(SmearScanSettings, {**given, "scheme": "fermi-dirac", **options})


def run(asked: ScanSettings) -> tuple[ScanResult, str]:
    printed = io.StringIO()
    return run_scan(resolve(asked), Reporter(Console(file=printed, width=200))), printed.getvalue()


def test_labels_without_a_dos_give_every_finding_that_needs_none(theirs) -> None:
    result, _ = run(settings(theirs))
    assert list(result.table["sigma_ev"]) == [0.5, 2.0]
    assert result.table[DOS_COLUMNS].isna().all(axis=None)
    # a fifth of each tier is held out, and no stress was labelled
    assert set(result.table["n_test_frames"]) == {2}
    assert result.table["stress_mae_ev_per_angstrom3"].isna().all()
    # the labels differ by a factor, and so do the errors: the ratio stays
    ratio = result.table["force_mav_ev_per_angstrom"]
    assert ratio[1] / ratio[0] == pytest.approx(0.9, rel=1e-6)
    assert not (result.folder / "d_dos.csv").exists()
    drawn = {path.stem for path in (result.folder / "figures").glob("*.png")}
    assert "error_against_sigma" in drawn
    assert "d_dos" not in drawn
    report = result.report.read_text(encoding="utf-8")
    assert "no DOS" in report
    assert "--dos-engine" in report


def test_an_engine_gives_labels_a_dos(theirs) -> None:
    result, printed = run(settings(theirs, dos_engine="xtb"))
    assert "DOS: 4 in all (2 frames x 2 settings), 0 on disk, 4 to make with xtb" in printed
    assert result.table[DOS_COLUMNS].notna().all(axis=None)
    report = result.report.read_text(encoding="utf-8")
    assert "every DOS here is that of the engine xtb" in report
    assert "GFN1-xTB" in report
    again, printed = run(settings(theirs, dos_engine="xtb"))
    assert "4 on disk, 0 to make" in printed
    pd.testing.assert_frame_equal(again.table, result.table)


def test_files_named_in_the_table_give_labels_a_dos(theirs, reference_data) -> None:
    rows = ["setting,frame,dos_file"]
    # of two atoms, as these frames are
    source = reference_data / "inputs" / "vasprun-twin.xml"
    for name in ("sigma_0.5", "sigma_2"):
        path = theirs / f"{name}.extxyz"
        frames = [frame[:2] for frame in ase.io.read(path, ":")]
        ase.io.write(path, frames, format="extxyz")
        rows += [f"{name},{n},{source}" for n in range(10)]
    (theirs / "labels.csv").write_text("\n".join(rows) + "\n")
    result, _ = run(settings(theirs, sigma="0.5,2.0"))
    # the d centre of that file, see the README of the reference data
    assert np.allclose(result.table["d_band_center_ev"], -2.6, atol=0.02)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"scheme": None}, InputError, "does not say at which smearing"),
        ({"sigma": "0.5,1.0"}, InputError, "finds 1 of the label sets that it needs"),
        ({"target": "Ag"}, InputError, "it holds Cu"),
        ({"scheme": "gaussian", "dos_engine": "xtb"}, EngineError, "fermi-dirac only"),
        ({"train": 20}, InputError, "at most that"),
        ({"engine": "xtb"}, InputError, "--engine cannot be chosen with --labels"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(
    theirs, options, error, words
) -> None:
    with pytest.raises(error, match=words):
        resolve(settings(theirs, **options))
    assert not (theirs.parent / "scan").exists()
