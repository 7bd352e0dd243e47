"""Sections of the report of a validation: runs, checks, crystal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from dosml.analysis.measures.column import Column
from dosml.analysis.report.pages import new_section, sortable_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dosml.analysis.statistics.stability import Check

_RUNS = (
    Column("run", "run", "", "Ensemble and temperature."),
    Column("duration_ps", "time", "ps", "How long it ran.", 2),
    Column("drift_mev_per_atom_ps", "drift", "meV/atom/ps", "Slope of the total energy.", 2),
    Column("mean_temperature_k", "mean T", "K", "Kinetic temperature.", 0),
    Column("volume_angstrom3_per_atom", "volume", "Å³/atom", "At the end.", 2),
    Column("closest_angstrom", "closest", "Å", "Shortest distance of two atoms in the run.", 2),
    Column("extrapolation", "σ(F)/F", "", "Largest predicted standard deviation of forces.", 2),
    Column("reference_error_percent", "force error", "%", "Against the engine, along the run.", 1),
    Column("pair_distribution_difference_percent", "Δg(r)", "%", "To the sampling potential.", 1),
    Column(
        "verdict",
        "verdict",
        "",
        "Whether a check failed; guesses: forces that the model cannot know.",
    ),
)
_CHECKS = (
    Column("where", "where", "", "Run, or the crystal."),
    Column("what", "what", "", "What was looked at."),
    Column("value", "value", "", "The number.", 3),
    Column("limit", "expected", "", "The limit."),
    Column("unit", "unit", "", "Of the number."),
    Column("outcome", "outcome", "", "Whether it is within; notes decide nothing."),
)
_CRYSTALS = (
    Column("calculator", "calculator", "", "What computed it."),
    Column("a_angstrom", "a", "Å", "Lattice constant at zero pressure.", 3),
    Column("c_angstrom", "c", "Å", "Lattice constant at zero pressure.", 3),
    Column("volume_angstrom3_per_atom", "volume", "Å³/atom", "At zero pressure.", 2),
    Column("bulk_modulus_gpa", "B", "GPa", "Bulk modulus (Voigt).", 0),
    Column("c11_gpa", "C11", "GPa", "Elastic constant, atoms relaxed.", 0),
    Column("c12_gpa", "C12", "GPa", "Elastic constant, atoms relaxed.", 0),
    Column("c13_gpa", "C13", "GPa", "Elastic constant, atoms relaxed.", 0),
    Column("c33_gpa", "C33", "GPa", "Elastic constant, atoms relaxed.", 0),
    Column("c44_gpa", "C44", "GPa", "Elastic constant, atoms relaxed.", 0),
)


def run_section(table: pd.DataFrame) -> dict[str, Any]:
    """Show the runs, and why some ended early."""
    section = new_section("Runs", "runs")
    section["table"] = sortable_table(table, _RUNS)
    section["findings"] = [
        f"{row['run']} ended early: {row['ended']}."
        for row in table.to_dict("records")
        if row["ended"]
    ]
    section["open"] = True
    return section


def check_section(checks: Sequence[Check]) -> dict[str, Any]:
    """Show every number against its limit."""
    section = new_section("Checks", "checks")
    table = pd.DataFrame([vars(one) for one in checks])
    table["outcome"] = [
        "passed" if one.passed else ("FAILED" if one.decides else "note") for one in checks
    ]
    section["table"] = sortable_table(table, _CHECKS)
    return section


def crystal_section(table: pd.DataFrame) -> dict[str, Any]:
    """Show lattice and elastic constants."""
    section = new_section("Crystal", "crystal")
    section["table"] = sortable_table(table, [one for one in _CRYSTALS if one.name in table])
    return section
