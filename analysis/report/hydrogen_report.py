"""What force fields trained on clusters of hydrogen say of body orders, in words and a section."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.analysis.measures.column import Column
from dosml.analysis.report.pages import new_section, sortable_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

_MEV = 1000.0
_COLUMNS = (
    Column("learner", "force field", "", "Learner and what was varied."),
    Column("trained_on", "trained on", "Å⁻³", "Density of the training clusters.", 2),
    Column("sizes", "sizes", "atoms", "Of the training clusters."),
    Column("tested_on", "tested on", "Å⁻³", "Density of the held-out clusters.", 2),
    Column("n_atoms", "atoms", "", "Of the held-out clusters; –: all sizes.", 0),
    Column("n_clusters", "clusters", "", "Held out.", 0),
    Column("energy_rmse_ev_per_atom", "energy RMSE", "eV/atom", "Of total energies.", 4),
    Column("force_rmse_ev_per_angstrom", "force RMSE", "eV/Å", "Over components.", 3),
    Column("force_rms_ev_per_angstrom", "force RMS", "eV/Å", "Of the labels.", 3),
    Column("seconds_training", "training", "s", "Wall time.", 0),
    Column("epochs", "epochs", "", "Passes over the training clusters.", 0),
)
_PARTS = (
    Column("source", "force field", "", "Learner."),
    Column("subject", "of", "", "Density of the clusters, and of the training set."),
    Column("part_atoms", "atoms of part", "", "Parts of all clusters, by their size.", 0),
    Column("n_parts", "parts", "", "How many.", 0),
    Column("energy_rmse_ev_per_atom", "energy RMSE", "eV/atom", "Of total energies.", 4),
)


def hydrogen_sentences(
    errors: pd.DataFrame, summary: pd.DataFrame, parts: pd.DataFrame, *, reference: str
) -> list[str]:
    """Say which force field comes nearest, what density does, and how orders compare.

    Parameters
    ----------
    errors
        One row per learner, density of training and test, and size ("n_atoms" NaN: all sizes).
    summary, parts
        From `dosml.analysis.statistics.body_order`.
    reference
        Source whose orders are exact.
    """
    whole = errors[errors["n_atoms"].isna() & (errors["sizes"] == "all")]
    own = whole[whole["trained_on"] == whole["tested_on"]]
    lines = [_best(own), *_orders(summary, reference), _density(own), *_across(whole)]
    lines += _sizes(errors, parts)
    return lines


def _best(own: pd.DataFrame) -> str:
    texts = []
    for density, there in own.groupby("trained_on"):
        ranked = there.sort_values("energy_rmse_ev_per_atom")
        first, last = ranked.iloc[0], ranked.iloc[-1]
        texts.append(
            f"{first['learner']} at {density:g} Å⁻³ ({_mev(first)} meV/atom; "
            f"{last['learner']}, the largest, {_mev(last)})"
        )
    return f"Lowest energy RMSE on held-out clusters of the own density: {', '.join(texts)}."


def _mev(row: pd.Series) -> str:
    return f"{_MEV * row['energy_rmse_ev_per_atom']:.0f}"


def _times(factor: float) -> str:
    return f"{factor:.2g}" if factor < 100 else f"{factor:.0f}"


def _orders(summary: pd.DataFrame, reference: str) -> list[str]:
    """Say whose |E_k| of the largest clusters are nearest to the exact ones.

    The measure is a factor, exp of the mean over k of |ln(|E_k| / |E_k exact|)|: orders span ten
    powers of ten, and one that is ten times too small is as far off as one ten times too large.
    """
    largest = summary[summary["n_atoms"] == summary["n_atoms"].max()]
    texts = []
    for subject, there in largest.groupby("subject", sort=False):
        sizes = order_sizes(there)
        exact = sizes[there["source"] == reference]
        models = there["source"] != reference
        if len(exact) != 1 or not models.any():
            continue
        off = np.exp(np.abs(np.log(sizes[models] / exact)).mean(axis=1))
        names = there.loc[models, "source"].to_numpy()
        nearest, farthest = np.argmin(off), np.argmax(off)
        texts.append(
            f"{subject} {names[nearest]} (a factor of {_times(off[nearest])}; "
            f"{names[farthest]} {_times(off[farthest])})"
        )
    if not texts:
        return []
    return [
        (
            f"Body orders of clusters of {summary['n_atoms'].max():.0f} atoms nearest to the exact "
            f"ones, by the mean factor between |E_k| and the exact one: {', '.join(texts)}."
        )
    ]


def order_sizes(summary: pd.DataFrame) -> NDArray[np.float64]:
    """Mean |E_k| for k = 2, 3, ... of clusters of one size, eV/atom, (n_rows, n_orders).

    Nothing is smaller than 1e-8 eV/atom, where sums and differences of 2^N energies end.
    """
    last = int(summary["n_atoms"].max())
    columns = [f"mean_abs_e{k}_ev_per_atom" for k in range(2, last + 1)]
    return np.asarray(np.maximum(summary[columns].to_numpy(float), 1e-8))


def _density(own: pd.DataFrame) -> str:
    falls = []
    for name, there in own.groupby("learner", sort=False):
        ordered = there.sort_values("trained_on")["energy_rmse_ev_per_atom"].to_numpy(float)
        if (np.diff(ordered) < 0).all():
            falls.append(str(name))
    learners = list(dict.fromkeys(own["learner"]))
    return (
        "Denser training sets give lower energy errors on their own density for "
        f"{', '.join(falls) if falls else 'none'} of {', '.join(learners)}."
    )


def _across(whole: pd.DataFrame) -> list[str]:
    """Say what a force field of another density is worth, beside one that was trained there."""
    own = whole[whole["trained_on"] == whole["tested_on"]]
    beside = whole.merge(own, on=["learner", "tested_on"], suffixes=("", "_own"))
    beside = beside[beside["trained_on"] != beside["tested_on"]]
    if beside.empty:
        return []
    times = beside["energy_rmse_ev_per_atom"] / beside["energy_rmse_ev_per_atom_own"]
    thinner = np.where(beside["tested_on"] < beside["trained_on"], "thinner", "denser")
    texts = []
    for way in ("thinner", "denser"):
        medians = times[thinner == way].groupby(beside["learner"], sort=False).median()
        ranked = ", ".join(f"{name} {_times(one)}" for name, one in medians.sort_values().items())
        texts.append(f"on {way} clusters {ranked}")
    return [
        (
            "Energy RMSE away from the density of training, over that of the same learner trained "
            f"there (medians): {'; '.join(texts)}."
        )
    ]


def _sizes(errors: pd.DataFrame, parts: pd.DataFrame) -> list[str]:
    """Say how sizes fare that a force field was not trained on."""
    lines = []
    few = errors[(errors["sizes"] != "all") & (errors["trained_on"] == errors["tested_on"])]
    for (name, words), there in few[few["n_atoms"].notna()].groupby(
        ["learner", "sizes"], sort=False
    ):
        means = there.groupby("n_atoms")["energy_rmse_ev_per_atom"].mean()
        text = ", ".join(f"{_MEV * error:.0f} for {size:.0f}" for size, error in means.items())
        lines.append(
            f"{name}, trained on clusters of {words} atoms: energy RMSE by size, meV/atom, mean "
            f"over densities: {text}."
        )
    alone = parts[parts["part_atoms"] == 1].groupby("source", sort=False)
    text = ", ".join(
        f"{name} {_MEV * there['energy_rmse_ev_per_atom'].mean():.0f}" for name, there in alone
    )
    lines.append(f"The single atom, on which none was trained, is off by (meV): {text}.")
    return lines


def hydrogen_section(
    errors: pd.DataFrame, parts: pd.DataFrame, links: Sequence[str]
) -> dict[str, Any]:
    """Make the section with the errors of every training and of every part."""
    section = new_section("Errors of the force fields", "errors")
    section["text"] = [
        (
            "Every force field was trained on the clusters of one density and tested on held-out "
            "clusters of all; learners that train in seconds also on the small clusters alone."
        )
    ]
    section["table"] = sortable_table(errors[errors["n_atoms"].isna()], _COLUMNS)
    section["more"] = {
        "title": "Errors on parts of clusters, by size",
        "table": sortable_table(parts, _PARTS),
    }
    section["links"] = [{"name": name, "target": name} for name in links]
    return section


def order_section(summary: pd.DataFrame) -> dict[str, Any]:
    """Make the section with the body orders of the largest clusters."""
    largest = summary[summary["n_atoms"] == summary["n_atoms"].max()]
    section = new_section(f"Body orders, clusters of {largest['n_atoms'].iloc[0]} atoms", "orders")
    sizes = order_sizes(largest)
    table = largest[["subject", "source"]].assign(
        **{f"e{k}": sizes[:, k - 2] for k in range(2, sizes.shape[1] + 2)}
    )
    section["table"] = sortable_table(
        table,
        (
            Column("subject", "of", "", "Density of the clusters, and of the training set."),
            Column("source", "energies of", "", "Exact, or a force field."),
            *(
                Column(f"e{k}", f"|E_{k}|", "eV/atom", f"Mean of the {k}-body energies.", 5)
                for k in range(2, sizes.shape[1] + 2)
            ),
        ),
    )
    return section
