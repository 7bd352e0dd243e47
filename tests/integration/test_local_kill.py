"""A study on worker processes: the driver is killed outright, nothing goes on, nothing is lost."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from helpers.cluster_bench import Bench, wait_until

from dosml.relabel.vasp.jobs import find_jobs

pytestmark = pytest.mark.slow


def working_in(folder: Path) -> list[int]:
    """Processes whose working directory lies in the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if path.readlink().is_relative_to(folder):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_killed_driver_takes_its_vasp_with_it(tmp_path):
    pytest.importorskip("custodian", reason="the cluster extra is not installed")
    bench = Bench(tmp_path, tmp_path / "study")
    (tmp_path / "cluster.toml").write_text("workers = 2\ncheck_seconds = 0.1\n")
    bench.environment |= {
        "PATH": f"{Path(__file__).parents[1] / 'tools'}:{os.environ['PATH']}",
        "STAND_IN_COUNTER": str(bench.counter),
        "STAND_IN_SECONDS": "1",
    }
    bench.write_inputs(8)
    driver = bench.start()
    bench.wait_for(2, driver)
    wait_until(lambda: working_in(bench.study), "a running VASP")
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    wait_until(lambda: not working_in(bench.study), "VASP was to end with its driver")
    said = bench.dosml("run", bench.study, "--config", "cluster.toml")
    assert "8 jobs" in said
    starts, ends = bench.counts()
    assert set(ends) == {str(job.folder.resolve()) for job in find_jobs(bench.study)}
    assert set(ends.values()) == {1}
    assert sum(starts.values()) <= 8 + 2  # only what was running when it was killed
    assert "8 labels; 0 jobs refused" in bench.dosml("collect", bench.study, "--workers", "1")
