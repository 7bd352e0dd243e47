"""The cases of the golden input folders; run this file to write them anew, then read the diff."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from ase import Atoms

from dosml.relabel.frames import canonical
from dosml.relabel.vasp.jobs import setting_folder, write_jobs
from dosml.relabel.vasp.protocol import VaspProtocol
from helpers.vasp_study import settings, write_potcars

GOLDEN = Path(__file__).parents[1] / "relabel" / "vasp" / "golden"
FILES = ("INCAR", "KPOINTS", "POSCAR")
WIDTHS = (0.2, 0.5, 1.0, 2.0)


def small_cell(symbol: str) -> Atoms:
    """Four atoms, by hand, none where a symmetry would put it."""
    a, c = {"Ti": (2.95, 4.68), "Os": (2.74, 4.32), "Au": (4.08, 4.08)}[symbol]
    scaled = [[0.01, 0.0, 0.0], [0.5, 0.52, 0.0], [0.5, 0.0, 0.53], [0.0, 0.5, 0.49]]
    cell = np.diag([2 * a, 2 * a, c])
    return canonical(Atoms([symbol] * 4, scaled_positions=scaled, cell=cell, pbc=True))


def cases() -> dict[str, tuple]:
    """Name of the golden folder: frame, setting."""
    made = {}
    for symbol in ("Ti", "Os"):
        for setting in settings(*WIDTHS):
            made[f"{symbol}_{setting.name}"] = (small_cell(symbol), setting)
    (swap,) = settings(0.2, shift=-3.0)
    made["Au_as_Os"] = (small_cell("Au"), swap)
    return made


def write_case(study: Path, name: str) -> Path:
    """Write one case into a study and return the job's folder."""
    frame, setting = cases()[name]
    protocol = VaspProtocol()
    write_jobs(study, [frame], [setting], protocol, on_progress=lambda _: None)
    (folder,) = setting_folder(study, protocol, setting).iterdir()
    return folder


if __name__ == "__main__":
    import pymatgen.io.vasp.inputs

    with tempfile.TemporaryDirectory() as scratch:
        potcars = write_potcars(Path(scratch) / "potcars")
        pymatgen.io.vasp.inputs.SETTINGS["PMG_VASP_PSP_DIR"] = str(potcars)
        for case in cases():
            job = write_case(Path(scratch) / case, case)
            (GOLDEN / case).mkdir(parents=True, exist_ok=True)
            for file in FILES:
                (GOLDEN / case / file).write_text((job / file).read_text())
