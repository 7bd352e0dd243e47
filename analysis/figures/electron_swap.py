"""One metal with another metal's electrons: the comparison of TM23's Figure 9 d and e."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dosml.analysis.figures.style import house_style, new_figure, save_figure
from dosml.errors import InputError
from dosml.theory.response_index import D_WEIGHTS

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from rich.table import Table

    from dosml.analysis.figures.style import FigureRecord
    from dosml.analysis.statistics.campaigns import CampaignTables

_KEPT = (
    "n_frames",
    "n_test_frames",
    "force_percent_error",
    "force_percent_error_low",
    "force_percent_error_high",
    "force_mae_ev_per_angstrom",
    "force_mav_ev_per_angstrom",
    "d_band_center_ev",
    "d_band_width_ev",
    "n_d_fermi_states_per_ev_atom",
)


@dataclass(frozen=True)
class Swap:
    """What is compared.

    Attributes
    ----------
    metal, other
        Symbols: `metal` keeps its structure and takes the electron count of `other`.
    shift
        Electrons added per atom to that end.
    width
        Smearing width, eV.
    partner
        A campaign of `other` in its own structure, or None.
    """

    metal: str
    other: str
    shift: float
    width: float
    partner: CampaignTables | None = None

    def __post_init__(self) -> None:
        """Check that the partner is of the other metal and holds the setting.

        Raises
        ------
        InputError
            If not.
        """
        if self.partner is None:
            return
        if self.partner.metal != self.other:
            raise InputError(
                f"--with {self.partner.folder} is a campaign of {self.partner.metal}, "
                f"not of {self.other}"
            )
        results = self.partner.results
        neutral = results[results["electrons_per_atom_shift"] == 0]
        if self.width not in set(neutral["sigma_ev"]):
            widths = ", ".join(f"{one:g}" for one in neutral["sigma_ev"]) or "none"
            raise InputError(
                f"--with {self.partner.folder} holds the neutral metal at sigma {widths} eV, not "
                f"at {self.width:g}: give one of these as --sigma, or another campaign"
            )

    @property
    def posed(self) -> str:
        """Name of the metal with the other's electrons."""
        return f"{self.metal} with the electrons of {self.other} ({self.shift:+g})"


def swap_table(swap: Swap, results: pd.DataFrame) -> pd.DataFrame:
    """Compare the metal, the metal with the other's electrons, and the other metal.

    Parameters
    ----------
    swap
        What is compared.
    results
        Results table of the metal's own scan, neutral and swapped; a setting that was left out is
        left out here.

    Returns
    -------
    pandas.DataFrame
        One row per case, named in "case". N is ten times the d filling, chi_4 the response index
        of the calculated d-DOS.
    """
    import pandas as pd

    rows = []
    for name, table, shift in _cases(swap, results):
        chosen = table[
            (table["electrons_per_atom_shift"] == shift) & (table["sigma_ev"] == swap.width)
        ]
        for _, line in chosen.iterrows():
            count = 10 * line["d_band_filling"]
            row: dict[str, Any] = {"case": name, "sigma_ev": swap.width}
            row |= {"electrons_per_atom_shift": shift} | {key: line[key] for key in _KEPT}
            row |= {
                "d_electrons_of_ten": count,
                "n_times_ten_minus_n": count * (10 - count),
                "chi_4_states2_per_ev_atom2": D_WEIGHTS[4]
                * line["d_response_states2_per_ev_atom2"],
            }
            rows.append(row)
    return pd.DataFrame(rows)


def _cases(swap: Swap, own: pd.DataFrame) -> list[tuple[str, pd.DataFrame, float]]:
    cases = [(swap.metal, own, 0.0), (swap.posed, own, swap.shift)]
    if swap.partner is not None:
        cases.append((swap.other, swap.partner.results, 0.0))
    return cases


def swap_figure(swap: Swap, table: pd.DataFrame, dos: pd.DataFrame, folder: Path) -> FigureRecord:
    """Draw the d-DOS and the force error of every case.

    Parameters
    ----------
    swap, table
        As in `swap_table`, and its result.
    dos
        `dosml.analysis.statistics.dos_table.dos_table` of the metal's own scan.
    folder
        Where the two files go.
    """
    partner = swap.partner
    curves = {swap.metal: (dos, 0.0), swap.posed: (dos, swap.shift)}
    if partner is not None and partner.dos is not None:
        curves[swap.other] = (partner.dos, 0.0)
    with house_style():
        figure = new_figure(7.2, 3.2)
        left, right = figure.subplots(1, 2, width_ratios=[1.6, 1])
        for number, line in enumerate(_records(table)):
            colour = f"C{number}"
            if line["case"] in curves:
                curve, shift = curves[line["case"]]
                part = curve[
                    (curve["electrons_per_atom_shift"] == shift) & (curve["sigma_ev"] == swap.width)
                ]
                left.plot(
                    part["energy_ev"],
                    part["d_bare_states_per_ev_atom"],
                    color=colour,
                    label=line["case"],
                )
            ends = (line["force_percent_error_low"], line["force_percent_error_high"])
            value = line["force_percent_error"]
            bars = [[max(value - ends[0], 0)], [max(ends[1] - value, 0)]]
            right.errorbar(number, value, yerr=bars, color=colour, marker="o", capsize=3)
        left.axvline(0, color="#444444", lw=1)
        left.set(xlabel=r"energy relative to $E_\mathrm{F}$ (eV)", xlim=(-8, 8))
        left.set(ylabel="bare d-DOS (states/eV/atom)")
        left.set_ylim(bottom=0)
        # a share alone hides which of its two parts moved
        ticks = [
            f"{_short(swap, line['case'])}\nMAE {line['force_mae_ev_per_angstrom']:.3f}\n"
            f"MAV {line['force_mav_ev_per_angstrom']:.2f}"
            for line in _records(table)
        ]
        right.set_xticks(range(len(table)), ticks)
        right.set(xlabel="MAE and MAV in eV/Å")
        right.set(ylabel="force error, 100 MAE/MAV (%)", xlim=(-0.5, len(table) - 0.5))
        right.set_ylim(bottom=0)
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=3)
        return save_figure(
            figure,
            folder,
            "electron_swap",
            title=f"{swap.metal} with the electrons of {swap.other}",
            caption=f"Left: mean bare d-DOS at σ = {swap.width:g} eV. Right: force % error with "
            f"95 % bootstrap intervals. {swap.posed}: the structure of {swap.metal}, labelled and "
            f"trained anew with {abs(swap.shift):g} electrons "
            f"{'removed' if swap.shift < 0 else 'added'} per atom.",
        )


def _records(table: pd.DataFrame) -> list[dict[Any, Any]]:
    return table.to_dict("records")


def _short(swap: Swap, case: str) -> str:
    return f"{swap.metal} as {swap.other}" if case == swap.posed else case


def swap_terminal(table: pd.DataFrame) -> Table:
    """Show the comparison in a terminal, 80 characters wide."""
    from rich import box
    from rich.table import Table as RichTable

    shown = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title="electron swap")
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
    for row in _records(table):
        low, high = row["force_percent_error_low"], row["force_percent_error_high"]
        shown.add_row(
            row["case"],
            f"{row['force_percent_error']:.1f} ({low:.1f}-{high:.1f})",
            f"{row['force_mae_ev_per_angstrom']:.3f}",
            f"{row['force_mav_ev_per_angstrom']:.2f}",
            f"{row['d_band_center_ev']:.2f}",
            f"{row['d_electrons_of_ten']:.1f}",
            f"{row['n_times_ten_minus_n']:.1f}",
            f"{row['chi_4_states2_per_ev_atom2']:.2f}",
        )
    return shown
