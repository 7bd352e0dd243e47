"""What force fields trained on clusters of hydrogen say of body orders, in words and a section."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.analysis.measures.column import Column
from dosml.analysis.report.pages import new_section, sortable_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

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
    lines = [_best(own), *_orders(summary, reference), _density(own), _across(whole)]
    lines += _sizes(errors, parts)
    return lines


def _best(own: pd.DataFrame) -> str:
    texts = []
    for density, there in own.groupby("trained_on"):
        ranked = there.sort_values("energy_rmse_ev_per_atom")
        names = ", ".join(
            f"{row['learner']} {_MEV * row['energy_rmse_ev_per_atom']:.0f}"
            for _, row in ranked.iterrows()
        )
        texts.append(f"at {density:g} Å⁻³ {names}")
    return f"Energy RMSE on held-out clusters of the own density, meV/atom: {'; '.join(texts)}."


def _orders(summary: pd.DataFrame, reference: str) -> list[str]:
    """Compare mean |E_k| of every force field with the reference, for the largest clusters."""
    lines = []
    largest = summary[summary["n_atoms"] == summary["n_atoms"].max()]
    columns = [f"mean_abs_e{k}_ev_per_atom" for k in range(2, int(summary["n_atoms"].max()) + 1)]
    for subject, there in largest.groupby("subject", sort=False):
        texts = []
        ranked = there.assign(first=there["source"] != reference).sort_values(
            "first", kind="stable"
        )
        for _, row in ranked.iterrows():
            numbers = " ".join(f"{row[name]:.3g}" for name in columns)
            texts.append(f"{row['source']} {numbers}")
        lines.append(f"Mean |E_2| to |E_N| in eV/atom, {subject}: {'; '.join(texts)}.")
    return lines


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


def _across(whole: pd.DataFrame) -> str:
    texts = []
    for name, there in whole.groupby("learner", sort=False):
        table = there.pivot_table(
            index="trained_on", columns="tested_on", values="energy_rmse_ev_per_atom"
        )
        cells = "; ".join(
            f"{density:g}: {', '.join(f'{_MEV * one:.0f}' for one in row)}"
            for density, row in zip(table.index, table.to_numpy(float), strict=True)
        )
        texts.append(f"{name} ({cells})")
    tested = ", ".join(f"{one:g}" for one in sorted(set(whole["tested_on"])))
    return (
        f"Trained on one density and tested on {tested} Å⁻³, energy RMSE in meV/atom: "
        f"{'. '.join(texts)}."
    )


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
