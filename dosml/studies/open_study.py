"""Studies of trainings on labels that are made: their settings, and their common start."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BeforeValidator, Field, model_validator

from dosml.campaign import RECORD, Campaign, logger
from dosml.errors import FrameError, InputError, about
from dosml.limits import MOST_COUNTED, MOST_ORDER, MOST_VALUES, at_most
from dosml.paths import UserPath, UserText, check_output
from dosml.relabel.dataset import label_files, load, load_files
from dosml.relabel.elements import ELEMENTS
from dosml.relabel.execution.runner import open_runner
from dosml.relabel.frames import name_of
from dosml.settings import (
    NEUTRAL,
    IntList,
    SchemeName,
    TrainingSettings,
    WordList,
    default_folder,
    join_settings,
)
from dosml.studies.labels import labels_of, split_labels, subjects_of
from dosml.studies.scan import LABEL_SETS, MODELS
from dosml.trainings import TrainingStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dosml.progress import Reporter
    from dosml.relabel.dataset import Dataset
    from dosml.relabel.execution.runner import Runner

AnyStudy = TypeVar("AnyStudy", bound="LabelStudySettings")


def _targets(value: object) -> object:
    return [value] if isinstance(value, (str, Path)) else value


class LabelStudySettings(TrainingSettings):
    """What every study of trainings on labels that are made needs to know."""

    targets: Annotated[tuple[UserText, ...], BeforeValidator(_targets)] = ()
    labels: UserText | None = None
    label_sets: WordList | None = None
    scheme: SchemeName | None = None
    test_file: UserPath | None = None
    hold_out: float | None = Field(default=None, gt=0, lt=1)
    stress: bool = True

    @model_validator(mode="after")
    def _check_source(self) -> LabelStudySettings:
        if self.test_file is not None and self.hold_out is not None:
            raise ValueError("--test-file and --hold-out both say what is held out: give one")
        if self.labels is not None and len(self.targets) > 1:
            raise ValueError("--labels holds the labels: name one metal beside it, or none")
        if self.labels is None and not self.targets:
            raise ValueError(
                f"no labels named: give an element that was scanned (dosml {self.command} Ti), a "
                "campaign folder, an extxyz label set, or --labels"
            )
        return self

    @property
    def folder(self) -> Path:
        """Where everything is written."""
        first = self.targets[0] if self.targets else str(self.labels)
        name = Path(first).resolve().name.removesuffix(".extxyz")
        labels = self.labels if self.targets else None
        return self.out or default_folder(self.command, name, labels)

    def sources(self) -> list[Path]:
        """Folder or files of the labels: an element stands for its smearing scan.

        Raises
        ------
        InputError
            If the scan of an element is not here.
        """
        found = []
        for target in self.targets:
            if target in ELEMENTS and not Path(target).is_file():
                folder = Path(f"dosml-smear-scan-{target}")
                if not folder.is_dir():
                    raise InputError(
                        f"no labels of {target}: {folder} is not here; make them with `dosml "
                        f"smear-scan {target}`, or name a campaign folder, an extxyz label set or "
                        "--labels reference"
                    )
                found.append(folder)
            else:
                found.append(Path(target))
        return found


class TrainSettings(LabelStudySettings):
    """Everything that decides what `dosml train` does."""

    command: ClassVar[str] = "train"

    l_max: int | None = Field(default=None, ge=0, le=MOST_ORDER)
    across: Literal["sigma"] | None = None


class TransferSettings(LabelStudySettings):
    """Everything that decides what `dosml transfer` does."""

    command: ClassVar[str] = "transfer"

    l_max: int | None = Field(default=None, ge=0, le=MOST_ORDER)
    train_on: WordList | None = None


class CurveSettings(LabelStudySettings):
    """Everything that decides what `dosml learning-curve` does."""

    command: ClassVar[str] = "learning-curve"

    l_max: IntList | None = None
    sizes: IntList | None = None
    repeats: int = Field(default=1, ge=1, le=MOST_VALUES)

    @model_validator(mode="after")
    def _check_curve(self) -> CurveSettings:
        for option, values in (("sizes", self.sizes), ("l-max", self.l_max)):
            if values is not None and (not values or len(set(values)) < len(values)):
                raise ValueError(f"--{option} is empty or holds a value twice")
            at_most(values or (), f"--{option}")
        if self.sizes is not None and len(self.sizes) < 2:
            raise ValueError("--sizes: a learning curve needs two different sizes at least")
        if any(not 0 <= value <= MOST_ORDER for value in self.l_max or ()):
            raise ValueError(f"--l-max takes numbers from 0 to {MOST_ORDER}")
        if any(not 1 <= size <= MOST_COUNTED for size in self.sizes or ()):
            raise ValueError(f"--sizes takes numbers of frames from 1 to {MOST_COUNTED}")
        return self


class GridSettings(LabelStudySettings):
    """Everything that decides what `dosml grid` does.

    `vary` maps options of the learner to the values that are tried.
    """

    command: ClassVar[str] = "grid"

    l_max: int | None = Field(default=None, ge=0, le=MOST_ORDER)
    vary: dict[str, tuple[Any, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_axes(self) -> GridSettings:
        if len(self.learner) > 1:
            raise ValueError(
                f"a grid varies options of one learner, got {','.join(self.learner)}: make one "
                "grid of each"
            )
        for name, values in self.vary.items():
            option = "--" + name.replace("_", "-")
            if not values:
                raise ValueError(f"{option} is empty: give a number")
            at_most(values, option)
            if len(set(values)) < len(values):
                raise ValueError(f"{option} holds a value twice: {','.join(map(str, values))}")
            if name in self.model_fields_set or name in self.learner_options.get(
                self.learner[0], {}
            ):
                raise ValueError(f"{option} is varied and given one value: leave one of them out")
        return self


@dataclass(frozen=True)
class OpenStudy:
    """Labels that were read and split, and where trainings run and results go.

    Attributes
    ----------
    folder
        Of the study.
    data
        Labels with roles.
    how
        Where the split is from, for people.
    source
        The campaign whose labels these are, or None.
    store, runner
        Trainings, and where they run.
    """

    folder: Path
    data: Dataset
    how: str
    source: Path | None
    store: TrainingStore
    runner: Runner

    @property
    def test_tiers(self) -> list[str]:
        """Tier of every held-out frame."""
        return [self.data.tiers[n] for n in self.data.test]


def load_study_settings(
    model: type[AnyStudy],
    options: Mapping[str, Any],
    config: Path | Sequence[Path] | None = None,
) -> AnyStudy:
    """Join TOML files and command-line options; the command line wins.

    Raises
    ------
    InputError
        If a file cannot be read, a key is unknown or a value cannot be used.
    """
    return join_settings(model, options, config, required=None, nothing="")


@contextmanager
def open_study(settings: LabelStudySettings, reporter: Reporter) -> Iterator[OpenStudy]:
    """Read and split the labels, take the folder's lock, open where trainings run.

    Raises
    ------
    DosmlError
        If the labels cannot be used, or the folder holds another study.
    """
    check_output(settings.folder)
    with about(settings.labels or ", ".join(settings.targets)):
        yield from _opened(settings, reporter)


def _opened(settings: LabelStudySettings, reporter: Reporter) -> Iterator[OpenStudy]:
    data, source = _labels(settings)
    if settings.label_sets is not None:
        lacking = sorted(set(settings.label_sets) - set(data.names))
        if lacking:
            raise InputError(f"--label-sets {lacking[0]}: there is {', '.join(data.names)}")
        data = data.take(
            label_sets=[k for k, name in enumerate(data.names) if name in settings.label_sets]
        )
    if not settings.stress:
        data = data.take(stress=False)
    if settings.test_file is None:
        data, how = split_labels(data, seed=settings.seed, hold_out=settings.hold_out)
    else:
        data, how = _with_test_file(settings, data)
    _check_held_out(data)
    subject = f"{settings.command} on {', '.join(data.names)} (sha256 {data.content()})"
    # models bear the name of their label set, behind that of their learner where there are several
    models = [*data.names, *(f"{one}-{name}" for one in settings.learner for name in data.names)]
    with Campaign(settings.folder, subject, models) as campaign:
        logger.info("command: %s", reporter.command)
        campaign.record(settings.model_dump(mode="json"))
        reporter.say(f"folder: {campaign.folder}")
        kinds = "energies, forces, stresses" if data.stress else "energies, forces"
        reporter.say(
            f"frames: {len(data.train)} training, {len(data.test)} held out ({how}); labels: "
            f"{kinds} of {', '.join(data.names)}"
        )
        for note in data.notes:
            reporter.warn(note)
        also = [] if source is None else [source / MODELS]
        with open_runner(
            settings.run, campaign.folder, workers=settings.workers, say=reporter.say
        ) as runner:
            store = TrainingStore(campaign.folder / MODELS, also)
            yield OpenStudy(campaign.folder, data, how, source, store, runner)


def _labels(settings: LabelStudySettings) -> tuple[Dataset, Path | None]:
    """Labels, and the campaign that they are of."""
    if settings.labels is not None:
        subjects = subjects_of(settings.labels, settings.scheme)
        if not settings.targets and len(subjects) > 1:
            raise InputError(
                f"--labels {settings.labels} holds {', '.join(subjects)}: name one of them"
            )
        target = settings.targets[0] if settings.targets else subjects[0]
        return labels_of(settings.labels, target, scheme=settings.scheme), None
    paths = settings.sources()
    if len(paths) == 1 and paths[0].is_dir():
        folder = paths[0]
        is_campaign = (folder / RECORD).is_file() and (folder / LABEL_SETS).is_dir()
        return load(folder, scheme=settings.scheme, stress=settings.stress), (
            folder if is_campaign else None
        )
    return load_files(label_files(paths), scheme=settings.scheme, stress=settings.stress), None


def _with_test_file(settings: LabelStudySettings, data: Dataset) -> tuple[Dataset, str]:
    """Held-out frames from their own file, for the one label set."""
    assert settings.test_file is not None
    if len(data.names) > 1:
        raise InputError(
            f"--test-file holds out frames of one label set, got {len(data.names)}: train them one "
            "by one, or mark the split in the files (info key split, train or test)"
        )
    if not settings.test_file.is_file():
        raise InputError(f"no label set at --test-file {settings.test_file}")
    test = load_files([settings.test_file], stress=data.stress)
    if test.stress != data.stress:
        raise InputError(
            f"{settings.test_file} holds no REF_stress, the training file does: leave the "
            "stresses out with --no-stress"
        )
    joined = data.join(test)
    held = range(len(data.frames), len(joined.frames))
    marked = len(data.test)
    own = f"; {marked} frames that the labels mark as held out train" if marked else ""
    return joined.with_roles(held), f"the file {settings.test_file}{own}"


def _check_held_out(data: Dataset) -> None:
    """Refuse held-out frames that no model of the training frames can say anything about.

    Raises
    ------
    FrameError
        Naming the frame and its element.
    """
    known = {symbol for n in data.train for symbol in set(data.frames[n].symbols)}
    for n in data.test:
        if unknown := sorted(set(data.frames[n].symbols) - known):
            raise FrameError(
                f"{name_of(data.frames[n], n)} is held out and holds {', '.join(unknown)}, the "
                f"training frames hold {', '.join(sorted(known))} only: leave it out, or train on "
                f"frames with {', '.join(unknown)} too"
            )


def settings_beside(study: OpenStudy, settings: LabelStudySettings) -> dict[str, Any]:
    """Facts that a reader needs beside a model: labels, split, and what was asked for."""
    return {
        "labels": list(map(str, settings.targets)) or [settings.labels],
        "held_out": study.how,
        "frames": {"train": ranges(study.data.train), "held_out": ranges(study.data.test)},
        "content_sha256": study.data.content(),
        "asked_for": json.loads(settings.model_dump_json(exclude=set(NEUTRAL))),
    }


def ranges(numbers: Sequence[int]) -> str:
    """Write ascending numbers as 0-4, 7, 9-12."""
    parts: list[tuple[int, int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1] = (parts[-1][0], number)
        else:
            parts.append((number, number))
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in parts)
