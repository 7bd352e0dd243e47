"""Saved force fields of any learner, read back as ase calculators."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from dosml.errors import LearnerError

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator


def load_model(path: str | Path, device: str | None = None) -> Calculator:
    """Load a saved force field as an ase calculator.

    Parameters
    ----------
    path
        File of a model, such as `models/sgp-.../sigma_0.2.npz` in a campaign folder.
    device
        Where it runs, such as "cpu" or "cuda"; None: where it was trained.

    Raises
    ------
    LearnerError
        If the file is no saved model.
    """
    file = Path(path)
    if not file.is_file():
        raise LearnerError(f"no saved model at {file}: give a file of models/ in a campaign folder")
    if zipfile.is_zipfile(file):
        from dosml.learners.peers.calculator import CARD, PeerCalculator

        with zipfile.ZipFile(file) as archive:
            is_peer = CARD in archive.namelist()
        if is_peer:
            return PeerCalculator(file, device=device or "auto")
    from dosml.learners.sgp.calculator import SgpCalculator

    return SgpCalculator.from_file(file, device=device)
