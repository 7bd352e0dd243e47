"""One self-contained report.html: what was run, what was found, what cannot be concluded."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError

from dosml.analysis.figures.electron_swap import SWAP_FIGURE
from dosml.analysis.figures.learners import LEARNER_FIGURE
from dosml.analysis.measures.columns import describe, format_value
from dosml.analysis.measures.table import MEASURES
from dosml.analysis.report.answer import Answer, answer
from dosml.analysis.report.findings import findings, limits, warnings
from dosml.analysis.report.learner_section import learner_section
from dosml.analysis.report.pages import fact_groups, fact_lines, page, picture, sortable_table
from dosml.analysis.report.study_sections import study_sections
from dosml.analysis.statistics.campaigns import CONTENT, report_content
from dosml.analysis.statistics.errors import INTERVAL_WORDS
from dosml.analysis.statistics.label_noise import MARK, MARK_WORDS, within_noise
from dosml.errors import InputError
from dosml.files import inside, whole_file
from dosml.records import RUN_AGAIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from dosml.analysis.figures.style import FigureRecord
    from dosml.analysis.statistics.scan import ScanData

#: The first table: a column, or a column with the ends of its interval in one cell.
_MAIN = (
    "sigma_ev",
    "electrons_per_atom_shift",
    "force_percent_error",
    "force_percent_error_change",
    "force_mae_ev_per_angstrom",
    "force_mav_ev_per_angstrom",
    "label_noise_percent",
    "denser_grid_percent_error",
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
    path: Path,
    scan: ScanData,
    table: pd.DataFrame,
    figures: Sequence[FigureRecord],
    *,
    learners: pd.DataFrame | None = None,
    sections: Sequence[dict[str, Any]] = (),
) -> None:
    """Write the report, whole or not at all, and beside it what it is made of (`report.json`).

    Studies of trainings in the same folder (`study_sections`) are sections of it.

    Parameters
    ----------
    path
        Where to.
    scan, table
        The scan and its `dosml.analysis.statistics.scan.summarise`.
    figures
        From `dosml.analysis.figures.scan_figures.draw_figures`; their PNG files are embedded.
    learners
        From `dosml.analysis.statistics.learner_table.learner_table` where the scan trained several.
    sections
        Further parts, see `dosml.analysis.report.pages.new_section`.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    found = _answer(scan, table, figures)
    content = {
        "formula": scan.formula,
        "n_frames": len(scan.tiers),
        "n_test": len(scan.test_tiers),
        "settings": [scan.name(s) for s in scan.settings],
        "engine": str(scan.facts.get("engine", "")),
        "engine_warning": str(scan.facts.get("engine_warning", "")),
        "given_limits": fact_lines(scan.facts.get("limits", [])),
        "scheme": scan.reference.smearing.scheme,
        "reference": scan.name(scan.reference),
        "answer": found,
        "findings": findings(scan, table),
        "warnings": _beyond_the_answer(warnings(scan, table), found),
        "limits": limits(scan),
        "figures": [
            {"title": f.title, "caption": f.caption, "png": os.path.relpath(f.png, path.parent)}
            for f in figures
        ],
        "main": _main_table(scan, table),
        "mark": MARK_WORDS if within_noise(table).any() else "",
        "every": _full_table(table),
        "command": str(scan.facts.get("command", "")),
        "dropped": fact_lines(scan.facts.get("dropped_frames", [])),
        "facts": fact_groups(scan.facts),
        "intervals": INTERVAL_WORDS,
        "sections": list(sections),
        "learners": None if learners is None else learner_section(scan, learners),
    }
    with whole_file(path.with_name(CONTENT)) as partial:
        partial.write_text(json.dumps(content, default=asdict, indent=1), encoding="utf-8")
    _render(path, content)


def rewrite_report(folder: Path) -> Path | None:
    """Write the report of a finished scan again, with the studies that came to it since.

    Parameters
    ----------
    folder
        The campaign.

    Returns
    -------
    Path or None
        The report; None where the scan has not come to its report yet, or an older version of
        dosml wrote it.

    Raises
    ------
    InputError
        If what the report is made of cannot be read.
    DiskSpaceError
        If the disk is full.
    """
    content = report_content(folder)
    if content is None:
        return None
    report = folder / "report.html"
    try:
        _render(report, content.model_dump())
    except (ValueError, KeyError, TypeError, AttributeError, TemplateError) as error:
        raise InputError(
            f"{folder / CONTENT} is not what a report is made of ({type(error).__name__}: "
            f"{error}): {RUN_AGAIN}"
        ) from error
    return report


def _render(path: Path, content: Mapping[str, Any]) -> None:
    folder = path.parent
    figures = [
        picture(f["title"], f["caption"], inside(folder, f["png"])) for f in content["figures"]
    ]
    studies = [*content["sections"], *study_sections(folder)]
    if content["learners"] is not None:
        name, title, caption = LEARNER_FIGURE
        drawn = folder / "figures" / f"{name}.png"
        own = [picture(title, caption, drawn)] if drawn.is_file() else []
        studies.insert(0, {**content["learners"], "figures": own})
    html = page("report.html", **{"mark": "", **content, "figures": figures, "studies": studies})
    with whole_file(path) as partial:
        partial.write_text(html, encoding="utf-8")


def _answer(scan: ScanData, table: pd.DataFrame, figures: Sequence[FigureRecord]) -> Answer:
    """Answer with the figure of a swap of electrons where one was drawn: it shows both metals."""
    found = answer(scan, table)
    names = [one.png.stem for one in figures]
    return replace(found, figure=SWAP_FIGURE) if SWAP_FIGURE in names else found


def _beyond_the_answer(notes: Sequence[str], found: Answer) -> list[str]:
    """Warnings that the answer does not hold already."""
    return [note for note in notes if not any(note.rstrip(".") in line for line in found.limits)]


def _main_table(scan: ScanData, table: pd.DataFrame) -> dict[str, object]:
    names = [
        name
        for name in _MAIN
        if name in scan.varies or (name != "electrons_per_atom_shift" and table[name].notna().any())
    ]
    marked = within_noise(table)
    return sortable_table(
        table, [describe(name) for name in names], marks={"force_percent_error": (marked, MARK)}
    )


def _full_table(table: pd.DataFrame) -> list[dict[str, object]]:
    """Every column with a value per setting as a line; where there is no d band, none on it."""
    of_d = {name for name, measure in MEASURES.items() if measure.of == "d"}
    return [
        {"column": describe(name), "values": [format_value(name, v) for v in table[name]]}
        for name in table.columns
        if name not in of_d or table[name].notna().any()
    ]
