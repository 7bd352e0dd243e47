"""Body-order expansions of clusters: tables, means, and what smearing does to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dosml.analysis.statistics.errors import FEWEST, t_half_width
from dosml.theory.body_order import effective_body_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

#: Share of the binding energy that makes an effective body order, where nobody says another.
SHARE = 0.95
#: What tells rows apart that are averaged over clusters.
BY = ("source", "setting", "subject", "n_atoms")
#: Columns of clusters whose means have intervals.
MEASURES = (
    *("effective_body_order", "remainder", "effective_force_order", "force_remainder"),
    "tail",
)
#: Of these the one that spans powers of ten: its mean is geometric, its change a factor.
LOGARITHMIC = "tail"


@dataclass(frozen=True)
class Expansion:
    """The expansion of one cluster by one source at one setting.

    Attributes
    ----------
    source, setting
        What gave the energies: an engine or a model, and its electronic setting.
    width, shift
        Of the setting: smearing width (eV) and electrons added per atom; NaN where nobody says.
    subject
        What the cluster is of.
    number
        Which cluster of the subject: the same for all sources and settings.
    n_atoms
        Its atoms.
    energy
        Of the whole cluster, eV.
    orders
        E_1, E_2, ... as far as they were asked for, eV.
    errors
        Their standard errors, eV; zero where nothing was sampled.
    force_left
        Root mean square over force components of what the sum up to each order lacks, eV/Å; empty
        where forces were not expanded.
    """

    source: str
    setting: str
    width: float
    shift: float
    subject: str
    number: int
    n_atoms: int
    energy: float
    orders: NDArray[np.float64]
    errors: NDArray[np.float64]
    force_left: NDArray[np.float64]

    @property
    def left(self) -> NDArray[np.float64]:
        """What the energy lacks with the orders up to each K, eV: sum up to K minus energy."""
        return np.asarray(np.cumsum(self.orders) - self.energy)

    @property
    def binding(self) -> float:
        """Energy against single atoms, eV."""
        return float(self.energy - self.orders[0])

    def effective(self, share: float) -> float:
        """Effective body order; NaN where the orders at hand do not reach the share."""
        found = effective_body_order(self.orders, share, self.energy) if self.binding else None
        return float("nan") if found is None else float(found)

    @property
    def remainder(self) -> float:
        """Mean over K = 2 ... N - 1 of |sum up to K - energy| / |binding energy|, no unit.

        A measure of slow convergence without a threshold; NaN where orders are missing.
        """
        if len(self.orders) < self.n_atoms or self.n_atoms < 3 or not self.binding:
            return float("nan")
        return float(np.abs(self.left[1:-1]).mean() / abs(self.binding))

    def effective_for_forces(self, share: float) -> float:
        """Smallest K from which on the forces lack at most 1 - share of their size (RMS).

        Atoms alone feel nothing, so the forces lack all of it at K = 1. NaN where forces were not
        expanded or do not reach the share.
        """
        if not len(self.force_left) or not self.force_left[0]:
            return float("nan")
        last = int(np.flatnonzero(self.force_left > (1 - share) * self.force_left[0])[-1])
        return float(last + 2) if last + 1 < len(self.force_left) else float("nan")

    @property
    def force_remainder(self) -> float:
        """Mean over K = 2 ... N - 1 of what the forces lack, over their size (both RMS)."""
        if len(self.force_left) < self.n_atoms or self.n_atoms < 3 or not self.force_left[0]:
            return float("nan")
        return float(self.force_left[1:-1].mean() / self.force_left[0])

    @property
    def tail(self) -> float:
        """Size of the last order over that of the largest one from two bodies on, no unit.

        How fast the terms fall off, whatever cancels in their sum; NaN where orders are missing.
        """
        sizes = np.abs(self.orders[1:])
        if len(self.orders) < self.n_atoms or self.n_atoms < 3 or not sizes.any():
            return float("nan")
        return float(sizes[-1] / sizes.max())

    def known(self) -> dict[str, Any]:
        """Give what tells it apart, as columns."""
        return {
            "source": self.source,
            "setting": self.setting,
            "sigma_ev": self.width,
            "electrons_per_atom_shift": self.shift,
            "subject": self.subject,
            "cluster": self.number,
            "n_atoms": self.n_atoms,
        }


def order_table(expansions: Iterable[Expansion]) -> pd.DataFrame:
    """One row per cluster and order."""
    rows = []
    for one in expansions:
        forces = one.force_left if len(one.force_left) else np.full(len(one.orders), np.nan)
        for k, (energy, error, left, force) in enumerate(
            zip(one.orders, one.errors, one.left, forces, strict=True), 1
        ):
            rows.append(
                {
                    **one.known(),
                    "order": k,
                    "energy_ev": energy,
                    "standard_error_ev": error,
                    "energy_ev_per_atom": energy / one.n_atoms,
                    "sum_error_ev_per_atom": left / one.n_atoms,
                    "force_sum_error_ev_per_angstrom": force,
                }
            )
    return pd.DataFrame(rows)


def cluster_table(expansions: Iterable[Expansion], share: float = SHARE) -> pd.DataFrame:
    """One row per cluster: binding energy, effective body order, remainder."""
    return pd.DataFrame(
        [
            {
                **one.known(),
                "share": share,
                "binding_ev_per_atom": one.binding / one.n_atoms,
                "effective_body_order": one.effective(share),
                "remainder": one.remainder,
                "effective_force_order": one.effective_for_forces(share),
                "force_remainder": one.force_remainder,
                "tail": one.tail,
            }
            for one in expansions
        ]
    )


def summary_table(orders: pd.DataFrame, clusters: pd.DataFrame) -> pd.DataFrame:
    """One row per source, setting, subject and size: means over clusters with 95 % intervals.

    Parameters
    ----------
    orders, clusters
        From `order_table` and `cluster_table`.

    Returns
    -------
    DataFrame
        Means of `MEASURES` with "_low" and "_high" (Student's t over clusters), and for every order
        the mean |E_k| per atom and the root mean square error of the sum.
    """
    rows = []
    for key, group in clusters.groupby(list(BY), sort=False):
        row: dict[str, Any] = dict(zip(BY, key, strict=True))
        row["sigma_ev"] = group["sigma_ev"].iloc[0]
        row["electrons_per_atom_shift"] = group["electrons_per_atom_shift"].iloc[0]
        row["n_clusters"] = len(group)
        row["binding_ev_per_atom"] = group["binding_ev_per_atom"].mean()
        for name in MEASURES:
            found = mean_interval(_scaled(group[name], name))
            row[name], row[f"{name}_low"], row[f"{name}_high"] = (_back(one, name) for one in found)
        mine = orders
        for name, value in zip(BY, key, strict=True):
            mine = mine[mine[name] == value]
        for k, one in mine.groupby("order"):
            row[f"mean_abs_e{k}_ev_per_atom"] = one["energy_ev_per_atom"].abs().mean()
            row[f"sum_rmse_{k}_ev_per_atom"] = _rms(one["sum_error_ev_per_atom"])
            row[f"force_sum_rmse_{k}_ev_per_angstrom"] = _rms(
                one["force_sum_error_ev_per_angstrom"]
            )
        rows.append(row)
    return pd.DataFrame(rows)


def mean_interval(values: pd.Series | Sequence[float]) -> tuple[float, float, float]:
    """Mean and 95 % interval by Student's t; the interval is NaN for fewer than `FEWEST` values."""
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    if not len(known):
        return float("nan"), float("nan"), float("nan")
    mean = float(known.mean())
    if len(known) < FEWEST:
        return mean, float("nan"), float("nan")
    half = t_half_width(float(known.std(ddof=1) / np.sqrt(len(known))), len(known) - 1)
    return mean, mean - half, mean + half


@dataclass(frozen=True)
class Change:
    """How a measure of the same clusters changes from one setting to another.

    Attributes
    ----------
    subject
        Of the clusters; empty: of all subjects together.
    first, last
        Words for the settings.
    mean, low, high
        Mean of the differences, cluster by cluster, and its 95 % interval; of a measure that is
        `LOGARITHMIC` the mean factor.
    before, after
        Mean at each setting, of a measure that is `LOGARITHMIC` the geometric one.
    n
        Clusters.
    sizes
        Their numbers of atoms.
    none
        What stands for no change: 0 of a difference, 1 of a factor.
    """

    subject: str
    first: str
    last: str
    mean: float
    low: float
    high: float
    before: float
    after: float
    n: int
    sizes: tuple[int, ...]
    none: float = 0.0

    @property
    def shown(self) -> bool:
        """Whether the interval excludes no change, where there is one."""
        return self.low > self.none or self.high < self.none


def changes(
    clusters: pd.DataFrame, axis: str = "sigma_ev", measure: str = "effective_body_order"
) -> list[Change]:
    """Differences from the smallest to the largest value of an axis, for each subject and for all.

    Of every subject the largest clusters: a smaller environment is part of a larger one, so that
    sizes taken together would be no independent draws.

    Parameters
    ----------
    clusters
        Of one source, from `cluster_table`.
    axis
        "sigma_ev" or "electrons_per_atom_shift"; the other one is taken nearest to its first value.
    measure
        Which column.
    """
    other = "electrons_per_atom_shift" if axis == "sigma_ev" else "sigma_ev"
    values = sorted(clusters[axis].dropna().unique())
    if len(values) < 2:
        return []
    # the neutral metal along sigma, the narrowest smearing along the electron number
    fixed = min(clusters[other].unique(), key=abs)
    mine = clusters[clusters[other] == fixed]
    mine = mine[mine["n_atoms"] == mine.groupby("subject")["n_atoms"].transform("max")]
    keys = ["subject", "n_atoms", "cluster"]
    sides = [
        _scaled(mine[mine[axis] == value].set_index(keys)[measure], measure)
        for value in (values[0], values[-1])
    ]
    both = pd.concat(sides, axis=1, keys=["before", "after"]).dropna()
    both["change"] = both["after"] - both["before"]
    words = [_axis_words(axis, value) for value in (values[0], values[-1])]
    groups = [(str(subject), one) for subject, one in both.groupby(level="subject", sort=False)]
    if len(groups) > 1:
        groups.append(("", both))
    return [_change(subject, words, one, measure) for subject, one in groups]


def _change(subject: str, words: Sequence[str], both: pd.DataFrame, measure: str) -> Change:
    mean, low, high = mean_interval(both["change"])
    return Change(
        subject=subject,
        first=words[0],
        last=words[1],
        mean=_back(mean, measure),
        low=_back(low, measure),
        high=_back(high, measure),
        before=_back(float(both["before"].mean()), measure),
        after=_back(float(both["after"].mean()), measure),
        n=len(both),
        sizes=tuple(sorted(set(both.index.get_level_values("n_atoms")))),
        none=_back(0.0, measure),
    )


def _scaled(values: pd.Series, measure: str) -> pd.Series:
    """Put a measure on the scale of its means; what has no logarithm is left out."""
    return np.log10(values.where(values > 0)) if measure == LOGARITHMIC else values


def _back(value: float, measure: str) -> float:
    return float(10**value) if measure == LOGARITHMIC else value


def _axis_words(axis: str, value: float) -> str:
    return f"σ = {value:g} eV" if axis == "sigma_ev" else f"{value:+g} electrons per atom"


def part_errors(
    reference: Sequence[Mapping[int, float]], predicted: Sequence[Mapping[int, float]]
) -> pd.DataFrame:
    """Errors of a model on all parts of clusters, by the number of atoms of the part.

    Parameters
    ----------
    reference, predicted
        Energy (eV) of the parts of each cluster; parts without one of the two are passed over.

    Returns
    -------
    DataFrame
        "part_atoms", "n_parts", "energy_rmse_ev_per_atom".
    """
    by_size: dict[int, list[float]] = {}
    for known, said in zip(reference, predicted, strict=True):
        for part in known.keys() & said.keys():
            size = part.bit_count()
            by_size.setdefault(size, []).append((said[part] - known[part]) / size)
    return pd.DataFrame(
        [
            {"part_atoms": size, "n_parts": len(found), "energy_rmse_ev_per_atom": _rms(found)}
            for size, found in sorted(by_size.items())
        ]
    )


def _rms(values: pd.Series | Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.square(np.asarray(values, dtype=float)))))
