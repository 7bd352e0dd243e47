"""Slurm's own commands: what is in the queue, submit, cancel and wait."""

from __future__ import annotations

import getpass
import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from dosml.errors import EngineError, EngineMissingError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_SECONDS = 60
#: States in which a job will do nothing more.
_OVER = {"CANCELLED", "COMPLETED", "FAILED", "TIMEOUT", "NODE_FAIL", "BOOT_FAIL", "OUT_OF_MEMORY"}


def slurm_is_here() -> bool:
    """Whether this machine can talk to a Slurm."""
    return all(shutil.which(name) for name in ("sbatch", "squeue", "scancel"))


def _call(*command: str) -> subprocess.CompletedProcess[str]:
    if not slurm_is_here():
        raise EngineMissingError(
            f"no Slurm here ({command[0]} is not on the PATH): start the run on a login node, or "
            'set executor = "processes"'
        )
    try:
        return subprocess.run(  # noqa: S603 - Slurm's own commands
            command, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise EngineError(
            f"{command[0]} did not answer in {_SECONDS} s: is Slurm up? Try again later"
        ) from error


def queued(names: Collection[str]) -> dict[str, str]:
    """Jobs of this user that are pending or running under one of the names: id and name.

    Parameters
    ----------
    names
        Beginnings of job names.

    Raises
    ------
    EngineMissingError, EngineError
        If there is no Slurm, or it does not answer.
    """
    done = _call("squeue", "--noheader", f"--user={getpass.getuser()}", "--format=%F|%j|%T")
    if done.returncode:
        raise EngineError(f"squeue failed: {done.stderr.strip()}")
    found = {}
    for line in done.stdout.splitlines():
        identity, name, state = line.strip().split("|")
        if state not in _OVER and any(name.startswith(one) for one in names):
            found[identity] = name
    return found


def cancel_and_wait(names: Collection[str], *, seconds: float = 120) -> list[str]:
    """Cancel every job under these names and wait until none is left; return their ids.

    Raises
    ------
    EngineError
        If one does not end in time.
    """
    first = sorted(queued(names))
    if not first:
        return []
    _call("scancel", *first)
    deadline = time.monotonic() + seconds
    while left := queued(names):
        if time.monotonic() > deadline:
            raise EngineError(
                f"Slurm jobs {', '.join(sorted(left))} of an earlier run do not end after scancel: "
                "wait until squeue no longer lists them, then run the same command again"
            )
        time.sleep(0.5)
    return first


def submit(script: Path) -> str:
    """Submit a batch script and return the job's id.

    Raises
    ------
    EngineError
        If Slurm refuses it.
    """
    done = _call("sbatch", "--parsable", str(script))
    identity = done.stdout.strip().split(";")[0]
    if done.returncode or not re.fullmatch(r"\d+", identity):
        raise EngineError(f"sbatch refused {script}: {done.stderr.strip() or done.stdout.strip()}")
    return identity
