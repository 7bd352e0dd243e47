"""The results table in a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from dosml.analysis.measures.column import number_text
from dosml.analysis.statistics.label_noise import MARK, MARK_WORDS, within_noise
from dosml.analysis.statistics.scan import shift_text

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    import pandas as pd
    from rich.table import Table

_MEV = 1000.0


def terminal_table(table: pd.DataFrame) -> Table:
    """Show the main columns, 80 characters wide.

    Parameters
    ----------
    table
        From `dosml.analysis.statistics.scan.summarise`.

    Returns
    -------
    rich.table.Table
        Print it with a `rich.console.Console`.
    """
    from rich import box
    from rich.table import Table

    shifted = len(set(table["electrons_per_atom_shift"])) > 1
    one_width = len(set(table["sigma_ev"])) == 1
    marked = dict(zip(table.index, within_noise(table), strict=True))

    def error(row: pd.Series) -> str:
        return _error(row, MARK if marked[row.name] else "")

    columns: list[tuple[str, Callable[[pd.Series], str]]] = [
        ("σ\neV", lambda row: f"{row['sigma_ev']:g}"),
        ("shift\ne/atom", lambda row: shift_text(row["electrons_per_atom_shift"])),
        ("force error\n%", error),
        ("change\npoints", lambda row: f"{row['force_percent_error_change']:+.1f}"),
        ("MAE\nmeV/Å", lambda row: f"{_MEV * row['force_mae_ev_per_angstrom']:.1f}"),
        ("MAV\nmeV/Å", lambda row: f"{_MEV * row['force_mav_ev_per_angstrom']:.0f}"),
        ("noise\n%", lambda row: number_text(row["label_noise_percent"], 1)),
        ("energy\nmeV/at", lambda row: f"{_MEV * row['energy_mae_ev_per_atom']:.2f}"),
        ("centre\neV", lambda row: number_text(row["d_band_center_ev"], 2)),
        ("n_d(E_F)\n1/eV/at", lambda row: number_text(row["n_d_fermi_states_per_ev_atom"], 2)),
        ("ΔF rms\nmeV/Å", lambda row: f"{_MEV * row['force_change_rms_ev_per_angstrom']:.0f}"),
    ]
    # 80 characters hold one more column at most: what is scanned comes before the energy error
    hidden = {"energy\nmeV/at"} if shifted else {"shift\ne/atom"}
    if shifted:
        hidden.add("σ\neV" if one_width else "ΔF rms\nmeV/Å")
    title = "force error and d-DOS by setting"
    about_dos = "centre: of the d band; n_d: smeared with the setting's own σ; "
    if table["d_band_center_ev"].isna().all():
        hidden |= {"centre\neV", "n_d(E_F)\n1/eV/at"}
        # a DOS that is known has a value for all states at E_F
        known = "n_total_fermi_bare_states_per_ev_atom"
        there = known in table and table[known].notna().any()
        about_dos = "no d states here; " if there else "no d-DOS is known; "
        title = "force error by setting"
    noise = ""
    if table["label_noise_percent"].isna().all():
        hidden.add("noise\n%")
    else:
        # what the noise is to be held against matters more than this
        hidden.add("ΔF rms\nmeV/Å")
        noise = "noise: what a denser grid of k-points changes in the forces; "
        noise += f"{MARK_WORDS}; " if any(marked.values()) else ""
    columns = [(heading, write) for heading, write in columns if heading not in hidden]
    at_width = f"σ = {table['sigma_ev'].iloc[0]:g} eV; " if one_width else ""
    shown = Table(
        title=f"{table.attrs.get('formula', '')}: {title}".lstrip(": "),
        caption=f"{at_width}change: against "
        f"{table.attrs.get('reference_setting', 'the first setting')}; "
        f"intervals: 95 %, over test frames; {noise}{about_dos}at: atom",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for heading, _ in columns:
        shown.add_column(heading, justify="right", no_wrap=True)
    for _, row in table.iterrows():
        shown.add_row(*(write(row) for _, write in columns))
    return shown


def _error(row: Mapping[Hashable, Any] | pd.Series, mark: str) -> str:
    """Force % error, marked or not, with its interval."""
    error = f"{row['force_percent_error']:.1f}{mark}"
    if math.isnan(row["force_percent_error_low"]):
        return error
    low, high = row["force_percent_error_low"], row["force_percent_error_high"]
    return f"{error} ({low:.1f}-{high:.1f})"


def swap_terminal(table: pd.DataFrame) -> Table:
    """Show the comparison in a terminal, 80 characters wide."""
    from rich import box
    from rich.table import Table

    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title="electron swap")
    shown.add_column("case")
    for heading in (
        "force error\n%",
        "MAE\neV/Å",
        "MAV\neV/Å",
        "centre\neV",
        "N\nof 10",
        "N(10-N)",
        "chi_4",
    ):
        shown.add_column(heading, justify="right", no_wrap=True)
    for row in table.to_dict("records"):
        shown.add_row(
            row["case"],
            _error(row, ""),
            f"{row['force_mae_ev_per_angstrom']:.3f}",
            f"{row['force_mav_ev_per_angstrom']:.2f}",
            number_text(row["d_band_center_ev"], 2),
            number_text(row["d_electrons_of_ten"], 1),
            number_text(row["n_times_ten_minus_n"], 1),
            number_text(row["chi_4_states2_per_ev_atom2"], 2),
        )
    return shown
