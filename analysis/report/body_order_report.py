"""What a body-order expansion says, in words, in a section and at the top of a report."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from dosml.analysis.measures.column import Column, row_interval
from dosml.analysis.report.answer import Answer
from dosml.analysis.report.pages import new_section, picture, sortable_table
from dosml.analysis.statistics.body_order import changes
from dosml.files import inside

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dosml.analysis.report.study_record import StudyFigure
    from dosml.analysis.statistics.body_order import Change

#: Names of the tables of the study, without their endings.
ORDERS, CLUSTERS, SUMMARY, PARTS = "body_orders", "clusters", "body_order", "part_errors"
_MEV = 1000.0
_CHI = "chi_4_states2_per_ev_atom2"
#: Binding energies of less than this share of the largest one of the same source and subject.
_WEAK = 0.3
_COLUMNS = (
    Column("source", "source", "", "Engine, or force field."),
    Column("setting", "setting", "", "Electronic setting, or label set of a force field."),
    Column("subject", "of", "", "What the clusters are of."),
    Column("n_atoms", "atoms", "", "Of a cluster.", 0),
    Column("n_clusters", "clusters", "", "Behind the means.", 0),
    Column("binding_ev_per_atom", "binding", "eV/atom", "Energy against single atoms.", 3),
    Column(
        "effective_body_order",
        "effective order",
        "",
        "Mean of the smallest number of bodies from which on the sum of all orders up to it holds "
        "the share of the binding energy.",
        2,
    ),
    Column(
        "remainder",
        "missing share",
        "",
        "Mean over K = 2 ... N - 1 of what the sum up to K lacks, over the binding energy.",
        3,
    ),
    Column(
        "effective_force_order",
        "force order",
        "",
        "The same for forces: what the sum lacks is at most 1 - share of them (RMS).",
        2,
    ),
    Column("force_remainder", "missing of forces", "", "Mean over K of that ratio.", 3),
    Column("tail", "last / largest", "", "|E_N| over the largest |E_k|, geometric mean.", 4),
    Column("mean_abs_e2_ev_per_atom", "|E_2|", "eV/atom", "Mean of the two-body energies.", 3),
    Column("mean_abs_e3_ev_per_atom", "|E_3|", "eV/atom", "Mean of the three-body energies.", 3),
    Column("mean_abs_e4_ev_per_atom", "|E_4|", "eV/atom", "Mean of the four-body energies.", 3),
    Column(
        "sum_rmse_3_ev_per_atom", "error up to 3", "eV/atom", "Of the sum of three orders, RMS.", 3
    ),
    Column(
        "force_sum_rmse_3_ev_per_angstrom", "force error up to 3", "eV/Å", "The same, forces.", 3
    ),
    Column("chi_4_states2_per_ev_atom2", "chi_4", "states²/eV/atom²", "Of the clusters' d-DOS.", 3),
)
_PART_COLUMNS = (
    Column("source", "force field", "", "Learner."),
    Column("setting", "label set", "", "That it was trained on and is compared with."),
    Column("subject", "of", "", "What the clusters are of."),
    Column("part_atoms", "atoms of part", "", "Parts of all clusters, by their size.", 0),
    Column("n_parts", "parts", "", "How many.", 0),
    Column("energy_rmse_ev_per_atom", "energy RMSE", "eV/atom", "Of total energies.", 3),
)


def body_order_sentences(
    clusters: pd.DataFrame, summary: pd.DataFrame, parts: pd.DataFrame
) -> list[str]:
    """Say what was found; the first sentence is the answer.

    Parameters
    ----------
    clusters, summary, parts
        From `dosml.analysis.statistics.body_order`; parts may be empty.
    """
    share = float(clusters["share"].iloc[0])
    sentences = []
    for source, mine in clusters.groupby("source", sort=False):
        for axis in ("sigma_ev", "electrons_per_atom_shift"):
            sentences += _along(str(source), mine, axis, share)
    if not sentences:
        sentences = [_level(row, share) for _, row in summary.iterrows()]
    sentences += [*_chi(summary), *_weak(summary), *_beyond(clusters)]
    if len(parts):
        sentences += [
            _parts_words(str(source), str(setting), mine)
            for (source, setting), mine in parts.groupby(["source", "setting"], sort=False)
        ]
    return sentences


def _along(source: str, clusters: pd.DataFrame, axis: str, share: float) -> list[str]:
    """Say what an axis does, in one sentence for all subjects and one for each."""
    found = {measure: changes(clusters, axis, measure) for measure in _WORDS}
    subjects = dict.fromkeys(one.subject for some in found.values() for one in some)
    sentences = []
    for subject in sorted(subjects, key=bool):  # all together first
        mine = {
            measure: one
            for measure, some in found.items()
            for one in some
            if one.subject == subject
        }
        first = next(iter(mine.values()))
        head = f"{source}, {subject or 'all subjects together'}, from {first.first} to {first.last}"
        sizes = " and ".join(map(str, first.sizes))
        # a sentence each: the first is the answer
        sentences += [
            f"{head}: {_change_words(one, _WORDS[name], share)} "
            f"({one.n} clusters of {sizes} atoms)."
            for name, one in mine.items()
        ]
    return sentences


#: Measure of a cluster -> what it is, in words, and the digits that it is given with.
_WORDS = {
    "effective_body_order": ("bodies for {share:g} % of the binding energy", ".2f"),
    "force_remainder": ("what truncated sums lack of the forces, mean over K", ".2f"),
    "tail": ("the last order over the largest one", ".2g"),
}


def _change_words(one: Change, words: tuple[str, str], share: float) -> str:
    name, digits = words[0].format(share=100 * share), words[1]
    factor = one.none == 1
    sign = "" if factor else "+"
    change = f"{'factor ' if factor else ''}{one.mean:{sign}{digits}}"
    if not math.isfinite(one.low):
        interval = ", no interval: too few clusters"
    else:
        interval = f", 95 %: {one.low:{sign}{digits}} to {one.high:{sign}{digits}}"
        interval += "" if one.shown else ", no change is shown"
    return f"{name} {one.before:{digits}} to {one.after:{digits}} ({change}{interval})"


def _weak(summary: pd.DataFrame) -> list[str]:
    """Warn of settings at which clusters hardly bind, or not at all."""
    strong = summary.groupby(["source", "subject"])["binding_ev_per_atom"].transform("min")
    weak = summary[summary["binding_ev_per_atom"] > _WEAK * strong]
    if weak.empty:
        return []
    where = dict.fromkeys(f"{row['subject']} at {row['setting']}" for _, row in weak.iterrows())
    return [
        (
            f"Clusters hardly bind, or not at all, as free energies: {', '.join(where)}. Shares of "
            "a binding energy near zero say little; forces and the fall of the terms do."
        )
    ]


def _chi(summary: pd.DataFrame) -> list[str]:
    """Put chi_4 beside the convergence of the largest clusters at the narrowest smearing."""
    if _CHI not in summary:
        return []
    sentences = []
    known = summary[summary[_CHI].notna()]
    for source, mine in known.groupby("source", sort=False):
        at = mine[mine["sigma_ev"] == mine["sigma_ev"].min()]
        at = at[at["electrons_per_atom_shift"].abs() == at["electrons_per_atom_shift"].abs().min()]
        at = at[at["n_atoms"] == at["n_atoms"].max()].sort_values(_CHI, ascending=False)
        if len(at) > 1:
            texts = [
                f"{row['subject']} {row[_CHI]:.2g} "
                f"({row['force_remainder']:.2f}, {row['tail']:.2g})"
                for _, row in at.iterrows()
            ]
            sentences.append(
                f"{source}, {at['setting'].iloc[0]}: chi_4 of the d-DOS, falling, with what "
                f"truncated sums lack of the forces and the last order over the largest one: "
                f"{', '.join(texts)}."
            )
    return sentences


def _parts_words(source: str, setting: str, parts: pd.DataFrame) -> str:
    means = parts.groupby("part_atoms")["energy_rmse_ev_per_atom"].mean()
    errors = ", ".join(f"{_MEV * error:.0f} for {size}" for size, error in means.items())
    return f"{source}, {setting}: energy error by atoms of a part, meV/atom: {errors}."


def _level(row: pd.Series, share: float) -> str:
    order = row["effective_body_order"]
    setting = f", {row['setting']}" if row["setting"] else ""
    head = f"{row['source']}{setting}, {row['subject']}, {row['n_atoms']} atoms: "
    if not math.isfinite(order):
        return f"{head}the orders at hand do not hold {100 * share:g} % of the binding energy."
    between = row_interval(row, "effective_body_order")
    return (
        f"{head}{100 * share:g} % of the binding energy takes {order:.1f} bodies{between}, mean "
        f"of {row['n_clusters']} clusters."
    )


def _beyond(clusters: pd.DataFrame) -> list[str]:
    """Say how many clusters do not come to the share, whose mean would be too small."""
    count = int(clusters["effective_body_order"].isna().sum())
    if not count:
        return []
    return [
        (
            f"{count} of {len(clusters)} expansions do not reach the share with the orders that "
            "were asked for, or do not bind: the means are of the others."
        )
    ]


def body_order_answer(
    target: str, sentences: Sequence[str], words: Sequence[str], *, figure: str
) -> Answer:
    """Put the first sentence at the top, with what limits it."""
    return Answer(
        question=f"How many bodies does {target} need?",
        sentence=sentences[0],
        limits=(*words[:2], "Clusters in vacuum; intervals hold the scatter of the clusters only."),
        findings=tuple(sentences[1:5]),
        figure=figure,
    )


def body_order_section(
    place: Path, command: str, figures: Sequence[StudyFigure] = ()
) -> dict[str, Any]:
    """Make the section of a study from its tables.

    Parameters
    ----------
    place
        Folder with the tables, and with the figures that are named.
    command
        What the user gave.
    figures
        To be shown in the section.

    Raises
    ------
    OSError, ValueError, KeyError
        If the tables cannot be used.
    """
    words = {"setting": str, "subject": str, "source": str}
    names = [
        name for name in (ORDERS, CLUSTERS, SUMMARY, PARTS) if (place / f"{name}.csv").exists()
    ]
    tables = {
        name: pd.read_csv(place / f"{name}.csv", dtype=words, keep_default_na=False, na_values=[""])
        for name in names
    }
    parts = tables.get(PARTS, pd.DataFrame())
    summary = tables[SUMMARY]
    section = new_section("Body orders", place.name, command=command)
    section["text"] = [
        (
            "The energy of a cluster is the sum of the terms of all its sets of atoms, by "
            "inclusion and exclusion: E_k is the sum over all sets of k atoms. Clusters stand in "
            "vacuum; environments are an atom with its nearest neighbours."
        ),
    ]
    section["findings"] = body_order_sentences(tables[CLUSTERS], summary, parts)
    section["figures"] = [
        picture(one.title, one.caption, inside(place, one.file)) for one in figures
    ]
    shown = [one for one in _COLUMNS if one.name in summary and summary[one.name].notna().any()]
    section["table"] = sortable_table(summary, shown)
    if len(parts):
        section["more"] = {
            "title": "Errors of the force fields on parts, by size",
            "table": sortable_table(parts, _PART_COLUMNS),
        }
    section["links"] = [{"name": f"{name}.csv"} for name in names]
    return section
