"""Write a job for `gap_peer.py`, run it in metatrain's environment, read the result."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dosml.relabel.dataset import LabelSet

PEER = Path(__file__).parent / "gap_peer.py"


def run_gap(
    python: str,
    train: Sequence[Atoms],
    labels: LabelSet,
    test: Sequence[Atoms],
    options: Mapping[str, float],
    *,
    threads: int = 1,
) -> dict[str, Any]:
    """Train metatrain's GAP and predict the test frames.

    Parameters
    ----------
    python
        Interpreter of metatrain's environment.
    train, labels, test
        The data.
    options
        See `gap_peer.py`.
    threads
        Of OpenMP and of featomic (Rayon).
    """
    labelled = []
    for frame, energy, forces in zip(train, labels.energies, labels.forces, strict=True):
        atoms = Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc)
        atoms.calc = SinglePointCalculator(atoms, energy=float(energy), forces=forces)
        labelled.append(atoms)
    bare = [Atoms(f.numbers, f.positions, cell=f.cell, pbc=f.pbc) for f in test]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ase.io.write(folder / "train.extxyz", labelled)
        # metatrain asks for a validation set; it plays no part in a least-squares fit
        ase.io.write(folder / "valid.extxyz", labelled[:2])
        ase.io.write(folder / "test.extxyz", bare)
        (folder / "options.json").write_text(json.dumps(dict(options)), encoding="utf-8")
        subprocess.run(
            [python, str(PEER), str(folder)],
            check=True,
            env={
                **os.environ,
                "OMP_NUM_THREADS": str(threads),
                "RAYON_NUM_THREADS": str(threads),
            },
            capture_output=True,
        )
        result: dict[str, Any] = json.loads((folder / "gap.json").read_text(encoding="utf-8"))
        with np.load(folder / "gap.npz") as handle:
            result.update({key: handle[key] for key in handle.files})
    return result
