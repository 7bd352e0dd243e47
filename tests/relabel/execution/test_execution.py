"""Where jobs run, without Slurm: settings, lock, leash, scripts, pilots."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dosml.errors import CampaignLockedError, EngineMissingError, InputError
from dosml.relabel.execution.arrays import write_array
from dosml.relabel.execution.lock import DriverLock, folder_key
from dosml.relabel.execution.settings import (
    RunSettings,
    SlurmSettings,
    load_run_settings,
    split_run_settings,
)
from dosml.relabel.execution.slurm import queued


def alive(pid: int) -> bool:
    try:
        return (
            "Z"
            not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").split(")")[1].split()[0]
        )
    except OSError:
        return False


def wait_until(condition, seconds=60) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_settings_from_file_and_command_line(tmp_path):
    path = tmp_path / "cluster.toml"
    path.write_text('executor = "slurm"\n[slurm]\nwalltime = "01:00:00"\npilots = 3\n')
    settings = load_run_settings(path, walltime="2-00:00:00", command=None, workers=4)
    assert settings.slurm.walltime == "2-00:00:00"
    assert (settings.slurm.pilots, settings.workers, settings.command) == (3, 4, "vasp_std")
    assert load_run_settings(None, nodes=2).slurm.nodes == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("comand = 'vasp'", "did you mean command?"),
        ("[slurm]\nwaltime = '1:00:00'", "did you mean walltime?"),
        ("[slurm]\nwalltime = '60'", "write HH:MM:SS"),
        ("executor = 'pbs'", "executor = 'pbs' cannot be used"),
        ("command = ' '", "command is empty"),
        ("[slurm]\ngpus_per_node = 2\njobs_per_node = 4", "a GPU of its own"),
        ("x = ", "not valid TOML"),
    ],
)
def test_settings_that_cannot_be_used(tmp_path, text, words):
    path = tmp_path / "cluster.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        load_run_settings(path)
    with pytest.raises(InputError, match="cannot read"):
        load_run_settings(tmp_path / "absent.toml")


def test_one_file_for_a_command_and_for_the_run():
    values = {
        "sigma": [0.2, 1.0], "executor": "slurm", "workers": 3, "slurm": {"pilots": 2}, "excutor": 1
    }  # fmt: skip
    run, rest = split_run_settings(values, shared=("workers",))
    assert run == RunSettings(executor="slurm", workers=3, slurm=SlurmSettings(pilots=2))
    # what is not of a run stays for the command, misspelled words too
    assert rest == {"sigma": [0.2, 1.0], "workers": 3, "excutor": 1}
    run, rest = split_run_settings({"workers": 3})
    assert run is not None
    assert (run.workers, rest) == (3, {})
    assert split_run_settings({"sigma": [1.0]}) == (None, {"sigma": [1.0]})
    assert split_run_settings({}) == (None, {})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"slurm": {"waltime": "1:00:00"}}, r"here: unknown key slurm\.waltime; did you mean wall"),
        ({"slurm": 3}, r"here: slurm = 3 cannot be used: write a table, \[slurm\]"),
        ({"workers": 0}, "here: workers = 0 cannot be used"),
    ],
)
def test_run_settings_in_a_common_file_that_cannot_be_used(values, words):
    with pytest.raises(InputError, match=words):
        split_run_settings({"sigma": [1.0], **values}, source="here: ")


def test_only_one_driver_at_a_time(tmp_path):
    with DriverLock(tmp_path) as lock:
        lock.recover(uses_slurm=False)
        with (
            pytest.raises(CampaignLockedError, match=f"process {os.getpid()}"),
            DriverLock(tmp_path),
        ):
            pass
    with DriverLock(tmp_path) as lock:
        assert lock.recover(uses_slurm=False) == []
    with (
        pytest.raises(InputError, match="cannot run in .*absent: No such file"),
        DriverLock(tmp_path / "absent"),
    ):
        pass


def test_a_lock_ends_with_its_process_and_the_interchange_is_ended(tmp_path):
    """A driver that was killed outright, with something called interchange left behind."""
    code = (
        "import subprocess, sys, time\nfrom pathlib import Path\n"
        "from dosml.relabel.execution.lock import DriverLock\n"
        "lock = DriverLock(Path(sys.argv[1])).__enter__()\nlock.recover(uses_slurm=False)\n"
        "left = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', "
        "'interchange'], start_new_session=True)\n"
        "lock.note(interchange_pid=left.pid)\nprint('ready', flush=True)\ntime.sleep(600)\n"
    )
    driver = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True
    )
    assert driver.stdout is not None
    assert driver.stdout.readline() == "ready\n"
    left = json.loads((tmp_path / "run.json").read_text())["interchange_pid"]
    with pytest.raises(CampaignLockedError), DriverLock(tmp_path):
        pass
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    assert alive(left)
    with DriverLock(tmp_path) as lock:
        (said,) = lock.recover(uses_slurm=False)
    assert f"process {left}" in said
    assert wait_until(lambda: not alive(left))


def test_a_process_that_is_no_interchange_is_left_alone(tmp_path):
    """Process ids are used again: the record's id may by now be anyone's."""
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        with DriverLock(tmp_path) as lock:
            lock.recover(uses_slurm=False)
            lock.note(interchange_pid=other.pid)
        with DriverLock(tmp_path) as lock:
            assert lock.recover(uses_slurm=False) == []
        assert alive(other.pid)
    finally:
        other.kill()
        other.wait()


def test_the_leash(tmp_path):
    """A program on the leash ends when the process that started it is killed."""
    note = tmp_path / "pid"
    program = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    starter = (
        "import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-m', "
        "'dosml.relabel.execution.leash', sys.executable, '-c', sys.argv[1]], "
        "start_new_session=True)\ntime.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", starter, program])
    assert wait_until(lambda: note.exists() and note.read_text())
    child = int(note.read_text())
    assert alive(child)
    parent.kill()
    parent.wait()
    assert wait_until(lambda: not alive(child))


def test_the_leash_passes_the_exit_code_on_and_names_a_missing_program():
    leash = [sys.executable, "-m", "dosml.relabel.execution.leash"]
    done = subprocess.run([*leash, sys.executable, "-c", "raise SystemExit(7)"], check=False)
    assert done.returncode == 7
    done = subprocess.run([*leash, "no-such-vasp"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "cannot start no-such-vasp" in done.stderr


def test_array_script(tmp_path):
    settings = RunSettings(
        slurm=SlurmSettings(
            partition="gpu", account="x12", walltime="02:00:00", pilots=5, gpus_per_node=4,
            jobs_per_node=4, setup="module load vasp", sbatch=("--mail-type=END",),
        )
    )  # fmt: skip
    config = tmp_path / "my cluster.toml"
    config.write_text("")
    script = write_array(tmp_path / "a study", settings, [config], name="dosml-array-1", parts=7)
    text = script.read_text()
    for line in (
        "--job-name=dosml-array-1", "--array=0-6%5", "--partition=gpu", "--account=x12",
        "--time=02:00:00", "--gpus-per-node=4", "--exclusive", "--mail-type=END",
    ):  # fmt: skip
        assert f"#SBATCH {line}\n" in text
    assert "\nmodule load vasp\n" in text
    assert f"'{config}'" in text  # a path with a space is quoted
    assert '--part "$SLURM_ARRAY_TASK_ID" --parts 7' in text
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0


def test_without_slurm_this_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineMissingError, match="not on the PATH"):
        queued(["dosml"])


def test_gpus_are_pinned_and_pilots_named(tmp_path, monkeypatch):
    pytest.importorskip("parsl", reason="the cluster extra is not installed")
    from parsl.providers import SlurmProvider

    from dosml.relabel.execution import executors

    monkeypatch.setattr(SlurmProvider, "execute_wait", lambda *_: (1, "", "no Slurm here"))
    settings = RunSettings(
        executor="slurm",
        slurm=SlurmSettings(
            gpus_per_node=4, jobs_per_node=4, nodes=2, pilots=3, setup="export OMP_NUM_THREADS=8"
        ),
    )
    lock = DriverLock(tmp_path)
    _, pilots = executors._parsl_config(settings, lock, one_thread=True)
    assert pilots.available_accelerators == ["0", "1", "2", "3"]  # one per worker
    assert pilots.workers_per_node == 4
    assert (pilots.provider.nodes_per_block, pilots.provider.max_blocks) == (2, 3)
    assert type(pilots.provider.launcher).__name__ == "SrunLauncher"
    # the user's set-up has the last word on threads, but not on which Python is found
    node = f"{pilots.provider.worker_init}\necho $OMP_NUM_THREADS $MKL_NUM_THREADS; which python"
    said = subprocess.run(["bash", "-c", node], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["8", "1", str(Path(sys.executable).parent / "python")]
    assert "--gpus-per-node=4" in pilots.provider.scheduler_options
    assert lock.pilot_name == f"parsl.{pilots.label}."
    assert folder_key(tmp_path) in pilots.label
    assert "127.0.0.1" in pilots.all_addresses
