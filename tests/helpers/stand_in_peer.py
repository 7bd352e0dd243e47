"""A peer that this Python runs, its worker a file of the tests."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dosml.learners.peers import catalogue, environments, jobs, learner, process

if TYPE_CHECKING:
    import pytest

    from dosml.learners.peers.base import Adapter


def install(monkeypatch: pytest.MonkeyPatch, adapter: Adapter, folder: Path) -> None:
    """Let `adapter` be found, in an environment that is this one, with its worker in `folder`."""
    here = environments.Environment(
        name=adapter.name,
        folder=Path(sys.prefix),
        python_version="3",
        created="",
        size_mb=0,
        seconds=0.0,
        versions={"numpy": np.__version__},
    )
    real = jobs.worker_path

    def worker_path(name: str) -> Path:
        return folder / name if name == adapter.worker else real(name)

    monkeypatch.setattr(environments, "find", lambda _: here)
    monkeypatch.setitem(environments.ENVIRONMENT_OF, adapter.name, adapter.name)
    monkeypatch.setitem(catalogue.ADAPTERS, adapter.name, adapter)
    monkeypatch.setattr(learner, "worker_path", worker_path)
    monkeypatch.setattr(process, "worker_path", worker_path)
    monkeypatch.setenv("PYTHONPATH", str(real("worker_common.py").parent))
