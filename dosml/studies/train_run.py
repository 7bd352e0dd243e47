"""`dosml train`: one training, a grid over the descriptor, or a learning curve."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pandas as pd

from dosml.analysis.statistics.tables import write_tables
from dosml.campaign import Campaign, logger
from dosml.errors import InputError
from dosml.learners.sgp.settings import sgp_settings, with_cutoff
from dosml.studies.label_files import (
    LabelledFrames,
    check_apart,
    label_files,
    read_label_sets,
    split_frames,
)
from dosml.studies.train_jobs import JobStore, TrainJob

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dosml.progress import Reporter
    from dosml.studies.train_jobs import JobResult
    from dosml.studies.train_settings import TrainSettings

#: Packages whose versions a reader needs to repeat the numbers.
_PACKAGES = ("numpy", "scipy", "torch", "ase", "sphericart", "vesin")


@dataclass(frozen=True)
class TrainStudy:
    """Labelled frames, their split and where results go.

    Attributes
    ----------
    store
        Of all trainings.
    train, test
        Indices of frames.
    extra
        Facts that are written beside every model.
    """

    store: JobStore
    train: tuple[int, ...]
    test: tuple[int, ...]
    extra: dict[str, Any]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the label sets."""
        return self.store.data.names

    @property
    def every_set(self) -> tuple[int, ...]:
        """Indices of all label sets."""
        return tuple(range(len(self.names)))


@dataclass(frozen=True)
class TrainOutcome:
    """What `train` leaves behind.

    Attributes
    ----------
    table
        One row per label set; in a learning curve per label set, size and repeat; in a grid per
        label set and way of choosing.
    files
        Models, tables and figures.
    """

    table: pd.DataFrame
    files: tuple[Path, ...]


def train(settings: TrainSettings, reporter: Reporter) -> TrainOutcome:
    """Do what the settings ask for, or what is missing of it.

    Raises
    ------
    DosmlError
        With one line for the user; everything finished stays in the folder.
    """
    files = label_files(settings.targets)
    data = read_label_sets(files, stress=settings.stress)
    own = len(data.frames)
    if settings.test_file is None:
        train_frames, test_frames, how = split_frames(
            data, hold_out=settings.hold_out, seed=settings.seed
        )
    else:
        data = data.join(_test_data(settings, data))
        train_frames, test_frames = list(range(own)), list(range(own, len(data.frames)))
        check_apart(data.frames, train_frames, test_frames)
        how = f"the file {settings.test_file}"
    subject = f"force fields on {', '.join(data.names)} (sha256 {data.content()})"
    with Campaign(settings.folder, subject) as campaign:
        logger.info("command: %s", shlex.join(sys.argv))
        campaign.record(settings.model_dump(mode="json"))
        study = TrainStudy(
            JobStore(campaign.folder, data),
            tuple(train_frames),
            tuple(test_frames),
            {
                "label_files": [str(path) for path in files],
                "held_out": how,
                "content_sha256": data.content(),
                "packages": {name: version(name) for name in _PACKAGES},
            },
        )
        reporter.say(f"folder: {campaign.folder}")
        reporter.say(
            f"frames: {len(study.train)} training, {len(study.test)} held out ({how}); "
            f"labels: energies, forces{'' if _no_stress(data) else ', stresses'} of "
            f"{', '.join(data.names)}"
        )
        if settings.grid:
            from dosml.studies.grid import train_grid

            return train_grid(settings, study, reporter)
        if settings.sizes is not None:
            from dosml.studies.train_curve import train_curve

            return train_curve(settings, study, reporter)
        return _train_once(settings, study, reporter)


def _no_stress(data: LabelledFrames) -> bool:
    return data.label_sets[0].stresses is None


def _test_data(settings: TrainSettings, data: LabelledFrames) -> LabelledFrames:
    """Held-out frames from their own file, for the one label set."""
    assert settings.test_file is not None
    if len(data.names) > 1:
        raise InputError(
            f"--test-file holds out frames of one label set, got {len(data.names)}: train them one "
            "by one, or mark the split in the files (info key split, train or test)"
        )
    if not settings.test_file.is_file():
        raise InputError(f"no label set at --test-file {settings.test_file}")
    test = read_label_sets([settings.test_file], stress=not _no_stress(data))
    if _no_stress(test) != _no_stress(data):
        raise InputError(
            f"{settings.test_file} holds no REF_stress, the training file does: leave the "
            "stresses out with --no-stress"
        )
    return test


def single_options(settings: TrainSettings) -> dict[str, Any]:
    """Options of the learner where nothing is varied."""
    options = settings.learner_options()
    for axis in ("cutoff", "n_max", "l_max", "zeta"):
        values = getattr(settings, axis)
        if values is not None:
            options[axis] = values[0]
    return options


def default_cutoff(study: TrainStudy) -> float:
    """Cutoff that the learner takes by default for the study's frames, Å."""
    frames = [study.store.data.frames[n] for n in study.train]
    cutoff = with_cutoff(sgp_settings({}), frames).cutoff
    assert cutoff is not None
    return float(cutoff)


def result_row(name: str, result: JobResult, number: int, n_train: int) -> dict[str, Any]:
    """Row of a table: label set, sizes, errors on all evaluated frames, facts of the model."""
    facts, errors = result.facts[number], result.errors[number][0]
    return {
        "label_set": name,
        "n_train": n_train,
        **{key: value for key, value in errors.items() if key != "tier"},
        **{key: value for key, value in facts.items() if key not in {"learner", "n_frames"}},
    }


def tier_rows(name: str, result: JobResult, number: int) -> list[dict[str, Any]]:
    """Rows of the errors tier by tier."""
    return [{"label_set": name, **row} for row in result.errors[number]]


def _train_once(settings: TrainSettings, study: TrainStudy, reporter: Reporter) -> TrainOutcome:
    job = TrainJob(
        single_options(settings), study.train, study.test, study.every_set, save_as=study.names
    )
    result = study.store.get(job)
    if result is None:
        with reporter.stages("training") as tell:
            result = study.store.run(job, study.extra, tell)
    else:
        reporter.say("trained before with these settings: read from the folder")
    rows: list[dict[str, Any]] = []
    for number, name in enumerate(study.names):
        rows += tier_rows(name, result, number)
    folder = study.store.folder
    tables = write_tables(pd.DataFrame(rows), folder, "errors")
    table = pd.DataFrame(
        [
            result_row(name, result, number, len(study.train))
            for number, name in enumerate(study.names)
        ]
    )
    return TrainOutcome(table, (*model_files(folder, study.names), *tables))


def model_files(folder: Path, stems: Sequence[str]) -> list[Path]:
    """Each model and the settings beside it."""
    return [folder / f"{stem}{suffix}" for stem in stems for suffix in (".npz", ".settings.json")]
