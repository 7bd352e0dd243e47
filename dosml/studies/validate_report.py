"""Tables, figure and report of a validation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from dosml.analysis.figures.stability import STABILITY_FIGURE, stability_figure
from dosml.analysis.figures.style import house_style, save_figure
from dosml.analysis.report.answer import Answer
from dosml.analysis.report.stability_report import check_section, crystal_section, run_section
from dosml.analysis.report.study_report import write_study_report
from dosml.analysis.statistics.stability import (
    Check,
    Run,
    distribution_difference,
    failures,
    guesses,
    pair_distribution,
    run_rows,
    verdict,
)
from dosml.analysis.statistics.tables import write_tables
from dosml.studies.model_runs import Trajectory, neighbour_distance
from dosml.version import run_versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dosml.analysis.statistics.stability import Series
    from dosml.studies.model_study import ModelStudy

#: Å: how far pair distributions reach.
REACH = 7.0
_NEVER = (
    "Short runs of a small periodic cell: what happens in a nanosecond, at surfaces or in other "
    "phases is not looked at. A model that passes may still be wrong; one that fails is not usable."
)


@dataclass(frozen=True)
class Validated:
    """What a validation leaves behind.

    Attributes
    ----------
    folder, report
        Where it lies.
    stable
        Whether every check that decides was passed.
    sentence
        The verdict.
    runs, crystals
        Tables.
    checks
        Every number against its limit.
    """

    folder: Path
    report: Path
    stable: bool
    sentence: str
    runs: pd.DataFrame
    crystals: pd.DataFrame
    checks: tuple[Check, ...]


def _distributions(
    trajectories: Sequence[Trajectory], references: Mapping[float, Trajectory]
) -> dict[float, Series]:
    """Pair distributions of the model and of the sampling potential, by temperature."""
    found = {}
    for one in trajectories:
        if one.run.ensemble != "NVT" or len(one.frames) < 2:
            continue
        distances, mine = pair_distribution(one.frames[1:], REACH)
        other = references.get(one.run.temperature)
        theirs = None if other is None else pair_distribution(other.frames[1:], REACH)[1]
        found[one.run.temperature] = (distances, mine, theirs)
    return found


def write_validation(
    study: ModelStudy,
    name: str,
    trajectories: Sequence[Trajectory],
    references: Mapping[float, Trajectory],
    checks: Sequence[Check],
    crystals: pd.DataFrame,
    melting: pd.DataFrame | None,
) -> Validated:
    """Write what was found: `validation.csv`, `checks.csv`, `crystals.csv`, the figure, the report.

    Parameters
    ----------
    study
        What was judged.
    name
        Of the crystal.
    trajectories, references
        Runs of the model, and of the sampling potential by temperature.
    checks
        Numbers against their limits.
    crystals, melting
        Tables; no melting, no table.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    out, runs = study.out, [one.run for one in trajectories]
    rows = run_rows(runs, checks)
    distributions = _distributions(trajectories, references)
    for row in rows:
        series = distributions.get(float(row["temperature_k"]))
        compared = row["ensemble"] == "NVT" and series is not None and series[2] is not None
        row["pair_distribution_difference_percent"] = (
            distribution_difference(series[1], series[2])  # type: ignore[index, arg-type]
            if compared
            else math.nan
        )
    table = pd.DataFrame(rows)
    write_tables(table, out, "validation")
    write_tables(pd.DataFrame([vars(one) for one in checks]), out, "checks")
    write_tables(crystals, out, "crystals")
    if melting is not None:
        write_tables(melting, out, "melting")
    caption = (
        "Total energy of the runs at constant energy; shortest distance of two atoms, in "
        "neighbour distances (full lines: constant temperature, broken: constant energy, dotted: "
        "zero pressure; the level line is the least that passes); pair distribution at constant "
        "temperature (broken: sampling potential); volume at zero pressure."
    )
    with house_style():
        figure = save_figure(
            stability_figure(runs, distributions, neighbour_distance(study.cell)),
            out / "figures",
            STABILITY_FIGURE,
            title=f"Molecular dynamics of {study.model.name}",
            caption=caption,
        )
    words = verdict(checks)
    sentence = f"{study.model.name} on {name} is {words}."
    stable = not failures(checks)
    sections = [
        run_section(table),
        check_section(checks),
        crystal_section(crystals),
    ]
    report = write_study_report(
        out,
        Answer(
            question=f"{name}: is {study.model.name} stable?",
            sentence=sentence,
            limits=(
                f"{len(runs)} runs of {study.steps} steps, {len(study.cell)} atoms, one seed.",
                f"Forces are held against {study.reference_name}.",
            ),
            findings=tuple(_findings(runs, checks, crystals, melting, study)),
            figure=STABILITY_FIGURE,
            word=_word(checks),
        ),
        sections,
        lead=f"{study.model.name} on {len(study.cell)} atoms of {name}.",
        figures=[figure],
        warnings=[
            one
            for one in (study.model.warning, study.engine.warning if study.engine else "")
            if one
        ],
        limits=[_NEVER],
        facts={
            "command": study.reporter.command,
            "seed": study.seed,
            "versions": run_versions(),
        },
    )
    return Validated(out, report, stable, sentence, table, crystals, tuple(checks))


def _word(checks: Sequence[Check]) -> str:
    """Yes and No where the checks tell; forces that are guesses tell nothing."""
    if failures(checks):
        return "No"
    return "Undecided" if guesses(checks) else "Yes"


def _findings(
    runs: Sequence[Run],
    checks: Sequence[Check],
    crystals: pd.DataFrame,
    melting: pd.DataFrame | None,
    study: ModelStudy,
) -> list[str]:
    lines = []
    drifts = [abs(one.drift) for one in runs if one.ensemble == "NVE" and math.isfinite(one.drift)]
    if drifts:
        lines.append(f"Energy drift at constant energy: at most {max(drifts):.2g} meV/atom/ps.")
    grades = [one.grade for one in runs if math.isfinite(one.grade)]
    if grades:
        guess = [one.where for one in guesses(checks)]
        tail = f"; it extrapolates in {', '.join(guess)}" if guess else ""
        lines.append(
            f"Its own standard deviation of forces reaches {100 * max(grades):.0f} % of them{tail}."
        )
    errors = [one.error_percent for one in runs if math.isfinite(one.error_percent)]
    if errors:
        lines.append(
            f"Forces along the runs are {min(errors):.0f} to {max(errors):.0f} % from those of "
            f"{study.reference_name}."
        )
    if melting is not None:
        each = "; ".join(
            f"{row['calculator']}: {row['outcome']}" for row in melting.to_dict("records")
        )
        lines.append(f"Superheated crystal: {each}.")
    elif len(crystals) > 1:
        row = crystals.iloc[0]
        lines.append(
            f"a = {row['a_angstrom']:.3f} Å, bulk modulus {row['bulk_modulus_gpa']:.0f} GPa, C44 "
            f"{row['c44_gpa']:.0f} GPa."
        )
    return lines
