"""`dosml learning-curve`: force error against training frames, for any learner and any l_max."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from dosml.analysis.figures.learning_curve import learning_curve_figure
from dosml.analysis.figures.style import house_style, save_figure
from dosml.analysis.statistics.learning_curves import learning_curve_table, nested_subsets
from dosml.analysis.statistics.results import error_rows
from dosml.analysis.statistics.tables import write_tables
from dosml.errors import InputError
from dosml.learners.base import FollowsFrames
from dosml.plan import long_trainings
from dosml.studies.attach import attach_study
from dosml.studies.open_study import open_study
from dosml.studies.own_report import curve_headline, write_section_report
from dosml.studies.train import StudyResult, result_row
from dosml.trainings import tell_warnings, trained

if TYPE_CHECKING:
    from pathlib import Path

    from dosml.analysis.figures.style import FigureRecord
    from dosml.analysis.statistics.errors import FrameSums
    from dosml.learners.base import Learner
    from dosml.progress import Reporter
    from dosml.studies.open_study import CurveSettings, OpenStudy

#: What tells curves apart.
BY = ["learner", "l_max", "label_set"]
#: Fewest frames that every learner trains on: peers watch one of them.
FEWEST = 2


@dataclass(frozen=True)
class _Point:
    """One training of a curve."""

    learner: Learner
    l_max: str
    frames: tuple[int, ...]
    seed: int


@dataclass(frozen=True)
class CurveResult(StudyResult):
    """A learning curve; `fits` holds one law, error = a N^-b, per curve, and one with a floor."""

    fits: pd.DataFrame


def learning_curve(settings: CurveSettings, reporter: Reporter) -> CurveResult:
    """Train on nested subsets with every learner and l_max; evaluate on the same held-out frames.

    The last point of a curve on a scan's labels is the scan's own model.

    Raises
    ------
    DosmlError
        With one line for the user; everything finished stays in the folder.
    """
    variants = [
        (learner, "default" if l_max is None else str(l_max))
        for l_max in settings.l_max or (None,)
        for learner in settings.make_learners(l_max=l_max)
    ]
    with open_study(settings, reporter) as study:
        data = study.data
        sizes = _sizes(settings, len(data.train))
        points = _points(settings, study, variants, sizes)
        learners = {learner.name: learner for learner, _ in variants}
        for line in long_trainings(
            list(learners.values()), len(points) * len(data.names) // len(learners)
        ):
            reporter.say(line)
        tasks = [
            study.store.task(
                one.learner, data, one.frames, data.test, models=len(one.frames) == len(data.train)
            )
            for one in points
        ]
        reporter.say(
            f"learning curve: {', '.join(map(str, sizes))} frames, draws of each: "
            f"{settings.repeats}, {len(tasks)} trainings of {len(data.names)} force fields each"
        )
        with reporter.bar("trainings", len(tasks)) as update:
            made = study.store.get_all(tasks, runner=study.runner, on_progress=update)
        reporter.say(
            f"{sum(getattr(one, 'before', False) for one in made)} of {len(tasks)} were done before"
        )
        tell_warnings(made, reporter)
        rows: list[dict[str, Any]] = []
        sums: list[FrameSums] = []
        for point, outcome in zip(points, made, strict=True):
            held_out = trained(outcome).held_out(data, data.test)
            for name, held in zip(data.names, held_out, strict=True):
                known = {
                    "learner": point.learner.name,
                    "l_max": point.l_max,
                    "label_set": name,
                    "seed": point.seed,
                }
                errors = error_rows(held, study.test_tiers)
                rows.append(result_row(known, held, errors, len(point.frames)))
                sums.append(held.force_sums())
        table = pd.DataFrame(rows)
        fits, tables, figure = _write(table, sums, study)
        shown = attach_study(settings, study, tables=tables, figures=[figure], reporter=reporter)
        report = write_section_report(
            settings, study, reporter, headline=curve_headline(table), figures=[figure]
        )
    return CurveResult(study.folder, table, (*tables, figure.png, report, *shown), {}, fits)


def _sizes(settings: CurveSettings, total: int) -> list[int]:
    sizes = sorted(
        settings.sizes
        # four sizes, where there are frames for them, tell a floor
        or {max(FEWEST, total // 8), max(FEWEST, total // 4), total // 2, total}
    )
    if sizes[0] < FEWEST or sizes[-1] > total or len(sizes) < 2:
        raise InputError(
            f"--sizes {','.join(map(str, sizes))}: there are {total} training frames; give two "
            f"sizes or more between {FEWEST} and {total}"
        )
    return sizes


def _points(
    settings: CurveSettings,
    study: OpenStudy,
    variants: list[tuple[Learner, str]],
    sizes: list[int],
) -> list[_Point]:
    data = study.data
    everything = [data.frames[n] for n in data.train]
    strata = [data.tiers[n] for n in data.train]
    points = []
    for repeat in range(settings.repeats):
        seed = settings.seed + repeat
        for drawn in nested_subsets(strata, sizes, seed=seed):
            frames = tuple(sorted(data.train[int(k)] for k in drawn))
            for learner, l_max in variants:
                # the same descriptor at every size: a cutoff left open would follow the subset
                settled = (
                    learner.settled(everything) if isinstance(learner, FollowsFrames) else learner
                )
                points.append(_Point(settled, l_max, frames, seed))
    return points


def _write(
    table: pd.DataFrame, sums: list[FrameSums], study: OpenStudy
) -> tuple[pd.DataFrame, list[Path], FigureRecord]:
    folder = study.folder
    tables = write_tables(table, folder, "learning_curve")
    fits = learning_curve_table(table, by=BY, sums=sums, strata=study.test_tiers)
    tables += write_tables(fits, folder, "learning_curve_fit")
    # a legend names only what differs between curves
    varied = [name for name in BY if len(set(table[name])) > 1] or ["learner"]
    with house_style():
        figure = save_figure(
            learning_curve_figure(
                table.assign(l_max="l_max " + table["l_max"]),
                by=varied,
                fits=fits.assign(l_max="l_max " + fits["l_max"]),
            ),
            folder / "figures",
            "learning_curve",
            title="Force error against training frames",
            caption="Force error of the held-out frames against the number of training frames, "
            "both on logarithmic axes. Small points: each draw of the frames; large: geometric "
            "mean over the draws, with bars from the lowest to the highest draw (of one draw: its "
            "95 % interval over held-out frames); lines: the fitted laws.",
        )
    return fits, tables, figure
