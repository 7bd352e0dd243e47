"""`dosml learning-curve`: force error against training frames, for any learner and any l_max."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dosml.analysis.figures.learning_curve import learning_curve_figure
from dosml.analysis.figures.style import house_style, save_figure
from dosml.analysis.statistics.errors import bootstrap_weights, error_columns
from dosml.analysis.statistics.learner_table import COSTS
from dosml.analysis.statistics.learning_curves import learning_curve_table, nested_subsets
from dosml.analysis.statistics.tables import write_tables
from dosml.errors import InputError
from dosml.studies.attach import attach_study
from dosml.studies.scan_learners import long_trainings
from dosml.studies.training_settings import open_study

if TYPE_CHECKING:
    from pathlib import Path

    from dosml.analysis.figures.style import FigureRecord
    from dosml.analysis.statistics.results import HeldOut
    from dosml.progress import Reporter
    from dosml.studies.training_settings import CurveSettings, OpenStudy

#: What tells curves apart.
BY = ["learner", "l_max", "label_set"]
#: Fewest frames that every learner trains on: peers watch one of them.
FEWEST = 2


def learning_curve(
    settings: CurveSettings, reporter: Reporter
) -> tuple[pd.DataFrame, pd.DataFrame, list[Path]]:
    """Train on nested subsets with every learner and l_max; evaluate on the same held-out frames.

    Returns
    -------
    points, fits, files
        One row per model; one fitted law error = a N^-b per curve; what was written.

    Raises
    ------
    DosmlError
        With one line for the user; everything finished stays in the folder.
    """
    variants = [(name, l_max) for name in settings.learner for l_max in settings.l_max or (None,)]
    learners = {
        key: settings.make(key[0], **({} if key[1] is None else {"l_max": key[1]}))
        for key in variants
    }
    with open_study(settings, reporter) as study:
        sizes = _sizes(settings, study)
        count = len(sizes) * settings.repeats * len(study.data.names)
        variants_of_one = len(settings.l_max or (None,))
        by_name = {learner.name: learner for learner in learners.values()}
        for line in long_trainings(list(by_name.values()), count * variants_of_one):
            reporter.say(line)
        rows: list[dict[str, Any]] = []
        strata = [study.data.tiers[n] for n in study.train]
        for repeat in range(settings.repeats):
            seed = settings.seed + repeat
            for drawn in nested_subsets(strata, sizes, seed=seed):
                frames = sorted(study.train[int(k)] for k in drawn)
                for (name, l_max), learner in learners.items():
                    held = study.store.get(learner, frames, study.test, reporter)
                    label = "default" if l_max is None else str(l_max)
                    known = {"learner": name, "l_max": label, "n_train": len(frames), "seed": seed}
                    new = [{**known, **row} for row in _rows(study, held, settings.seed)]
                    rows += new
                    for row in new:
                        reporter.say(
                            f"{name}, l_max {label}, {row['label_set']}, {len(frames)} frames: "
                            f"{row['force_percent_error']:.1f} %"
                        )
        points, fits, tables, figure = _write(pd.DataFrame(rows), study.store.folder)
    shown = attach_study(settings, study, tables=tables, figures=[figure], reporter=reporter)
    return points, fits, [*tables, figure.png, *shown]


def _sizes(settings: CurveSettings, study: OpenStudy) -> list[int]:
    total = len(study.train)
    sizes = sorted(settings.sizes or {max(FEWEST, total // 4), total // 2, total})
    if sizes[0] < FEWEST or sizes[-1] > total or len(sizes) < 2:
        raise InputError(
            f"--sizes {','.join(map(str, sizes))}: there are {total} training frames; give two "
            f"sizes or more between {FEWEST} and {total}"
        )
    return sizes


def _rows(study: OpenStudy, held: list[HeldOut], seed: int) -> list[dict[str, Any]]:
    weights = bootstrap_weights(study.test_tiers(), seed=seed)
    rows = []
    for name, one in zip(study.data.names, held, strict=True):
        sums = one.force_sums()
        rows.append(
            {
                "label_set": name,
                **error_columns("force_percent_error", sums, weights),
                "energy_mae_ev_per_atom": one.energy_error(),
                **{cost: one.facts.get(cost, np.nan) for cost in COSTS},
            }
        )
    return rows


def _write(
    points: pd.DataFrame, folder: Path
) -> tuple[pd.DataFrame, pd.DataFrame, list[Path], FigureRecord]:
    tables = write_tables(points, folder, "learning_curve")
    fits = learning_curve_table(points, by=BY)
    tables += write_tables(fits, folder, "learning_curve_fit")
    # a legend names only what differs between curves
    varied = [name for name in BY if len(set(points[name])) > 1] or ["learner"]
    with house_style():
        figure = save_figure(
            learning_curve_figure(points.assign(l_max="l_max " + points["l_max"]), by=varied),
            folder / "figures",
            "learning_curve",
            title="Force error against training frames",
            caption="Force error of the held-out frames against the number of training frames, "
            "both on logarithmic axes. Small points: each draw of the frames; large: geometric "
            "mean over the draws; lines: the fitted laws.",
        )
    return points, fits, tables, figure
