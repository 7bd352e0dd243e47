"""A study on a real Slurm: killed drivers, cancelled pilots, a full disk, damaged outputs.

The configuration file is the one printed in docs/cluster.md, as it stands. What ran how often is
counted by the stand-in executable itself, outside the study.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import ase.io
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))  # tests run with importlib imports
from vasp_study import rattled, write_potcars

from dosml.relabel.execution.lock import DriverLock
from dosml.relabel.execution.slurm import queued
from dosml.relabel.vasp.jobs import find_jobs

pytestmark = [pytest.mark.slurm, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "tests" / "tools"
#: Seconds that a step may take on a machine that does other things at the same time.
PATIENCE = 900
JOBS = 60


@pytest.fixture(scope="session")
def slurm() -> str:
    """Path of the configuration of a running Slurm, in the environment too."""
    if shutil.which("sbatch") is None:
        pytest.skip("Slurm is not installed (Debian: slurm-wlm munge)")
    for module in ("parsl", "custodian"):
        pytest.importorskip(module, reason="the cluster extra is not installed")
    done = subprocess.run(
        [TOOLS / "start_slurm.sh"], capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        pytest.fail(f"Slurm does not start: {done.stderr}")
    os.environ["SLURM_CONF"] = done.stdout.strip().split("=", 1)[1]
    return os.environ["SLURM_CONF"]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own that can be filled; a plain folder where mounting is not allowed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    yield folder, mounted
    if mounted:
        subprocess.run(["umount", "--lazy", folder], check=False)


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

    def pilots(self) -> dict[str, str]:
        return queued([DriverLock(self.study).pilot_name])


def wait_until(condition, what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


@pytest.mark.usefixtures("slurm")
@pytest.mark.timeout(3 * PATIENCE)
def test_nothing_is_lost_and_nothing_runs_twice(tmp_path, small_disk):
    disk, can_be_filled = small_disk
    bench = Bench(tmp_path, disk / "study")
    bench.write_inputs(JOBS)

    # the driver is killed outright: its pilots stay in the queue
    driver = bench.start()
    bench.wait_for(8, driver)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    left_behind = bench.pilots()
    assert left_behind, "the kill was to leave pilots behind"
    record = json.loads((bench.study / "run.json").read_text())
    assert record["pid"] == driver.pid
    assert set(left_behind) <= set(record["slurm_jobs"])
    interchange = record["interchange_pid"]
    finished_by_then = bench.done()

    # one finished output is damaged behind the study's back
    victim = min(finished_by_then)
    output = Path(victim) / "vasprun.xml.gz"
    output.write_bytes(output.read_bytes()[:-200])

    # the next driver ends what is left, continues, and outlives the loss of a pilot
    driver = bench.start()
    wait_until(lambda: bench.pilots() and not set(bench.pilots()) & set(left_behind), "old pilots")
    assert b"interchange" not in command_line(interchange)
    bench.wait_for(len(bench.done()) + 6, driver)
    subprocess.run(["scancel", min(bench.pilots())], check=True)
    bench.wait_for(len(bench.done()) + 6, driver)

    if can_be_filled:
        filler = disk / "filler"
        with filler.open("wb") as handle:
            try:
                while True:
                    handle.write(b"\0" * 65536)
                    handle.flush()
            except OSError:
                pass
        assert driver.wait(PATIENCE) == 2
        assert "no space left" in (bench.folder / "driver.err").read_text()
        filler.unlink()
    else:
        driver.send_signal(signal.SIGKILL)
        driver.wait()

    # to the end
    said = bench.dosml("run", bench.study, "--config", "cluster.toml")
    assert f"{JOBS} jobs" in said
    said = bench.dosml("run", bench.study, "--config", "cluster.toml")
    assert f"{JOBS} were finished before; 0 run now" in said

    starts, ends = bench.counts()
    jobs = {str(job.folder.resolve()) for job in find_jobs(bench.study)}
    assert set(ends) == jobs  # nothing is lost
    assert {job for job, count in ends.items() if count > 1} <= {victim}  # nothing runs twice
    assert ends[victim] == 2  # but for the one whose output was destroyed
    # what was started more than once was cut off, every time but the last
    assert all(starts[job] >= ends[job] for job in jobs)
    said = bench.dosml("collect", bench.study, "--workers", "1")
    assert f"{JOBS} labels; 0 jobs refused" in said
    wait_until(lambda: not bench.pilots(), "pilots of the last run")


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.usefixtures("slurm")
@pytest.mark.timeout(2 * PATIENCE)
def test_plain_array_jobs(tmp_path):
    bench = Bench(tmp_path, tmp_path / "study")
    bench.write_inputs(12)
    said = bench.dosml("script", bench.study, "--config", "cluster.toml", "--parts", "4")
    assert "sbatch" in said
    script = (bench.study / "array.sh").read_text()
    assert "#SBATCH --array=0-3%2" in script
    assert "#SBATCH --time=00:30:00" in script
    submit = ("script", bench.study, "--config", "cluster.toml", "--parts", "4", "--submit")
    bench.dosml(*submit)
    (identity,) = queued([DriverLock(bench.study).array_name])
    # neither a driver nor a second array may start beside it
    refused = bench.dosml("run", bench.study, "--config", "cluster.toml", expect=2)
    assert f"array job {identity} is still working" in refused
    assert identity in bench.dosml(*submit, expect=2)
    bench.wait_for(3)
    subprocess.run(["scancel", identity], check=True)
    wait_until(lambda: not queued([DriverLock(bench.study).array_name]), "scancel")
    assert len(bench.done()) < 12
    bench.dosml(*submit)
    bench.wait_for(12)
    wait_until(lambda: not queued([DriverLock(bench.study).array_name]), "the second array")
    _, ends = bench.counts()
    assert set(ends.values()) == {1}
    assert len(ends) == 12
    assert "nothing to run" in bench.dosml(*submit, expect=2)
    assert "12 done" in bench.dosml("status", bench.study)
