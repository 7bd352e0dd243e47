"""How far electronic smearing may go: forces at every width against those at the smallest one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.statistics.errors import (
    component_sums,
    ratio_interval,
)
from dosml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from dosml.theory.dos import ElectronicDos

#: Name of the rows over all frames.
ALL = "all"
#: A total DOS below this counts as no states, states/eV/atom.
EMPTY_DOS = 0.02
#: A gap is told from a pseudogap and from the tails of broadening by this width, eV.
SMALLEST_GAP_EV = 0.3


@dataclass(frozen=True)
class Recommendation:
    """Which smearing to take.

    Attributes
    ----------
    table
        One row per tier ("all" first) and width, narrowest first: "tier", "sigma_ev",
        "n_frames", "force_change_ev_per_angstrom" (mean |dF| over force components against the
        narrowest width) with the ends "_low" and "_high" of its 95 % interval over
        frames, "force_change_percent" (of the mean |F| at the narrowest) and "within".
    limit
        What a change is held against, eV/Å.
    widths
        Tier -> largest width up to which every change lies within the limit, eV.
    """

    table: pd.DataFrame
    limit: float
    widths: Mapping[str, float]

    @property
    def width(self) -> float:
        """The width to take, eV: that of the most sensitive tier, and of all frames."""
        return min(self.widths.values())


def recommend(
    forces: Mapping[float, Sequence[NDArray[np.float64]]],
    tiers: Sequence[str],
    *,
    limit: float,
) -> Recommendation:
    """Find the largest smearing whose forces stay close to those of the smallest one.

    A width is within the limit where the upper end of the interval of its mean force change is.
    Widths count from the narrowest on: one beyond the first that is outside is not taken even
    where its own change happens to be small.

    Parameters
    ----------
    forces
        Width in eV -> forces of the same frames, (n_atoms, 3) each, eV/Å.
    tiers
        Tier of every frame.
    limit
        Allowed mean change of a force component, eV/Å.

    Raises
    ------
    InputError
        If there are fewer than two widths, or the limit is not positive.
    """
    import pandas as pd

    widths = sorted(forces)
    if len(widths) < 2:
        raise InputError(
            f"a recommendation compares two smearing widths or more, got {len(widths)}: label "
            "the frames at several (dosml smear-scan)"
        )
    if not limit > 0:
        raise InputError(f"forces may differ by more than 0 eV/Å, got {limit}: give --within")
    start = forces[widths[0]]
    names = [ALL, *(name for name in dict.fromkeys(tiers) if len(set(tiers)) > 1)]
    rows = []
    chosen: dict[str, float] = {}
    for name in names:
        mask = np.array([name in (ALL, tier) for tier in tiers])
        strata = [tier for tier, use in zip(tiers, mask, strict=True) if use]
        chosen[name] = widths[0]
        open_end = True
        for width in widths:
            sums = component_sums(forces[width], start).take(mask)
            low, high = ratio_interval(sums.absolute_error, sums.count, strata)
            change = sums.mean_absolute_error
            within = bool((change if np.isnan(high) else high) <= limit)
            open_end = open_end and within
            if open_end:
                chosen[name] = width
            rows.append(
                {
                    "tier": name,
                    "sigma_ev": width,
                    "n_frames": len(sums),
                    "force_change_ev_per_angstrom": change,
                    "force_change_ev_per_angstrom_low": low,
                    "force_change_ev_per_angstrom_high": high,
                    "force_change_percent": sums.percent_error,
                    "within": within,
                }
            )
    return Recommendation(pd.DataFrame(rows), limit, chosen)


def gap_width(dos: ElectronicDos) -> float:
    """Width of the gap in which the Fermi level lies, eV; 0 for a metal.

    Parameters
    ----------
    dos
        Of one frame, energies relative to E_F. States count where the total DOS exceeds
        `EMPTY_DOS`; a gap smaller than `SMALLEST_GAP_EV`, or than four times the broadening of
        the DOS, is none.
    """
    occupied = dos.total > EMPTY_DOS
    below, above = occupied & (dos.energies <= 0), occupied & (dos.energies >= 0)
    if not below.any() or not above.any():
        return 0.0
    width = float(dos.energies[above][0] - dos.energies[below][-1])
    return width if width > max(SMALLEST_GAP_EV, 4 * dos.broadening) else 0.0
