"""Locks: one at a time, the owner's words, no links, gone with their process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from dosml.files import FileLock

HOLD = """
import sys, time
from pathlib import Path
from dosml.files import FileLock
lock = FileLock(Path(sys.argv[1]))
assert lock.take()
if sys.argv[2] == "inherit":
    import subprocess
    lock.inherit()
    left = subprocess.Popen(["sleep", "600"], close_fds=False)
    print(left.pid, flush=True)
else:
    print("held", flush=True)
time.sleep(600)
"""


def holder(path, how: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), how], stdout=subprocess.PIPE, text=True
    )


def test_a_lock_is_taken_once_and_says_who_has_it(tmp_path) -> None:
    path = tmp_path / "a.lock"
    with FileLock(path) as first, FileLock(path) as second:
        assert first.take()
        assert not second.take()
        assert second.owner() == f"process {os.getpid()} on {os.uname().nodename}"
        first.release()
        first.release()  # a second time is no error
        assert second.take()
        assert not first.take()
    with FileLock(path) as third:
        assert third.take()  # leaving the block let go of it


def test_an_owner_of_few_words(tmp_path) -> None:
    (tmp_path / "a.lock").touch()
    assert FileLock(tmp_path / "a.lock").owner() == "an unknown process"
    assert FileLock(tmp_path / "absent.lock").owner() == "an unknown process"


def test_a_killed_process_lets_go(tmp_path) -> None:
    path = tmp_path / "a.lock"
    with holder(path, "alone") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        lock = FileLock(path)
        assert not lock.take()
        assert lock.owner().startswith(f"process {process.pid} on ")
        process.kill()
        process.wait()
        assert lock.take()
        lock.release()


def test_a_child_that_inherits_it_goes_on_holding_it(tmp_path) -> None:
    path = tmp_path / "a.lock"
    with holder(path, "inherit") as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        try:
            process.kill()
            process.wait()
            with FileLock(path) as lock:
                assert not lock.take()
        finally:
            os.kill(child, 9)


def test_a_link_is_not_followed(tmp_path) -> None:
    target = tmp_path / "precious"
    target.write_text("precious")
    (tmp_path / "a.lock").symlink_to(target)
    with pytest.raises(OSError, match=r"a\.lock is a symbolic link"):
        FileLock(tmp_path / "a.lock").take()
    assert target.read_text() == "precious"


def test_a_folder_that_is_not_there(tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        FileLock(tmp_path / "absent" / "a.lock").take()
