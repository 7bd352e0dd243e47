"""Force changes against smearing, tier by tier, and the limit that they are held against."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.figures.style import (
    LINE_COLOUR,
    TIER_COLOURS,
    from_zero,
    legend_above,
    new_figure,
)
from dosml.analysis.statistics.recommendation import ALL

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from dosml.analysis.statistics.recommendation import Recommendation

_MEV = 1000.0


def recommendation_figure(found: Recommendation, errors: pd.DataFrame | None) -> Figure:
    """Draw the mean force change of every tier, and the force error where it is known.

    Parameters
    ----------
    found
        The recommendation.
    errors
        Columns "sigma_ev", "force_percent_error" and its ends, or None.
    """
    figure = new_figure(7.2 if errors is not None else 4.4, 3.2)
    panels = figure.subplots(1, 1 if errors is None else 2, squeeze=False)[0]
    left = panels[0]
    for k, (tier, rows) in enumerate(found.table.groupby("tier", sort=False)):
        y = _MEV * rows["force_change_ev_per_angstrom"].to_numpy(float)
        ends = [
            _MEV * rows[f"force_change_ev_per_angstrom_{end}"].to_numpy(float)
            for end in ("low", "high")
        ]
        bars = np.nan_to_num(np.clip([y - ends[0], ends[1] - y], 0, None))
        colour = "black" if tier == ALL else TIER_COLOURS.get(str(tier), f"C{1 + k}")
        left.errorbar(
            rows["sigma_ev"],
            y,
            yerr=bars,
            color=colour,
            marker="o",
            ms=4,
            capsize=2,
            lw=1.6 if tier == ALL else 1,
            label="all frames" if tier == ALL else tier,
        )
    left.axhline(_MEV * found.limit, color=LINE_COLOUR, lw=1, ls="--", label="limit")
    left.set(xlabel="smearing width σ (eV)", ylabel="mean |ΔF| per component (meV/Å)")
    widths = sorted(set(found.table["sigma_ev"]))
    left.set_xticks(widths, [f"{one:g}" for one in widths])
    from_zero(left)
    legend_above(left, "Change of the forces", columns=3)
    if errors is not None:
        right = panels[1]
        y = errors["force_percent_error"].to_numpy(float)
        ends = [errors[f"force_percent_error_{end}"].to_numpy(float) for end in ("low", "high")]
        bars = np.nan_to_num(np.clip([y - ends[0], ends[1] - y], 0, None))
        right.errorbar(errors["sigma_ev"], y, yerr=bars, color="C0", marker="o", capsize=2.5)
        right.axvline(found.width, color=LINE_COLOUR, lw=1, ls="--", label="recommended")
        right.set_xticks(widths, [f"{one:g}" for one in widths])
        right.set(xlabel="smearing width σ (eV)", ylabel="force error, 100 MAE/MAV (%)")
        from_zero(right)
        legend_above(right, "What it buys at equal data")
    return figure
