"""Every command in the README is run, with options appended that make it small."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from dosml.learners.peers.environments import ENVIRONMENT_OF, find
from dosml.relabel.dataset import Dataset, LabelSet, save
from dosml.relabel.frames import canonical
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
#: Appended to a command that begins so; the last value of an option counts.
SMALLER = {
    "dosml smear-scan Ti --learner": "--train 4 --test 3 --sigma 0.5,2.0 --epochs 2 --min-length 5",
    "dosml learning-curve labels.extxyz": "--sizes 3,6 --repeats 1 --n-max 4 --l-max 2",
    "dosml learning-curve": "--learner-preset quick --epochs 2 --l-max 0 --sizes 3,5",
    "dosml transfer": "--learner-preset quick --epochs 2",
    "dosml smear-scan frames.extxyz": "--train 5 --test 3 --cutoff 4 --n-max 4 --l-max 2",
    "dosml smear-scan --labels": "--cutoff 4 --n-max 4 --l-max 2",
    "dosml smear-scan Ti --engine gpaw": "--train 2 --test 2 --sigma 1,2 --kpoints 1,1,1",
    "dosml smear-scan --config": "--train 3 --test 3 --sigma 0.5,2.0 --n-max 4 --l-max 2",
    "dosml smear-scan": "--train 3 --test 3 --sigma 0.5,2.0 --n-max 4 --l-max 2 --min-length 5",
    "dosml grid labels.extxyz": "--cutoff 4 --n-max 3,4 --l-max 2 --zeta 2",
    "dosml survey": "--train 3 --test 3 --sigma 0.5,2.0 --n-max 4 --l-max 2 --min-length 5",
    "dosml phonons": "--min-length 5 --points 20",
    "dosml nelect-scan Os": "--electrons=-1,0 --train 3 --test 3 --cutoff 4 --n-max 4 --l-max 2",
    "dosml nelect-scan": "--train 3 --test 3 --cutoff 4 --n-max 4 --l-max 2",
    "dosml map": "--sigma 1,2 --electrons=-1,0 --train 2 --test 2 --n-max 4 --min-length 5",
    "make demo": 'DEMO_OPTIONS="--train 3 --test 3 --sigma 0.5,2 --min-length 5 --out {tmp}/demo"',
}
#: Run by .ci/run itself, which runs these tests: not once more inside them.
RUN_BY_CI = {
    "make test",
    "make gpaw",
    "make lint",
    "make typecheck",
    "bash .ci/run",
    "dosml env create nequip",
}

pytestmark = [
    pytest.mark.skipif(not README.exists(), reason="only in a checkout"),
    pytest.mark.slow,
]


def commands() -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", README.read_text(), flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def test_readme_has_the_two_commands() -> None:
    assert {"make demo", "make test"} <= set(commands())


def test_the_cluster_file_is_the_one_that_the_slurm_test_runs() -> None:
    found = [
        re.findall(r"```toml\n(# cluster\.toml\n.*?)```", path.read_text(), flags=re.DOTALL)
        for path in (README, ROOT / "docs" / "cluster.md")
    ]
    assert len(found[0]) == 1
    assert found[0] == found[1]


def write_study(folder: Path, frames: list[Atoms]) -> None:
    """Labels at two smearings where `dosml relabel collect` leaves them."""
    one = LabelSet(
        np.array([atoms.info["REF_energy"] for atoms in frames]),
        [atoms.arrays["REF_forces"] for atoms in frames],
        np.array([atoms.info["REF_stress"] for atoms in frames]),
    )
    scheme = "methfessel-paxton-1"
    sets = [
        replace(one, setting=ElectronicSetting(Smearing(scheme, width)), name="")
        for width in (0.2, 1.0)
    ]
    save(Dataset.of([canonical(atoms) for atoms in frames], sets), folder / "collected")


@pytest.fixture
def workplace(tmp_path):
    frames = []
    for seed in range(8):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=seed)
        frames.append(atoms)
    ase.io.write(tmp_path / "frames.extxyz", frames)
    for atoms in frames:
        atoms.calc = EMT()
        atoms.info["REF_energy"] = atoms.get_potential_energy()
        atoms.info["REF_stress"] = atoms.get_stress()
        atoms.arrays["REF_forces"] = atoms.get_forces()
        atoms.calc = None
    ase.io.write(tmp_path / "labels.extxyz", frames)
    for number, atoms in enumerate(frames):
        atoms.info["tier"] = ("cold", "melt")[number % 2]
        atoms.info["split"] = "train" if number < 6 else "test"
    scan = tmp_path / "dosml-smear-scan-Cu" / "label_sets"
    scan.mkdir(parents=True)
    ase.io.write(scan / "sigma_0.2.extxyz", frames)
    write_study(tmp_path / "study", frames)
    for name in re.findall(r"```toml\n# (\S+)\n(.*?)```", README.read_text(), flags=re.DOTALL):
        (tmp_path / name[0]).write_text(name[1])
    return tmp_path


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "command", [one for one in commands() if one not in RUN_BY_CI] if README.exists() else []
)
def test_command(command: str, workplace: Path) -> None:
    cwd = workplace
    extra = next((text for start, text in SMALLER.items() if command.startswith(start)), "")
    if command.startswith("make"):
        if Path(sys.prefix) != ROOT / ".venv":
            pytest.skip("make uses .venv, the tests run elsewhere")
        cwd = ROOT
    if "--dry-run" in command:
        extra = ""
    learners = re.search(r"--learner (\S+)", command)
    for learner in learners.group(1).split(",") if learners else ():
        if learner != "sgp" and find(ENVIRONMENT_OF[learner]) is None:
            pytest.skip(f"needs dosml env create {learner}")
    if "gpaw" in command and find_spec("gpaw") is None:
        pytest.skip("needs make gpaw")
    for tool in ("sbatch",):
        if tool in command and shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    result = subprocess.run(
        f"{command} {extra.format(tmp=workplace)}",
        shell=True,
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"{command}\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}"


@pytest.mark.timeout(600)
def test_python_blocks_run(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert any("dosml.smear_scan" in block for block in blocks)
    for block in blocks:
        result = subprocess.run(
            [sys.executable, "-c", block],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, f"{block}\n{result.stderr[-2000:]}"
        assert result.stdout == "", "quiet unless asked"
