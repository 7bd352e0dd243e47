"""A study that is run from outside, as a user does, and what the stand-in executable counted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import ase.io
import pytest

from dosml.relabel.vasp.jobs import find_jobs
from helpers.vasp_study import rattled, write_potcars

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "tests" / "tools"
#: Seconds that a step may take on a machine that does other things at the same time.
PATIENCE = 900


class Bench:
    """One study, its environment, and what the stand-in has counted."""

    def __init__(self, folder: Path, study: Path) -> None:
        self.folder, self.study = folder, study
        self.counter = folder / "counter"
        home = folder / "home"
        home.mkdir()
        # the set-up line of the documented configuration reads this file
        (home / "vasp-environment.sh").write_text(
            f"export PATH={TOOLS}:$PATH\n"
            f"export STAND_IN_SECONDS=0.5 STAND_IN_COUNTER={self.counter}\n"
        )
        text = (ROOT / "docs" / "cluster.md").read_text()
        (self.config,) = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
        (folder / "cluster.toml").write_text(self.config)
        self.environment = {
            **os.environ,
            "HOME": str(home),
            "OMP_NUM_THREADS": "1",
            # a fresh home would make every process scan the machine's fonts
            "MPLCONFIGDIR": os.environ.get("MPLCONFIGDIR", str(Path.home() / ".cache/matplotlib")),
            "PMG_VASP_PSP_DIR": str(write_potcars(folder / "potcars")),
        }

    def command(self, *arguments) -> list[str]:
        return [sys.executable, "-m", "dosml", "relabel", *map(str, arguments)]

    def dosml(self, *arguments, expect: int = 0) -> str:
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + done.stderr

    def write_inputs(self, jobs: int) -> None:
        ase.io.write(self.folder / "frames.extxyz", rattled("Ti", jobs // 2), format="extxyz")
        options = ("--sigma", "0.2,1.0", "--incar", "NEDOS=301", "--out", self.study)
        self.dosml("frames.extxyz", "--engine", "vasp", *options)
        assert len(find_jobs(self.study)) == jobs

    def start(self) -> subprocess.Popen:
        # a session of its own: SIGKILL reaches the driver alone, as the kernel's out-of-memory
        # killer would
        return subprocess.Popen(
            self.command("run", self.study, "--config", "cluster.toml"),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "driver.err").open("w"),
            start_new_session=True,
        )

    def done(self) -> set[str]:
        return {str(path.parent) for path in self.study.glob("jobs/*/*/result.json")}

    def wait_for(self, count: int, driver: subprocess.Popen | None = None) -> None:
        deadline = time.monotonic() + PATIENCE
        while len(self.done()) < count:
            if driver is not None and driver.poll() is not None:
                pytest.fail(f"the driver ended: {(self.folder / 'driver.err').read_text()}")
            assert time.monotonic() < deadline, f"{len(self.done())} of {count} jobs"
            time.sleep(0.2)

    def counts(self) -> tuple[Counter, Counter]:
        """How often each job was started and came to its end."""
        lines = self.counter.read_text().splitlines() if self.counter.exists() else []
        pairs = [line.split(" ", 1) for line in lines]
        return (
            Counter(folder for word, folder in pairs if word == "start"),
            Counter(folder for word, folder in pairs if word == "end"),
        )


def wait_until(condition, what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)
