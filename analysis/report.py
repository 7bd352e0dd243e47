"""One self-contained report.html: what was run, what was found, what cannot be concluded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dosml.analysis.columns import describe, format_value
from dosml.analysis.findings import findings, limits, warnings
from dosml.analysis.pages import fact_groups, fact_lines, page, picture, sortable_table
from dosml.analysis.study import setting_name
from dosml.files import whole_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from dosml.analysis.figure_style import FigureRecord
    from dosml.analysis.study import ScanStudy

#: The first table: a column, or a column with the ends of its interval in one cell.
_MAIN = (
    "sigma_ev",
    "electrons_per_atom_shift",
    "force_percent_error",
    "force_percent_error_change",
    "force_mae_ev_per_angstrom",
    "force_mav_ev_per_angstrom",
    "energy_mae_ev_per_atom",
    "d_band_center_ev",
    "d_band_width_ev",
    "d_band_filling",
    "n_d_fermi_states_per_ev_atom",
    "n_d_fermi_bare_states_per_ev_atom",
    "fermi_level_shift_ev",
    "d_sharpness_states_per_ev2_atom",
    "d_response_states2_per_ev_atom2",
    "force_change_rms_ev_per_angstrom",
    "force_change_direction_share",
    "force_change_mean_angle_degrees",
)


def write_report(
    path: Path, study: ScanStudy, table: pd.DataFrame, figures: Sequence[FigureRecord]
) -> None:
    """Write the report, whole or not at all.

    Parameters
    ----------
    path
        Where to.
    study, table
        The scan and its `dosml.analysis.study.summarise`.
    figures
        From `dosml.analysis.figures.draw_figures`; their PNG files are embedded.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    html = page(
        "report.html",
        formula=study.formula,
        n_frames=len(study.tiers),
        n_test=len(study.test_tiers),
        settings=[setting_name(s) for s in study.settings],
        engine=str(study.facts.get("engine", "")),
        scheme=study.reference.smearing.scheme,
        reference=setting_name(study.reference),
        findings=findings(study, table),
        warnings=warnings(study, table),
        limits=limits(study),
        figures=[picture(f.title, f.caption, f.png) for f in figures],
        main=_main_table(study, table),
        every=_full_table(table),
        command=str(study.facts.get("command", "")),
        dropped=fact_lines(study.facts.get("dropped_frames", [])),
        facts=fact_groups(study.facts),
        bootstrap=f"{len(study.weights)} resamples, seed {study.bootstrap_seed}",
    )
    with whole_file(path) as partial:
        partial.write_text(html, encoding="utf-8")


def _main_table(study: ScanStudy, table: pd.DataFrame) -> dict[str, object]:
    names = [name for name in _MAIN if name != "electrons_per_atom_shift" or name in study.varies]
    return sortable_table(table, [describe(name) for name in names])


def _full_table(table: pd.DataFrame) -> list[dict[str, object]]:
    """Every column as a line: definition, unit and a value per setting."""
    return [
        {"column": describe(name), "values": [format_value(name, v) for v in table[name]]}
        for name in table.columns
    ]
