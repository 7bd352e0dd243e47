"""Fixtures: with and without a POTCAR library. A conftest that needs them imports them."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.vasp_study import write_potcars


@pytest.fixture
def potcars(tmp_path, monkeypatch) -> Path:
    """POTCAR library of stand-ins, known to pymatgen."""
    import pymatgen.io.vasp.inputs

    folder = write_potcars(tmp_path / "potcars")
    monkeypatch.setitem(pymatgen.io.vasp.inputs.SETTINGS, "PMG_VASP_PSP_DIR", str(folder))
    return folder


@pytest.fixture
def no_potcars(monkeypatch) -> None:
    """No POTCAR library, whatever the machine has."""
    import pymatgen.io.vasp.inputs

    monkeypatch.delitem(pymatgen.io.vasp.inputs.SETTINGS, "PMG_VASP_PSP_DIR", raising=False)
