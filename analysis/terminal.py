"""The results table in a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

_MEV = 1000.0


def terminal_table(table: pd.DataFrame) -> Table:
    """Show the main columns; 80 characters wide where only the width is scanned.

    Parameters
    ----------
    table
        From `dosml.analysis.study.summarise`.

    Returns
    -------
    rich.table.Table
        Print it with a `rich.console.Console`.
    """
    from rich import box
    from rich.table import Table

    shown = Table(
        title=f"{table.attrs.get('formula', '')}: force error and d-DOS by setting".lstrip(": "),
        caption=f"change: against {table.attrs.get('reference_setting', 'the first setting')}; "
        "intervals: 95 %, bootstrap over test frames; centre: of the d band; "
        "n_d: smeared with the setting's own σ; at: atom",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    shifted = bool((table["electrons_per_atom_shift"] != 0).any())
    headings = ["σ\neV", *(["shift\ne/atom"] if shifted else [])]
    headings += ["force error\n%", "change\npoints", "MAE\nmeV/Å", "MAV\nmeV/Å", "energy\nmeV/at"]
    headings += ["centre\neV", "n_d(E_F)\n1/eV/at", "ΔF rms\nmeV/Å"]
    for heading in headings:
        shown.add_column(heading, justify="right", no_wrap=True)
    for _, row in table.iterrows():
        error = f"{row['force_percent_error']:.1f}"
        if not math.isnan(row["force_percent_error_low"]):
            error += (
                f" ({row['force_percent_error_low']:.1f}-{row['force_percent_error_high']:.1f})"
            )
        cells = [f"{row['sigma_ev']:g}"]
        if shifted:
            cells.append(f"{row['electrons_per_atom_shift']:+g}")
        cells += [
            error,
            f"{row['force_percent_error_change']:+.1f}",
            f"{_MEV * row['force_mae_ev_per_angstrom']:.1f}",
            f"{_MEV * row['force_mav_ev_per_angstrom']:.0f}",
            f"{_MEV * row['energy_mae_ev_per_atom']:.2f}",
            f"{row['d_band_center_ev']:.2f}",
            f"{row['n_d_fermi_states_per_ev_atom']:.2f}",
            f"{_MEV * row['force_change_rms_ev_per_angstrom']:.0f}",
        ]
        shown.add_row(*cells)
    return shown
