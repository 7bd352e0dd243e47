"""The sparse Gaussian process in the registry; torch is imported only when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dosml.learners.base import LearnerEntry
from dosml.learners.sgp.settings import NAME, SgpSettings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ase.calculators.calculator import Calculator

    from dosml.learners.base import AcrossModel, Learner


def _make(settings: SgpSettings, workers: int) -> Learner:  # noqa: ARG001 - torch has its own count
    from dosml.learners.sgp.learner import SgpLearner

    return SgpLearner(settings)


def _load(path: Path, device: str | None) -> Calculator:
    from dosml.learners.sgp.across import is_across
    from dosml.learners.sgp.across_calculator import AcrossCalculator
    from dosml.learners.sgp.calculator import SgpCalculator

    if is_across(path):
        return AcrossCalculator.from_file(path, device=device)
    return SgpCalculator.from_file(path, device=device)


def _join(paths: Sequence[Path], widths: Sequence[float], scheme: str) -> AcrossModel:
    from dosml.learners.sgp.across import AcrossSigma

    return AcrossSigma.join_files(paths, widths, scheme)


ENTRY = LearnerEntry(
    name=NAME,
    help="dosml's sparse Gaussian process on ACE descriptors",
    options=SgpSettings,
    make=_make,
    suffix=".npz",
    load=_load,
    join=_join,
)
