"""The runner on processes, and how it treats lost workers, errors and long lists of tasks."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from dosml.campaign import Campaign
from dosml.errors import CampaignLockedError, DiskSpaceError, EngineMissingError, WorkerLostError
from dosml.relabel.execution.executors import THREAD_VARIABLES
from dosml.relabel.execution.runner import AHEAD, LOSSES, open_runner
from dosml.relabel.execution.settings import RunSettings, SlurmSettings

HERE = RunSettings(workers=2)


def double(number: int) -> int:
    return 2 * number


def process_id(_: int) -> int:
    return os.getpid()


def threads(_: int) -> list[str | None]:
    return [os.environ.get(name) for name in THREAD_VARIABLES]


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fill_the_disk(number: int) -> int:
    if number == 3:
        raise DiskSpaceError("no space left on the disk")
    return number


def test_tasks_run_in_processes_which_stay_for_the_next_call(tmp_path):
    with open_runner(HERE, tmp_path) as runner:
        assert not multiprocessing.active_children()  # nothing to do yet
        assert list(runner.run(double, [])) == []
        assert not multiprocessing.active_children()
        assert sorted(runner.run(double, [1, 2, 3])) == [(1, 2), (2, 4), (3, 6)]
        workers = {process.pid for process in multiprocessing.active_children()}
        assert {outcome for _, outcome in runner.run(process_id, [1, 2])} <= workers
        assert len(workers) <= 2
    assert not multiprocessing.active_children()


def test_workers_of_the_command_line_win_over_those_of_the_file(tmp_path):
    with open_runner(HERE, tmp_path, workers=5) as runner:
        assert (runner.slots, runner.place) == (5, "on 5 processes")
    with open_runner(HERE, tmp_path) as runner:
        assert (runner.slots, runner.place) == (2, "on 2 processes")


def test_one_thread_per_worker_unless_the_task_starts_programs(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with open_runner(HERE, tmp_path) as runner:
        assert list(runner.run(threads, [1])) == [(1, ["1", "1", "1"])]
    # the driver's own variables are as before
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ
    with open_runner(HERE, tmp_path, one_thread=False) as runner:
        ((_, seen),) = runner.run(threads, [1])
    assert seen == [os.environ.get(name) for name in THREAD_VARIABLES]


def test_a_long_list_is_taken_bit_by_bit(tmp_path):
    taken = finished = most = 0

    def tasks():
        nonlocal taken
        for number in range(100):
            taken += 1
            yield number

    with open_runner(HERE, tmp_path) as runner:
        for task, outcome in runner.run(double, tasks()):
            assert outcome == 2 * task
            most = max(most, taken - finished)
            finished += 1
        assert (finished, most) == (100, AHEAD * runner.slots)


def test_the_first_error_ends_the_run(tmp_path):
    seen = []
    with open_runner(RunSettings(workers=1), tmp_path) as runner:
        with pytest.raises(DiskSpaceError):
            seen.extend(task for task, _ in runner.run(fill_the_disk, range(1000)))
        assert set(seen) <= {0, 1, 2, 4}
        # and the runner can be used again
        assert list(runner.run(double, [4])) == [(4, 8)]


def test_a_killed_worker_process_is_explained(tmp_path):
    with open_runner(RunSettings(workers=1), tmp_path) as runner:
        with pytest.raises(WorkerLostError, match="worker process was killed"):
            list(runner.run(die, [1]))
        assert list(runner.run(double, [4])) == [(4, 8)]


def test_a_run_that_is_left_early_ends_its_workers(tmp_path):
    with open_runner(HERE, tmp_path) as runner:
        for _ in runner.run(double, range(1000)):
            break
    assert not multiprocessing.active_children()


class ManagerLost(Exception):  # noqa: N818 - Parsl's own name
    """Stands for parsl's, which is recognised by its name."""


class Flaky(ThreadPoolExecutor):
    """Loses every task a given number of times."""

    def __init__(self, losses: int) -> None:
        super().__init__(1)
        self.left: dict[int, int] = {}
        self.losses = losses

    def submit(self, function, task):
        self.left[task] = self.left.get(task, self.losses) - 1
        if self.left[task] >= 0:
            lost: Future = Future()
            lost.set_exception(ManagerLost("node gone"))
            return lost
        return super().submit(function, task)


def test_lost_tasks_are_given_out_again_but_not_for_ever(tmp_path):
    with open_runner(HERE, tmp_path) as runner, Flaky(LOSSES) as pool:
        runner._executor = pool
        assert dict(runner.run(double, range(20))) == {n: 2 * n for n in range(20)}
    with open_runner(HERE, tmp_path) as runner, Flaky(LOSSES + 1) as pool:
        runner._executor = pool
        with pytest.raises(WorkerLostError, match=f"1 lost its worker {LOSSES + 1} times"):
            list(runner.run(double, [1]))


def test_polls_come_by_the_clock_and_leave_the_driver_its_time(tmp_path):
    calls: list[float] = []

    def poll() -> None:
        calls.append(time.monotonic())
        time.sleep(0.02)

    with open_runner(HERE, tmp_path) as runner, ThreadPoolExecutor(1) as pool:
        runner._executor = pool
        began = time.monotonic()
        list(runner.run(time.sleep, [0.6], on_poll=poll, poll_seconds=0.01))
        took = time.monotonic() - began
    # 0.02 s at a tenth of the time: one in 0.22 s, although one in 0.01 s is asked for
    assert 2 <= len(calls) <= took / 0.2 + 1


def test_one_run_per_folder_beside_the_campaigns_own_lock(tmp_path):
    with (
        Campaign(tmp_path, "Ti"),
        open_runner(HERE, tmp_path),
        pytest.raises(CampaignLockedError, match=f"run by process {os.getpid()}"),
        open_runner(HERE, tmp_path),
    ):
        pass
    with open_runner(HERE, tmp_path):
        pass


def test_slurm_is_asked_for_and_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = RunSettings(executor="slurm", slurm=SlurmSettings(pilots=2, jobs_per_node=3))
    pytest.importorskip("parsl", reason="the cluster extra is not installed")
    with pytest.raises(EngineMissingError, match="no Slurm here"), open_runner(settings, tmp_path):
        pass
