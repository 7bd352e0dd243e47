"""The figures of a scan. `draw_figures` makes them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.columns import tier_column
from dosml.analysis.dos_measures import smeared_dos
from dosml.analysis.figure_style import (
    LINE_COLOUR,
    TIER_COLOURS,
    FigureRecord,
    house_style,
    new_figure,
    save_figure,
    scale_colours,
)
from dosml.analysis.study import setting_name

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dosml.analysis.study import ScanStudy

#: What the d-DOS panels show, eV relative to E_F.
DOS_RANGE_EV = (-8.0, 8.0)
#: Panels of the parity plot side by side.
_PARITY_COLUMNS = 4
_PARITY_POINTS = 4000


def draw_figures(study: ScanStudy, table: pd.DataFrame, folder: Path) -> list[FigureRecord]:
    """Draw every figure of a scan as PNG and PDF.

    Parameters
    ----------
    study
        The scan.
    table
        From `dosml.analysis.study.summarise` of the same study.
    folder
        Where to; made if it does not exist.

    Returns
    -------
    list of FigureRecord
        In the order of the report.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    n_test, n_frames = len(study.test_tiers), len(study.tiers)
    reference = setting_name(study.reference)
    low, high = study.windows.sharpness
    with house_style():
        return [
            save_figure(
                _error_figure(study, table),
                folder,
                "error_against_sigma",
                title="Force error",
                caption=f"Left: force % error, 100 MAE/MAV over components of {n_test} held-out "
                f"frames, with 95 % bootstrap intervals over frames, for all frames and by tier. "
                f"Right: its two parts. Both move with the setting, so the ratio alone does not "
                f"tell which one did.",
            ),
            save_figure(
                _dos_figure(study),
                folder,
                "d_dos",
                title="d density of states and occupations",
                caption=f"Mean d-DOS over {n_frames} frames per setting, energies relative to E_F "
                f"(vertical line). Grey: bare, with the engine's broadening only. Coloured: "
                f"convolved with the setting's own -df/de. Dashed: occupation f(e), right axis.",
            ),
            save_figure(
                _force_change_figure(study, table),
                folder,
                "force_differences",
                title="How the forces change",
                caption=f"Forces of the same {n_frames} frames against those at {reference}. Left: "
                f"root mean square change over atoms, and its exact split |F-F0|² = (|F|-|F0|)² + "
                f"4|F||F0|sin²(θ/2) into magnitude and direction. Right: share of all force, "
                f"weighted with |F0|, that turned by less than θ.",
            ),
            save_figure(
                _link_figure(study, table),
                folder,
                "error_against_dos",
                title="Force error against the d-DOS",
                caption=f"The {len(study.settings)} settings of one metal, joined in the order of "
                f"the scan. Left: n_d(E_F); right: mean |dn_d/dE| from {low:g} to {high:g} eV; "
                f"filled: smeared with the setting's own -df/de, open: bare. Everything here "
                f"follows one knob, so this is no evidence of a correlation between DOS and error.",
            ),
            save_figure(
                _parity_figure(study, table),
                folder,
                "force_parity",
                title="Predicted against labelled forces",
                caption=f"Force components of {n_test} held-out frames, one panel per setting"
                + (", coloured by tier." if study.tier_names else ".")
                + f" At most {_PARITY_POINTS} components per panel are drawn, evenly picked.",
            ),
        ]


def _axis(study: ScanStudy) -> tuple[str, str]:
    """Column and label of the quantity on the abscissa."""
    if study.varies == ["electrons_per_atom_shift"]:
        return "electrons_per_atom_shift", "electrons added per atom"
    return "sigma_ev", "smearing width σ (eV)"


def _line_style(study: ScanStudy) -> str:
    """Points are joined only where one quantity varies."""
    return "none" if len(study.varies) > 1 else "-"


def _with_interval(
    axes: Axes, study: ScanStudy, table: pd.DataFrame, column: str, look: dict[str, object]
) -> None:
    x = table[_axis(study)[0]].to_numpy(float)
    y = table[column].to_numpy(float)
    low, high = (table[f"{column}_{end}"].to_numpy(float) for end in ("low", "high"))
    # a percentile interval of a ratio need not hold the value itself
    bars = np.clip(np.array([y - low, high - y]), 0, None)
    axes.errorbar(x, y, yerr=bars, capsize=2.5, ls=_line_style(study), **look)


def _error_figure(study: ScanStudy, table: pd.DataFrame) -> Figure:
    figure = new_figure(7.2, 3.1)
    left, right = figure.subplots(1, 2)
    key, label = _axis(study)
    for k, tier in enumerate(study.tier_names):
        colour = TIER_COLOURS.get(tier, f"C{2 + k}")
        look = {"label": tier, "color": colour, "marker": "s", "ms": 3.5, "lw": 1}
        _with_interval(left, study, table, tier_column(tier), look)
    look = {"label": "all frames", "color": "black", "marker": "o", "lw": 2, "zorder": 5}
    _with_interval(left, study, table, "force_percent_error", look)
    left.set(xlabel=label, ylabel="force error, 100 MAE/MAV (%)", title=study.formula)
    left.set_ylim(bottom=0)
    left.legend()
    x = table[key].to_numpy(float)
    style = _line_style(study)
    mav = table["force_mav_ev_per_angstrom"].to_numpy(float)
    mae = table["force_mae_ev_per_angstrom"].to_numpy(float)
    right.plot(x, mav / mav[0], "s", ls=style, color="C2", label=f"MAV ({mav[0]:.3f} eV/Å at left)")
    right.plot(x, mae / mae[0], "o", ls=style, color="C1", label=f"MAE ({mae[0]:.4f} eV/Å at left)")
    right.set(xlabel=label, ylabel="relative to the first setting", title="The two parts")
    right.set_ylim(bottom=0)
    right.legend()
    return figure


def _dos_figure(study: ScanStudy) -> Figure:
    count = len(study.settings)
    figure = new_figure(7.2, 0.9 + 1.25 * count)
    panels = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
    grids = [s.mean_dos.energies for s in study.settings]
    low = max(DOS_RANGE_EV[0], min(g[0] for g in grids))
    high = min(DOS_RANGE_EV[1], max(g[-1] for g in grids))
    top = max(float(s.mean_dos.d.max()) for s in study.settings)
    colours = scale_colours(count)
    for axes, setting, colour in zip(panels, study.settings, colours, strict=True):
        dos = setting.mean_dos
        smeared = smeared_dos(dos.energies, dos.d, setting.smearing)
        axes.fill_between(dos.energies, dos.d, color="#d0d0d0", lw=0, label="bare")
        axes.plot(dos.energies, smeared, color=colour, label="smeared")
        axes.axvline(0, color=LINE_COLOUR, lw=1)
        axes.set(ylim=(0, 1.12 * top), xlim=(low, high))
        axes.set_title(setting_name(setting))
        twin = axes.twinx()
        twin.plot(dos.energies, setting.smearing.occupation(dos.energies), "--", color="C1", lw=1.2)
        twin.plot([], [], "--", color="C1", lw=1.2, label="f(e)")
        twin.set(ylim=(0, 1.12), yticks=[0, 1])
        twin.spines["right"].set_visible(True)
        twin.grid(visible=False)
        if axes is panels[0]:
            handles = [*axes.get_legend_handles_labels()[0], *twin.get_legend_handles_labels()[0]]
            figure.legend(handles, ["bare", "smeared", "f(e)"], loc="outside upper right", ncols=3)
        axes.annotate(
            "E_F", (0, 1.04 * top), (3, 0), textcoords="offset points", va="top", fontsize=8
        )
    panels[-1].set_xlabel("energy relative to E_F (eV)")
    figure.supylabel(f"{study.formula} d-DOS (states/eV/atom)", fontsize=9)
    return figure


def _force_change_figure(study: ScanStudy, table: pd.DataFrame) -> Figure:
    figure = new_figure(7.2, 3.1)
    left, right = figure.subplots(1, 2)
    key, label = _axis(study)
    x, style = table[key].to_numpy(float), _line_style(study)
    for part, words, look in (
        ("", "whole change", {"color": "black", "marker": "o"}),
        ("_magnitude", "magnitude part", {"color": "C0", "marker": "s"}),
        ("_direction", "direction part", {"color": "C1", "marker": "^"}),
    ):
        values = table[f"force_change{part}_rms_ev_per_angstrom"].to_numpy(float)
        left.plot(x, values, ls=style, label=words, **look)
    left.set(
        xlabel=label, ylabel="rms over atoms (eV/Å)", title=f"{study.formula}: change of force"
    )
    left.legend()
    colours = scale_colours(len(study.settings))
    for setting, colour in zip(study.settings, colours, strict=True):
        if setting is study.reference:
            continue
        change = study.force_change(setting)
        order = np.argsort(change.angle)
        share = np.cumsum(change.reference[order]) / change.reference.sum()
        right.plot(change.angle[order], share, color=colour, label=setting_name(setting))
    right.set(xlabel="angle θ between F and F0 (°)", ylabel="share of |F0| that turned less")
    right.set(xlim=(0, _angle_limit(study)), ylim=(0, 1.02), title="Change of direction")
    right.legend(loc="lower right")
    return figure


def _angle_limit(study: ScanStudy) -> float:
    """Angle that holds 99 % of every setting's atoms, at least one degree."""
    angles = [
        float(np.percentile(study.force_change(s).angle, 99))
        for s in study.settings
        if s is not study.reference
    ]
    return max([1.0, *angles])


def _link_figure(study: ScanStudy, table: pd.DataFrame) -> Figure:
    figure = new_figure(7.2, 3.4)
    panels = figure.subplots(1, 2, sharey=True)
    shifted = "electrons_per_atom_shift" in study.varies
    colours = scale_colours(len(table))
    y = table["force_percent_error"].to_numpy(float)
    ends = table[["force_percent_error_low", "force_percent_error_high"]].to_numpy(float)
    bars = np.clip(np.array([y - ends[:, 0], ends[:, 1] - y]), 0, None)
    pairs = (
        ("n_d_fermi_{}states_per_ev_atom", "n_d(E_F) (states/eV/atom)"),
        ("d_sharpness_{}states_per_ev2_atom", "mean |dn_d/dE| (states/eV²/atom)"),
    )
    for axes, (column, label) in zip(panels, pairs, strict=True):
        smeared = table[column.format("")].to_numpy(float)
        bare = table[column.format("bare_")].to_numpy(float)
        axes.plot(smeared, y, color="#888888", lw=1, zorder=1)
        axes.plot(bare, y, color="#bbbbbb", lw=1, ls=":", zorder=1)
        axes.errorbar(smeared, y, yerr=bars, fmt="none", ecolor="#888888", elinewidth=1, zorder=1)
        axes.scatter(smeared, y, color=colours, s=36, zorder=3, label="smeared")
        axes.scatter(bare, y, facecolor="white", edgecolor=colours, s=30, zorder=2, label="bare")
        for k, setting in enumerate(study.settings):
            axes.annotate(
                f"{setting.smearing.width:g}"
                + (f", {setting.electrons_per_atom_shift:+g} e" if shifted else ""),
                (smeared[k], y[k]),
                (5, 4),
                textcoords="offset points",
                fontsize=8,
            )
        axes.set(xlabel=label)
        axes.set_xlim(left=0)
    panels[0].set(ylabel="force error, 100 MAE/MAV (%)")
    panels[0].set_ylim(bottom=0)
    panels[0].legend(loc="lower right")
    figure.suptitle(
        f"n = {len(table)} settings of one metal ({study.formula}), labels: σ in eV. "
        f"No claim of correlation.",
        fontsize=9,
    )
    return figure


def _parity_figure(study: ScanStudy, table: pd.DataFrame) -> Figure:
    count = len(study.settings)
    columns = min(count, _PARITY_COLUMNS)
    rows = -(-count // columns)
    figure = new_figure(max(3.0, 1.85 * columns), 2.1 * rows + 0.4)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    limit = 1.05 * max(float(np.abs(f).max()) for s in study.settings for f in (*s.test_forces,))
    for axes, setting, (_, row) in zip(panels, study.settings, table.iterrows(), strict=False):
        axes.plot([-limit, limit], [-limit, limit], color=LINE_COLOUR, lw=0.8)
        for tier in study.tier_names or [""]:
            chosen = [k for k, t in enumerate(study.test_tiers) if not tier or t == tier]
            old = np.concatenate([setting.test_forces[k].ravel() for k in chosen])
            new = np.concatenate([setting.test_forces_predicted[k].ravel() for k in chosen])
            every = max(1, -(-len(old) * max(1, len(study.tier_names)) // _PARITY_POINTS))
            axes.plot(
                old[::every],
                new[::every],
                ".",
                ms=2,
                alpha=0.5,
                color=TIER_COLOURS.get(tier, "C0"),
                label=tier,
                rasterized=True,
            )
        axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
        axes.set_title(setting_name(setting))
        axes.text(
            0.04, 0.95, f"{row['force_percent_error']:.1f} %", transform=axes.transAxes, va="top"
        )
    for axes in panels[count:]:
        axes.set_visible(False)
    if study.tier_names:
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=len(labels), markerscale=4)
    figure.supxlabel("labelled force component (eV/Å)", fontsize=9)
    figure.supylabel("predicted (eV/Å)", fontsize=9)
    return figure
