"""Settings of the studies that compare trainings on finished label sets, and their common start."""

from __future__ import annotations

import shlex
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from dosml.campaign import Campaign, logger
from dosml.errors import InputError
from dosml.learners.registry import make_learner, options_by_learner
from dosml.relabel.elements import ELEMENTS
from dosml.settings import IntList, available_cores, check_learners, join_settings
from dosml.studies.label_files import LabelledFrames, label_files, read_label_sets, split_frames
from dosml.studies.points import PointStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dosml.learners.base import Learner
    from dosml.progress import Reporter


def _words(value: object) -> object:
    if isinstance(value, str):
        return tuple(word.strip() for word in value.split(",") if word.strip())
    return value


WordList = Annotated[tuple[str, ...], BeforeValidator(_words)]
AnyStudy = TypeVar("AnyStudy", bound="StudySettings")


class StudySettings(BaseModel):
    """What every study of trainings needs to know."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    command: ClassVar[str] = "study"

    target: str
    learner: WordList = ("sgp",)
    label_sets: WordList | None = None
    cutoff: float | None = Field(default=None, gt=0)
    n_max: int | None = Field(default=None, ge=1)
    learner_preset: str | None = None
    epochs: int | None = Field(default=None, ge=1)
    device: str | None = None
    learner_options: dict[str, dict[str, Any]] = Field(default_factory=dict)
    stress: bool = True
    seed: int = Field(default=0, ge=0)
    workers: int = Field(default_factory=available_cores, ge=1)
    out: Path | None = None

    @model_validator(mode="after")
    def _check_learners(self) -> StudySettings:
        check_learners(self.learner, self.learner_options)
        return self

    @property
    def folder(self) -> Path:
        """Where everything is written."""
        name = Path(self.target).resolve().name.removesuffix(".extxyz")
        return self.out or Path(f"dosml-{self.command}-{name}")

    def source(self) -> Path:
        """Folder or file of the labels: an element stands for its smearing scan."""
        if self.target in ELEMENTS and not Path(self.target).is_file():
            folder = Path(f"dosml-smear-scan-{self.target}")
            if not folder.is_dir():
                raise InputError(
                    f"no labels of {self.target}: {folder} is not here; make them with `dosml "
                    f"smear-scan {self.target}`, or name a campaign folder or an extxyz label set"
                )
            return folder
        return Path(self.target)

    def make(self, name: str, **varied: object) -> Learner:
        """Make one of the learners; an option that none of them has is refused.

        Raises
        ------
        InputError
            If a learner or an option is unknown.
        EnvironmentMissingError
            If a peer's environment has not been made.
        """
        given = {**self.model_dump(), **varied}
        options = options_by_learner(self.learner, given, self.learner_options)
        return make_learner(name, options[name], workers=self.workers)


@dataclass(frozen=True)
class OpenStudy:
    """Labels that were read and split, and where results go."""

    store: PointStore
    train: tuple[int, ...]
    test: tuple[int, ...]

    @property
    def data(self) -> LabelledFrames:
        """Frames and labels."""
        return self.store.data

    def test_tiers(self) -> list[str]:
        """Tier of every held-out frame."""
        return [self.data.tiers[n] for n in self.test]


def load_study_settings(
    model: type[AnyStudy], options: Mapping[str, Any], config: Path | None
) -> AnyStudy:
    """Join a TOML file and command-line options; the command line wins.

    Raises
    ------
    InputError
        If the file cannot be read, a key is unknown or a value cannot be used.
    """
    nothing = (
        f"no labels named: give an element that was scanned (dosml {model.command} Ti), a "
        "campaign folder or an extxyz label set"
    )
    return join_settings(model, options, config, required="target", nothing=nothing)


@contextmanager
def open_study(settings: StudySettings, reporter: Reporter) -> Iterator[OpenStudy]:
    """Read and split the labels, take the folder's lock.

    Raises
    ------
    DosmlError
        If the labels cannot be used, or the folder holds another study.
    """
    files = label_files([settings.source()])
    if settings.label_sets is not None:
        names = [path.stem for path in files]
        lacking = sorted(set(settings.label_sets) - set(names))
        if lacking:
            raise InputError(
                f"--label-sets {lacking[0]}: there is {', '.join(names)} in {settings.source()}"
            )
        files = [path for path in files if path.stem in settings.label_sets]
    data = read_label_sets(files, stress=settings.stress)
    train, test, how = split_frames(data, hold_out=None, seed=settings.seed)
    subject = f"{settings.command} on {', '.join(data.names)} (sha256 {data.content()})"
    with Campaign(settings.folder, subject) as campaign:
        logger.info("command: %s", shlex.join(sys.argv))
        campaign.record(settings.model_dump(mode="json"))
        reporter.say(f"folder: {campaign.folder}")
        reporter.say(
            f"label sets: {', '.join(data.names)}; {len(train)} training frames, {len(test)} held "
            f"out ({how})"
        )
        yield OpenStudy(PointStore(campaign.folder, data), tuple(train), tuple(test))


class CurveSettings(StudySettings):
    """Everything that decides what `dosml learning-curve` does."""

    command: ClassVar[str] = "learning-curve"

    l_max: IntList | None = None
    sizes: IntList | None = None
    repeats: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _check_curve(self) -> CurveSettings:
        for option, values in (("sizes", self.sizes), ("l-max", self.l_max)):
            if values is not None and (not values or len(set(values)) < len(values)):
                raise ValueError(f"--{option} is empty or holds a value twice")
        if self.sizes is not None and len(self.sizes) < 2:
            raise ValueError("--sizes: a learning curve needs two different sizes at least")
        if any(value < 0 for value in self.l_max or ()):
            raise ValueError("--l-max takes numbers from 0 up")
        return self


class TransferSettings(StudySettings):
    """Everything that decides what `dosml transfer` does."""

    command: ClassVar[str] = "transfer"

    l_max: int | None = Field(default=None, ge=0)
    train_on: WordList | None = None
