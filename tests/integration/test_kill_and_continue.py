"""`kill -9` in the middle of a run, then the same command: nothing lost, the same result."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import ase.io
import pandas as pd
import pytest
from ase.build import bulk

if TYPE_CHECKING:
    from collections.abc import Callable

# 47 s of processor time. Fast twins: `test_a_driver_that_is_killed_loses_nothing` of
# tests/relabel/test_labelling.py, `test_the_same_again_makes_nothing` of tests/dosml/test_scan.py
pytestmark = pytest.mark.slow
WIDTHS = "0.5,1.0,2.0"
N_FRAMES = 10


def command(out: str) -> list[str]:
    return [
        sys.executable, "-m", "dosml", "smear-scan", "frames.extxyz", "--engine", "xtb",
        "--sigma", WIDTHS,
        "--train", "7", "--test", "3", "--workers", "2", "--out", out, "--cutoff", "4",
        "--n-max", "4", "--l-max", "2", "--inducing", "40",
    ]  # fmt: skip


@pytest.fixture
def frames(tmp_path) -> Path:
    images = []
    for seed in range(N_FRAMES):
        atoms = bulk("Ti") * (2, 2, 1)
        atoms.rattle(0.12, seed=seed)
        images.append(atoms)
    ase.io.write(tmp_path / "frames.extxyz", images)
    return tmp_path


def label_files(folder: Path) -> dict[str, float]:
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in folder.glob("labels/sigma_*/*.npz")
        if not path.name.startswith(".")
    }


def children_of(pid: int) -> set[int]:
    listed = subprocess.run(
        ["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout.split()
    parents = dict(zip(map(int, listed[::2]), map(int, listed[1::2]), strict=True))
    return {child for child, parent in parents.items() if parent == pid}


def alive(pid: int) -> bool:
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
            != "Z"
        )
    except FileNotFoundError:
        return False


def kill_when(words: list[str], place: Path, ready: Callable[[], bool]) -> None:
    """Start a command, kill it outright once it is so far, and see its workers end too."""
    with subprocess.Popen(
        words, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as run:
        deadline = time.monotonic() + 120
        while not ready():
            assert run.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        workers = children_of(run.pid)
        run.send_signal(signal.SIGKILL)
        run.wait()
    deadline = time.monotonic() + 30
    while any(alive(pid) for pid in workers):  # no orphan goes on for ever
        assert time.monotonic() < deadline, "worker processes outlived their driver"
        time.sleep(0.1)


def test_killed_run_continues_to_the_same_result(frames) -> None:
    killed = frames / "killed"
    kill_when(command("killed"), frames, lambda: len(label_files(killed)) >= 5)
    before = label_files(killed)
    total = N_FRAMES * 3
    assert 5 <= len(before) < total

    again = subprocess.run(
        command("killed"), cwd=frames, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    after = label_files(killed)
    assert len(after) == total
    assert {name: after[name] for name in before} == before, "a finished label was made again"
    counts = re.findall(r"(\d+) on disk, (\d+) to make", (killed / "dosml.log").read_text())
    assert counts == [("0", str(total)), (str(len(before)), str(total - len(before)))]
    assert not list(killed.glob("labels/restart/*/*"))

    whole = subprocess.run(
        command("whole"), cwd=frames, capture_output=True, text=True, check=False
    )
    assert whole.returncode == 0, whole.stderr
    pd.testing.assert_frame_equal(
        pd.read_csv(killed / "results.csv"), pd.read_csv(frames / "whole" / "results.csv")
    )

    # the same command a third time finds everything there
    start = (killed / "labels").stat().st_mtime_ns
    third = subprocess.run(
        command("killed"), cwd=frames, capture_output=True, text=True, check=False
    )
    assert third.returncode == 0
    assert f"{total} on disk, 0 to make" in third.stdout
    assert "trained before" in third.stdout
    assert (killed / "labels").stat().st_mtime_ns == start


@pytest.mark.slow
def test_killed_body_orders_continue_to_the_same_orders(tmp_path) -> None:
    def expand(out: str) -> list[str]:
        return [
            *(sys.executable, "-m", "dosml", "body-order", "tb", "--frames", "reference"),
            *("--metals", "Cu", "--sigma", "0.2,1", "--size", "6", "--count", "5"),
            *("--workers", "1", "--out", out),
        ]

    def batches() -> dict[str, int]:
        return {
            str(path.relative_to(tmp_path)): path.stat().st_mtime_ns
            for path in tmp_path.glob("killed/energies/*/*.npz")
            if not path.name.startswith(".")
        }

    kill_when(expand("killed"), tmp_path, lambda: len(batches()) >= 4)
    before = batches()
    assert not (tmp_path / "killed" / "report.html").exists()
    for out in ("killed", "whole"):
        said = subprocess.run(
            expand(out), cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert said.returncode == 0, said.stderr
    after = batches()
    # five clusters of 63 parts, 32 in a batch, at two settings
    assert len(before) < len(after) == 20
    assert {name: after[name] for name in before} == before, "a finished batch was made again"
    for name in ("body_orders.csv", "clusters.csv", "body_order.csv"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
