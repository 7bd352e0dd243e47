"""Figures of errors: against the setting, against the d-DOS, and prediction against label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.analysis.figures.point_names import name_points
from dosml.analysis.figures.style import (
    LINE_COLOUR,
    MOST_VECTORS,
    TIER_COLOURS,
    from_zero,
    legend_above,
    line_style,
    new_figure,
    plain,
    scale_colours,
    scan_axis,
)
from dosml.analysis.measures.columns import tier_column
from dosml.analysis.statistics.label_noise import FACTOR, within_noise
from dosml.analysis.statistics.scan import setting_name, shift_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from dosml.analysis.statistics.results import SettingResult
    from dosml.analysis.statistics.scan import ScanData

#: About how many components a parity panel shows.
PARITY_POINTS = 4000
_PARITY_COLUMNS = 4


def _bars(table: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """Distances from a value to the ends of its interval, shape (2, n), zero where it has none."""
    value, low, high = (
        table[name].to_numpy(float) for name in (column, f"{column}_low", f"{column}_high")
    )
    # a percentile interval of a ratio need not hold the value itself
    return np.asarray(np.nan_to_num(np.clip([value - low, high - value], 0, None)))


def error_figure(scan: ScanData, table: pd.DataFrame) -> Figure:
    """Draw force % error with intervals, and the two parts of the ratio, against the setting.

    Parameters
    ----------
    scan, table
        A scan and its results table.
    """
    figure = new_figure(7.2, 3.1)
    left, right = figure.subplots(1, 2)
    x, ls = scan_axis(left, scan), line_style(scan)
    scan_axis(right, scan)
    # neighbours are moved aside so that their intervals do not hide each other
    aside = 0.012 * (np.ptp(x) or 1.0)
    for k, tier in enumerate(scan.tier_names):
        column = tier_column(tier)
        left.errorbar(
            x + aside * (k + 1),
            table[column],
            yerr=_bars(table, column),
            label=plain(tier),
            color=TIER_COLOURS.get(tier, f"C{2 + k}"),
            marker="s",
            ms=3.5,
            lw=1,
            ls=ls,
            capsize=2,
        )
    left.errorbar(
        x,
        table["force_percent_error"],
        yerr=_bars(table, "force_percent_error"),
        label="all frames",
        color="black",
        marker="o",
        ls=ls,
        capsize=2.5,
        zorder=5,
    )
    _draw_noise(left, x, table, ls)
    left.set(ylabel="force error, 100 MAE/MAV (%)")
    from_zero(left)
    legend_above(left, f"Force error of {scan.formula}", columns=3)
    start = scan.settings.index(scan.reference)
    for name, look in (("mav", {"marker": "s", "color": "C2"}), ("mae", {"color": "C1"})):
        values = table[f"force_{name}_ev_per_angstrom"].to_numpy(float)
        options: dict[str, Any] = {"marker": "o", "ls": ls, **look}
        label = f"{name.upper()} (1 is {values[start]:.3g} eV/Å)"
        right.plot(x, values / values[start], label=label, **options)
    right.set(ylabel=f"relative to {scan.name(scan.reference)}")
    from_zero(right)
    legend_above(right, "Its two parts")
    return figure


def _draw_noise(axes: Axes, x: NDArray[np.float64], table: pd.DataFrame, ls: str) -> None:
    """Draw the label noise, and empty the points whose error it could make."""
    noise = table["label_noise_percent"].to_numpy(float)
    if np.isnan(noise).all():
        return
    axes.plot(x, noise, color="#888888", marker="_", ls=":" if ls == "-" else ls, lw=1.2,
              label="label noise")  # fmt: skip
    marked = within_noise(table)
    if marked.any():
        values = table["force_percent_error"].to_numpy(float)
        axes.plot(x[marked], values[marked], "o", color="black", mfc="white", zorder=6,
                  label=f"below {FACTOR:g} x noise")  # fmt: skip


def link_figure(scan: ScanData, table: pd.DataFrame) -> Figure:
    """Draw force % error against n_d(E_F) and against sharpness, smeared and bare.

    Parameters
    ----------
    scan, table
        A scan and its results table; settings without a d-DOS are left out.
    """
    table = table[[scan.has_d(setting) for setting in scan.settings]]
    figure = new_figure(7.2, 3.4)
    panels = figure.subplots(1, 2, sharey=True)
    columns = ("n_d_fermi_{}states_per_ev_atom", "d_sharpness_{}states_per_ev2_atom")
    for axes, column, label in zip(
        panels,
        columns,
        (r"$n_d(E_\mathrm{F})$ (states/eV/atom)", r"mean |$dn_d/dE$| (states/eV²/atom)"),
        strict=True,
    ):
        _link_panel(axes, scan, table, column)
        axes.set(xlabel=label)
    panels[0].set(ylabel="force error, 100 MAE/MAV (%)")
    from_zero(panels[0])
    names = [_point_name(scan, setting) for setting in scan.with_d]
    for axes, column in zip(panels, columns, strict=True):
        legend_above(axes)
        x, y = table[column.format("")], table["force_percent_error"]
        name_points(axes, x, y, names, size=8)
    return figure


def _link_panel(axes: Axes, scan: ScanData, table: pd.DataFrame, column: str) -> None:
    colours = scale_colours(len(table))
    y = table["force_percent_error"].to_numpy(float)
    smeared = table[column.format("")].to_numpy(float)
    bare = table[column.format("bare_")].to_numpy(float)
    axes.plot(smeared, y, color="#888888", lw=1, ls=line_style(scan), zorder=1)
    axes.plot(bare, y, color="#bbbbbb", lw=1, ls=":" if line_style(scan) == "-" else "none")
    bars = _bars(table, "force_percent_error")
    axes.errorbar(smeared, y, yerr=bars, fmt="none", ecolor="#888888", elinewidth=1, zorder=1)
    axes.scatter(smeared, y, color=colours, s=36, zorder=3, label="smeared")
    axes.scatter(bare, y, facecolor="white", edgecolor=colours, s=30, zorder=2, label="bare")
    right = max(smeared.max(), bare.max())
    axes.set_xlim(-0.04 * right, 1.12 * right)


def _point_name(scan: ScanData, setting: SettingResult) -> str:
    values = {
        "sigma_ev": f"{setting.width:g}",
        "electrons_per_atom_shift": shift_text(setting.shift),
    }
    return ", ".join(values[name] for name in scan.varies)


def parity_figure(scan: ScanData) -> Figure:
    """Draw predicted against labelled force components, one panel per setting.

    Parameters
    ----------
    scan
        A scan.
    """
    count = len(scan.settings)
    columns = min(count, _PARITY_COLUMNS)
    rows = -(-count // columns)
    figure = new_figure(max(3.0, 1.85 * columns), 2.1 * rows + 0.4)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    limit = 1.05 * max(float(np.abs(f).max()) for s in scan.settings for f in s.held_out.forces)
    # the widest spread first, so that the smaller clouds lie on top of it
    tiers = scan.tier_names[::-1] or [""]
    for axes, setting in zip(panels, scan.settings, strict=False):
        axes.plot([-limit, limit], [-limit, limit], color=LINE_COLOUR, lw=0.8)
        for k, tier in enumerate(tiers):
            chosen = [i for i, t in enumerate(scan.test_tiers) if not tier or t == tier]
            old = np.concatenate([setting.held_out.forces[i].ravel() for i in chosen])
            new = np.concatenate([setting.held_out.forces_predicted[i].ravel() for i in chosen])
            every = max(1, round(len(old) * len(tiers) / PARITY_POINTS))
            colour = TIER_COLOURS.get(tier, f"C{len(tiers) - k - 1}")
            look: dict[str, Any] = {"color": colour, "ms": 2, "alpha": 0.6}
            look["rasterized"] = len(old) > every * MOST_VECTORS
            axes.plot(old[::every], new[::every], ".", label=plain(tier), **look)
        axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
        axes.locator_params(nbins=4)
        axes.set_title(setting_name(setting))
        error = f"{setting.held_out.force_sums().percent_error:.1f} %"
        axes.text(0.04, 0.95, error, transform=axes.transAxes, va="top")
    for axes in panels[count:]:
        axes.set_visible(False)
    if scan.tier_names:
        handles, labels = panels[0].get_legend_handles_labels()
        handles, labels = handles[::-1], labels[::-1]
        figure.legend(handles, labels, loc="outside upper right", ncols=len(labels), markerscale=4)
    figure.supxlabel("labelled force component (eV/Å)", fontsize=9)
    figure.supylabel("predicted (eV/Å)", fontsize=9)
    return figure
