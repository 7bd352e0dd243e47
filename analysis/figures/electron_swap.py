"""One metal with another metal's electrons: d-DOS and force error of every case."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dosml.analysis.figures.style import (
    LINE_COLOUR,
    from_zero,
    house_style,
    new_figure,
    save_figure,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes

    from dosml.analysis.figures.style import FigureRecord
    from dosml.analysis.statistics.electron_swap import Swap


#: Name of the figure.
SWAP_FIGURE = "electron_swap"


def swap_figure(swap: Swap, table: pd.DataFrame, dos: pd.DataFrame, folder: Path) -> FigureRecord:
    """Draw the d-DOS and the force error of every case.

    Parameters
    ----------
    swap, table
        As in `swap_table`, and its result.
    dos
        `dosml.analysis.statistics.dos_table.dos_table` of the metal's own scan; without any d-DOS
        the errors stand alone.
    folder
        Where the two files go.
    """
    curves = _curves(swap, dos)
    colours = {line["case"]: f"C{number}" for number, line in enumerate(_records(table))}
    drawn = {case: curve for case, curve in curves.items() if case in colours}
    errors = "force % error with 95 % intervals"
    caption = f"{errors[0].upper()}{errors[1:]}"
    with house_style():
        if drawn:
            figure = new_figure(7.2, 3.2)
            left, right = figure.subplots(1, 2, width_ratios=[1.6, 1])
            _draw_curves(left, drawn, colours)
            figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=3)
            caption = f"Left: mean bare d-DOS at σ = {swap.width:g} eV. Right: {errors}"
        else:
            figure = new_figure(3.6, 3.2)
            right = figure.subplots()
        _draw_errors(right, swap, table)
        return save_figure(
            figure,
            folder,
            SWAP_FIGURE,
            title=f"{swap.metal} with the electrons of {swap.other}",
            caption=f"{caption}. {swap.posed}: the structure of {swap.metal}, labelled and "
            f"trained anew with {abs(swap.shift):g} electrons "
            f"{'removed' if swap.shift < 0 else 'added'} per atom.",
        )


def _curves(swap: Swap, dos: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Bare d-DOS of every case for which it is known."""
    partner = None if swap.partner is None else swap.partner.dos
    wanted = ((swap.metal, dos, 0.0), (swap.posed, dos, swap.shift), (swap.other, partner, 0.0))
    found = {}
    for case, curve, shift in wanted:
        if curve is not None:
            here = (curve["electrons_per_atom_shift"] == shift) & (curve["sigma_ev"] == swap.width)
            if here.any():
                found[case] = curve[here]
    return found


def _draw_curves(axes: Axes, curves: dict[str, pd.DataFrame], colours: dict[str, str]) -> None:
    for case, part in curves.items():
        y = part["d_bare_states_per_ev_atom"]
        axes.plot(part["energy_ev"], y, color=colours[case], label=case)
    axes.axvline(0, color=LINE_COLOUR, lw=1)
    axes.set(xlabel=r"energy relative to $E_\mathrm{F}$ (eV)", xlim=(-8, 8))
    axes.set(ylabel="bare d-DOS (states/eV/atom)")
    axes.set_ylim(bottom=0)


def _draw_errors(axes: Axes, swap: Swap, table: pd.DataFrame) -> None:
    for number, line in enumerate(_records(table)):
        ends = (line["force_percent_error_low"], line["force_percent_error_high"])
        value = line["force_percent_error"]
        bars = [[max(value - ends[0], 0)], [max(ends[1] - value, 0)]]
        axes.errorbar(number, value, yerr=bars, color=f"C{number}", marker="o", capsize=3)
    # a share alone hides which of its two parts moved
    ticks = [
        f"{_short(swap, line['case'])}\nMAE {line['force_mae_ev_per_angstrom']:.3f}\n"
        f"MAV {line['force_mav_ev_per_angstrom']:.2f}"
        for line in _records(table)
    ]
    axes.set_xticks(range(len(table)), ticks)
    axes.set(xlabel="MAE and MAV in eV/Å")
    axes.set(ylabel="force error, 100 MAE/MAV (%)", xlim=(-0.5, len(table) - 0.5))
    from_zero(axes)


def _records(table: pd.DataFrame) -> list[dict[Any, Any]]:
    return table.to_dict("records")


def _short(swap: Swap, case: str) -> str:
    return f"{swap.metal} as {swap.other}" if case == swap.posed else case
