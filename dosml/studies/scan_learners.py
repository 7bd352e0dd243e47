"""The learners of a scan, from its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dosml.learners.base import KeepsTrainings
from dosml.learners.registry import make_learner, options_by_learner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dosml.learners.base import Learner
    from dosml.settings import ScanSettings


def make_learners(settings: ScanSettings) -> list[Learner]:
    """Make the learners of a scan, the first of which the report is about.

    Raises
    ------
    InputError
        If a learner or an option is unknown.
    EnvironmentMissingError
        If a peer's environment has not been made.
    """
    options = options_by_learner(settings.learners, settings.model_dump(), settings.learner_options)
    return [
        make_learner(name, options[name], workers=settings.workers) for name in settings.learners
    ]


def long_trainings(learners: Sequence[Learner], n_models: int) -> list[str]:
    """Say before a scan starts which of its learners train for long, one line each."""
    return [
        f"{learner.name} trains for long: {learner.effort(n_models)}"
        for learner in learners
        if isinstance(learner, KeepsTrainings)
    ]
