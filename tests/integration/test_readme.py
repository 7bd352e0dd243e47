"""Every command of the README and of the pages is run, with options that make it small."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from typer.testing import CliRunner

from dosml.cli import app
from dosml.learners.peers.environments import ENVIRONMENT_OF, find
from dosml.relabel.dataset import Dataset, LabelSet, save
from dosml.relabel.frames import canonical
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = sorted(path for path in (ROOT / "docs").glob("*.md") if path.name != "cli.md")
#: Pages whose commands are run; those of the others have tests of their own.
RUN = (
    "tutorial",
    "using",
    "surveys",
    "recommend",
    "evaluate",
    "trainings",
    "dft",
    "cluster",
    "python",
)
#: Appended to a command that begins so; the last value of an option counts.
SMALLER = {
    "dosml smear-scan Ti --labels": "--sigma 0.2,2.0 --cutoff 4 --n-max 4 --l-max 2",
    "dosml smear-scan Cu --labels": "--sigma 0.2,2.0 --cutoff 4 --n-max 4 --l-max 2",
    "dosml survey Ti Os Cu Au": "--train 8 --test 6 --sigma 0.2,2.0 --cutoff 4 --n-max 4 --l-max 2",
    "dosml recommend-smearing dosml-smear-scan-Cu": "",
    "dosml evaluate dosml-smear-scan-Cu": "",
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
#: Folders of scans that the commands of the pages name.
SCANS_OF_CU = ("dosml-smear-scan-Cu", "dosml-smear-scan-Cu-reference")
#: Run by .ci/run itself, which runs these tests: not once more inside them.
RUN_BY_CI = {
    "make test",
    "make gpaw",
    "make lint",
    "make typecheck",
    "bash .ci/run",
    "dosml env create nequip",
    "source .venv/bin/activate",
}

pytestmark = pytest.mark.skipif(not README.exists(), reason="only in a checkout")


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(
        rf"```{language}\n(.*?)```", path.read_text(encoding="utf-8"), flags=re.DOTALL
    )


def commands(path: Path) -> list[str]:
    lines = [line for block in blocks(path, "console") for line in block.splitlines()]
    found = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return [one for one in found if one not in RUN_BY_CI]


def every_command() -> list[object]:
    if not README.exists():
        return []
    others = dict.fromkeys(one for page in PAGES if page.stem in RUN for one in commands(page))
    slow = (pytest.mark.slow, pytest.mark.timeout(900))
    return [pytest.param(one, marks=slow) for one in dict.fromkeys((*commands(README), *others))]


def test_readme_is_a_landing_page() -> None:
    text = README.read_text()
    lines = [line for block in blocks(README, "console") for line in block.splitlines()]
    assert {"$ make demo", "$ make test"} <= set(lines)
    assert len(text.splitlines()) < 120
    assert "pip install dosml" not in text
    assert "dosml[" not in text


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda path: path.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http:", "https:", "#")):
            continue
        name, _, anchor = target.partition("#")
        place = (page.parent / name).resolve()
        assert place.exists(), f"{page.name}: {target}"
        if anchor:
            heads = re.findall(r"^#+ (.*)$", place.read_text(), flags=re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in heads}
            assert anchor in slugs, f"{page.name}: {target}"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_numbers_of_the_readme_are_those_of_the_command(tmp_path: Path) -> None:
    """On labels that ship: frames that are sampled anew differ between machines."""
    said = re.search(
        r"falls from ([\d.]+) to ([\d.]+) % .*?\((-[\d.]+) points, 95 % interval (-[\d.]+) to "
        r"(-[\d.]+), (\d+) held-out",
        " ".join(README.read_text().split()),
    )
    assert said is not None
    run = [sys.executable, "-m", "dosml", "smear-scan", "Ti", "--labels", "reference"]
    subprocess.run([*run, "--sigma", "0.2,2.0", "--out", "ti"], cwd=tmp_path, check=True)
    first, last = pd.read_csv(tmp_path / "ti" / "results.csv").to_dict("records")
    change = [last[f"force_percent_error_change{end}"] for end in ("", "_low", "_high")]
    found = [first["force_percent_error"], last["force_percent_error"], *change]
    assert [float(one) for one in said.groups()[:5]] == pytest.approx(found, abs=0.15)
    assert int(said.group(6)) == first["n_test_frames"]


def write_labels(folder: Path, frames: list[Atoms]) -> None:
    """Labels at two smearings as scans and `dosml relabel collect` leave them."""
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
    save(Dataset.of([canonical(atoms) for atoms in frames], sets), folder)


def forget_scans(folder: Path) -> None:
    for name in SCANS_OF_CU:
        shutil.rmtree(folder / name)


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
    for name in SCANS_OF_CU:
        write_labels(tmp_path / name / "label_sets", frames)
    write_labels(tmp_path / "study" / "collected", frames)
    for page in (README, *PAGES):
        for block in blocks(page, "toml"):
            if name := re.match(r"# (\S+\.toml)\n", block):
                (tmp_path / name.group(1)).write_text(block)
    return tmp_path


@pytest.mark.parametrize("command", every_command())
def test_command(command: str, workplace: Path) -> None:
    cwd = workplace
    if command.startswith("dosml smear-scan"):  # it makes the folder that other commands need
        forget_scans(cwd)
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


@pytest.mark.parametrize("command", [one for one in commands(README) if one.startswith("dosml ")])
def test_a_command_of_the_readme_is_planned(
    command: str, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fast twin of `test_command`."""
    monkeypatch.chdir(workplace)
    done = CliRunner().invoke(app, [*command.split()[1:], "--dry-run"])
    assert done.exit_code == 0, f"{command}\n{done.output} {done.exception}"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_first_ten_minutes_run_as_printed_one_after_the_other(workplace: Path) -> None:
    """One folder, nothing shortened: a command must not meet what an earlier one left there."""
    forget_scans(workplace)
    tutorial = ROOT / "docs" / "tutorial.md"
    printed = dict.fromkeys((*commands(README), *commands(tutorial)))
    # what `make demo` runs comes first
    every = ["dosml smear-scan Ti", *(one for one in printed if one.startswith("dosml "))]
    assert len(every) > 5
    for command in every:
        done = subprocess.run(
            [sys.executable, "-m", *command.split()],
            cwd=workplace,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        report = re.search(r"^report: (\S+)", done.stdout, re.MULTILINE)
        assert report is not None, f"{command}\n{done.stdout[-2000:]}"
        assert 'class="answer' in (workplace / report.group(1)).read_text(), command


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_python_blocks_run(tmp_path: Path) -> None:
    found = blocks(README, "python")
    assert any("dosml.smear_scan" in block for block in found)
    for block in found:
        result = subprocess.run(
            [sys.executable, "-c", block],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, f"{block}\n{result.stderr[-2000:]}"
        assert result.stdout == "", "quiet unless asked"


def test_the_conda_recipe_asks_for_what_the_package_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    recipe = (ROOT / "packaging" / "conda" / "recipe.yaml").read_text()
    run = recipe.split("  run:\n")[1].split("tests:")[0]
    found = dict(re.findall(r"- (\S+) (>=\S+)", run))
    other = {"matplotlib-base": "matplotlib", "tblite-python": "tblite", "pytorch": "torch"}
    asked = {other.get(name, name): bound for name, bound in found.items()}
    assert asked.pop("python") == project["requires-python"]
    wanted = dict(re.fullmatch(r"([\w-]+)(>=.*)", one).groups() for one in project["dependencies"])
    assert asked == wanted
