"""Errors of single frames, atoms and species: which are the worst, and by how much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.analysis.statistics.errors import component_sums, error_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from dosml.analysis.statistics.results import HeldOut


def frame_errors(
    held: HeldOut,
    symbols: Sequence[Sequence[str]],
    names: Sequence[str],
    tiers: Sequence[str],
) -> pd.DataFrame:
    """Errors frame by frame, the worst first, each with its worst atom.

    Parameters
    ----------
    held
        Labels and predictions.
    symbols
        Chemical symbols of the atoms of every frame.
    names, tiers
        Name and tier of every frame.

    Returns
    -------
    pandas.DataFrame
        "frame", "tier", "n_atoms", "force_mae_ev_per_angstrom" (by which it is sorted),
        "force_percent_error", "worst_atom" (index from 0), "worst_atom_element",
        "worst_atom_error_ev_per_angstrom" (length of the error vector),
        "energy_error_ev_per_atom" (predicted - labelled) and "number" (place in `held`).
    """
    import pandas as pd

    sums = held.force_sums()
    rows: list[dict[str, Any]] = []
    for number, (labelled, predicted) in enumerate(
        zip(held.forces, held.forces_predicted, strict=True)
    ):
        lengths = np.linalg.norm(np.asarray(predicted) - np.asarray(labelled), axis=1)
        worst = int(np.argmax(lengths))
        alone = sums.take(np.arange(len(held)) == number)
        energy = held.energies_predicted[number] - held.energies[number]
        rows.append(
            {
                "frame": names[number],
                "tier": tiers[number],
                "n_atoms": len(labelled),
                "force_mae_ev_per_angstrom": alone.mean_absolute_error,
                "force_percent_error": alone.percent_error,
                "worst_atom": worst,
                "worst_atom_element": symbols[number][worst],
                "worst_atom_error_ev_per_angstrom": float(lengths[worst]),
                "energy_error_ev_per_atom": float(energy) / len(labelled),
                "number": number,
            }
        )
    table = pd.DataFrame(rows)
    return table.sort_values("force_mae_ev_per_angstrom", ascending=False, ignore_index=True)


def species_rows(
    held: HeldOut, symbols: Sequence[Sequence[str]], tiers: Sequence[str]
) -> list[dict[str, Any]]:
    """Force errors of the atoms of each element, with 95 % intervals over frames.

    Parameters
    ----------
    held, symbols, tiers
        As in `frame_errors`.

    Returns
    -------
    list of dict
        "element", "n_atoms", "force_percent_error" with its ends, "force_mae_ev_per_angstrom" and
        "force_mav_ev_per_angstrom"; elements in alphabetical order.
    """
    rows = []
    for element in sorted({one for frame in symbols for one in frame}):
        picks = [np.array([one == element for one in frame]) for frame in symbols]
        there = [k for k, pick in enumerate(picks) if pick.any()]
        sums = component_sums(
            [np.asarray(held.forces_predicted[k])[picks[k]] for k in there],
            [np.asarray(held.forces[k])[picks[k]] for k in there],
        )
        strata = [tiers[k] for k in there]
        rows.append(
            {
                "element": element,
                "n_atoms": int(sum(pick.sum() for pick in picks)),
                **error_columns("force_percent_error", sums, strata),
                "force_mae_ev_per_angstrom": sums.mean_absolute_error,
                "force_mav_ev_per_angstrom": sums.mean_absolute_value,
            }
        )
    return rows
