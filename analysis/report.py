"""One self-contained report.html: what was run, what was found, what cannot be concluded."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING

from dosml.analysis.columns import COLUMNS, describe, format_value
from dosml.analysis.findings import findings, limits, warnings
from dosml.analysis.study import setting_name
from dosml.files import whole_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from dosml.analysis.figure_style import FigureRecord
    from dosml.analysis.study import ScanStudy

#: Facts that have a place of their own in the report.
_PLACED = ("command", "dropped_frames", "warnings", "limits")

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
        figures=[embedded(figure) for figure in figures],
        main=_main_table(study, table),
        every=_full_table(table),
        command=str(study.facts.get("command", "")),
        dropped=fact_lines(study.facts.get("dropped_frames", [])),
        facts=fact_groups(study.facts),
        bootstrap=f"{len(study.weights)} resamples, seed {study.bootstrap_seed}",
    )
    with whole_file(path) as partial:
        partial.write_text(html, encoding="utf-8")


def page(template: str, **content: object) -> str:
    """Fill one of the templates of this package; style and scripts are put inside the page.

    Parameters
    ----------
    template
        Name of a file beside this module.
    content
        What the template asks for; a name that is missing is an error.
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(
            lambda name: (files("dosml.analysis") / name).read_text(encoding="utf-8")
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**content)


def embedded(figure: FigureRecord) -> dict[str, str]:
    """Title, caption and the PNG file of a figure as a data address."""
    data = base64.b64encode(figure.png.read_bytes()).decode("ascii")
    return {
        "title": figure.title,
        "caption": figure.caption,
        "source": f"data:image/png;base64,{data}",
        "pdf": figure.pdf.name,
    }


def _main_table(study: ScanStudy, table: pd.DataFrame) -> dict[str, object]:
    names = [name for name in _MAIN if name != "electrons_per_atom_shift" or name in study.varies]
    heads = [describe(name) for name in names]
    rows = [[_cell(name, row) for name in names] for _, row in table.iterrows()]
    return {"heads": heads, "rows": rows}


def _cell(name: str, row: pd.Series) -> dict[str, str]:
    """Text, interval and sort key of a cell."""
    interval = ""
    if f"{name}_low" in COLUMNS and row[f"{name}_low"] < row[f"{name}_high"]:
        ends = [format_value(f"{name}_{end}", row[f"{name}_{end}"]) for end in ("low", "high")]
        interval = f"{ends[0]} to {ends[1]}"
    return {"text": format_value(name, row[name]), "interval": interval, "key": str(row[name])}


def _full_table(table: pd.DataFrame) -> list[dict[str, object]]:
    """Every column as a line: definition, unit and a value per setting."""
    return [
        {"column": describe(name), "values": [format_value(name, v) for v in table[name]]}
        for name in table.columns
    ]


def fact_lines(value: object) -> list[str]:
    """Lines of a fact: a mapping gives "key: value", a list its items, a string itself."""
    if isinstance(value, Mapping):
        return [f"{key}: {_short(item)}" for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return [_short(item) for item in value]
    return [str(value)] if value not in (None, "") else []


def _short(value: object) -> str:
    """Write a fact in one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_short(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_short(item) for item in value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


def fact_groups(facts: Mapping[str, object]) -> dict[str, dict[str, str]]:
    """Facts as small tables: single facts under "Run", each mapping under its own name."""
    groups: dict[str, dict[str, str]] = {"run": {}}
    for key, value in facts.items():
        if key in _PLACED:
            continue
        if isinstance(value, Mapping):
            groups[key] = {_words(name): _short(item) for name, item in value.items()}
        else:
            groups["run"][_words(key)] = _short(value)
    return {_words(name).capitalize(): group for name, group in groups.items() if group}


def _words(key: object) -> str:
    return str(key).replace("_", " ")
