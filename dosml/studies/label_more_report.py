"""Tables, figure and report of `dosml label-more`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ase.io
import numpy as np
import pandas as pd

from dosml.analysis.figures.hard_frames import HARD_FIGURE, hard_frames_figure
from dosml.analysis.figures.style import house_style, save_figure
from dosml.analysis.measures.column import from_to, row_interval
from dosml.analysis.report.answer import Answer
from dosml.analysis.report.hard_frames_report import curve_section, overlap_section
from dosml.analysis.report.study_report import write_study_report
from dosml.analysis.statistics.hard_frames import curve_rows, difference_row
from dosml.analysis.statistics.tables import write_tables
from dosml.files import whole_file
from dosml.relabel.frames import frame_id
from dosml.version import run_versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ase import Atoms

    from dosml.analysis.statistics.errors import FrameSums
    from dosml.analysis.statistics.results import HeldOut
    from dosml.progress import Reporter
    from dosml.relabel.dataset import Dataset
    from dosml.studies.more_settings import MoreSettings
    from dosml.studies.open_study import OpenStudy

#: Kinds of held-out frames in words.
_WHERE = {"folder": "the folder's held-out frames", "pool": "held-out candidates"}
_LIMITS = (
    (
        "One pool, one start: another draw of the first training frames would choose others. The "
        "interval of a difference holds the scatter of the held-out frames only."
    ),
    (
        "Frames are chosen by what the kernel does not know, which is the same for every label set "
        "but for its noise. That a frame is chosen at two smearings does not say that its forces "
        "are as hard at both."
    ),
)


#: Held-out frames of the labels that were there.
FOLDER = "folder"
#: Tier of candidates that are held out.
POOL_TIER = "pool"


@dataclass(frozen=True)
class Round:
    """One training of one curve.

    Attributes
    ----------
    curve
        "hard", or "random 1" and so on.
    number
        0 for the training on what was there.
    n_train
        Training frames.
    held
        By label set: labels and predictions of the held-out frames.
    tiers
        Of the held-out frames.
    frames
        Chosen in this round.
    """

    curve: str
    number: int
    n_train: int
    held: Mapping[str, HeldOut]
    tiers: Sequence[str]
    frames: Sequence[Atoms]

    @property
    def parts(self) -> list[str]:
        """Kinds of held-out frames: those of the folder, and candidates."""
        return [FOLDER, *([POOL_TIER] if POOL_TIER in self.tiers else [])]

    def strata(self, part: str) -> list[str]:
        """Tiers of one kind of held-out frames."""
        return [one for one in self.tiers if (one == POOL_TIER) == (part == POOL_TIER)]

    def sums(self, part: str) -> dict[str, FrameSums]:
        """Force errors of one kind of held-out frames, by label set."""
        mask = np.array([(one == POOL_TIER) == (part == POOL_TIER) for one in self.tiers])
        return {name: one.force_sums().take(mask) for name, one in self.held.items()}

    def errors(self, part: str) -> dict[str, float]:
        """Give the force error of every label set on one kind of held-out frames, %."""
        return {name: one.percent_error for name, one in self.sums(part).items()}


@dataclass(frozen=True)
class MoreResult:
    """What labelling more frames leaves behind.

    Attributes
    ----------
    folder, report
        Where it lies; `label_sets` in it holds all frames, `hard.extxyz` the chosen ones.
    table
        Errors by curve, label set and number of frames.
    differences
        Chosen against drawn frames at the largest equal number; empty without draws.
    overlap
        Frames chosen for each label set alone.
    models
        Force field of each label set, trained on all frames.
    sentence
        The answer.
    """

    folder: Path
    report: Path
    table: pd.DataFrame
    differences: pd.DataFrame
    overlap: pd.DataFrame
    models: Mapping[str, Path]
    sentence: str


def write_more(
    study: OpenStudy,
    settings: MoreSettings,
    reporter: Reporter,
    curves: Sequence[Sequence[Round]],
    overlap: pd.DataFrame,
    models: Mapping[str, Path],
    data: Dataset,
) -> MoreResult:
    """Write what was found.

    Parameters
    ----------
    study, settings, reporter
        Of the study.
    curves
        That of the chosen frames first.
    overlap
        From `dosml.analysis.statistics.hard_frames.chosen_overlap`.
    models
        Of the last round of chosen frames.
    data
        All label sets with the chosen frames.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    folder = study.folder
    table = pd.DataFrame(
        [
            row
            for curve in curves
            for one in curve
            for part in one.parts
            for row in curve_rows(one.curve, part, one.n_train, one.sums(part), one.strata(part))
        ]
    )
    differences = pd.DataFrame(_differences(curves))
    write_tables(table, folder, "hard_frames")
    if len(differences):
        write_tables(differences, folder, "hard_against_random")
    if len(overlap):
        write_tables(overlap, folder, "overlap")
    there = set(data.frame_ids)
    chosen = [one for each in curves[0] for one in each.frames if frame_id(one) in there]
    if chosen:
        with whole_file(folder / "hard.extxyz") as partial:
            ase.io.write(partial, chosen, format="extxyz")
    with house_style():
        figure = save_figure(
            hard_frames_figure(table),
            folder / "figures",
            HARD_FIGURE,
            title="Hard frames against random ones",
            caption="Force error of the held-out frames against the number of training frames: "
            "frames chosen by variance (bars: 95 % intervals over held-out frames) and frames "
            "drawn from the same pool (thin: each draw).",
        )
    sentence = more_sentence(curves, differences)
    others = differences
    if len(differences):  # the sentence tells the first label set
        others = differences[differences["label_set"] != data.names[0]]
    report = write_study_report(
        folder,
        Answer(
            question=f"{'-'.join(data.elements)}: what do the frames teach that it knows least?",
            sentence=sentence,
            limits=(
                f"Labels: {data.provenance.engine}.",
                (
                    f"n = {len(data.test)} held-out frames, {len(study.data.test)} of them of the "
                    f"folder ({study.how}); chosen from {settings.candidates} "
                    "candidates."
                ),
            ),
            findings=tuple([*_difference_words(others), *_overlap_words(overlap)][:4]),
            figure=HARD_FIGURE,
        ),
        [curve_section(table), *([overlap_section(overlap)] if len(overlap) else [])],
        lead=f"{len(chosen)} frames beside {len(study.data.train)} training frames.",
        figures=[figure],
        warnings=[one for one in (data.provenance.warning,) if one],
        limits=[*_LIMITS, *data.provenance.limits],
        facts={
            "command": reporter.command,
            "seed": settings.seed,
            "frames by origin": _origins(chosen),
            "versions": run_versions(),
        },
    )
    return MoreResult(folder, report, table, differences, overlap, models, sentence)


def _origins(frames: Sequence[Atoms]) -> dict[str, int]:
    names = [str(frame.info.get("tier", "")) for frame in frames]
    return {name: names.count(name) for name in dict.fromkeys(names)}


def _differences(curves: Sequence[Sequence[Round]]) -> list[dict[str, Any]]:
    """Chosen against drawn frames after the last round that all curves have."""
    hard, *draws = curves
    last = min(len(one) for one in curves) - 1
    if not draws or not last:
        return []
    return [
        {
            "held_out": part,
            "n_train": hard[last].n_train,
            **difference_row(
                name,
                sums,
                [one[last].sums(part)[name] for one in draws],
                hard[last].strata(part),
            ),
        }
        for part in hard[last].parts
        for name, sums in hard[last].sums(part).items()
    ]


def more_sentence(curves: Sequence[Sequence[Round]], differences: pd.DataFrame) -> str:
    """Say what the chosen frames did to the first label set, and what drawn ones did."""
    hard = curves[0]
    parts = []
    for part in hard[0].parts:
        name, before = next(iter(hard[0].errors(part).items()))
        text = f"{from_to(before, hard[-1].errors(part)[name])} %"
        if len(differences):
            row = differences[differences["held_out"] == part].iloc[0]
            parts.append(f"{text} on {_WHERE[part]}, {_against(row)}")
        else:
            parts.append(f"{text} on {_WHERE[part]}")
    return (
        f"With {hard[-1].n_train - hard[0].n_train} chosen frames the force error of {name} goes "
        f"{'; and '.join(parts)}."
    )


def _against(row: Mapping[Any, Any] | pd.Series) -> str:
    """Say how chosen frames end against drawn ones, and whether that is shown."""
    low, high = row["difference_points_low"], row["difference_points_high"]
    shown = "" if low > 0 or high < 0 else ", which shows no difference"
    between = row_interval(row, "difference_points", "+.2f")
    return f"{row['difference_points']:+.2f} points{between} against as many random ones{shown}"


def _difference_words(differences: pd.DataFrame) -> list[str]:
    lines = []
    for row in differences.to_dict("records"):
        least, most = row["lowest_draw"], row["highest_draw"]
        draws = f"draws {least:.1f} to {most:.1f} %" if least < most else f"one draw, {most:.1f} %"
        lines.append(f"{row['label_set']}, {_WHERE[row['held_out']]}: {_against(row)}; {draws}.")
    return lines


def _overlap_words(overlap: pd.DataFrame) -> list[str]:
    return [
        f"Of {row['chosen']} frames chosen for {row['one']} and for {row['other']} alone, "
        f"{row['common']} are the same ({row['by_chance']:.1f} by chance)."
        for row in overlap.to_dict("records")
    ]
