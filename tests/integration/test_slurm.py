"""Studies and labelling on a real Slurm: killed drivers, cancelled pilots, a full disk, damage.

The configuration file of the VASP study is the one printed in docs/cluster.md, as it stands. What
ran how often is counted by the stand-in executable itself, outside the study; labels that engines
make are watched from outside: a second writing would change the file's time.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import ase.io
import pandas as pd
import pytest
from ase.build import bulk
from helpers.cluster_bench import PATIENCE, TOOLS, Bench, wait_until
from helpers.foreign_files import extxyz_text, frames

from dosml.relabel.execution.lock import DriverLock
from dosml.relabel.execution.slurm import queued
from dosml.relabel.vasp.jobs import find_jobs

pytestmark = [pytest.mark.slurm, pytest.mark.slow]
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


def pilots(folder: Path) -> dict[str, str]:
    return queued([DriverLock(folder).pilot_name])


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
    left_behind = pilots(bench.study)
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
    wait_until(
        lambda: pilots(bench.study) and not set(pilots(bench.study)) & set(left_behind),
        "old pilots",
    )
    assert b"interchange" not in command_line(interchange)
    bench.wait_for(len(bench.done()) + 6, driver)
    subprocess.run(["scancel", min(pilots(bench.study))], check=True)
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
    wait_until(lambda: not pilots(bench.study), "pilots of the last run")


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


CLUSTER = """
executor = "slurm"
[slurm]
partition = "compute"
walltime = "00:10:00"
pilots = 2
cores_per_node = 1
exclusive = false
poll_seconds = 1
heartbeat_seconds = 20
"""
SMALL = ["--cutoff", "4", "--n-max", "3", "--l-max", "1", "--inducing", "20"]
SCAN = [
    *("smear-scan", "frames.extxyz", "--engine", "xtb", "--sigma", "0.5,1,2", "--train", "8"),
    *("--test", "4", "--out", "campaign", "--config", "cluster.toml", *SMALL),
]
CURVE = [
    *("learning-curve", "campaign", "--sizes", "4,6,8", "--repeats", "2", "--out", "curve"),
    *("--config", "cluster.toml", *SMALL),
]


class Made:
    """Files of a campaign as they appear; one that is written a second time is noticed."""

    def __init__(self, folder: Path, pattern: str) -> None:
        self.folder, self.pattern = folder, pattern
        self.first: dict[Path, int] = {}

    def look(self) -> int:
        for path in self.folder.glob(self.pattern):
            written = path.stat().st_mtime_ns
            assert self.first.setdefault(path, written) == written, f"{path} was made twice"
        return len(self.first)

    def wait_for(self, count: int, driver: subprocess.Popen) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.look() < count:
            assert driver.poll() is None, "the driver ended too early"
            assert time.monotonic() < deadline, f"{len(self.first)} of {count} {self.pattern}"
            time.sleep(0.1)


@pytest.mark.usefixtures("slurm")
@pytest.mark.timeout(2 * PATIENCE)
def test_labels_and_trainings_of_a_scan_are_made_once(tmp_path):
    images = [bulk("Ti") * (2, 2, 1) for _ in range(12)]
    for seed, atoms in enumerate(images):
        atoms.rattle(0.12, seed=seed)
    ase.io.write(tmp_path / "frames.extxyz", images)
    (tmp_path / "cluster.toml").write_text(CLUSTER)
    folder, total = tmp_path / "campaign", 3 * len(images)
    labels = Made(folder, "labels/sigma*/[!.]*.npz")
    out = tmp_path / "driver.out"

    def start(arguments: list[str]) -> subprocess.Popen:
        log = out.open("a")
        return subprocess.Popen(
            [sys.executable, "-m", "dosml", *arguments], cwd=tmp_path, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip

    # the driver is killed outright: its pilots stay in the queue
    driver = start(SCAN)
    labels.wait_for(4, driver)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    left_behind = pilots(folder)
    assert left_behind, "the kill was to leave pilots behind"

    # the next one ends them, continues, outlives the loss of a pilot, trains and reports
    driver = start(SCAN)
    wait_until(lambda: pilots(folder) and not set(pilots(folder)) & set(left_behind), "old pilots")
    labels.wait_for(labels.look() + 4, driver)
    subprocess.run(["scancel", min(pilots(folder))], check=True)
    while driver.poll() is None:
        labels.look()
        time.sleep(0.1)
    assert driver.returncode == 0, out.read_text()
    assert labels.look() == total
    assert f"cancelled Slurm pilots {', '.join(sorted(left_behind))}" in out.read_text()
    wait_until(lambda: not pilots(folder), "pilots of the last run")
    assert not list(folder.glob("labels/restart/*/*"))
    trained = Made(folder, "models/*/predictions.npz")
    assert trained.look() == 1
    assert (folder / "report.html").is_file()

    # a third has nothing to do, and asks for no pilot
    assert start(SCAN).wait(PATIENCE) == 0
    assert labels.look() == total
    assert trained.look() == 1
    assert json.loads((folder / "run.json").read_text())["slurm_jobs"] == []

    # a study of its labels trains only what the scan has not, killed in between or not
    points = Made(tmp_path / "curve", "models/*/predictions.npz")
    driver = start(CURVE)
    points.wait_for(1, driver)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    driver = start(CURVE)
    while driver.poll() is None:
        points.look()
        time.sleep(0.1)
    assert driver.returncode == 0, out.read_text()
    # two draws of 4 and 6 frames each; all 8 are the scan's own model
    assert points.look() == 4
    table = pd.read_csv(tmp_path / "curve" / "learning_curve.csv")
    assert len(table) == 3 * 2 * 3
    costs = ["seconds_training", "peak_memory_mib", "n_parameters", "epochs"]
    assert table[costs].notna().all(axis=None)
    assert trained.look() == 1


BENCHMARK = [
    *("benchmark", "pair", "--learner", "sgp,ase:ase.calculators.emt:EMT", "--protocol"),
    *("full,transfer", "--dos-frames", "1", "--out", "bench", "--config", "cluster.toml", *SMALL),
]


@pytest.mark.usefixtures("slurm")
@pytest.mark.timeout(2 * PATIENCE)
def test_trainings_and_dos_of_a_benchmark_are_made_once(tmp_path):
    (tmp_path / "pair").mkdir()
    for seed, metal in enumerate(("Ag", "Cu")):
        for tier, stdev in (("cold", 0.05), ("melt", 0.2)):
            given = frames(metal, 6, stdev, seed=10 * seed + int(100 * stdev))
            for role, some in (("train", given[:4]), ("test", given[4:])):
                path = tmp_path / "pair" / f"{metal}_{tier}_{role}.xyz"
                path.write_text(extxyz_text(some))
    (tmp_path / "cluster.toml").write_text(CLUSTER)
    folder, out = tmp_path / "bench", tmp_path / "driver.out"
    trained = Made(folder, "models/*/predictions.npz")
    labels = Made(folder, "labels/sigma*/[!.]*.npz")

    def start() -> subprocess.Popen:
        log = out.open("a")
        return subprocess.Popen(
            [sys.executable, "-m", "dosml", *BENCHMARK], cwd=tmp_path, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip

    # two metals, two protocols, two learners; one of them needs no training
    driver = start()
    trained.wait_for(2, driver)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    left_behind = pilots(folder)
    assert left_behind, "the kill was to leave pilots behind"
    driver = start()
    while driver.poll() is None:
        trained.look()
        labels.look()
        time.sleep(0.1)
    assert driver.returncode == 0, out.read_text()
    assert trained.look() == 8
    assert labels.look() == 2
    wait_until(lambda: not pilots(folder), "pilots of the last run")
    table = pd.read_csv(folder / "benchmark.csv")
    assert set(table["metal"]) == {"Ag", "Cu"}
    assert set(table["protocol"]) == {"full", "transfer"}
    assert len(pd.read_csv(folder / "dos.csv")) == 2
    assert (folder / "report.html").is_file()
