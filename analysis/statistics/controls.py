"""The controls of a survey, read back: other crystals, other electron numbers, pair potentials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from dosml.analysis.measures.table import PRIMARY
from dosml.analysis.statistics.campaigns import read_campaign
from dosml.analysis.statistics.correlation import MINIMUM_POINTS, correlate, correlate_within
from dosml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

#: Folder of a survey that holds them, a folder for each kind.
FOLDER = "controls"
_KEPT = (
    "sigma_ev",
    "force_percent_error",
    "force_percent_error_low",
    "force_percent_error_high",
    "force_mae_ev_per_angstrom",
    "force_mav_ev_per_angstrom",
    "label_noise_percent",
    "label_noise_ev_per_angstrom",
    PRIMARY,
    "chi_4_states2_per_ev_atom2",
    "d_band_filling",
)


@dataclass(frozen=True)
class Controls:
    """Tables of the controls that a survey has; None where a kind was not run.

    Attributes
    ----------
    crystals
        One row per metal, crystal and setting, without the metals' own crystals.
    electrons
        One row per metal and electron number: "metal", "electrons", errors, chi_4.
    pairs
        One row per metal, kind ("labels", "pairs") and setting, both trained without stresses.
    """

    crystals: pd.DataFrame | None = None
    electrons: pd.DataFrame | None = None
    pairs: pd.DataFrame | None = None

    @property
    def there(self) -> bool:
        """Whether there is any."""
        return any(one is not None for one in (self.crystals, self.electrons, self.pairs))


def read_controls(survey: Path) -> Controls:
    """Read the finished controls of a survey.

    Parameters
    ----------
    survey
        Its folder.

    Raises
    ------
    InputError
        If a file cannot be read.
    """
    folder = survey / FOLDER
    return Controls(
        _joined([_crystal(one) for one in _campaigns(folder / "crystals")]),
        _joined([electron_rows(one) for one in _campaigns(folder / "electrons")]),
        _joined([_table(one) for one in sorted((folder / "pairs").glob("*/pairs.csv"))]),
    )


def _campaigns(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("*/results.csv"))


def _joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame | None:
    import pandas as pd

    return pd.concat(tables, ignore_index=True) if tables else None


def _table(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path} ({error}): run the survey again") from error


def _crystal(folder: Path) -> pd.DataFrame:
    campaign = read_campaign(folder)
    table = campaign.results.reindex(columns=list(_KEPT))
    table.insert(0, "crystal", str(campaign.settings.get("prototype")))
    table.insert(0, "metal", campaign.metal)
    return table


def electron_rows(folder: Path) -> pd.DataFrame:
    """Rows of one electron series.

    Parameters
    ----------
    folder
        A finished campaign of `dosml electron-series`.

    Returns
    -------
    pandas.DataFrame
        "metal", "electrons" (d and s electrons per atom), errors, `PRIMARY`, chi_4 and
        "n_times_ten_minus_n" of the d band, ascending in electrons.

    Raises
    ------
    InputError
        If it is none, or cannot be read.
    """
    campaign = read_campaign(folder)
    valence = campaign.settings.get("valence_electrons")
    if not isinstance(valence, (int, float)):
        raise InputError(f"{folder} is no electron series: dosml electron-series makes one")
    return series_rows(campaign.metal, campaign.results, valence)


def series_rows(metal: str, results: pd.DataFrame, valence: float) -> pd.DataFrame:
    """Rows of one electron series from the results of its scan, see `electron_rows`.

    Parameters
    ----------
    metal
        Its name.
    results
        One row per electron number.
    valence
        Electrons per atom of the neutral metal.
    """
    table = results.sort_values("electrons_per_atom_shift", ignore_index=True)
    kept = table.reindex(columns=list(_KEPT))
    kept.insert(0, "electrons", table["electrons_per_atom_shift"].to_numpy(float) + valence)
    kept.insert(0, "metal", metal)
    filling = 10 * table["d_band_filling"].to_numpy(float)
    kept["d_electrons_of_ten"] = filling
    kept["n_times_ten_minus_n"] = filling * (10 - filling)
    return kept


def electron_correlations(electrons: pd.DataFrame) -> pd.DataFrame:
    """How error, its two parts and chi_4 go together along the electron number, metal by metal.

    Parameters
    ----------
    electrons
        From `electron_rows`, of any number of metals.

    Returns
    -------
    pandas.DataFrame
        One row per metal: "metal", "n", and Pearson and Spearman coefficients with unsmeared chi_4
        of MAE, MAV and % error ("mae_pearson", "mae_spearman", "mav_pearson", ...). No p-values:
        neighbouring electron numbers share their levels and are not independent.
    """
    import pandas as pd

    targets = {
        "mae": "force_mae_ev_per_angstrom",
        "mav": "force_mav_ev_per_angstrom",
        "percent": "force_percent_error",
    }
    rows = []
    for metal, group in electrons.groupby("metal", sort=False):
        row: dict[str, object] = {"metal": metal, "n": len(group)}
        for name, column in targets.items():
            part = group[[PRIMARY, column]].dropna()
            ends = (float("nan"), float("nan"))
            if len(part) >= MINIMUM_POINTS and np.ptp(part[PRIMARY]) > 0:
                kinds: tuple[Literal["pearson"], Literal["spearman"]] = ("pearson", "spearman")
                first, second = (part[PRIMARY].corr(part[column], method=kind) for kind in kinds)
                ends = float(first), float(second)
            row[f"{name}_pearson"], row[f"{name}_spearman"] = ends
        rows.append(row)
    return pd.DataFrame(rows)


def crystal_table(crystals: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
    """Put the metals in their own crystal beside others at one setting.

    Parameters
    ----------
    crystals
        From `Controls`.
    own
        Rows of the survey at that setting, with "metal", "crystal" and the columns of errors.

    Returns
    -------
    pandas.DataFrame
        "metal", "crystal", "own" (whether it is the metal's own), errors and measures; only metals
        that have both.
    """
    import pandas as pd

    width = float(own["sigma_ev"].iloc[0])
    there = crystals[np.isclose(crystals["sigma_ev"], width)].assign(own=False)
    mine = own[own["metal"].isin(set(there["metal"]))].assign(own=True)
    columns = ["metal", "crystal", "own", *_KEPT]
    both = pd.concat([mine.reindex(columns=columns), there.reindex(columns=columns)])
    return both[both["metal"].isin(set(mine["metal"]))].sort_values(
        ["metal", "own"], ascending=[True, False], ignore_index=True
    )


def within_metals(table: pd.DataFrame, *, seed: int = 0) -> tuple[float, float, int] | None:
    """Correlate ln(error) with unsmeared chi_4 across the crystals of the same metals.

    Returns
    -------
    r, p, n_metals
        See `dosml.analysis.statistics.correlation.correlate_within`; None with too few.
    """
    part = table[table["force_percent_error"] > 0].dropna(subset=[PRIMARY])
    try:
        return correlate_within(
            part[PRIMARY], np.log(part["force_percent_error"]), list(part["metal"]), seed=seed
        )
    except InputError:
        return None


def pair_rows(pairs: pd.DataFrame, width: float) -> pd.DataFrame:
    """Errors of labels and of their pair potentials side by side at one σ.

    Returns
    -------
    pandas.DataFrame
        "metal", "labels", "pairs" (force errors in %), "labels_mae", "pairs_mae" (eV/Å), `PRIMARY`,
        "pairs_explain_percent".
    """
    here = pairs[np.isclose(pairs["sigma_ev"], width)]
    by = here.pivot_table(
        index="metal",
        columns="kind",
        values=["force_percent_error", "force_mae_ev_per_angstrom"],
    )
    first = here.groupby("metal").first()
    table = first[[PRIMARY, "pairs_explain_percent"]].copy()
    for kind in ("labels", "pairs"):
        table[kind] = by["force_percent_error", kind]
        table[f"{kind}_mae"] = by["force_mae_ev_per_angstrom", kind]
    return table.reset_index()


def pair_correlation(table: pd.DataFrame, *, seed: int = 0) -> tuple[float, float] | None:
    """Correlation of ln(error of the pair potentials) with the metals' unsmeared chi_4, and its p.

    Parameters
    ----------
    table
        From `pair_rows`.
    seed
        Seed of the permutations.

    Returns
    -------
    r, p
        None with too few metals.
    """
    known = table.dropna(subset=[PRIMARY, "pairs"])
    try:
        found = correlate(known[PRIMARY], np.log(known["pairs"]), seed=seed)
    except InputError:
        return None
    return found.pearson, found.pearson_p
