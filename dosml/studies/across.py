"""`dosml train --across sigma`: the models of all label sets joined into one, and tested."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dosml.analysis.statistics.tables import write_tables
from dosml.errors import InputError
from dosml.files import whole_file
from dosml.learners.registry import learner_entry

if TYPE_CHECKING:
    from pathlib import Path

    from dosml.learners.base import AcrossModel
    from dosml.relabel.dataset import Dataset, LabelSet
    from dosml.studies.open_study import OpenStudy
    from dosml.trainings import Training

#: Nodes on both sides, and one more: without it two would be left, and no curvature.
FEWEST_TO_LEAVE_OUT = 4


def check_across(data: Dataset, learners: list[str]) -> list[str]:
    """Say which learners can make one model across sigma of these labels.

    Parameters
    ----------
    data
        Labels.
    learners
        Names of the learners.

    Raises
    ------
    InputError
        If label sets do not say their smearing, differ in more than its width, or if none of the
        learners can.
    """
    settings = [one.setting for one in data.label_sets]
    if any(one is None for one in settings):
        raise InputError(
            "--across sigma: a label set does not say its smearing: write `smearing` and "
            "`smearing_width_ev` into the frames, or take the folder of a smear-scan"
        )
    kinds = {(s.smearing.scheme, s.electrons_per_atom_shift) for s in settings if s is not None}
    if len(kinds) > 1:
        said = "; ".join(f"{scheme}, {shift:+g} electrons per atom" for scheme, shift in kinds)
        raise InputError(
            f"--across sigma: label sets must differ in the width of the smearing alone, got {said}"
            ": choose with --label-sets"
        )
    able = [name for name in learners if learner_entry(name).join is not None]
    if not able:
        raise InputError(
            f"--across sigma: {', '.join(learners)} cannot make one model of several label sets: "
            "take --learner sgp"
        )
    return able


def join_across(
    study: OpenStudy, training: Training, learner: str, prefix: str
) -> tuple[Path, list[Path]]:
    """Join the models of one training, and test the joined one at each sigma without its labels.

    Parameters
    ----------
    study
        Labels and the folder.
    training
        With a model of each label set.
    learner
        Its name.
    prefix
        Of file names.

    Returns
    -------
    tuple
        File of the model, and the tables.

    Raises
    ------
    InputError
        If there are too few label sets.
    """
    join = learner_entry(learner).join
    assert join is not None
    data = study.data
    widths = [_width(one) for one in data.label_sets]
    first = data.label_sets[0].setting
    assert first is not None
    model = join([training.models[name] for name in data.names], widths, first.smearing.scheme)
    path = study.folder / f"{prefix}across_sigma.npz"
    with whole_file(path) as partial:
        model.save(partial)
    table = pd.DataFrame(_tested(model, training, data))
    return path, write_tables(table, study.folder, f"{prefix}across_sigma")


def _tested(model: AcrossModel, training: Training, data: Dataset) -> list[dict[str, Any]]:
    """Errors on the held-out frames: own models, and the joined one without each label set.

    At the smallest and largest sigma there is nothing to join without them.
    """
    test = data.take(data.test)
    order = np.argsort([_width(one) for one in data.label_sets])
    own = training.held_out(data, data.test)
    rows = []
    for place, number in enumerate(order):
        labels, sigma = test.label_sets[number], _width(data.label_sets[number])
        row = {
            "label_set": labels.name,
            "sigma_ev": sigma,
            "force_percent_error": own[number].force_sums().percent_error,
            "energy_mae_mev_per_atom": _energy_error(
                own[number].energies_predicted - labels.energies, test
            ),
        }
        inner = 0 < place < len(order) - 1 and len(order) >= FEWEST_TO_LEAVE_OUT
        if inner:
            said = model.without(place).predict(test.frames, sigma)
            misses = np.concatenate(said.forces) - np.concatenate(labels.forces)
            size = np.abs(np.concatenate(labels.forces)).mean()
            row["force_percent_error_left_out"] = 100 * float(np.abs(misses).mean()) / size
            row["energy_mae_mev_per_atom_left_out"] = _energy_error(
                said.energies - labels.energies, test
            )
        rows.append(row)
    return rows


def _energy_error(misses: np.ndarray, data: Dataset) -> float:
    """Mean absolute error, meV per atom."""
    return 1000 * float(np.mean(np.abs(misses) / [len(frame) for frame in data.frames]))


def _width(labels: LabelSet) -> float:
    assert labels.setting is not None
    return float(labels.setting.smearing.width)
