"""Forces of cells with fewer electrons: the engine tb against PBE on the same frames.

    OMP_NUM_THREADS=1 python benchmarks/tb_charged.py [--metals Au,Ti] [--shifts=-1,-2,-3]
        [--tiers warm] --keep FOLDER

The first held-out frame of each tier of the reference set, sigma 0.5 eV, k-points of the set. GPAW
(`make gpaw`) takes half a minute of one core a label; forces that are in the folder are not
computed again.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from dosml.relabel.dataset import reference_dataset
from dosml.relabel.engines.gpaw import GpawEngine
from dosml.relabel.engines.registry import make_engine
from dosml.relabel.label import Label
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

GRID = (3, 3, 3)
SMEARING = Smearing("methfessel-paxton-1", 0.5)


def pbe_forces(metal: str, number: int, shift: float, keep: Path) -> np.ndarray:
    """Give forces of PBE, eV/Å: the neutral ones ship, the others are computed and kept."""
    data = reference_dataset(metal)
    setting = ElectronicSetting(SMEARING, shift)
    if not shift:
        (shipped,) = (one for one in data.label_sets if one.setting == setting)
        return shipped.forces[number]
    path = keep / f"{metal}_{number}_{shift:g}.npy"
    if not path.is_file():
        label = GpawEngine("laptop", kpoints=GRID).label(data.frames[number], setting)
        if not isinstance(label, Label):
            raise SystemExit(f"{metal}, frame {number}, {shift:g} electrons: {label.reason}")
        np.save(path, label.forces)
    return np.load(path)


def main() -> None:
    """Print one line a metal, tier and number of electrons."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--metals", default="Au,Ti")
    parser.add_argument("--shifts", default="-1,-2,-3")
    parser.add_argument("--tiers", default="warm")
    parser.add_argument("--keep", type=Path, required=True)
    given = parser.parse_args()
    given.keep.mkdir(parents=True, exist_ok=True)
    print("metal tier  electrons  mean |force| PBE, tb    r   slope   of the change: r   slope")
    for metal in given.metals.split(","):
        data = reference_dataset(metal)
        engine = make_engine("tb", {"kpoints": GRID}, [metal])
        for tier in given.tiers.split(","):
            number = next(one for one in data.test if data.tiers[one] == tier)
            neutral = {}
            for shift in [0.0, *map(float, given.shifts.split(","))]:
                label = engine.label(data.frames[number], ElectronicSetting(SMEARING, shift))
                if not isinstance(label, Label):
                    raise SystemExit(f"{metal}, frame {number}: {label.reason}")
                pair = (pbe_forces(metal, number, shift, given.keep), label.forces)
                line = f"{metal:5s} {tier:5s} {shift:9g}"
                line += "".join(f"  {np.abs(one).mean():9.3f}" for one in pair) + agreement(*pair)
                if shift:
                    line += "      " + agreement(
                        *(a - b for a, b in zip(pair, neutral, strict=True))
                    )
                else:
                    neutral = pair
                print(line, flush=True)


def agreement(true: np.ndarray, found: np.ndarray) -> str:
    """Correlation and slope, in words of a fixed width."""
    r = np.corrcoef(true.ravel(), found.ravel())[0, 1]
    return f"  {r:6.2f}  {np.sum(found * true) / np.sum(true * true):6.2f}"


if __name__ == "__main__":
    main()
