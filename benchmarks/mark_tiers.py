"""Public frames of Mo, Nb and Ta (Li et al., npj Comput. Mater. 6, 70 (2020)) with their tiers.

    python benchmarks/mark_tiers.py FOLDER OUT [--metals Mo,Nb,Ta]

FOLDER holds `maml_{El}_AIMD.extxyz` and `maml_{El}_Test.extxyz`, whose notes name the run that a
frame is of. Frames at 300 K, 1000 or 2000 K and 3000 or 4000 K at the equilibrium volume become the
tiers cold, warm and melt of `OUT/{El}_train.extxyz` and `OUT/{El}_test.extxyz`, which
`dosml benchmark OUT --protocol transfer,curve,grid` reads.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import ase.io

#: Kelvin, with or without "md-" before; runs at other volumes are called md90 and md110.
_RUN = re.compile(r"'Md': '(?:md-)?(\d+)-\d+'")
_TIERS = {"300": "cold", "1000": "warm", "2000": "warm", "3000": "melt", "4000": "melt"}
_ROLES = {"AIMD": "train", "Test": "test"}


def main() -> None:
    """Mark the tiers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--metals", default="Mo,Nb,Ta")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for metal in given.metals.split(","):
        for name, role in _ROLES.items():
            kept = []
            for atoms in ase.io.iread(given.folder / f"maml_{metal}_{name}.extxyz"):
                run = _RUN.search(str(atoms.info.pop("notes")))
                if run is not None:
                    atoms.info["tier"] = _TIERS[run.group(1)]
                    kept.append(atoms)
            ase.io.write(given.out / f"{metal}_{role}.extxyz", kept)
            print(f"{metal}, {role}: {len(kept)} frames")


if __name__ == "__main__":
    main()
