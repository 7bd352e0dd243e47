"""Errors that a user meets: one line that says what and what to do, exit code 2, no traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import ase.io
import pytest
from ase.build import bulk

from dosml.cli import main, scan_options


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dosml", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def write_frames(path: Path, *, pbc: bool = True, symbols: str = "Cu4", count: int = 3) -> None:
    frames = []
    for seed in range(count):
        atoms = bulk("Cu", cubic=True)
        atoms.symbols = symbols
        atoms.rattle(0.1, seed=seed)
        atoms.pbc = pbc
        if not pbc:
            atoms.cell = None
        frames.append(atoms)
    ase.io.write(path, frames, format="extxyz")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Xx"], "Xx"),
        (["ti"], "Ti"),
        (["Ti", "--sigma", "0,1"], "widths above 0 eV"),
        (["Ti", "--sigma", "0.2"], "one sigma only"),
        (["Ti", "--engine", "xtb", "--scheme", "cold"], "fermi-dirac only"),
        (["Ti", "--scheme", "colder"], "colder"),
        (["Ti", "--engine", "xtb", "--kpoints", "2,2,2"], "--kpoints is no option of xtb"),
        (["Ti", "--engine-option", "accuracy=1"], "say of which engine, with --engine"),
        (["Ti", "--engine", "nonsense"], "no engine named 'nonsense'"),
        (["Ti", "--learner", "nonsense"], "nonsense"),
        (["Ti", "--sampler", "nonsense"], "nonsense"),
        (["Ti", "--prototype", "nonsense"], "nonsense"),
        (["missing.extxyz"], "no frame file at missing.extxyz"),
        (["broken.extxyz"], "frame 0 of broken.extxyz, line 2"),
        (["alloy.extxyz", "--engine", "tb"], "frames of one element"),
        (["cluster.extxyz"], "no periodic cell"),
        (["few.extxyz"], "holds 3 frames"),
        (["few.extxyz", "--train", "2", "--test", "2"], "holds 3 frames"),
        (["Ti", "--config", "missing.toml"], "cannot read --config missing.toml"),
        (["Ti", "--config", "typo.toml"], "unknown key sigmas; did you mean sigma?"),
        (["Ti", "--out", "file/study"], "give another --out"),
    ],
)
def test_one_line_and_exit_code_2(tmp_path, arguments: list[str], message: str) -> None:
    write_frames(tmp_path / "few.extxyz")
    write_frames(tmp_path / "alloy.extxyz", symbols="Cu3Ni", count=6)
    write_frames(tmp_path / "cluster.extxyz", pbc=False, count=6)
    (tmp_path / "broken.extxyz").write_text('4\nLattice="1 0\nCu 0 0 0\n')
    (tmp_path / "typo.toml").write_text('sigmas = "0.2,1"\n')
    (tmp_path / "file").write_text("")
    result = run("smear-scan", *arguments, cwd=tmp_path)
    assert result.returncode == 2, result.stdout + result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("dosml: error: ")
    assert message in lines[0]
    assert "Traceback" not in result.stdout + result.stderr
    assert not list(tmp_path.glob("dosml-*")), "no campaign folder for a command that cannot run"


def test_unknown_option_is_exit_code_2(tmp_path) -> None:
    result = run("smear-scan", "Ti", "--sigmas", "0.2,1", cwd=tmp_path)
    assert result.returncode == 2
    assert "--sigmas" in result.stderr
    assert "Traceback" not in result.stderr


def test_dry_run_prints_the_plan_and_writes_nothing(tmp_path) -> None:
    engine = ("--engine", "xtb")
    counts = ("--train", "6", "--test", "3")
    result = run("smear-scan", "Ti", *engine, "--dry-run", *counts, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "9 of 35 atoms" in result.stdout
    assert "36 with the engine xtb" in result.stdout
    assert "0.2, 0.5, 1, 2 eV" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_is_not_installed_is_named(tmp_path) -> None:
    # a tblite without metadata is what a half-removed installation looks like
    code = (
        "import importlib.metadata as m, sys; real = m.version\n"
        "def version(name):\n"
        "    if name == 'tblite': raise m.PackageNotFoundError(name)\n"
        "    return real(name)\n"
        "m.version = version\n"
        "sys.argv = ['dosml', 'smear-scan', 'Ti', '--engine', 'xtb', '--dry-run']\n"
        "from dosml.cli import main; main()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 2
    assert "pip install tblite" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 300 kB, where the system lets us mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "dosml-test", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_one_line_and_finished_labels_are_kept(tmp_path, small_disk) -> None:
    write_frames(tmp_path / "frames.extxyz", count=12)
    arguments = [
        "smear-scan",
        "frames.extxyz",
        "--train",
        "8",
        "--test",
        "4",
        "--sigma",
        "1,2",
        "--workers",
        "1",
        "--out",
        str(small_disk / "study"),
    ]
    for attempt in range(2):
        result = run(*arguments, cwd=tmp_path)
        assert result.returncode == 2, (attempt, result.stdout)
        last = result.stderr.strip().splitlines()[-1]
        assert last.startswith("dosml: error: no space left on the disk")
        assert "Traceback" not in result.stderr
    kept = list((small_disk / "study" / "labels").glob("sigma_*/*.npz"))
    assert kept, "finished labels are kept"
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    result = run(*arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    log = (small_disk / "study" / "dosml.log").read_text()
    assert f"{len(kept)} on disk, {24 - len(kept)} to make" in log


@pytest.mark.slow
def test_unwritable_results_are_named(tmp_path) -> None:
    write_frames(tmp_path / "frames.extxyz", count=6)
    (tmp_path / "study" / "results.csv").mkdir(parents=True)
    result = run(
        "smear-scan",
        "frames.extxyz",
        "--train",
        "4",
        "--test",
        "2",
        "--sigma",
        "1,2",
        "--out",
        "study",
        "--cutoff",
        "3.5",
        cwd=tmp_path,
    )
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert "study holds results.csv, which would be replaced" in result.stderr
    assert not (tmp_path / "study" / "dosml.log").exists()


def test_ctrl_c_says_how_to_go_on(monkeypatch, capsys) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(scan_options, "run_command", interrupted)
    monkeypatch.setattr(sys, "argv", ["dosml", "smear-scan", "Ti"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 130
    assert "stopped: run the same command again to continue" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["dosml", "--version"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
