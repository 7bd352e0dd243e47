"""Studies of trainings beside a scan as sections of its report: learning curves and transfer.

`dosml learning-curve`, `transfer` and `body-order` leave a copy of their tables in the folder
`studies` of the campaign whose labels they used; the report is made from that.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.analysis.measures.column import Column, row_interval
from dosml.analysis.report.body_order_report import body_order_section
from dosml.analysis.report.pages import new_section, picture, sortable_table
from dosml.analysis.report.study_record import StudyRecord
from dosml.analysis.statistics.errors import FEWEST
from dosml.analysis.statistics.learning_curves import without_law
from dosml.errors import InputError
from dosml.files import file_hash, inside
from dosml.records import read_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

#: Folder of a campaign with one folder per study, each with a record and the study's tables.
STUDIES, RECORD = "studies", "study.json"
_LEARNER = Column("learner", "learner", "", "Kind of force field.")
_L_MAX = Column("l_max", "l_max", "", "Largest angular momentum of the descriptors.")
_LABEL_SET = Column("label_set", "label set", "", "Labels of all frames at one setting.")
_FORCE_ERROR = Column(
    "force_percent_error", "force error", "%", "100 MAE/MAV on held-out frames.", 2
)
_FITS = (
    _LEARNER,
    _L_MAX,
    _LABEL_SET,
    Column("amplitude", "a", "%", "Force error that the law gives for one training frame.", 1),
    Column("exponent", "b", "", "Exponent; more frames help where it is positive.", 2),
    Column("floor", "floor c", "%", "Of the fit a N^-b + c; from four sizes on.", 2),
    Column("r_squared", "R²", "", "Share of the variance of ln(error) that the law explains.", 2),
    Column("n_sizes", "sizes", "", "Numbers of training frames behind the fit."),
    Column("n_seeds", "draws", "", "Draws of the training frames behind the fit."),
    Column("largest_error", "error, all frames", "%", "Force error at the largest N.", 2),
)
_POINTS = (
    _LEARNER,
    _L_MAX,
    _LABEL_SET,
    Column("n_train", "N", "frames", "Training frames."),
    Column("seed", "seed", "", "Seed of the draw of the training frames."),
    _FORCE_ERROR,
    Column("energy_mae_mev_per_atom", "energy MAE", "meV/atom", "Of the free energy.", 2),
    Column("seconds_training", "training", "s", "Wall time of the training.", 1),
    Column("n_parameters", "parameters", "", "Fitted numbers of the model.", 0),
)


def study_sections(folder: Path) -> list[dict[str, Any]]:
    """Read the studies of a campaign and make a section of each.

    Parameters
    ----------
    folder
        The campaign.

    Returns
    -------
    list of dict
        What the template report.html asks for, learning curves first. A study that cannot be read
        gives a section that says so.
    """
    sections = []
    for path in sorted((folder / STUDIES).glob(f"*/{RECORD}")):
        try:
            record = read_record(path, StudyRecord, remedy="run the study again")
            _check_tables(path.parent, record)
            section = study_section(path.parent, record, prefix=f"{STUDIES}/{path.parent.name}/")
            section["warnings"] += _stale(folder, record)
        except InputError as error:
            text = f"{path.parent} cannot be used: {error}."
            section = new_section("Study that cannot be read", path.parent.name, warnings=[text])
        except (OSError, ValueError, KeyError, TypeError) as error:
            text = f"{path} cannot be used ({type(error).__name__}: {error}): run the study again."
            section = new_section("Study that cannot be read", path.parent.name, warnings=[text])
        sections.append(section)
    sections.sort(key=lambda one: str(one["title"]))
    for title in {one["title"] for one in sections}:
        same = [one for one in sections if one["title"] == title]
        for one in same if len(same) > 1 else ():
            one["title"] = f"{title}: {one['name']}"
    return sections


def study_section(place: Path, record: StudyRecord, *, prefix: str = "") -> dict[str, Any]:
    """Make a section of one study.

    Parameters
    ----------
    place
        Folder with its tables and the figures that the record names.
    record
        See `dosml.studies.attach.study_record`.
    prefix
        Of links to the tables, relative to the report.

    Raises
    ------
    OSError, ValueError, KeyError, TypeError
        If record or tables cannot be used.
    """
    make = {"learning-curve": _curves, "transfer": _transfer, "body-order": _bodies}[record.study]
    section = make(place, record)
    section["links"] = [
        {"name": one["name"], "target": f"{prefix}{one['name']}"} for one in section["links"]
    ]
    return section


def _bodies(place: Path, record: StudyRecord) -> dict[str, Any]:
    return body_order_section(place, record.command, record.figures)


def _check_tables(place: Path, record: StudyRecord) -> None:
    for name, content in record.tables.items():
        path = inside(place, name)
        if not path.is_file() or file_hash(path) != content:
            raise InputError(f"{path} was changed or removed since the study ended: run it again")


def _stale(folder: Path, record: StudyRecord) -> list[str]:
    """Say which label sets are no longer those that the study was trained on."""
    changed = [
        name
        for name, content in record.label_files.items()
        if label_file_hash(folder / "label_sets" / f"{name}.extxyz") != content
    ]
    if not changed:
        return []
    return [
        (
            f"The label sets of this campaign have changed since ({_listed(changed)}): these "
            f"numbers are of the labels that were here before. Run the command again."
        )
    ]


def label_file_hash(path: Path) -> str:
    """Hash of a label set's file, empty where there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except FileNotFoundError:
        return ""


def _curves(place: Path, record: StudyRecord) -> dict[str, Any]:
    import pandas as pd

    section = new_section("Learning curves", place.name, command=record.command)
    words = {"l_max": str}
    points = pd.read_csv(place / "learning_curve.csv", dtype=words)
    fits = pd.read_csv(place / "learning_curve_fit.csv", dtype=words)
    lawless = without_law(fits)
    # an error that rises with the frames in a single draw is no law: the numbers say nothing
    fits.loc[lawless, ["amplitude", "exponent", "exponent_low", "exponent_high", "r_squared"]] = (
        float("nan")
    )
    sizes, seeds = (sorted(set(points[name])) for name in ("n_train", "seed"))
    total = sum(record.train_frames.values())
    draws = f"one draw of these frames (seed {seeds[0]})"
    if len(seeds) > 1:
        draws = f"{len(seeds)} draws of these frames (seeds {_listed(seeds)})"
    section["text"] = [
        (
            f"{_learners(points)}, trained on {_listed(sizes)} of the {total} training frames "
            f"({_by_tier(record.train_frames)}); {draws}, smaller sets inside larger ones. "
            f"Every model is tested on the same {sum(record.test_frames.values())} held-out "
            f"frames ({_by_tier(record.test_frames)})."
        ),
        (
            "The law: force error = a N^-b with N training frames, a straight line fitted to the "
            f"logarithms. {_interval_words(fits)}{_floor_words(fits)}"
        ),
    ]
    if len(seeds) > 1 and sizes[-1] == total:
        section["text"].append(
            f"At N = {total} every draw holds all frames: the draws differ at smaller N only, so "
            "part of the scatter is missing there."
        )
    section["findings"] = [_exponents(fits[~lawless])] if (~lawless).any() else []
    if lawless.any():
        section["findings"].append(
            f"{_curves_word(int(lawless.sum()))}: the error does not fall with the frames, in one "
            "draw of them; that is no law. More draws (--repeats) would tell."
        )
    section["figures"] = [
        picture(one.title, one.caption, inside(place, one.file)) for one in record.figures
    ]
    by = ["learner", "l_max", "label_set"]
    last = points[points["n_train"] == sizes[-1]]
    means = last.groupby(by, as_index=False)["force_percent_error"].mean()
    means = means.rename(columns={"force_percent_error": "largest_error"})
    joined = fits.merge(means, on=by, how="left")
    there = [one for one in _FITS if one.name in joined and joined[one.name].notna().any()]
    section["table"] = sortable_table(joined, there)
    points["energy_mae_mev_per_atom"] = 1000 * points["energy_mae_ev_per_atom"]
    shown = [one for one in _POINTS if points[one.name].notna().any()]
    section["more"] = {
        "title": f"All {len(points)} trainings",
        "table": sortable_table(points.sort_values([*by, "n_train", "seed"]), shown),
    }
    section["links"] = _links(("learning_curve.csv", "learning_curve_fit.csv"))
    return section


def _curves_word(count: int) -> str:
    return "One curve" if count == 1 else f"{count} curves"


def _floor_words(fits: pd.DataFrame) -> str:
    """Say what the fits with a floor are; nothing where there is none."""
    if "floor" not in fits or fits["floor"].isna().all():
        return ""
    return (
        " With a floor: a N^-b + c, from four sizes on; its interval (two draws or more) holds the "
        "covariance of the points over the test frames that they share."
    )


def _exponents(fits: pd.DataFrame) -> str:
    low, high = (float(fits["exponent"].agg(end)) for end in ("min", "max"))
    n = len(fits)
    curves = "one curve" if n == 1 else f"{n} curves"
    range_words = f"b = {low:.2f}" if n == 1 else f"b runs from {low:.2f} to {high:.2f}"
    known = fits["exponent_low"].notna()
    if not known.any():
        return f"Over {curves}, {range_words}; without intervals none of this is more than a guess."
    above, n_known = int((fits["exponent_low"] > 0).sum()), int(known.sum())
    if above == 0:
        return (
            f"Over {curves}, {range_words}. No interval of b lies above zero: so few trainings do "
            f"not settle whether more frames help."
        )
    if above == n_known:
        return (
            f"Over {curves}, {range_words}. Every interval of b lies above zero: more frames help."
        )
    return (
        f"Over {curves}, {range_words}. {above} of {n_known} intervals of b lie above zero: for "
        f"these curves more frames help, for the others that is not settled."
    )


def _interval_words(fits: pd.DataFrame) -> str:
    if int(fits["n_seeds"].max()) > 1:
        text = (
            "Small: the 95 % interval of b from the scatter between draws and over the held-out "
            "frames that all points share (Student's t)"
        )
        few = int(fits["n_seeds"].min()) == 2
        return (
            f"{text}; with two draws it is very wide, more draws narrow it." if few else f"{text}."
        )
    if int(fits["n_sizes"].max()) > 2:
        return "Small: the 95 % interval of b from the distances of the points to the line."
    return "Two sizes and one draw give no interval, and R² is 1 whatever the errors are."


def _transfer(place: Path, record: StudyRecord) -> dict[str, Any]:
    import pandas as pd

    section = new_section("Transfer", place.name, command=record.command)
    table = pd.read_csv(place / "transfer.csv")
    trained, tested = (
        {str(tier): int(count) for tier, count in zip(table[tiers], table[counts], strict=True)}
        for tiers, counts in (("trained_on", "n_train"), ("tested_on", "n_test_frames"))
    )
    section["text"] = [
        (
            f"{_learners(table)}, trained on the frames of one tier alone ({_by_tier(trained)}) "
            f"and tested on the held-out frames of every tier ({_by_tier(tested)}); seed "
            f"{record.seed}. Cells: force error, 100 MAE/MAV in %; small: 95 % "
            f"interval over the held-out frames of that tier. Framed: trained and tested on the "
            f"same tier."
        )
    ]
    groups = list(table.groupby(["learner", "label_set"], sort=False))
    section["findings"] = [_worst(str(a), str(b), rows) for (a, b), rows in groups]
    if min(tested.values()) < FEWEST:
        section["warnings"] = [
            (f"A tier holds only {min(tested.values())} held-out frames: too few for an interval.")
        ]
    top = float(table["percent_error"].max())
    section["matrix"] = {
        "tested": tested,
        "groups": [
            {"name": f"{a}, {b}", "rows": _matrix_rows(rows, trained, tested, top)}
            for (a, b), rows in groups
        ],
    }
    section["links"] = _links(("transfer.csv",))
    return section


def _matrix_rows(
    rows: pd.DataFrame, trained: Mapping[str, int], tested: Iterable[str], top: float
) -> list[dict[str, Any]]:
    cells = {(row["trained_on"], row["tested_on"]): row for _, row in rows.iterrows()}
    lines = []
    for start in trained:
        line = []
        for end in tested:
            cell = cells[start, end]
            low, high = cell["percent_error_low"], cell["percent_error_high"]
            line.append(
                {
                    "text": f"{cell['percent_error']:.1f}",
                    "interval": f"{low:.1f} to {high:.1f}" if low < high else "",
                    # colour by the logarithm: errors of several sizes stand side by side
                    "share": round(100 * _share(float(cell["percent_error"]), top)),
                    "own": start == end,
                }
            )
        lines.append({"trained_on": start, "n_train": trained[start], "cells": line})
    return lines


def _share(error: float, top: float) -> float:
    """Place of an error between a tenth of the largest and the largest, 0 to 1, logarithmic."""
    return float(np.clip(1 + np.log10(max(error, 1e-12) / top), 0, 1)) if top > 0 else 0.0


def _worst(learner: str, label_set: str, rows: pd.DataFrame) -> str:
    """Tell the pair of tiers that costs most."""
    pairs = rows[rows["trained_on"] != rows["tested_on"]]
    if pairs.empty:
        return f"{learner}, {label_set}: there are held-out frames of one tier only."
    known = pairs[pairs["change"].notna()]
    by = "change" if len(known) else "percent_error"
    worst = (known if len(known) else pairs).sort_values(by).iloc[-1]
    text = (
        f"{learner}, {label_set}: trained on {worst['trained_on']} and tested on "
        f"{worst['tested_on']} the force error is {worst['percent_error']:.1f} %"
    )
    if not len(known):
        return f"{text}, the largest of all."
    between = row_interval(worst, "change", "+.1f")
    return (
        f"{text}, {worst['change']:+.1f} points{between} against training on "
        f"{worst['tested_on']} itself: the costliest step."
    )


def _learners(table: pd.DataFrame) -> str:
    names = _listed(list(dict.fromkeys(table["learner"])))
    if "l_max" in table.columns:
        values = [one for one in dict.fromkeys(table["l_max"]) if one != "default"]
        names += f" with l_max {_listed(values)}" if values else ""
    sets = list(dict.fromkeys(table["label_set"]))
    return f"{names}, label set{'s' * (len(sets) > 1)} {_listed(sets)}"


def _by_tier(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {tier}" for tier, count in counts.items())


def _listed(items: Sequence[Any]) -> str:
    words = [str(one) for one in items]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _links(names: Sequence[str]) -> list[dict[str, str]]:
    return [{"name": name} for name in names]
