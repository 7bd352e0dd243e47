"""`dosml dos`: the d band of files that VASP (or pymatgen) wrote, in numbers and as a figure."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dosml.analysis.figures.dos_panels import DEFAULT_PANELS, DosCurve, read_panels
from dosml.cli.net import print_error
from dosml.cli.quantities import Numbers, numbers, one_number
from dosml.errors import DosmlError, InputError
from dosml.terminal import make_console, new_table, one_line, print_document, show

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray
    from rich.table import Table

    from dosml.relabel.vasp.projected_dos import ProjectedDos
    from dosml.theory.dos import ElectronicDos
    from dosml.theory.smearing import Smearing

Window = tuple[float, float]
#: Widest table where the output is no terminal, characters.
_WIDTH = 160


def dos(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="vasprun.xml, vaspout.h5, DOSCAR (of VASP or LOBSTER), a pymatgen CompleteDos "
            ".json, of any name and also compressed, or a folder that holds one."
        ),
    ],
    *,
    window: Annotated[
        tuple[float, float] | None,
        typer.Option(
            help="Window of moments, filling and response: LOW HIGH in eV relative to E_F. "
            "Default: -10 10, or what the file covers of it."
        ),
    ] = None,
    sharpness_window: Annotated[
        tuple[float, float],
        typer.Option(help="Window of sharpness and curvature: LOW HIGH in eV."),
    ] = (-2.0, 2.0),
    sigma: Annotated[
        Numbers,
        numbers(
            "Fill the levels with this smearing width (eV), and give smeared measures too. "
            "Default: levels are filled sharply."
        ),
    ] = None,
    scheme: Annotated[
        str, typer.Option(help="Smearing scheme that belongs to --sigma.")
    ] = "fermi-dirac",
    spin: Annotated[
        Literal["sum", "up", "down"], typer.Option(help="Both spin channels, or one.")
    ] = "sum",
    element: Annotated[
        str | None,
        typer.Option(
            help="d-DOS of these elements' atoms, per atom of each, a comma list: a column and a "
            "curve for each. Default: all atoms together."
        ),
    ] = None,
    m_resolved: Annotated[
        bool, typer.Option("--m-resolved", help="Also centre and n_d(E_F) of each d orbital.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw all files into this .png, .pdf or .svg.")
    ] = None,
    panels: Annotated[
        str,
        typer.Option(
            help="What --plot shows, a comma list: total, shells, orbitals, sums of them with + "
            "and a title before =, such as total,d,plane=dxy+dx2-y2. What no file holds is left "
            "out; the total of an element is the sum of its projections."
        ),
    ] = DEFAULT_PANELS,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Print every DOS measure of each file: d-band centre, width, filling, n_d(E_F), chi_l, ...

    The names of --json are the columns of results.csv. VASP smears the DOS that it writes with the
    ISMEAR and SIGMA of its run (except with tetrahedra); the line "smeared in the file" says with
    what. Compare files with the same smearing only.

    Example: dosml dos vasprun.xml --plot dos.png
    """
    if plot is not None and plot.suffix.lower() not in {".png", ".pdf", ".svg"}:
        raise InputError(f"--plot {plot}: give a name that ends in .png, .pdf or .svg")
    elements = None if element is None else [one.strip() for one in element.split(",")]
    rows: list[dict[str, Any]] = []
    curves: list[DosCurve] = []
    problems = []
    shown, smearing = _panels(panels), _smearing(one_number("--sigma", sigma), scheme)
    for path in files:
        try:
            for row, curve in _measured(
                path,
                elements,
                shown,
                window=window,
                sharpness_window=sharpness_window,
                smearing=smearing,
                spin=spin,
                m_resolved=m_resolved,
            ):
                rows.append(row)
                curves.append(curve)
        except DosmlError as error:
            problems.append(str(error))
    held = {row["element"] for row in rows}
    problems += [f"--element {one}: no file holds it" for one in elements or () if one not in held]
    if as_json:
        print_document(json.dumps(rows, indent=2))
    elif rows:
        _print_table(rows)
    if plot is not None and curves:
        _draw(dict(zip(_names(rows), curves, strict=True)), list(shown), plot)
    for problem in problems:
        print_error(problem)
    if problems:
        raise typer.Exit(2)


def _smearing(sigma: float | None, scheme: str) -> Smearing | None:
    from dosml.theory.smearing import Smearing

    try:
        return None if sigma is None else Smearing(scheme, sigma)
    except ValueError as error:
        raise InputError(f"--sigma {sigma} --scheme {scheme}: {error}") from error


def _panels(text: str) -> dict[str, tuple[str, ...]]:
    try:
        return read_panels(text)
    except ValueError as error:
        raise InputError(f"--panels {text}: {error}") from error


def _measured(
    path: Path, elements: list[str] | None, panels: dict[str, tuple[str, ...]], **how: Any
) -> Iterator[tuple[dict[str, Any], DosCurve]]:
    """Measure a file, or each of these elements that it holds."""
    from dosml.relabel.vasp.projected_dos import read_dos

    read = read_dos(path, unfinished=True)
    here = [one for one in elements or () if one in read.symbols]
    if elements and not here:
        held = ", ".join(dict.fromkeys(read.symbols)) or "elements that the file does not name"
        raise InputError(f"--element {','.join(elements)}: {path} holds {held}")
    chosen: list[str | None] = [*here] or [None]
    for element in chosen:
        row, dos = _measure(read, path, element=element, **how)
        yield row, _curve(read, dos, row, panels)


def _measure(
    read: ProjectedDos,
    path: Path,
    *,
    window: Window | None,
    sharpness_window: Window,
    smearing: Smearing | None,
    spin: Literal["sum", "up", "down"],
    element: str | None,
    m_resolved: bool,
) -> tuple[dict[str, Any], ElectronicDos]:
    import numpy as np

    from dosml.analysis.measures.reading import DosWindows
    from dosml.analysis.measures.table import measure_all
    from dosml.relabel.own_d import no_d_words, own_d

    if read.d is None and read.lost:
        read = read.without_d()
    curve = read.electronic_dos(spin, element)
    named = {element} if element is not None else set(read.symbols) - {""}
    without = no_d_words(named) if named else ""
    if named:
        curve = own_d(curve, named)
    if not np.isfinite(curve.total).all():
        smearing = None  # how many electrons there are is not known then
    used = window or _covered(curve, DosWindows().moments)
    row: dict[str, Any] = {
        "file": str(path),
        "window_ev": [float(end) for end in used],
        "sharpness_window_ev": list(sharpness_window),
        "spin": spin,
        "element": element,
        "smeared_in_file": _describe(read),
        "filled_with": f"{smearing.scheme} {smearing.width:g} eV" if smearing else "sharp E_F",
        "fermi_level_ev": read.fermi_level,
    }
    try:
        windows = DosWindows(used, sharpness_window)
        values = measure_all(curve, smearing, windows, skip_unresolved=True)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    # JSON knows no nan
    row |= {name: None if math.isnan(value) else value for name, value in values.items()}
    none = "no d states in the window"
    none = without or none
    notes = [] if np.any(curve.d[_within(curve, used)]) else [none]
    notes += read.lost
    several = list(dict.fromkeys(read.symbols))
    if element is None and len(several) > 1:
        notes.append(f"holds {', '.join(several)}: --element {','.join(several)} tells them apart")
    if smearing is not None and smearing.width < curve.step:
        notes.append(
            f"smeared measures need a grid finer than {curve.step:.3g} eV (NEDOS, EMIN, EMAX)"
        )
    row["note"] = "; ".join(notes)
    if notes and notes[0].startswith("no d"):
        return row, curve
    if m_resolved:
        row["orbitals"] = _by_orbital(curve, used, path)
    return row, curve


def _by_orbital(curve: ElectronicDos, window: Window, path: Path) -> dict[str, dict[str, float]]:
    import numpy as np

    from dosml.theory.dband import band_moments
    from dosml.theory.dos import D_ORBITALS

    if curve.d_m is None:
        raise InputError(f"{path} holds no m-resolved d-DOS: run VASP with LORBIT = 11")
    return {
        name: {
            "d_band_center_ev": band_moments(curve.energies, part, window).centre,
            "n_d_fermi_bare_states_per_ev_atom": float(np.interp(0.0, curve.energies, part)),
        }
        for name, part in zip(D_ORBITALS, curve.d_m, strict=True)
    }


def _covered(curve: ElectronicDos, window: Window) -> Window:
    """Part of the default window that the file's grid covers."""
    return (
        max(window[0], float(curve.energies[0])),
        min(window[1], float(curve.energies[-1])),
    )


def _describe(read: ProjectedDos) -> str:
    if read.occupations == "tetrahedra":
        return "no (tetrahedra)"
    return read.occupations or "not said"


def _within(curve: ElectronicDos, window: Window) -> NDArray[np.bool_]:
    return (curve.energies >= window[0]) & (curve.energies <= window[1])


def _print_table(rows: list[dict[str, Any]]) -> None:
    """One line per measure, one column per file, as many files side by side as there is room."""
    console = make_console()
    names = _names(rows)
    # the names of measures and units take about 50 characters, a file 20
    beside = max(1, ((console.width if console.is_terminal else _WIDTH) - 50) // 20)
    for first in range(0, len(rows), beside):
        part = slice(first, first + beside)
        show(console, _table(rows[part], names[part]))
    low, high = rows[0]["sharpness_window_ev"]
    show(
        console,
        f"window: of moments, filling, response; sharpness and curvature: {low:g} to {high:g} eV; "
        f"levels filled: {rows[0]['filled_with']}",
    )
    for row, file in zip(rows, names, strict=True):
        if row["note"]:
            show(console, f"{file}: {row['note']}")
        for name, part in row.get("orbitals", {}).items():
            show(
                console,
                f"{file}: {name:6s} centre {part['d_band_center_ev']:.3f} eV, "
                f"n(E_F) {part['n_d_fermi_bare_states_per_ev_atom']:.3f} /eV/atom",
            )


def _table(rows: list[dict[str, Any]], names: list[str]) -> Table:
    from dosml.analysis.measures.column import number_text
    from dosml.analysis.measures.table import MEASURES

    shown = new_table()
    shown.add_column("measure", no_wrap=True)
    shown.add_column("unit", no_wrap=True)
    for name in names:
        shown.add_column(one_line(name), justify="right", overflow="fold", min_width=12)
    for one in MEASURES.values():
        values = [row[one.name] for row in rows]
        if any(value is not None for value in values):
            texts = ["–" if value is None else number_text(value, one.digits) for value in values]
            shown.add_row(one.heading, one.unit, *texts)
    windows = [f"{row['window_ev'][0]:.4g} to {row['window_ev'][1]:.4g}" for row in rows]
    shown.add_row("window", "eV", *windows)
    shown.add_row("smeared in the file", "", *(row["smeared_in_file"] for row in rows))
    return shown


def _names(rows: list[dict[str, Any]]) -> list[str]:
    """Names of files without their folder where that tells them apart, and the element."""
    paths = list(dict.fromkeys(row["file"] for row in rows))
    short = {path: Path(path).name for path in paths}
    if len(set(short.values())) < len(paths):
        short = {path: path for path in paths}
    return [
        short[row["file"]] + ("" if row["element"] is None else f", {row['element']}")
        for row in rows
    ]


def _curve(
    read: ProjectedDos, dos: ElectronicDos, row: dict[str, Any], panels: dict[str, tuple[str, ...]]
) -> DosCurve:
    """Take what the panels show from a file."""
    import numpy as np

    found = {}
    for title, names in panels.items():
        if names == ("total",) and row["element"] is None:
            values: NDArray[np.float64] | None = dos.total
        elif names == ("d",):
            values = dos.d
        else:
            # of an element: everything that is projected on its atoms
            wanted = read.shells if names == ("total",) else names
            values = read.projection(wanted, row["spin"], row["element"])
        # the rule of the table: what is projected on d where no shell is, is no d band
        no_d = names[0].startswith("d") and not np.any(dos.d)
        if values is not None and np.isfinite(values).all() and not no_d:
            found[title] = values
    return DosCurve(dos.energies, found)


def _draw(curves: dict[str, DosCurve], titles: list[str], path: Path) -> None:
    from dosml.analysis.figures.dos_panels import dos_panels_figure
    from dosml.analysis.figures.style import house_style
    from dosml.files import whole_file

    held = [title for title in titles if any(title in one.panels for one in curves.values())]
    if not held:
        raise InputError(f"--panels: no file holds any of {', '.join(titles)}")
    with house_style():
        figure = dos_panels_figure(curves, held)
        with whole_file(path) as partial:
            figure.savefig(partial)
