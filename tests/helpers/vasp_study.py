"""Helpers to make and run small VASP studies with the stand-in executable in tests/tools."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ase.build import bulk

from dosml.relabel.frames import canonical
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

STAND_IN = Path(__file__).parents[1] / "tools" / "vasp_std"
#: ZVAL as VASP's own potentials of these names have it.
ZVAL = {"Ti_pv": 10, "Os": 8, "Os_pv": 14, "Au": 11, "Cu_pv": 17}


def write_potcars(folder: Path) -> Path:
    """Headers without data: enough for pymatgen to read symbol and ZVAL."""
    for functional in ("POT_GGA_PAW_PBE_54", "POT_PAW_PBE_64"):
        part = folder / functional
        part.mkdir(parents=True)
        for symbol, zval in ZVAL.items():
            element = symbol.split("_")[0]
            (part / f"POTCAR.{symbol}").write_text(
                f"  PAW_PBE {symbol} 01Jan2000\n   {zval:.8f}\n parameters from PSCTR are:\n"
                f"   VRHFIN ={element}: d s\n   LEXCH  = PE\n   EATOM  =    10.0000 eV\n\n"
                f"   TITEL  = PAW_PBE {symbol} 01Jan2000\n"
                f"   POMASS =   47.880; ZVAL   =   {zval:.3f}    mass and valenz\n"
                "   ENMAX  =  222.335; ENMIN  =  166.751 eV\n"
                "END of PSCTR-controll parameters\n local part\n  1.0 2.0 3.0\nEnd of Dataset\n"
            )
    return folder


def rattled(symbol: str, count: int, repeat=(2, 2, 1), *, test: int | None = None) -> list:
    """Warm frames; with `test` given, the last so many are marked as held out."""
    frames = []
    for seed in range(count):
        atoms = bulk(symbol).repeat(repeat)
        atoms.rattle(0.05, seed=seed)
        atoms.info["tier"] = "warm"
        if test is not None:
            atoms.info["split"] = "train" if seed < count - test else "test"
        frames.append(canonical(atoms))
    return frames


def settings(*widths: float, shift: float = 0.0) -> list[ElectronicSetting]:
    return [ElectronicSetting(Smearing("methfessel-paxton-1", width), shift) for width in widths]


def run_stand_in(folder: Path, **environment: str) -> None:
    """Run the stand-in in a job folder, as a user would run VASP by hand."""
    subprocess.run(
        [sys.executable, STAND_IN],
        cwd=folder,
        env={**os.environ, **environment},
        check=not environment.get("STAND_IN_FAULT"),
        capture_output=True,
    )
