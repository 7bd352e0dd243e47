"""Tables, figures, structure file and report of a search."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ase.io
import pandas as pd

from dosml.analysis.figures.searches import (
    STRUCTURE_FIGURE,
    TRACE_FIGURE,
    structure_figure,
    trace_figure,
)
from dosml.analysis.figures.style import save_figures
from dosml.analysis.report.answer import Answer
from dosml.analysis.report.searches_report import prior_section, structure_section
from dosml.analysis.report.study_report import write_study_report
from dosml.analysis.statistics.errors import CONFIDENCE
from dosml.analysis.statistics.searches import difference_rows, prior_rows
from dosml.analysis.statistics.tables import write_tables
from dosml.files import whole_file
from dosml.searches.ranking import symmetry_of
from dosml.searches.settings import CLASSICAL, NONE
from dosml.version import run_versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from dosml.analysis.statistics.searches import Trace
    from dosml.progress import Reporter
    from dosml.relabel.engines.base import Engine
    from dosml.searches.ranking import Found
    from dosml.searches.settings import SearchSettings

#: File of the structures, and how many are drawn; sentences about priors that lead the report.
STRUCTURES, DRAWN, MOST_FINDINGS = "structures.extxyz", 6, 4
_MEV = 1000.0
_LIMITS = (
    (
        "A search proves nothing: the best of these structures is the best that was found in so "
        "many calls, not the ground state."
    ),
    (
        "Calls until within 10 meV/atom are counted against the best that any of these searches "
        "found and the engine relaxed; relaxing is not counted."
    ),
)
_CLASSICAL_LIMIT = (
    "The classical prior is calibrated on the ground-state crystal of the metal: that a crystal "
    "search with it finds that crystal says little."
)


@dataclass(frozen=True)
class SearchResult:
    """What a search leaves behind.

    Attributes
    ----------
    folder, report
        Where it lies.
    structures
        Ranked structures, the lowest first, as in `structures.extxyz`.
    table
        One row per structure.
    priors, differences
        Calls of each prior until within 10 meV/atom of the best, and in how many seeds each is
        sooner than the last.
    sentence
        The answer.
    """

    folder: Path
    report: Path
    structures: tuple[Found, ...]
    table: pd.DataFrame
    priors: pd.DataFrame
    differences: pd.DataFrame
    sentence: str


def write_search(
    settings: SearchSettings,
    engine: Engine,
    reporter: Reporter,
    *,
    structures: Sequence[Found],
    traces: Sequence[Trace],
    relaxing: int,
    notes: Sequence[str],
) -> SearchResult:
    """Write what was found.

    Parameters
    ----------
    settings, engine, reporter
        Of the study.
    structures
        Ranked.
    traces
        Of the searches.
    relaxing
        Calls of the engine that relaxed the lowest structures.
    notes
        Warnings about the searches.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    folder, best = settings.folder, structures[0].value
    table = pd.DataFrame(_rows(settings, structures))
    priors = pd.DataFrame(prior_rows(traces, best))
    differences = pd.DataFrame(difference_rows(traces, best))
    told = told_priors(priors, settings.calls)
    write_tables(table, folder, "structures")
    write_tables(priors, folder, "priors")
    write_tables(_calls(traces), folder, "calls")
    _write_structures(folder / STRUCTURES, structures, table)
    figures = save_figures(_figures(settings, structures, traces, table), folder / "figures")
    sentence = search_sentence(settings, structures, table)
    limits = [*_LIMITS, *engine.limits]
    if settings.periodic and CLASSICAL in settings.prior:
        limits.append(_CLASSICAL_LIMIT)
    report = write_study_report(
        folder,
        Answer(
            question=f"{settings.name}: which structure has the lowest energy?",
            sentence=sentence,
            limits=(
                f"Energies: {engine.name}, σ = {settings.sigma:g} eV.",
                f"{len(traces)} searches of {settings.calls} calls, {relaxing} calls to relax.",
            ),
            findings=tuple([*_prior_words(told), *_difference_words(differences)][:MOST_FINDINGS]),
            figure=TRACE_FIGURE,
        ),
        [structure_section(table, STRUCTURES, figures[1:]), prior_section(told)],
        lead=f"{settings.name}, energies of {engine.name}.",
        figures=figures,
        warnings=[one for one in (engine.warning, *notes) if one],
        limits=limits,
        facts={"command": reporter.command, "seed": settings.seed, "versions": run_versions()},
    )
    return SearchResult(folder, report, tuple(structures), table, priors, differences, sentence)


def _figures(
    settings: SearchSettings,
    structures: Sequence[Found],
    traces: Sequence[Trace],
    table: pd.DataFrame,
) -> Iterator[tuple[str, str, str, Figure]]:
    """Name, title, caption and figure of each; drawn when asked for, in the style of the house."""
    yield (
        TRACE_FIGURE,
        f"Best energy of {settings.name} against calls",
        (
            "Lowest energy so far, above the best that was found: each search (thin) and the "
            "median of each prior; the dashed line is 10 meV/atom."
        ),
        trace_figure(traces, structures[0].value),
    )
    shown = table.head(DRAWN).to_dict("records")
    yield (
        STRUCTURE_FIGURE,
        f"Structures of {settings.name}",
        "The lowest structures, each kind once; those in brackets are as a search left them.",
        structure_figure(
            [one.atoms for one in structures[:DRAWN]],
            [_told(row) for row in shown],
            periodic=settings.periodic,
        ),
    )


def _told(row: Mapping[Any, Any]) -> str:
    text = f"{row['symmetry']}: +{row['above_mev']:.0f} meV/atom"
    return text if row["relaxed"] == "true" else f"({text})"


def search_sentence(
    settings: SearchSettings, structures: Sequence[Found], table: pd.DataFrame
) -> str:
    """Name the lowest structure, and the next one that was relaxed."""
    row = table.iloc[0]
    text = f"The lowest structure of {settings.name} that was found is {row['symmetry']}"
    if settings.periodic:
        text += f" with {row['volume_angstrom3_per_atom']:.2f} Å³/atom"
    # one that the engine did not relax may be the same structure, on its way down
    relaxed = [one.relaxed for one in structures]
    if relaxed.count(True) > 1:
        other = table[relaxed].iloc[1]
        text += (
            f", {other['above_mev']:.0f} meV/atom below the next that the engine relaxed "
            f"({other['symmetry']})"
        )
    return f"{text}."


def _rows(settings: SearchSettings, structures: Sequence[Found]) -> list[dict[str, Any]]:
    best = structures[0].value
    rows = []
    for rank, one in enumerate(structures, 1):
        row: dict[str, Any] = {
            "rank": rank,
            "value_ev_per_atom": one.value,
            "above_mev": _MEV * (one.value - best),
            "symmetry": symmetry_of(one.atoms, periodic=settings.periodic),
        }
        if settings.periodic:
            row["volume_angstrom3_per_atom"] = float(one.atoms.cell.volume) / len(one.atoms)
        rows.append(
            {**row, "search": one.search, "call": one.call, "relaxed": str(one.relaxed).lower()}
        )
    return rows


def _calls(traces: Sequence[Trace]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"prior": one.prior, "seed": one.seed, "call": number, "value_ev_per_atom": value}
            for one in traces
            for number, value in enumerate(one.values, 1)
        ]
    )


def _write_structures(path: Path, structures: Sequence[Found], table: pd.DataFrame) -> None:
    kept = []
    for one, row in zip(structures, table.to_dict("records"), strict=True):
        atoms = one.atoms.copy()
        atoms.info = {str(key): value for key, value in row.items()}
        kept.append(atoms)
    with whole_file(path) as partial:
        ase.io.write(partial, kept, format="extxyz")


def told_priors(priors: pd.DataFrame, calls: int) -> pd.DataFrame:
    """Put counts into words: "calls" such as 12 or "> 30", "interval", "gap_mev"."""
    return priors.assign(
        calls=[_count(one, calls) for one in priors["median_calls"]],
        interval=[_interval(row, calls) for row in priors.to_dict("records")],
        gap_mev=_MEV * priors["gap_ev_per_atom"],
    )


def _count(value: float, calls: int) -> str:
    return f"{value:g}" if math.isfinite(value) else f"> {calls}"


def _interval(row: Mapping[Any, Any], calls: int) -> str:
    """Words of an interval; none of one seed."""
    if row["searches"] < 2:
        return ""
    low, high = (_count(row[name], calls) for name in ("calls_low", "calls_high"))
    return f"{low} to {high} ({100 * row['confidence']:.0f} %)"


def _prior_words(told: pd.DataFrame) -> list[str]:
    return [
        f"{_prior_name(row['prior'])}: within 10 meV/atom of the best in {row['reached']} of "
        f"{row['searches']} searches; median of the calls until then {row['calls']}"
        + (f", interval {row['interval']}." if row["interval"] else ".")
        for row in told.to_dict("records")
    ]


def _prior_name(prior: str) -> str:
    return "Without a prior" if prior == NONE else f"Prior {prior}"


def _difference_words(differences: pd.DataFrame) -> list[str]:
    return [
        f"Seed by seed the prior {row['prior']} is sooner than {row['against']} in {row['sooner']} "
        f"and later in {row['later']} (sign test p = {row['p_value']:.2f}"
        + (")." if row["p_value"] < 1 - CONFIDENCE else "), which shows no difference.")
        for row in differences.to_dict("records")
    ]
