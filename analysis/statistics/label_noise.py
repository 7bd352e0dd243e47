"""Label noise beside force errors: which errors the k-points of the labels could make."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.statistics.scan import setting_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

#: A force error below so many times the label noise may be that of the labels.
FACTOR = 3.0
#: What marks such an error in tables, and the legend of the mark.
MARK = "*"
MARK_WORDS = "* less than three times the label noise: this error may be that of the k-points"


def within_noise(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Rows of a results table whose force MAE is below `FACTOR` times the label noise.

    Parameters
    ----------
    table
        With "force_mae_ev_per_angstrom" and "label_noise_ev_per_angstrom"; where the noise is not
        known, nothing is marked.
    """
    noise = table["label_noise_ev_per_angstrom"].to_numpy(float)
    error = table["force_mae_ev_per_angstrom"].to_numpy(float)
    return np.nan_to_num(FACTOR * noise, nan=-np.inf) > error


def noise_sentences(table: pd.DataFrame) -> list[str]:
    """Say how large the label noise is and which force errors it could make.

    Parameters
    ----------
    table
        From `dosml.analysis.statistics.scan.summarise`.

    Returns
    -------
    list of str
        Nothing where no noise is known.
    """
    known = table[table["label_noise_percent"].notna()]
    if known.empty:
        return []
    largest = known.iloc[int(np.argmax(known["label_noise_percent"].to_numpy(float)))]
    text = (
        f"Label noise, the force difference of the same frames on a denser grid of k-points: at "
        f"most {largest['label_noise_percent']:.2g} % of the forces "
        f"({largest['label_noise_ev_per_angstrom']:.2g} eV/Å), at {_name(largest)}. "
    )
    marked = within_noise(table)
    if not marked.any():
        text += "Every force error whose label noise is known is three times that or more."
        return [text, *denser_sentences(table)]
    names = _listed([_name(row) for _, row in table[marked].iterrows()])
    return [
        text + f"The force error at {names} is less than three times the label noise there: the "
        "k-points of the labels may make it, and what smearing takes away from it.",
        *denser_sentences(table),
    ]


def denser_sentences(table: pd.DataFrame) -> list[str]:
    """Say how the force field does against labels on a denser grid, at the ends of the settings.

    Parameters
    ----------
    table
        From `dosml.analysis.statistics.scan.summarise`.

    Returns
    -------
    list of str
        Nothing where no forces on a denser grid are known.
    """
    known = table[table["denser_grid_percent_error"].notna()]
    if known.empty:
        return []
    parts = []
    for _, row in known.iloc[list(dict.fromkeys((0, len(known) - 1)))].iterrows():
        parts.append(
            f"{row['denser_grid_percent_error']:.1f} % at {_name(row)} "
            f"({row['denser_grid_own_percent_error']:.1f} against its own labels"
            + (
                ")"
                if np.isnan(row["mesh_error_left_out"])
                else f"; of the mesh's error {row['mesh_error_left_out']:.2f} left out)"
            )
        )
    frames = int(known["denser_grid_frames"].iloc[0])
    return [
        (
            f"Against forces on the denser grid ({frames} held-out frame{'s' * (frames > 1)}) the "
            f"force error is {', '.join(parts)}. More than against the own labels: the error of "
            "the mesh was learnt; less: it was averaged out."
        )
    ]


def _name(row: pd.Series) -> str:
    return setting_words(row["sigma_ev"], row["electrons_per_atom_shift"])


def _listed(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
