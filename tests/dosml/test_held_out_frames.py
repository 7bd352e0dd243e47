"""What a study is given is checked before it trains, and named as it stands where it is from."""

from __future__ import annotations

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

import dosml
from dosml.errors import EngineError, FrameError, InputError
from dosml.plan import resolve
from dosml.studies.scan_settings import SmearScanSettings, load_scan_settings

SMALL = {"inducing": 10, "n_max": 2, "l_max": 1, "workers": 1}


def labelled(count: int, *, seed: int = 0, symbol: str = "Cu", **info: object):
    frames = []
    for n in range(count):
        atoms = bulk(symbol, cubic=True)
        atoms.rattle(0.1, seed=seed + n)
        atoms.calc = EMT()
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = None
        atoms.info.update(REF_energy=energy, **info)
        atoms.arrays["REF_forces"] = forces
        frames.append(atoms)
    return frames


def write(path, frames):
    ase.io.write(path, frames, format="extxyz")
    return path


@pytest.fixture
def no_training(monkeypatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a training was begun")

    monkeypatch.setattr("dosml.trainings.TrainingStore.get", fail)


@pytest.mark.usefixtures("no_training")
def test_held_out_frames_are_checked_before_training(tmp_path) -> None:
    given = write(tmp_path / "train.extxyz", labelled(6))
    out = {"out": tmp_path / "out", **SMALL}
    silver = write(
        tmp_path / "silver.extxyz", [*labelled(2, seed=50), *labelled(1, symbol="Ag", seed=60)]
    )
    with pytest.raises(FrameError, match=f"frame 2 of {silver} is held out and holds Ag, the trai"):
        dosml.train(given, test_file=silver, **out)
    twin = write(tmp_path / "twin.extxyz", [*labelled(2, seed=50), labelled(6)[4]])
    with pytest.raises(InputError, match=f"frame 4 of {given} and frame 2 of {twin} are identical"):
        dosml.train(given, test_file=twin, **out)
    broken = labelled(3, seed=50)
    broken[1].positions[2, 0] = np.nan
    path = write(tmp_path / "broken.extxyz", broken)
    with pytest.raises(FrameError, match=f"frame 1 of {path}, atom 2: its position nan .* not fin"):
        dosml.train(given, test_file=path, **out)


@pytest.mark.usefixtures("no_training")
def test_a_split_without_a_side_says_what_to_do(tmp_path) -> None:
    given = write(tmp_path / "train.extxyz", labelled(6, split="train"))
    with pytest.raises(InputError, match=r"mark 6 frames for training and 0 as held out .*--hold"):
        dosml.train(given, out=tmp_path / "out", **SMALL)


def test_frames_from_python_are_numbered_as_they_were_given(tmp_path) -> None:
    frames = labelled(5)
    frames[3].positions[1] = 1e15
    with pytest.raises(FrameError, match="frame 3 of the frames given, atom 1: its position 1e.15"):
        dosml.smear_scan(frames, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_warnings_about_labels_reach_the_caller(tmp_path) -> None:
    frames = labelled(20)
    frames[7].info["REF_energy"] += 8.0
    given = write(tmp_path / "odd.extxyz", frames)
    with pytest.warns(UserWarning, match=f"frame 7 of {given}: its energy is 2 eV per atom away"):
        dosml.train(given, out=tmp_path / "out", **SMALL)


def test_elements_beyond_an_engine_are_refused_by_the_plan(tmp_path) -> None:
    curium = []
    for frame in labelled(4):
        frame.symbols[:] = "Cm"
        curium.append(frame)
    path = write(tmp_path / "curium.extxyz", curium)
    with pytest.raises(EngineError, match="xtb has no parameters for Cm: GFN1-xTB ends at radon"):
        resolve(load_scan_settings(SmearScanSettings, {"target": str(path)}))
