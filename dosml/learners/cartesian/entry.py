"""The Cartesian force fields in the registry; torch is imported only when they are used."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from dosml.learners.base import LearnerEntry, over_preset
from dosml.learners.cartesian.learner import CartesianLearner
from dosml.learners.cartesian.settings import SUFFIX, CaceSettings, IctpSettings

if TYPE_CHECKING:
    from pathlib import Path

    from ase.calculators.calculator import Calculator

    from dosml.learners.base import Learner
    from dosml.learners.cartesian.settings import CartesianSettings


def _make(settings: CartesianSettings, workers: int) -> Learner:
    given = settings.model_dump(exclude_unset=True)  # a preset decides the others
    owner = f"the learner {settings.name}"
    made = over_preset(type(settings), owner, settings.presets, given)
    return CartesianLearner(made, workers=workers)


def _load(path: Path, device: str | None) -> Calculator:
    from dosml.learners.cartesian.models import CartesianCalculator, CartesianModels

    return CartesianCalculator(CartesianModels.load(path, device))


_entry = partial(LearnerEntry, make=_make, suffix=SUFFIX, load=_load)
ENTRIES = (
    _entry(
        name=CaceSettings.name,
        help="Cartesian atomic cluster expansion, trained by dosml",
        options=CaceSettings,
    ),
    _entry(
        name=IctpSettings.name,
        help="message passing with irreducible Cartesian tensors, trained by dosml",
        options=IctpSettings,
    ),
)
