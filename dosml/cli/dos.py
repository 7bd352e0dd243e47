"""`dosml dos`: the d band of files that VASP (or pymatgen) wrote, in numbers and as a figure."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dosml.cli.net import print_error
from dosml.errors import DosmlError, InputError
from dosml.terminal import make_console, new_table, one_line, print_document, show

if TYPE_CHECKING:
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
            "[default: -10 10, or what the file covers of it]"
        ),
    ] = None,
    sharpness_window: Annotated[
        tuple[float, float],
        typer.Option(help="Window of sharpness and curvature: LOW HIGH in eV."),
    ] = (-2.0, 2.0),
    sigma: Annotated[
        float | None,
        typer.Option(
            help="Fill the levels with this smearing width (eV), and give smeared measures too; "
            "without it, levels are filled sharply."
        ),
    ] = None,
    scheme: Annotated[
        str, typer.Option(help="Smearing scheme that belongs to --sigma.")
    ] = "fermi-dirac",
    spin: Annotated[
        Literal["sum", "up", "down"], typer.Option(help="Both spin channels, or one.")
    ] = "sum",
    element: Annotated[
        str | None, typer.Option(help="d-DOS of this element's atoms only, per atom of it.")
    ] = None,
    m_resolved: Annotated[
        bool, typer.Option("--m-resolved", help="Also centre and n_d(E_F) of each d orbital.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the d-DOS of all files into this .png or .pdf.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Print every DOS measure of each file: d-band centre, width, filling, n_d(E_F), chi_l, ...

    The names of --json are the columns of results.csv. VASP smears the DOS that it writes with the
    ISMEAR and SIGMA of its run (except with tetrahedra); the line "smeared in the file" says with
    what. Compare files with the same smearing only.

    Example: dosml dos vasprun.xml --plot dos.png
    """
    from dosml.theory.smearing import Smearing

    try:
        smearing = Smearing(scheme, sigma) if sigma is not None else None
    except ValueError as error:
        raise InputError(f"--sigma {sigma} --scheme {scheme}: {error}") from error
    rows: list[dict[str, Any]] = []
    curves: list[tuple[str, ElectronicDos]] = []
    problems = []
    for path in files:
        try:
            row, curve = _measure(
                path,
                window=window,
                sharpness_window=sharpness_window,
                smearing=smearing,
                spin=spin,
                element=element,
                m_resolved=m_resolved,
            )
        except DosmlError as error:
            problems.append(str(error))
            continue
        rows.append(row)
        curves.append((str(path), curve))
    if as_json:
        print_document(json.dumps(rows, indent=2))
    elif rows:
        _print_table(rows)
    if plot is not None and curves:
        _draw(curves, plot)
    for problem in problems:
        print_error(problem)
    if problems:
        raise typer.Exit(2)


def _measure(
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
    from dosml.relabel.elements import has_d_shell
    from dosml.relabel.vasp.projected_dos import read_dos
    from dosml.theory.dband import band_moments
    from dosml.theory.dos import D_ORBITALS, without_d

    read = read_dos(path, unfinished=True)
    if read.d is None and read.lost:
        read = read.without_d()
    curve = read.electronic_dos(spin, element)
    named = {element} if element is not None else set(read.symbols) - {""}
    shells = not named or any(has_d_shell(symbol) for symbol in named)
    if not shells:
        # the same rule as in a scan: what is projected on d there is no d band
        curve = without_d(curve)
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
    if not shells:
        none = f"no d states here: no d shell in {', '.join(sorted(named))}"
    notes = [] if np.any(curve.d[_within(curve, used)]) else [none]
    notes += read.lost
    if smearing is not None and smearing.width < curve.step:
        notes.append(
            f"smeared measures need a grid finer than {curve.step:.3g} eV (NEDOS, EMIN, EMAX)"
        )
    row["note"] = "; ".join(notes)
    if notes and notes[0].startswith("no d"):
        return row, curve
    if m_resolved:
        if curve.d_m is None:
            raise InputError(f"{path} holds no m-resolved d-DOS: run VASP with LORBIT = 11")
        row["orbitals"] = {
            name: {
                "d_band_center_ev": band_moments(curve.energies, part, used).centre,
                "n_d_fermi_bare_states_per_ev_atom": float(np.interp(0.0, curve.energies, part)),
            }
            for name, part in zip(D_ORBITALS, curve.d_m, strict=True)
        }
    return row, curve


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
    # the names of measures and units take about 50 characters, a file 20
    beside = max(1, ((console.width if console.is_terminal else _WIDTH) - 50) // 20)
    for first in range(0, len(rows), beside):
        show(console, _table(rows[first : first + beside]))
    low, high = rows[0]["sharpness_window_ev"]
    show(
        console,
        f"window: of moments, filling, response; sharpness and curvature: {low:g} to {high:g} eV; "
        f"levels filled: {rows[0]['filled_with']}",
    )
    for row in rows:
        if row["note"]:
            show(console, f"{row['file']}: {row['note']}")
        for name, part in row.get("orbitals", {}).items():
            show(
                console,
                f"{row['file']}: {name:6s} centre {part['d_band_center_ev']:.3f} eV, "
                f"n(E_F) {part['n_d_fermi_bare_states_per_ev_atom']:.3f} /eV/atom",
            )


def _table(rows: list[dict[str, Any]]) -> Table:
    from dosml.analysis.measures.column import number_text
    from dosml.analysis.measures.table import MEASURES

    shown = new_table()
    shown.add_column("measure", no_wrap=True)
    shown.add_column("unit", no_wrap=True)
    for row in rows:
        shown.add_column(one_line(row["file"]), justify="right", overflow="fold", min_width=12)
    for one in MEASURES.values():
        values = [row[one.name] for row in rows]
        if any(value is not None for value in values):
            texts = ["–" if value is None else number_text(value, one.digits) for value in values]
            shown.add_row(one.heading, one.unit, *texts)
    windows = [f"{row['window_ev'][0]:.4g} to {row['window_ev'][1]:.4g}" for row in rows]
    shown.add_row("window", "eV", *windows)
    shown.add_row("smeared in the file", "", *(row["smeared_in_file"] for row in rows))
    return shown


def _draw(curves: list[tuple[str, ElectronicDos]], path: Path) -> None:
    from dosml.analysis.figures.style import LINE_COLOUR, house_style, new_figure, plain
    from dosml.files import whole_file

    if path.suffix.lower() not in {".png", ".pdf", ".svg"}:
        raise InputError(f"--plot {path}: give a name that ends in .png, .pdf or .svg")
    panels = [("total", [curve.total for _, curve in curves]), ("d", [c.d for _, c in curves])]
    split = [curve.d_m for _, curve in curves]
    if all(part is not None for part in split):
        # in the axes of the file: t2g and e_g where those are the axes of a cube
        groups = {"dxy + dyz + dxz (t2g)": (0, 1, 3), "dz2 + dx2-y2 (e_g)": (2, 4)}
        panels += [
            (name, [part[list(which)].sum(axis=0) for part in split if part is not None])
            for name, which in groups.items()
        ]
    with house_style():
        figure = new_figure(6.4, 0.9 + 1.7 * len(panels))
        places = figure.subplots(len(panels), 1, sharex=True)
        for axes, (title, values) in zip(places, panels, strict=True):
            for (name, curve), value in zip(curves, values, strict=True):
                axes.plot(curve.energies, value, label=plain(Path(name).name))
            axes.axvline(0, color=LINE_COLOUR, linewidth=0.8, linestyle="--")
            axes.set(title=title, xlim=(-10, 10))
            axes.set_ylim(bottom=min(0.0, *(float(value.min()) for value in values)))
        places[-1].set_xlabel(r"energy relative to $E_\mathrm{F}$ (eV)")
        figure.supylabel("states/eV/atom", fontsize=9)
        handles, labels = places[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=min(4, len(labels)))
        with whole_file(path) as partial:
            figure.savefig(partial)
