"""The record of a study that was put into a campaign."""

from __future__ import annotations

from pydantic import Field

from dosml.records import Record


class StudyFigure(Record):
    """A figure of a study; its file lies beside the record."""

    title: str
    caption: str
    file: str


class StudyRecord(Record):
    """What a study left in a campaign.

    Attributes
    ----------
    study
        The command.
    dosml
        Version that wrote it.
    command
        What the user gave.
    folder
        Of the study itself.
    seed
        Of its draws.
    train_frames, test_frames
        Frames by tier.
    label_files
        Hash of the file of each label set.
    tables
        SHA-256 of each table beside the record; older versions tell of none.
    figures
        To be shown.
    """

    study: str
    dosml: str = ""
    command: str
    folder: str = ""
    seed: int
    train_frames: dict[str, int]
    test_frames: dict[str, int]
    label_files: dict[str, str]
    tables: dict[str, str] = Field(default_factory=dict)
    figures: list[StudyFigure]
