"""Fixtures of the command-line tests."""

import signal
import subprocess
import sys

import ase.io
import pytest
from ase.build import bulk
from helpers.potcars import no_potcars, potcars

__all__ = ["crystals", "dosml", "no_potcars", "potcars"]


@pytest.fixture(autouse=True)
def _signals():
    """The command line answers signals until its process ends; here others run after it."""
    kept = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.fixture
def crystals():
    """Write frames of copper: crystals(path, count)."""

    def write(path, count=3):
        frames = []
        for seed in range(count):
            atoms = bulk("Cu", cubic=True)
            atoms.rattle(0.1, seed=seed)
            frames.append(atoms)
        # ase takes a name with @ apart, and one of "-" for standard output
        with path.open("w", encoding="utf-8") as handle:
            ase.io.write(handle, frames, format="extxyz")
        return path

    return write


@pytest.fixture
def dosml(tmp_path):
    """Run a command in a folder of its own: dosml("train", ..., env={...})."""

    def run(*arguments, **given):
        given = {"cwd": tmp_path, "capture_output": True, "timeout": 120, **given}
        return subprocess.run([sys.executable, "-m", "dosml", *arguments], check=False, **given)

    return run
