"""Parts of the report of a benchmark, and its table for a paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.analysis.measures.column import Column
from dosml.analysis.measures.table import MEASURES, PRIMARY
from dosml.analysis.report.pages import new_section, picture, sortable_table
from dosml.analysis.statistics.benchmark import TARGET
from dosml.analysis.statistics.correlation import informative

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from dosml.analysis.figures.style import FigureRecord

_MEV = 1000.0
_METAL = Column("metal", "metal", "", "Element, or elements of an alloy.")
_LEARNER = Column("learner", "learner", "", "Kind of force field.")
_ERROR = Column(TARGET, "force error", "%", "100 MAE/MAV of the held-out force components.", 1)
_ROWS = (
    _METAL,
    Column("label_set", "labels", "", "Label set."),
    _LEARNER,
    Column("variant", "variant", "", "What tells trainings of a protocol apart."),
    Column("tier", "tested on", "", "Tier of the held-out frames."),
    Column("n_train", "training frames", "", "Frames that it was trained on.", 0),
    _ERROR,
    Column("force_mae_mev_per_angstrom", "force MAE", "meV/Å", "Mean absolute error.", 1),
    Column("energy_mae_mev_per_atom", "energy MAE", "meV/atom", "Mean absolute error.", 2),
    Column(
        "energy_percent_error",
        "energy error",
        "%",
        "100 MAE over the mean absolute deviation of the energies per atom from their mean.",
        1,
    ),
    Column("stress_percent_error", "stress error", "%", "100 MAE/MAV of the components.", 1),
    Column("force_factor", "factor", "", "Fitted factor on the forces.", 3),
    Column(
        "published_force_percent_error",
        "published",
        "%",
        "NequIP of Owen et al. on TM23, read from a figure, where legible: other frames.",
        1,
    ),
    Column("label_noise_percent", "label noise", "%", "Mesh noise of the labels.", 2),
    Column(
        "cpu_seconds_in_all",
        "cost",
        "s",
        "Processor time of training and predictions, of all label sets together.",
        0,
    ),
)
_RANKING = (
    _LEARNER,
    Column("n", "tests", "", "Metals and label sets that every learner was tested on.", 0),
    Column(TARGET, "force error", "%", "Mean over them.", 2),
    Column("mean_rank", "mean rank", "", "1 is the best.", 2),
    Column("wins", "best on", "", "Of so many.", 0),
    Column("force_mae_mev_per_angstrom", "force MAE", "meV/Å", "Mean over them.", 1),
    Column("energy_mae_mev_per_atom", "energy MAE", "meV/atom", "Mean over them.", 2),
    Column("stress_percent_error", "stress error", "%", "Mean over those with stresses.", 1),
    Column("cpu_seconds_in_all", "cost", "s", "Processor time, training and predictions.", 0),
)
_WHY = (
    _LEARNER,
    Column("heading", "measure", "", "Number read from the d-DOS."),
    Column("n", "metals", "", "Behind the correlation.", 0),
    Column("pearson", "r", "", "Of ln(force error), with its 95 % interval over metals.", 2),
    Column("pearson_p", "p", "", "Of a permutation test.", 3),
    Column("pearson_p_holm", "p, Holm", "", "Corrected for all measures of the learner.", 3),
    Column("spearman", "rank r", "", "Of ranks.", 2),
    Column("loo_q2", "Q²", "", "Of ln(force error) of a metal left out; below 0: worse than the "
           "mean of the others.", 2),
)  # fmt: skip


def in_mev(table: pd.DataFrame) -> pd.DataFrame:
    """Add the errors in meV that people read."""
    return table.assign(
        force_mae_mev_per_angstrom=_MEV * table["force_mae_ev_per_angstrom"],
        energy_mae_mev_per_atom=_MEV * table["energy_mae_ev_per_atom"],
    )


def table_section(
    title: str, name: str, rows: pd.DataFrame, figures: Sequence[FigureRecord], text: Sequence[str]
) -> dict[str, Any]:
    """Make the section of one protocol: figures, and every number in a table that sorts."""
    section = new_section(title, name)
    section["text"] = list(text)
    section["figures"] = [picture(one.title, one.caption, one.png) for one in figures]
    shown = in_mev(rows)
    columns = [one for one in _ROWS if one.name in shown and _tells(shown[one.name])]
    section["table"] = sortable_table(shown, columns)
    return section


def ranking_section(ranking: pd.DataFrame, cost: str) -> dict[str, Any]:
    """Make the section of the ranking, with what it cost."""
    section = new_section("Ranking", "ranking")
    section["text"] = [cost]
    shown = in_mev(ranking)
    columns = [one for one in _RANKING if one.name in shown and _tells(shown[one.name])]
    section["table"] = sortable_table(shown, columns)
    section["open"] = True
    return section


def why_section(
    why: Mapping[str, pd.DataFrame], figures: Sequence[FigureRecord], text: Sequence[str]
) -> dict[str, Any]:
    """Make the section of the correlations with the DOS."""
    section = new_section("Why are some metals hard?", "why")
    section["text"] = list(text)
    section["figures"] = [picture(one.title, one.caption, one.png) for one in figures]
    section["findings"] = why_sentences(why)
    table = why_table(why)
    if len(table):
        section["table"] = sortable_table(table, _WHY)
    return section


def why_table(why: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Put the correlations of all learners into one table."""
    import pandas as pd

    parts = [one.assign(learner=learner) for learner, one in why.items()]
    if not parts:
        return pd.DataFrame()
    table = pd.concat(parts, ignore_index=True)
    return table.assign(heading=[MEASURES[name].heading for name in table["measure"]])


def why_sentences(why: Mapping[str, pd.DataFrame], what: str = "force error") -> list[str]:
    """Say for every learner what chi_4, the primary measure, tells of its errors.

    A coefficient whose interval leaves nothing out is none: it stands in the table only.
    """
    lines = []
    for learner, ranking in why.items():
        rows = ranking[ranking["measure"] == PRIMARY]
        if rows.empty:
            continue
        row = rows.iloc[0]
        if not informative(row["pearson_low"], row["pearson_high"]):
            continue
        lines.append(
            f"{learner}: ln({what}) against unsmeared chi_4: r = {row['pearson']:+.2f} "
            f"({row['pearson_low']:+.2f} to {row['pearson_high']:+.2f}), p = "
            f"{row['pearson_p']:.3f}, n = {row['n']} metals; of a metal left out Q² = "
            f"{row['loo_q2']:+.2f}."
        )
    return lines


def latex_table(rows: pd.DataFrame) -> str:
    """Write the force errors of the full split as a LaTeX table: metals down, learners across.

    Parameters
    ----------
    rows
        One per metal, label set and learner, of all tiers together.
    """
    learners = list(dict.fromkeys(rows["learner"]))
    several = len(set(rows["label_set"])) > 1
    heads = ["metal", *(["labels"] if several else []), *learners]
    lines = [
        r"% force error in %, 100 MAE/MAV, with MAE in meV/Å in brackets; written by dosml",
        rf"\begin{{tabular}}{{{'l' * (1 + several)}{'r' * len(learners)}}}",
        " & ".join(map(_tex, heads)) + r" \\ \hline",
    ]
    for (metal, labels), mine in rows.groupby(["metal", "label_set"], sort=False):
        errors = mine.set_index("learner")
        best = errors[TARGET].idxmin()
        cells = [_tex(str(metal)), *([_tex(str(labels))] if several else [])]
        for learner in learners:
            if learner not in errors.index:
                cells.append("--")
                continue
            row = errors.loc[learner]
            text = f"{row[TARGET]:.1f} ({_MEV * row['force_mae_ev_per_angstrom']:.0f})"
            cells.append(rf"\textbf{{{text}}}" if learner == best else text)
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\end{tabular}", ""])


def _tex(text: str) -> str:
    for sign in "_%&#$":
        text = text.replace(sign, rf"\{sign}")
    return text


def _tells(values: pd.Series) -> bool:
    """Whether a column holds anything."""
    if values.dtype == object:
        return bool(values.astype(str).str.len().any())
    numbers = values.to_numpy()
    return numbers.dtype.kind not in "fc" or bool(np.isfinite(numbers).any())
