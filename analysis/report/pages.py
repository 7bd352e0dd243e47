"""What reports are made of: templates filled, tables of cells, embedded figures, lists of facts."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from dosml.analysis.figures.style import drawings
from dosml.analysis.measures.column import number_text
from dosml.analysis.measures.typography import as_html
from dosml.errors import InputError
from dosml.records import RUN_AGAIN

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from dosml.analysis.measures.column import Column

#: Width of the widest figures, 7.2 inches at 200 pixels per inch.
_FULL_WIDTH_PIXELS = 1440
#: How PNG files begin and end.
_PNG, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
#: Endings of names that are units, the longest first.
_UNITS = {
    "_ev_per_angstrom3": "eV/Å³",
    "_ev_per_angstrom": "eV/Å",
    "_ev_per_atom": "eV/atom",
    "_angstrom": "Å",
    "_ev": "eV",
    "_mib": "MiB",
}
#: Facts that have a place of their own in a report.
_PLACED = ("command", "dropped_frames", "engine_warning", "warnings", "limits")


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
    from markupsafe import Markup

    environment = Environment(
        loader=FunctionLoader(
            lambda name: (files("dosml.analysis.report") / name).read_text(encoding="utf-8")
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # a text of ours with its symbols set; escaped inside
    environment.filters["set"] = lambda text: Markup(as_html(text))  # noqa: S704
    return environment.get_template(template).render(**content)


def picture(title: str, caption: str, png: Path) -> dict[str, str]:
    """Name, title and caption of a figure, and its drawings as data addresses.

    Drawings are the SVG files beside the PNG, wide and narrow; the PNG where there are none.

    Raises
    ------
    InputError
        If the file is missing or no PNG file.
    """
    try:
        content = png.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the figure {png} ({error.strerror}): {RUN_AGAIN}") from error
    if not (content.startswith(_PNG) and content.endswith(_PNG_END)):
        raise InputError(f"the figure {png} is no whole PNG file: {RUN_AGAIN}")
    # a figure of 7.2 inches is as wide as the page, narrower ones in proportion
    pixels = int.from_bytes(content[16:20], "big")
    wide, narrow = drawings(png)
    source = _data_address(content, "image/png")
    themed = wide.is_file() and narrow.is_file()
    if themed:
        source = _data_address(wide.read_bytes(), "image/svg+xml")
    return {
        "name": png.stem,
        "title": title,
        "caption": caption,
        "source": source,
        "narrow": _data_address(narrow.read_bytes(), "image/svg+xml") if themed else "",
        "share": f"{min(100.0, 100 * pixels / _FULL_WIDTH_PIXELS):.0f}",
    }


def _data_address(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def sortable_table(
    table: pd.DataFrame,
    columns: Sequence[Column],
    *,
    links: Mapping[str, str] | None = None,
    marks: Mapping[str, tuple[NDArray[np.bool_], str]] | None = None,
) -> dict[str, object]:
    """Cells of a table that a reader can sort: text, interval and sort key of each.

    Parameters
    ----------
    table
        A column whose "_low" and "_high" are there too shows them as its interval.
    columns
        Which columns, in order.
    links
        Where the texts of the first column lead.
    marks
        Column -> which rows bear a mark behind the number, and the mark.
    """
    first, *others = columns
    by_column = [_cells(table, first, links or {}), *(_cells(table, one, {}) for one in others)]
    for column, cells in zip(columns, by_column, strict=True):
        if marks and column.name in marks:
            which, mark = marks[column.name]
            for cell, bears in zip(cells, which, strict=True):
                cell["text"] += mark if bears else ""
    return {
        "heads": list(columns),
        "words": [all(isinstance(value, str) for value in table[one.name]) for one in columns],
        "rows": [list(row) for row in zip(*by_column, strict=True)],
    }


def _cells(table: pd.DataFrame, column: Column, links: Mapping[str, str]) -> list[dict[str, str]]:
    ends = [f"{column.name}_{end}" for end in ("low", "high")]
    intervals = [""] * len(table)
    if all(name in table.columns for name in ends):
        intervals = [
            f"{number_text(low, column.digits)} to {number_text(high, column.digits)}"
            if low < high
            else ""
            for low, high in zip(*(table[name] for name in ends), strict=True)
        ]
    return [
        {
            "text": number_text(value, column.digits),
            "interval": interval,
            "key": str(value),
            "link": links.get(str(value), ""),
        }
        for value, interval in zip(table[column.name], intervals, strict=True)
    ]


def new_section(
    title: str, name: str, *, command: str = "", warnings: Sequence[str] = ()
) -> dict[str, Any]:
    """Make an empty section for the macro `study` of the templates."""
    return {
        "title": title,
        "name": name,
        "command": command,
        "text": [],
        "findings": [],
        "warnings": list(warnings),
        "figures": [],
        "scatter": None,
        "table": None,
        "matrix": None,
        "more": None,
        "links": [],
        "open": False,
    }


def fact_lines(value: object) -> list[str]:
    """Lines of a fact: a mapping gives "key: value", a list its items, a string itself."""
    if isinstance(value, Mapping):
        return [f"{key}: {_short(item)}" for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return [_short(item) for item in value]
    return [str(value)] if value not in (None, "") else []


def fact_groups(facts: Mapping[str, object]) -> dict[str, dict[str, Any]]:
    """Facts as small tables: single facts under "Run", each mapping under its own name.

    Returns
    -------
    dict
        Heading -> {"columns": names of the columns, none where there is a single one; "rows": what
        is told -> a text per column}. Mappings of mappings, such as the facts of the model of each
        setting, have a column for each.
    """
    groups: dict[str, dict[str, Any]] = {"run": {"columns": [], "rows": {}}}
    for key, value in facts.items():
        if key in _PLACED:
            continue
        if not isinstance(value, Mapping):
            groups["run"]["rows"][_words(key)] = [_short(value)]
        elif value and all(isinstance(part, Mapping) for part in value.values()):
            names = dict.fromkeys(name for part in value.values() for name in part)
            rows = {_words(n): [_short(part.get(n, "")) for part in value.values()] for n in names}
            groups[key] = {"columns": list(value), "rows": rows}
        else:
            rows = {_words(name): [_short(item)] for name, item in value.items()}
            groups[key] = {"columns": [], "rows": rows}
    return {_words(name).capitalize(): group for name, group in groups.items() if group["rows"]}


def _short(value: object) -> str:
    """Write a fact in one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_short(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_short(item) for item in value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


def _words(key: object) -> str:
    """Write the name of a fact for people: "cutoff_angstrom" is "cutoff (Å)"."""
    text = str(key)
    for ending, unit in _UNITS.items():
        if text.endswith(ending):
            text = f"{text.removesuffix(ending)} ({unit})"
            break
    return text.replace("_", " ")
