"""The sparse Gaussian process in the registry; torch is imported only when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dosml.learners.base import LearnerEntry
from dosml.learners.sgp.settings import SgpSettings

if TYPE_CHECKING:
    from pathlib import Path

    from ase.calculators.calculator import Calculator

    from dosml.learners.base import Learner


def _make(settings: SgpSettings, workers: int) -> Learner:  # noqa: ARG001 - torch has its own count
    from dosml.learners.sgp.learner import SgpLearner

    return SgpLearner(settings)


def _load(path: Path, device: str | None) -> Calculator:
    from dosml.learners.sgp.calculator import SgpCalculator

    return SgpCalculator.from_file(path, device=device)


ENTRY = LearnerEntry(
    name="sgp",
    help="dosml's sparse Gaussian process on ACE descriptors",
    options=SgpSettings,
    make=_make,
    suffix=".npz",
    load=_load,
)
