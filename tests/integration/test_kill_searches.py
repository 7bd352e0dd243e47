"""`kill -9` and SIGTERM of searches, of more labels and of validations: nothing done is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from helpers.cluster_bench import wait_until

from dosml.relabel.ase_factory import evaluate
from dosml.relabel.dataset import Dataset, LabelSet, Provenance, save
from dosml.relabel.engines.registry import make_engine
from dosml.relabel.frames import canonical
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

if TYPE_CHECKING:
    from pathlib import Path

#: An engine and a calculator that take long enough to be caught at work.
MODULE = """
import time
from ase.calculators.emt import EMT

class Steady(EMT):
    def calculate(self, *arguments, **named):
        time.sleep(0.03)
        super().calculate(*arguments, **named)

def engine(setting):
    return Steady()

def calculator():
    return Steady()
"""
ENGINE = "ase:steady:engine"


def labelled_folder(folder: Path) -> None:
    """Label sets of the engine above, which `label-more` goes on from."""
    rng = np.random.default_rng(3)
    frames = []
    for number in range(9):
        atoms = bulk("Cu", a=3.6) * (2, 2, 1)
        atoms.positions += rng.normal(0, 0.1, atoms.positions.shape)
        frames.append(canonical(atoms))
        frames[-1].info["split"] = "train" if number < 6 else "test"
    found = [evaluate(frame, EMT()) for frame in frames]
    labels = LabelSet(
        np.array([one.energy for one in found]),
        [one.forces for one in found],
        np.array([one.stress for one in found]),
        setting=ElectronicSetting(Smearing("fermi-dirac", 0.2)),
    )
    engine = make_engine(ENGINE)
    provenance = Provenance(engine=engine.name, protocol=engine.fingerprint())
    save(Dataset.of(frames, [labels], provenance), folder)


#: Command, what it keeps one by one, how much of that is there when it is stopped, and its result.
STUDIES = {
    "structures": (
        ["Cu4", "--engine", ENGINE, "--prior", "classical,none", "--seeds", "1", "--calls", "12",
         "--starts", "3", "--relaxations", "2", "--steps", "8", "--keep", "2", "--workers", "2"],
        "labels/*/*.npz", 9, "calls.csv",
    ),
    "label-more": (
        ["labels", "--add", "6", "--batch", "2", "--pool", "20", "--pool-test", "6",
         "--random", "1", "--workers", "2", "--inducing", "40", "--n-max", "4", "--l-max", "2",
         "--cutoff", "4"],
        "labels/*/*.npz", 8, "hard_frames.csv",
    ),
    "validate": (
        ["ase:steady:calculator", "--structure", "Cu", "--steps", "24", "--min-length", "5",
         "--temperature", "300,900"],
        "runs/*.npz", 3, "validation.csv",
    ),
}  # fmt: skip


def kept(folder: Path, pattern: str) -> dict[str, int]:
    """Time stamps of the finished pieces."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in folder.glob(pattern)
        if not path.name.startswith(".")
    }


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="signals as on Linux")
@pytest.mark.parametrize("study", STUDIES)
def test_what_was_stopped_goes_on_to_the_same_result(study, tmp_path, monkeypatch):
    options, pattern, enough, result = STUDIES[study]
    (tmp_path / "steady.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    if study == "label-more":
        labelled_folder(tmp_path / "labels")
    command = [sys.executable, "-m", "dosml", study, *options, "--out"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}

    def start(out: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*command, out],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    stopped = tmp_path / "stopped"
    before: dict[str, int] = {}
    for number, more in ((signal.SIGKILL, 1), (signal.SIGTERM, 2)):
        run = start("stopped")
        try:
            wanted = len(before) + (enough if more == 1 else 1)
            wait_until(
                lambda wanted=wanted, run=run: (
                    len(kept(stopped, pattern)) >= wanted or run.poll() is not None
                ),
                f"{wanted} pieces of {study}",
            )
            assert run.poll() is None, "the run ended before it could be stopped"
            # kill -9 takes the whole session, as a batch system or a lost machine does
            (os.killpg if number == signal.SIGKILL else os.kill)(run.pid, number)
            _, said = run.communicate(timeout=60)
        finally:
            run.kill()
        assert run.returncode == (-number if number == signal.SIGKILL else 128 + number)
        if number == signal.SIGTERM:
            assert said == "dosml: error: stopped: run the same command again to continue\n"
        after = kept(stopped, pattern)
        assert {name: after[name] for name in before} == before, "a finished piece was made again"
        before = after
    for out in ("stopped", "whole"):
        run = start(out)
        _, said = run.communicate(timeout=300)
        assert run.returncode == 0, said
    after = kept(stopped, pattern)
    assert {name: after[name] for name in before} == before
    assert set(after) == set(kept(tmp_path / "whole", pattern))
    pd.testing.assert_frame_equal(
        pd.read_csv(stopped / result), pd.read_csv(tmp_path / "whole" / result), rtol=1e-6
    )
    if study == "structures":
        first, second = (
            ase.io.read(tmp_path / out / "structures.extxyz", ":") for out in ("stopped", "whole")
        )
        for one, other in zip(first, second, strict=True):
            assert np.allclose(one.positions, other.positions, atol=1e-5)
