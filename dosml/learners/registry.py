"""The learners by name: a new one is its module or folder and one line here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dosml.config_file import checked_options
from dosml.errors import EnvironmentMissingError, LearnerError
from dosml.learners import ase_calculator
from dosml.learners.ase_calculator import AseModels, load_ase_model
from dosml.learners.base import LearnerEntry
from dosml.learners.cartesian import entry as cartesian
from dosml.learners.peers import catalogue
from dosml.learners.sgp import entry as sgp
from dosml.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ase.calculators.calculator import Calculator

    from dosml.learners.base import Learner

#: Setting of a scan or study -> option of every learner that has one of that name.
SHARED = {
    "cutoff": "cutoff",
    "n_max": "n_max",
    "l_max": "l_max",
    "zeta": "zeta",
    "descriptor": "descriptor",
    "nu": "nu",
    "inducing": "n_inducing",
    "learner_preset": "preset",
    "epochs": "epochs",
    "device": "device",
    "seed": "seed",
}

LEARNERS = Registry(
    "learner",
    LearnerEntry,
    (
        sgp.ENTRY,
        *cartesian.ENTRIES,
        *catalogue.ENTRIES,
    ),
    error=LearnerError,
    shared=SHARED,
    wider={"seed"},  # also of the frames
    prefix=ase_calculator.PREFIX,
    made=ase_calculator.entry,
)


def learner_names() -> tuple[str, ...]:
    """Names on the command line, besides `ase:MODULE:FUNCTION`."""
    return LEARNERS.names()


def learner_entry(name: str) -> LearnerEntry:
    """Entry of a learner.

    Raises
    ------
    InputError
        If there is no such learner.
    LearnerError
        If it is a plug-in's that cannot be used.
    """
    return LEARNERS.entry(name)


def option_names(name: str) -> set[str]:
    """Names of the options that a learner takes.

    Raises
    ------
    InputError, LearnerError
        See `learner_entry`.
    """
    return set(learner_entry(name).options.model_fields)


def options_by_learner(
    learners: Sequence[str],
    settings: Mapping[str, Any],
    own: Mapping[str, Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """Share out the settings that several learners have in common.

    Parameters
    ----------
    learners
        Names of the learners.
    settings
        Values of `SHARED` settings, others are passed over; None: each takes its own default.
    own
        Options of single learners by their names; they win.

    Raises
    ------
    InputError
        If a setting was given that none of the learners has, or there is no such learner.
    """
    return LEARNERS.share_out(learners, settings, own)


def make_learner(
    name: str, options: Mapping[str, Any] | None = None, *, workers: int = 1
) -> Learner:
    """Make a learner by its name.

    Parameters
    ----------
    name
        One of `learner_names()`, or `ase:MODULE:FUNCTION`.
    options
        Settings of that learner by name; what is not given takes its default.
    workers
        Processor cores that a peer may use; the sgp uses what torch is allowed.

    Raises
    ------
    InputError
        If there is no such learner, or an option is unknown or out of range.
    EnvironmentMissingError
        If the learner is a peer whose environment has not been made.
    LearnerError
        If it is a plug-in's that cannot be used.
    """
    entry = learner_entry(name)
    settings = checked_options(entry.options, f"the learner {name}", options or {})
    return entry.make(settings, workers)


def load_model(path: Path | str, device: str | None = None) -> Calculator:
    """Give the saved model of any learner as an ase calculator.

    Parameters
    ----------
    path
        Such as `models/sgp-.../sigma_0.2.npz` in a campaign folder.
    device
        Where it runs, such as "cpu" or "cuda"; None: where it was trained.

    Raises
    ------
    LearnerError
        If the file is a model of none of them.
    EnvironmentMissingError
        If it is a peer's whose environment has not been made.
    """
    path = Path(path)
    if not path.is_file():
        raise LearnerError(f"no saved model: there is no file {path}")
    loads = {entry.load: entry.suffix for entry in LEARNERS.usable()}  # some share a function
    loads[load_ase_model] = AseModels.suffix
    reasons = []
    for load, suffix in loads.items():
        if suffix != path.suffix:
            continue
        try:
            return load(path, device)
        except EnvironmentMissingError:
            raise
        except LearnerError as error:
            reasons.append(str(error))
    raise LearnerError(
        "; ".join(reasons)
        or f"{path} is no saved model: their names end in {', '.join(sorted(set(loads.values())))}"
    )
