"""Trainings on the labels of one metal and on those of the pair potential nearest to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from dosml.analysis.measures.reading import DosWindows
from dosml.analysis.measures.table import measure_all
from dosml.analysis.statistics.results import error_rows
from dosml.analysis.statistics.scan import setting_words
from dosml.errors import InputError
from dosml.relabel.own_d import own_d
from dosml.settings import IntList  # noqa: TC001 - pydantic reads it
from dosml.studies.open_study import LabelStudySettings, open_study
from dosml.studies.pair_control import PREFIX, pair_control
from dosml.studies.train import result_row
from dosml.trainings import trained

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from dosml.progress import Reporter
    from dosml.relabel.dataset import Dataset
    from dosml.relabel.dataset.label_set import LabelSet

#: Response indices of a label set, measures of the table.
INDICES = (
    "chi_0_states2_per_ev_atom2",
    "chi_2_states2_per_ev_atom2",
    "chi_4_states2_per_ev_atom2",
    "chi_4_unsmeared_states2_per_ev_atom2",
)


class OneMetalSettings(LabelStudySettings):
    """Labels of one metal; they are trained without stresses, as the control has none."""

    command: ClassVar[str] = "angular-need"

    l_max: IntList = (0, 1, 2, 3, 4, 5, 6, 7, 8)
    stress: bool = False
    pairs: bool = True


@dataclass(frozen=True)
class BesidePairs:
    """What the trainings gave.

    Attributes
    ----------
    points
        One row per kind ("labels" or "pairs"), label set and l_max: "metal", "kind", "setting",
        "label_set", "sigma_ev", "l_max" (nan: the learner's default) and the errors.
    beside
        Per label set (the index, those of pairs too): `INDICES` of the labels' own DOS, label noise
        and the share of the squared force that the pair potential holds, both in %.
    data
        The labels.
    """

    points: pd.DataFrame
    beside: pd.DataFrame
    data: Dataset


def beside_pairs(
    settings: OneMetalSettings, reporter: Reporter, *, levels: Sequence[int | None], pairs: bool
) -> BesidePairs:
    """Train on the label sets of the smallest and the largest σ with every l_max.

    Parameters
    ----------
    settings
        Labels and learner; the folder keeps the trainings.
    reporter
        Where lines go.
    levels
        Values of l_max; None: the learner's own default.
    pairs
        Whether the control is trained too, where the frames hold one element.

    Raises
    ------
    DosmlError
        With one line for the user; everything finished stays in the folder.
    """
    with open_study(settings, reporter) as study:
        data = ends_of(study.data)
        kinds = {"labels": data}
        explained: dict[str, float] = {}
        if pairs and len(data.elements) > 1:
            reporter.say(
                f"no control with a pair potential: it is of one element, the frames hold "
                f"{', '.join(data.elements)}"
            )
        elif pairs:
            control = pair_control(data)
            kinds["pairs"], explained = control.data, control.explained
        keys, tasks = [], []
        for level in levels:
            (learner,) = settings.make_learners(l_max=level)
            for kind, labels in kinds.items():
                keys.append((level, kind))
                tasks.append(study.store.task(learner, labels, data.train, data.test))
        with reporter.bar("trainings", len(tasks)) as update:
            made = study.store.get_all(tasks, runner=study.runner, on_progress=update)
        metal = "-".join(data.elements)
        rows: list[dict[str, Any]] = []
        for (level, kind), outcome in zip(keys, made, strict=True):
            labels = kinds[kind]
            held_out = trained(outcome).held_out(labels, data.test)
            for one, held in zip(labels.label_sets, held_out, strict=True):
                errors = error_rows(held, study.test_tiers)
                row = result_row(_known(metal, kind, one), held, errors, len(data.train))
                # the model's own facts name the l_max in force
                rows.append(row if level is None else {**row, "l_max": level})
    points = pd.DataFrame(rows)
    points = points.sort_values(
        ["kind", "sigma_ev", "l_max"] if "l_max" in points else ["kind", "sigma_ev"],
        kind="stable",
        ignore_index=True,
    )
    known = {}
    for one in data.label_sets:
        known[one.name] = known[f"{PREFIX}{one.name}"] = _beside(one, data.elements, explained)
    return BesidePairs(points, pd.DataFrame(known).T, data)


def ends_of(data: Dataset) -> Dataset:
    """Label sets of the neutral cells at the smallest and the largest width.

    Raises
    ------
    InputError
        If no label set is of neutral cells, or labels do not say their setting.
    """
    neutral = [
        (one.smearing.width, k)
        for k, one in enumerate(data.electronic)
        if one.electrons_per_atom_shift == 0
    ]
    if not neutral:
        raise InputError(f"none of the label sets {', '.join(data.names)} is of neutral cells")
    return data.take(label_sets=sorted({min(neutral)[1], max(neutral)[1]}))


def _known(metal: str, kind: str, labels: LabelSet) -> dict[str, Any]:
    assert labels.setting is not None
    width = labels.setting.smearing.width
    return {
        "metal": metal,
        "kind": kind,
        "setting": setting_words(width, 0.0),
        "label_set": labels.name,
        "sigma_ev": width,
    }


def _beside(
    labels: LabelSet, elements: Collection[str], explained: dict[str, float]
) -> dict[str, float]:
    """Response indices and noise of a label set."""
    assert labels.setting is not None
    dos = own_d(labels.dos, elements)
    read = measure_all(dos, labels.setting.smearing, DosWindows(), skip_unresolved=True)
    known = {name: read[name] for name in INDICES}
    noise = labels.noise
    return {
        **known,
        "label_noise_percent": float("nan") if noise is None else noise.percent,
        "pairs_explain_percent": 100 * explained.get(labels.name, float("nan")),
    }
