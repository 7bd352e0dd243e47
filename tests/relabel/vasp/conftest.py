"""A POTCAR library of stand-ins, and a study of small Ti cells that the stand-in VASP has run."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.vasp_study import rattled, run_stand_in, settings, write_potcars

from dosml.relabel.vasp.jobs import find_jobs, write_jobs
from dosml.relabel.vasp.protocol import VaspProtocol


@pytest.fixture
def potcars(tmp_path, monkeypatch) -> Path:
    """POTCAR library known to pymatgen."""
    import pymatgen.io.vasp.inputs

    folder = write_potcars(tmp_path / "potcars")
    monkeypatch.setitem(pymatgen.io.vasp.inputs.SETTINGS, "PMG_VASP_PSP_DIR", str(folder))
    return folder


@pytest.fixture
def no_potcars(monkeypatch) -> None:
    """No POTCAR library, whatever the machine has."""
    import pymatgen.io.vasp.inputs

    monkeypatch.delitem(pymatgen.io.vasp.inputs.SETTINGS, "PMG_VASP_PSP_DIR", raising=False)


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
