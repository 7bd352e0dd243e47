"""`dosml dos`: the d band of files that VASP (or pymatgen) wrote, in numbers and as a figure."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dosml.errors import DosmlError, InputError

if TYPE_CHECKING:
    from dosml.relabel.vasp.projected_dos import ProjectedDos
    from dosml.theory.dos import ElectronicDos
    from dosml.theory.smearing import Smearing

Window = tuple[float, float]
#: Columns of the printed table: key, heading, digits.
COLUMNS = (
    ("centre_ev", "centre\neV", 3),
    ("width_ev", "width\neV", 3),
    ("filling", "filling\n", 3),
    ("n_d_fermi", "n_d(E_F)\n1/eV/atom", 3),
    ("sharpness", "sharpness\n1/eV²/atom", 3),
    ("chi_0", "chi_0\n1/eV/at²", 3),
    ("chi_2", "chi_2\n1/eV/at²", 3),
    ("chi_4", "chi_4\n1/eV/at²", 3),
)


def dos(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="vasprun.xml, vaspout.h5, DOSCAR (each also .gz, .xz) or a pymatgen CompleteDos "
            ".json(.gz)."
        ),
    ],
    *,
    window: Annotated[
        tuple[float, float] | None,
        typer.Option(
            help="Window of centre, width, filling and chi_l: LOW HIGH in eV relative to E_F. "
            "[default: -10 10, or what the file covers of it]"
        ),
    ] = None,
    sharpness_window: Annotated[
        tuple[float, float],
        typer.Option(help="Window of the sharpness, the mean of |dn_d/dE|: LOW HIGH in eV."),
    ] = (-2.0, 2.0),
    sigma: Annotated[
        float | None,
        typer.Option(
            help="Fill the levels with this smearing width (eV) for filling and chi_l; without it, "
            "sharply."
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
    """Print d-band centre, width, filling, n_d(E_F), sharpness and chi_l of each file.

    VASP smears the DOS that it writes with the ISMEAR and SIGMA of its run (except with
    tetrahedra); the column "smeared" says with what. Compare files with the same smearing only.
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
        print(json.dumps(rows, indent=2))
    elif rows:
        _print_table(rows)
    if plot is not None and curves:
        _draw(curves, plot)
    for problem in problems:
        print(f"dosml: error: {' '.join(problem.split())}", file=sys.stderr)
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

    from dosml.analysis.measures.dos_measures import DosWindows, mean_absolute_slope
    from dosml.relabel.vasp.projected_dos import read_dos
    from dosml.theory.dband import band_moments, d_band
    from dosml.theory.dos import D_ORBITALS
    from dosml.theory.response_index import response_index

    read = read_dos(path)
    curve = read.electronic_dos(spin, element)
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
    inside = (curve.energies >= used[0]) & (curve.energies <= used[1])
    if not np.any(curve.d[inside]):
        row |= dict.fromkeys([key for key, _, _ in COLUMNS]) | {"note": "no d states in the window"}
        return row, curve
    try:
        moments = d_band(curve, used, smearing=smearing)
        chi = response_index(curve, smearing, window=used).chi
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    row |= {
        "centre_ev": moments.centre,
        "width_ev": moments.width,
        "filling": moments.filling,
        "d_electrons": moments.electrons,
        "n_d_fermi": float(np.interp(0.0, curve.energies, curve.d)),
        "sharpness": mean_absolute_slope(curve.energies, curve.d, sharpness_window),
        **{f"chi_{rank}": value for rank, value in chi.items()},
        "note": "",
    }
    if m_resolved:
        if curve.d_m is None:
            raise InputError(f"{path} holds no m-resolved d-DOS: run VASP with LORBIT = 11")
        row["orbitals"] = {
            name: {
                "centre_ev": band_moments(curve.energies, part, used).centre,
                "n_d_fermi": float(np.interp(0.0, curve.energies, part)),
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
    if read.smearing is None:
        return "no (tetrahedra)" if read.tetrahedra else "not said"
    return f"{read.smearing.scheme} {read.smearing.width:g} eV"


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("file", overflow="fold", min_width=12)
    for _, heading, _ in COLUMNS:
        table.add_column(heading, justify="right")
    table.add_column("window\neV")
    table.add_column("smeared\nin the file")
    for row in rows:
        low, high = row["window_ev"]
        values = [_number(row[key], digits) for key, _, digits in COLUMNS]
        table.add_row(row["file"], *values, f"{low:.4g} to {high:.4g}", row["smeared_in_file"])
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(table)
    low, high = rows[0]["sharpness_window_ev"]
    console.print(
        f"window: of centre, width, filling, chi_l; sharpness: mean |dn_d/dE| over {low:g} to "
        f"{high:g} eV; levels filled: {rows[0]['filled_with']}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    for row in rows:
        if row["note"]:
            console.print(f"{row['file']}: {row['note']}", highlight=False, soft_wrap=True)
        for name, part in row.get("orbitals", {}).items():
            console.print(
                f"{row['file']}: {name:6s} centre {part['centre_ev']:.3f} eV, "
                f"n(E_F) {part['n_d_fermi']:.3f} /eV/atom",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def _draw(curves: list[tuple[str, ElectronicDos]], path: Path) -> None:
    from dosml.analysis.figures.style import LINE_COLOUR, house_style, new_figure
    from dosml.files import whole_file

    if path.suffix.lower() not in {".png", ".pdf", ".svg"}:
        raise InputError(f"--plot {path}: give a name that ends in .png, .pdf or .svg")
    with house_style():
        figure = new_figure(5.5, 3.6)
        axes = figure.subplots()
        for name, curve in curves:
            axes.plot(curve.energies, curve.d, label=Path(name).name)
        axes.axvline(0, color=LINE_COLOUR, linewidth=0.8, linestyle="--")
        axes.set_xlim(-10, 10)
        axes.set_ylim(bottom=min(0.0, *(float(curve.d.min()) for _, curve in curves)))
        axes.set_xlabel("E - E_F (eV)")
        axes.set_ylabel("d-DOS (states/eV/atom)")
        axes.legend(fontsize="small", frameon=True, framealpha=0.8)
        with whole_file(path) as partial:
            figure.savefig(partial)
