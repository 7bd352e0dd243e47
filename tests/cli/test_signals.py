"""SIGTERM, SIGHUP and Ctrl-C end a run in one way: one line, and no process is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.cluster_bench import wait_until

#: A calculator whose labels take as long as a test needs.
SLOW = """
import time
from ase.calculators.emt import EMT

class Slow(EMT):
    def calculate(self, *arguments, **named):
        time.sleep(30)
        super().calculate(*arguments, **named)

def make(setting):
    return Slow()
"""


def session_of(leader: int) -> set[int]:
    """Processes of a session that are not yet gone."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.add(int(path.parent.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_the_run_like_ctrl_c(tmp_path, crystals, number: signal.Signals) -> None:
    if signal.getsignal(number) == signal.SIG_IGN:
        pytest.skip("the tests were started with this signal ignored, and so would the run be")
    (tmp_path / "slow.py").write_text(SLOW)
    crystals(tmp_path / "frames.extxyz", 6)
    command = ["smear-scan", "frames.extxyz", "--engine", "ase:slow:make", "--sigma", "1,2"]
    command += ["--train", "4", "--test", "2", "--workers", "2", "--out", "study"]
    run = subprocess.Popen(
        [sys.executable, "-m", "dosml", *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        # driver, tracker and two workers
        wait_until(lambda: len(session_of(run.pid)) >= 4 or run.poll() is not None, "the workers")
        time.sleep(0.5)
        # a terminal that goes away, or Ctrl-C, reaches all of its processes; a batch system one
        (os.kill if number == signal.SIGTERM else os.killpg)(run.pid, number)
        _, said = run.communicate(timeout=20)
    finally:
        run.kill()
    assert said == "dosml: error: stopped: run the same command again to continue\n"
    assert run.returncode == 128 + number
    wait_until(lambda: not session_of(run.pid), "the end of all processes")
