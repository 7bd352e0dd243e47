"""One metal with another metal's electrons: the comparison of TM23's Figure 9 d and e."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dosml.errors import InputError
from dosml.theory.response_index import D_WEIGHTS

if TYPE_CHECKING:
    import pandas as pd

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
