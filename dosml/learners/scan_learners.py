"""The learners of a scan, from its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dosml.errors import InputError
from dosml.learners.registry import make_learner, option_names

if TYPE_CHECKING:
    from dosml.learners.base import Learner
    from dosml.settings import ScanSettings


def learner_options(settings: ScanSettings, learner: str) -> dict[str, object]:
    """Options of one learner that the user gave; what is not given takes the learner's default.

    Raises
    ------
    InputError
        If an option was given that none of the learners has, or there is no such learner.
    """
    given = {
        "cutoff": settings.cutoff,
        "n_max": settings.n_max,
        "l_max": settings.l_max,
        "n_inducing": settings.inducing,
        "preset": settings.learner_preset,
        "epochs": settings.epochs,
        "device": settings.device,
        "seed": settings.seed,
    }
    given = {name: value for name, value in given.items() if value is not None}
    known = {name: option_names(name) for name in settings.learners}
    for name in given:
        if not any(name in names for names in known.values()):
            option = "inducing" if name == "n_inducing" else name.replace("_", "-")
            raise InputError(f"--{option} is no option of {settings.learner}: leave it out")
    mine = {name: value for name, value in given.items() if name in known[learner]}
    return {**mine, **settings.learner_options.get(learner, {})}


def make_learners(settings: ScanSettings) -> list[Learner]:
    """Make the learners of a scan, the first of which the report is about.

    Raises
    ------
    InputError
        If a learner or an option is unknown.
    EnvironmentMissingError
        If a peer's environment has not been made.
    """
    return [
        make_learner(name, learner_options(settings, name), workers=settings.workers)
        for name in settings.learners
    ]
