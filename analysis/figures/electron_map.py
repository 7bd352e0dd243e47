"""The electron number as an axis: table, figure of one axis, and the map with smearing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.analysis.figures.style import new_figure
from dosml.analysis.measures.dos_measures import DosMeasures, dos_measures
from dosml.theory.response_index import D_WEIGHTS
from dosml.theory.rigid_band import rigid_band

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from dosml.analysis.statistics.scan import ScanData, SettingResult

#: Points of a prediction's line.
_LINE_POINTS = 41
_PREDICTED = "#b05a00"


def chi_four(measures: DosMeasures) -> float:
    """Response index chi_4 of the d band, (states/atom)^2/eV."""
    return D_WEIGHTS[4] * measures.response


def d_count(measures: DosMeasures) -> float:
    """Electrons N in a d band of ten: ten times the filling of the calculated one."""
    return 10 * measures.filling


def half_filling(measures: DosMeasures) -> float:
    """N (10 - N): what the response of an averaged d shell is proportional to."""
    return d_count(measures) * (10 - d_count(measures))


def neutral_setting(scan: ScanData, width: float) -> SettingResult:
    """Find the setting nearest to neutral at a width (eV): a rigid band starts from it."""
    return min(
        (one for one in scan.settings if one.width == width),
        key=lambda one: abs(one.shift),
    )


def predicted_measures(scan: ScanData, start: SettingResult, shift: float) -> DosMeasures:
    """DOS measures of a rigid band.

    Parameters
    ----------
    scan
        Gives the windows.
    start
        Setting whose levels are kept.
    shift
        Electrons per atom relative to the neutral cell.

    Returns
    -------
    measures
        As `dos_measures`: a prediction, not a result. All nan where the electrons
        do not fit the levels on the grid.
    """
    from dosml.errors import InputError

    try:
        moved = rigid_band(start.dos, start.smearing, shift - start.shift)
        return dos_measures(moved, start.smearing, scan.windows)
    except (ValueError, InputError):
        return DosMeasures(**dict.fromkeys(DosMeasures.__dataclass_fields__, np.nan))


def electron_table(scan: ScanData, table: pd.DataFrame) -> pd.DataFrame:
    """Force error beside the band theory, one row per setting.

    Parameters
    ----------
    scan, table
        A scan of the electron number (and perhaps of σ) and its results table.

    Returns
    -------
    pandas.DataFrame
        `chi_4_...` and `d_electrons_of_ten` (N) come from the setting's own calculated d-DOS in the
        moments window; columns ending in `_rigid_band` are predictions from the DOS of the setting
        nearest to neutral at the same σ.
    """
    import pandas as pd

    rows = []
    for (_, line), setting in zip(table.iterrows(), scan.settings, strict=True):
        own = scan.measures(setting)
        start = neutral_setting(scan, setting.width)
        rigid = predicted_measures(scan, start, setting.shift)
        row: dict[str, Any] = {
            "sigma_ev": setting.width,
            "electrons_per_atom_shift": setting.shift,
        }
        row |= {
            name: line[name]
            for name in (
                "force_percent_error",
                "force_percent_error_low",
                "force_percent_error_high",
                "force_mae_ev_per_angstrom",
                "force_mav_ev_per_angstrom",
            )
        }
        for measures, end in ((own, ""), (rigid, "_rigid_band")):
            row |= {
                f"chi_4_states2_per_ev_atom2{end}": chi_four(measures),
                f"d_electrons_of_ten{end}": d_count(measures),
                f"n_times_ten_minus_n{end}": half_filling(measures),
                f"n_d_fermi_states_per_ev_atom{end}": measures.n_fermi,
            }
        rows.append(row)
    return pd.DataFrame(rows)


def electron_axis_figure(scan: ScanData, table: pd.DataFrame) -> Figure:
    """Draw force error, chi_4 and N (10 - N) against the electron number at one σ.

    Parameters
    ----------
    scan, table
        A scan of the electron number and its results table.
    """
    rows = electron_table(scan, table)
    x = rows["electrons_per_atom_shift"].to_numpy(float)
    start = neutral_setting(scan, scan.reference.width)
    shifts = np.linspace(x.min(), x.max(), _LINE_POINTS)
    predicted = [predicted_measures(scan, start, shift) for shift in shifts]
    figure = new_figure(7.6, 3.1)
    error, *others = figure.subplots(1, 3)
    y = rows["force_percent_error"].to_numpy(float)
    ends = [rows[f"force_percent_error_{end}"].to_numpy(float) for end in ("low", "high")]
    bars = np.nan_to_num(np.clip([y - ends[0], ends[1] - y], 0, None))
    error.errorbar(x, y, yerr=bars, color="black", marker="o", capsize=2.5)
    error.set(title="Force error", ylabel="100 MAE/MAV (%)")
    for axes, column, measure, title in (
        (others[0], "chi_4_states2_per_ev_atom2", chi_four, r"$\chi_4$ of the d band"),
        (others[1], "n_times_ten_minus_n", half_filling, r"$N(10-N)$"),
    ):
        line = [measure(one) for one in predicted]
        axes.plot(shifts, line, "--", color=_PREDICTED, label="rigid band (prediction)")
        axes.plot(x, rows[column], "o", color="black", label="own DOS")
        axes.set(title=title)
    others[0].set(ylabel="(states/atom)²/eV")
    others[1].set(ylabel="electrons²")
    for axes in (error, *others):
        axes.set_xlabel("electrons added per atom")
        axes.set_ylim(bottom=0)
    handles, labels = others[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2)
    return figure


def map_figure(scan: ScanData, table: pd.DataFrame) -> Figure:
    """Draw force error, chi_4 and N (10 - N) over σ and electron number as heat maps.

    Parameters
    ----------
    scan, table
        A scan of both and its results table.
    """
    rows = electron_table(scan, table)
    figure = new_figure(8.6, 1.7 + 0.42 * rows["sigma_ev"].nunique())
    panels = figure.subplots(1, 3, sharey=True)
    for axes, column, title, digits in (
        (panels[0], "force_percent_error", "force error, 100 MAE/MAV (%)", 1),
        (panels[1], "chi_4_states2_per_ev_atom2", r"$\chi_4$, (states/atom)²/eV", 2),
        (panels[2], "n_times_ten_minus_n", r"$N(10-N)$ of the d band", 1),
    ):
        _heat_map(axes, rows, column, digits)
        axes.set(title=title, xlabel="electrons added per atom")
    panels[0].set_ylabel("smearing width σ (eV)")
    return figure


def _heat_map(axes: Axes, rows: pd.DataFrame, column: str, digits: int) -> None:
    """One cell per setting with its number; a setting without labels stays empty."""
    grid = rows.pivot_table(
        index="sigma_ev", columns="electrons_per_atom_shift", values=column, dropna=False
    )
    values: NDArray[np.float64] = grid.to_numpy(float)
    axes.imshow(values, origin="lower", aspect="auto", cmap="viridis")
    middle = (np.nanmin(values) + np.nanmax(values)) / 2
    for (row, place), value in np.ndenumerate(values):
        missing = np.isnan(value)
        colour = "black" if missing or value > middle else "white"
        text = "no labels" if missing else f"{value:.{digits}f}"
        size = 6 if missing else 8
        axes.text(place, row, text, ha="center", va="center", color=colour, fontsize=size)
    axes.set_xticks(range(grid.shape[1]), [f"{shift:+g}" if shift else "0" for shift in grid])
    axes.set_yticks(range(grid.shape[0]), [f"{width:g}" for width in grid.index])
    axes.grid(visible=False)
