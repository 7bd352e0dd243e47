"""Figures of what a setting does to electrons and forces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.analysis.figures.style import (
    LINE_COLOUR,
    from_zero,
    legend_above,
    line_style,
    new_figure,
    scale_colours,
    scan_axis,
)
from dosml.analysis.measures.dos_curves import smeared_dos
from dosml.analysis.statistics.scan import setting_name

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dosml.analysis.statistics.results import SettingResult
    from dosml.analysis.statistics.scan import ScanData
    from dosml.theory.dos import ElectronicDos

#: What the d-DOS panels show, eV relative to E_F.
DOS_RANGE_EV = (-8.0, 8.0)


def dos_figure(scan: ScanData) -> Figure:
    """Draw the mean d-DOS of every setting, bare and smeared, with occupations and E_F.

    Parameters
    ----------
    scan
        A scan with a d-DOS at one setting at least.
    """
    known = [(setting, setting.dos) for setting in scan.with_d if setting.dos is not None]
    count = len(known)
    figure = new_figure(7.2, 0.9 + 1.25 * count)
    panels = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
    grid = known[0][1].energies
    top = 1.12 * max(float(dos.d.max()) for _, dos in known)
    colours = scale_colours(count)
    handles: list[Any] = []
    for axes, (setting, dos), colour in zip(panels, known, colours, strict=True):
        drawn = _dos_panel(axes, setting, dos, colour)
        shift = scan.measures(setting)["fermi_level_shift_ev"]
        drawn.append(axes.axvline(-shift, color=LINE_COLOUR, lw=1, ls=":"))
        handles = handles or drawn
        axes.set(
            ylim=(0, top), xlim=(max(DOS_RANGE_EV[0], grid[0]), min(DOS_RANGE_EV[1], grid[-1]))
        )
        # on the side where the dotted line is not
        aside: dict[str, Any] = {"xytext": (3, 0), "ha": "left"}
        if shift < 0:
            aside = {"xytext": (-3, 0), "ha": "right"}
        axes.annotate(
            r"$E_\mathrm{F}$", (0, 0.97 * top), textcoords="offset points", va="top", **aside
        )
    names = ["bare", "smeared", "f(e)", r"unsmeared $E_\mathrm{F}$"]
    figure.legend(handles, names, loc="outside upper right", ncols=len(names))
    panels[-1].set_xlabel(r"energy relative to $E_\mathrm{F}$ (eV)")
    figure.supylabel(f"{scan.formula} d-DOS (states/eV/atom)", fontsize=9)
    return figure


def _dos_panel(axes: Axes, setting: SettingResult, dos: ElectronicDos, colour: Any) -> list[Any]:
    """Fill one panel; return what its legend needs."""
    smeared = smeared_dos(dos.energies, dos.d, setting.smearing)
    bare = axes.fill_between(dos.energies, dos.d, color="#d0d0d0", lw=0)
    (line,) = axes.plot(dos.energies, smeared, color=colour)
    axes.axvline(0, color=LINE_COLOUR, lw=1)
    axes.set_title(setting_name(setting))
    twin = axes.twinx()
    occupation = setting.smearing.occupation(dos.energies)
    (dashes,) = twin.plot(dos.energies, occupation, "--", color="C1", lw=1.2)
    twin.set(ylim=(0, 1.12), yticks=[0, 1])
    twin.spines["right"].set_visible(True)
    twin.grid(visible=False)
    return [bare, line, dashes]


def force_change_figure(scan: ScanData, table: pd.DataFrame) -> Figure:
    """Draw how forces change against the reference: size and parts, and angles.

    Parameters
    ----------
    scan, table
        A scan and its results table.
    """
    figure = new_figure(7.2, 3.1)
    left, right = figure.subplots(1, 2)
    x = scan_axis(left, scan)
    parts: list[tuple[str, str, dict[str, Any]]] = [
        ("", "whole change", {"color": "black", "marker": "o"}),
        ("_magnitude", "magnitude part", {"color": "C0", "marker": "s"}),
        ("_direction", "direction part", {"color": "C1", "marker": "^"}),
    ]
    for part, label, look in parts:
        values = table[f"force_change{part}_rms_ev_per_angstrom"].to_numpy(float)
        left.plot(x, values, ls=line_style(scan), label=label, **look)
    left.set(ylabel="rms over atoms (eV/Å)")
    from_zero(left)
    legend_above(left, f"{scan.formula}: change of force")
    limit = 1.0
    for setting, colour in zip(scan.settings, scale_colours(len(scan.settings)), strict=True):
        if setting is scan.reference:
            continue
        change = scan.force_change(setting)
        order = np.argsort(change.angle)
        share = np.cumsum(change.reference[order]) / change.reference.sum()
        angles = change.angle[order]
        right.plot([*angles, 180.0], [*share, 1.0], color=colour, label=setting_name(setting))
        limit = max(limit, float(np.interp(0.98, share, angles)))
    right.set(xlabel="angle θ between F and F0 (°)", ylabel="share of |F0| that turned less")
    right.set(xlim=(0, limit), ylim=(0, 1.02))
    legend_above(right, "Change of direction")
    return figure


def angular_figure(table: pd.DataFrame) -> Figure:
    """Draw the error of a linear force field against its angular momentum.

    Parameters
    ----------
    table
        From `dosml.analysis.statistics.angular_resolution.angular_resolution`.
    """
    figure = new_figure(5.2, 3.3)
    axes = figure.subplots()
    groups = list(table.groupby("setting", sort=False))
    for (name, group), colour in zip(groups, scale_colours(len(groups)), strict=True):
        axes.plot(group["l_max"], group["percent_error"], "o-", color=colour, label=name)
    levels = sorted(set(table["l_max"]))
    axes.set_xticks(levels, ["pairs", *(str(level) for level in levels[1:])])
    axes.set(xlabel="highest l of the triplets", ylabel="force error, 100 MAE/MAV (%)")
    from_zero(axes)
    legend_above(axes, "Linear force field, frames left out")
    return figure


def power_figure(table: pd.DataFrame, reference: str, setting: str) -> Figure:
    """Draw the angular power of forces at one setting and of their change to another.

    Parameters
    ----------
    table
        From `dosml.analysis.measures.angular_power.angular_power_table`.
    reference
        Name of the setting whose forces are drawn, and from which changes are counted.
    setting
        Name of the setting whose change is drawn.
    """
    figure = new_figure(7.2, 3.1)
    left, right = figure.subplots(1, 2, sharey=True)
    shown = ((left, "forces", reference), (right, "change", setting))
    for axes, quantity, name in shown:
        part = table[(table["quantity"] == quantity) & (table["setting"] == name)]
        for part_name, colour in (("vector", "C0"), ("radial", "C1")):
            mean = part[f"{part_name}_shuffled"].to_numpy(float)
            spread = 2 * part[f"{part_name}_spread"].to_numpy(float)
            axes.fill_between(
                part["l"], mean - spread, mean + spread, color=colour, alpha=0.2, lw=0
            )
            axes.plot(part["l"], part[part_name], "o-", color=colour, label=part_name)
        axes.axhline(1, color=LINE_COLOUR, lw=0.8)
        axes.set(xlabel="angular momentum l", xticks=sorted(set(table["l"])))
    from_zero(left)  # both: they share it
    left.set(ylabel="relative power")
    legend_above(left, f"Forces at {reference}")
    legend_above(right, f"Change of forces to {setting}")
    return figure
