"""A POTCAR library of stand-ins, and a study of small Ti cells that the stand-in VASP has run."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.potcars import no_potcars, potcars
from helpers.vasp_study import rattled, run_stand_in, settings

from dosml.relabel.vasp.jobs import find_jobs, write_jobs
from dosml.relabel.vasp.protocol import VaspProtocol

__all__ = ["no_potcars", "potcars"]


@pytest.fixture
def study(tmp_path, potcars) -> Path:  # noqa: ARG001 - the POTCARs must be there
    """Three frames at two widths, inputs written, nothing run."""
    folder = tmp_path / "study"
    protocol = VaspProtocol(incar={"NEDOS": 601})
    write_jobs(folder, rattled("Ti", 3), settings(0.2, 2.0), protocol, on_progress=lambda _: None)
    return folder


@pytest.fixture
def finished(study) -> Path:
    """The study after a run of every job."""
    for job in find_jobs(study):
        run_stand_in(job.folder)
    return study
