"""The set of labels that ships, and what a scan on it may be asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from ase.build import bulk
from typer.testing import CliRunner

from dosml.cli import app
from dosml.errors import EngineError, InputError
from dosml.relabel.engines import dataset
from dosml.relabel.engines.dataset import (
    DatasetEngine,
    dataset_frames,
    dataset_labels,
    dataset_metals,
    write_dataset,
)
from dosml.relabel.frames import canonical, frame_id
from dosml.relabel.label import Label, LabelSet
from dosml.theory.dband import d_band
from dosml.theory.dos import ElectronicDos, mean_dos
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

METALS = dataset_metals()


def random_label(frame, rng) -> Label:
    energies = np.linspace(-20, 20, 2001)
    d_m = np.exp(-((energies - rng.normal(size=(5, 1))) ** 2))
    return Label(
        free_energy=float(rng.normal()),
        forces=rng.normal(size=(len(frame), 3)),
        stress=rng.normal(size=6),
        fermi_level=1.5,
        n_electrons=24.0,
        top_occupation=0.0,
        dos=ElectronicDos(energies, 2 * d_m.sum(axis=0), d_m.sum(axis=0), d_m, 0.1),
        facts={"seconds": 2.5, "scf_steps": 7},
    )


def test_what_is_written_is_read(tmp_path) -> None:
    rng = np.random.default_rng(0)
    frames = []
    for seed in range(3):
        atoms = bulk("Ti")
        atoms.rattle(0.1, seed=seed)
        frames.append(canonical(atoms))
        frames[-1].info |= {"tier": "cold", "split": "test" if seed == 2 else "train"}
    settings = [ElectronicSetting(Smearing("cold", width)) for width in (0.2, 1.0)]
    sets = [LabelSet(one, tuple(random_label(frame, rng) for frame in frames)) for one in settings]
    write_dataset(tmp_path, "Ti", frames, sets, {"warning": "made up"})
    read = dataset._read("Ti", tmp_path)
    assert [frame_id(frame) for frame in read.frames] == [frame_id(frame) for frame in frames]
    assert [frame.info["split"] for frame in read.frames] == ["train", "train", "test"]
    for labels in sets:
        for frame, label in zip(frames, labels.labels, strict=True):
            found = read.labels[frame_id(frame), labels.setting]
            np.testing.assert_allclose(found.forces, label.forces, atol=1e-7)
            np.testing.assert_allclose(found.stress, label.stress, atol=1e-7)
            assert found.free_energy == pytest.approx(label.free_energy, abs=1e-7)
            thinned = np.interp(found.dos.energies, label.dos.energies, label.dos.d)
            np.testing.assert_allclose(found.dos.d, thinned, atol=5e-3)


def test_shipped_set_is_complete_and_converged() -> None:
    assert {"Ti", "Cu"} <= set(METALS)
    for metal in METALS:
        frames, sets = dataset_frames(metal), dataset_labels(metal)
        assert [one.setting.smearing.width for one in sets] == [0.2, 0.5, 1.0, 2.0]
        assert {one.setting.smearing.scheme for one in sets} == {"methfessel-paxton-1"}
        assert len({frame_id(frame) for frame in frames}) == len(frames)
        assert {frame.info["tier"] for frame in frames} == {"cold", "warm", "hot"}
        for one in sets:
            for frame, label in zip(frames, one.labels, strict=True):
                assert label.forces.shape == (len(frame), 3)
                # no net force: what is left is the plane-wave grid's
                assert np.abs(label.forces.sum(axis=0)).max() < 0.15
                assert abs(label.top_occupation) < 1e-4


def test_published_order_of_the_d_bands_by_filling_and_centre() -> None:
    centres = {}
    for metal in METALS:
        mean = mean_dos([label.dos for label in dataset_labels(metal)[0].labels])
        centres[metal] = d_band(mean, window=(-10.0, 10.0)).centre
    order = [metal for metal in ("Ti", "Os", "Cu", "Au") if metal in centres]
    assert order[:1] == ["Ti"]
    # Ti above Os above Cu and Au, relative to the Fermi level
    filled = [metal for metal in order if metal in {"Cu", "Au"}]
    for early in (metal for metal in order if metal in {"Ti", "Os"}):
        assert all(centres[early] > centres[late] for late in filled)
    if "Os" in centres:
        assert centres["Ti"] > centres["Os"]


@pytest.mark.slow
def test_one_label_is_reproduced() -> None:
    pytest.importorskip("gpaw", reason="GPAW is not installed (make gpaw)")
    from dosml.relabel.engines.gpaw import GpawEngine

    frame, labels = dataset_frames("Cu")[0], dataset_labels("Cu")[-1]
    label = GpawEngine("laptop").label(frame, labels.setting)
    assert isinstance(label, Label)
    np.testing.assert_allclose(label.forces, labels.labels[0].forces, atol=1e-3)
    assert label.free_energy == pytest.approx(labels.labels[0].free_energy, abs=1e-3)


def test_errors_name_what_there_is() -> None:
    with pytest.raises(InputError, match="the reference set has no W, it has"):
        DatasetEngine("W")
    engine = DatasetEngine("Ti")
    with pytest.raises(EngineError, match=r"--sigma 0\.2,0\.5,1,2 with methfessel-paxton-1"):
        engine.check(ElectronicSetting(Smearing("fermi-dirac", 0.2)))
    with pytest.raises(EngineError, match="cannot drive molecular dynamics"):
        engine.calculator(ElectronicSetting(Smearing("methfessel-paxton-1", 0.2)))
    run = CliRunner().invoke(
        app, ["smear-scan", "Ti", "--dataset", "reference", "--train", "5", "--dry-run"]
    )
    assert isinstance(run.exception, InputError)
    assert "--train cannot be chosen with --dataset" in str(run.exception)


def test_a_scan_on_the_set_needs_no_engine(tmp_path) -> None:
    command = [sys.executable, "-m", "dosml", "smear-scan", "Ti", "--dataset", "reference"]
    command += ["--sigma", "0.2,2.0", "--n-max", "4", "--l-max", "2", "--inducing", "30"]
    run = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    folder = tmp_path / "dosml-smear-scan-Ti"
    assert (folder / "report.html").is_file()
    facts = json.loads((dataset.REFERENCE / "Ti.json").read_text())
    assert facts["engine"]["method"] == "PBE"
    assert "PBE from GPAW" in (folder / "report.html").read_text()
