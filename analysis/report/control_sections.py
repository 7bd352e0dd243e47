"""The controls of a survey in words, and as sections of its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.analysis.figures.controls import (
    crystals_figure,
    electron_series_figure,
    pairs_figure,
)
from dosml.analysis.figures.style import save_figures
from dosml.analysis.measures.column import Column
from dosml.analysis.measures.table import MEASURES, PRIMARY
from dosml.analysis.report.pages import new_section, picture, sortable_table
from dosml.analysis.statistics.controls import (
    crystal_table,
    electron_correlations,
    pair_correlation,
    pair_rows,
    within_metals,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import Figure

    from dosml.analysis.statistics.controls import Controls

_METAL = Column("metal", "metal", "", "Chemical symbol.")
_CHI = MEASURES[PRIMARY].column
_ELECTRONS = (
    _METAL,
    Column("n", "electron numbers", "", "Points of the series.", 0),
    *(
        Column(f"{name}_{kind}", f"{words}, {kind_words}", "", f"{words} with chi_4.", 2)
        for name, words in (("mae", "MAE"), ("percent", "% error"), ("mav", "MAV"))
        for kind, kind_words in (("pearson", "r"), ("spearman", "ranks"))
    ),
)
_CRYSTALS = (
    _METAL,
    Column("crystal", "crystal", "", "Crystal that the frames were sampled from."),
    Column("force_percent_error", "force error", "%", "100 MAE/MAV on held-out frames.", 1),
    Column("force_mae_ev_per_angstrom", "MAE", "eV/Å", "Of force components.", 3),
    Column("label_noise_percent", "label noise", "%", "What a denser k-grid changes.", 2),
    _CHI,
)
_PAIRS = (
    _METAL,
    Column("labels", "labels", "%", "Force error on the labels, trained without stresses.", 1),
    Column("pairs", "pair potential", "%", "Force error on labels of the pair potential.", 1),
    Column("pairs_explain_percent", "pairs hold", "%", "Of the squared force of the labels.", 1),
    _CHI,
)


def electron_sentences(electrons: pd.DataFrame) -> list[str]:
    """Say whether error and its parts follow chi_4 along the electron number."""
    found = electron_correlations(electrons)
    n = len(found)
    parts = []
    for name, words in (("mae", "the MAE"), ("percent", "the % error"), ("mav", "the MAV")):
        values = found[f"{name}_pearson"].dropna()
        if len(values):
            parts.append(
                f"{words} {values.median():+.2f} ({values.min():+.2f} to {values.max():+.2f}, "
                f"positive in {int((values > 0).sum())} of {len(values)})"
            )
    if not parts:
        return []
    return [
        (
            f"The levels of the same frames filled with other electron numbers ({n} "
            f"metal{'s' * (n > 1)}): correlation with unsmeared chi_4 along the series, median "
            f"over metals: {'; '.join(parts)}. Geometry and levels do not change there, only their "
            f"filling."
        )
    ]


def crystal_sentences(table: pd.DataFrame, *, seed: int) -> list[str]:
    """Say whether the same metal in another crystal moves with chi_4."""
    found = within_metals(table, seed=seed)
    n = table["metal"].nunique()
    if found is None:
        return []
    r, p, groups = found
    own = table[table["own"]].set_index("metal")["force_percent_error"]
    others = table[~table["own"]]
    factor = others["force_percent_error"] / own.loc[others["metal"]].to_numpy()
    return [
        (
            f"In other crystals ({n} metals) the force error is {factor.median():.2f} times that "
            f"of the own crystal in the median ({factor.min():.2f} to {factor.max():.2f}); inside "
            f"metals ln(error) and unsmeared chi_4 correlate at {r:+.2f} (p = {p:.2g}, {groups} "
            f"metals)."
        )
    ]


def pair_sentences(table: pd.DataFrame, *, seed: int) -> list[str]:
    """Say what part of the errors is geometry."""
    part = (table["pairs"] / table["labels"]).dropna()
    if part.empty:
        return []
    text = (
        f"Labels of a pair potential on the same frames ({len(part)} metals): the force error is "
        f"{part.median():.2f} times that of the metal's own labels in the median "
        f"({part.min():.2f} to {part.max():.2f}): that part is the geometry's"
    )
    found = pair_correlation(table, seed=seed)
    if found is not None:
        text += (
            f"; ln(error) of the pair potentials and unsmeared chi_4 of the metals correlate at "
            f"{found[0]:+.2f} (p = {found[1]:.2g}), though no electrons are in it"
        )
    return [f"{text}."]


def control_sentences(controls: Controls, own: pd.DataFrame, *, seed: int) -> list[str]:
    """Sentences of all controls that there are.

    Parameters
    ----------
    controls
        Of the survey.
    own
        The metals at the reference setting, with "crystal".
    seed
        Seed of permutations.
    """
    sentences = []
    if controls.electrons is not None:
        sentences += electron_sentences(controls.electrons)
    if controls.crystals is not None:
        sentences += crystal_sentences(crystal_table(controls.crystals, own), seed=seed)
    if controls.pairs is not None:
        rows = pair_rows(controls.pairs, float(own["sigma_ev"].iloc[0]))
        sentences += pair_sentences(rows, seed=seed)
    return sentences


def control_sections(
    controls: Controls, own: pd.DataFrame, folder: Path, *, seed: int
) -> list[dict[str, Any]]:
    """Draw the controls and make a section of each for the page of the survey.

    Parameters
    ----------
    controls, own, seed
        As in `control_sentences`.
    folder
        Of the figures.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    sections = []
    if controls.electrons is not None:
        sections.append(
            _section(
                "control-electrons",
                "Control: the same levels, other electrons",
                electron_sentences(controls.electrons),
                electron_correlations(controls.electrons),
                _ELECTRONS,
                (
                    "electron_series",
                    "Force error and chi_4 against the number of electrons",
                    (
                        "Fixed frames and levels, filled with other electron numbers; a force "
                        "field trained at each. Broken: unsmeared chi_4."
                    ),
                    electron_series_figure,
                    controls.electrons,
                ),
                folder,
            )
        )
    if controls.crystals is not None:
        table = crystal_table(controls.crystals, own)
        sections.append(
            _section(
                "control-crystals",
                "Control: other crystals",
                crystal_sentences(table, seed=seed),
                table,
                _CRYSTALS,
                (
                    "crystals",
                    "Metals in several crystals",
                    (
                        "Force error against unsmeared chi_4; full symbols: the own crystal of a "
                        "metal, open ones: others, lines join a metal."
                    ),
                    crystals_figure,
                    table,
                ),
                folder,
            )
        )
    if controls.pairs is not None:
        table = pair_rows(controls.pairs, float(own["sigma_ev"].iloc[0]))
        sections.append(
            _section(
                "control-pairs",
                "Control: pair potentials on the same frames",
                pair_sentences(table, seed=seed),
                table,
                _PAIRS,
                (
                    "pairs",
                    "Labels and their pair potentials",
                    (
                        "Force error of the learner on the labels and on those of the pair "
                        "potential nearest to them, same frames."
                    ),
                    pairs_figure,
                    table,
                ),
                folder,
            )
        )
    return sections


def _section(
    name: str,
    title: str,
    findings: Sequence[str],
    table: pd.DataFrame,
    columns: Sequence[Column],
    drawn: tuple[str, str, str, Any, pd.DataFrame],
    folder: Path,
) -> dict[str, Any]:
    section = new_section(title, name)
    section["findings"] = list(findings)
    shown = [one for one in columns if one.name in table and table[one.name].notna().any()]
    section["table"] = sortable_table(table, shown)
    stem, heading, caption, draw, rows = drawn
    if np.isfinite(rows[PRIMARY].to_numpy(float)).any():

        def lazily() -> Any:
            figure: Figure = draw(rows)
            yield stem, heading, caption, figure

        section["figures"] = [
            picture(one.title, one.caption, one.png) for one in save_figures(lazily(), folder)
        ]
    return section
