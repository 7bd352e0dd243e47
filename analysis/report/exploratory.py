"""What else a survey says: its exploratory questions in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.measures.survey_columns import describe
from dosml.analysis.statistics.correlation import correlate, informative, which_inform
from dosml.analysis.statistics.scan import setting_words
from dosml.analysis.statistics.survey import FEWEST_METALS, TARGET, SurveyData, published_ranking
from dosml.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

#: Level of every test.
LEVEL = 0.05


def named(row: pd.Series) -> str:
    """Name the measure of a row of a ranking."""
    return f"“{describe(str(row['measure'])).heading}”"


def r_words(row: pd.Series) -> str:
    """Write Pearson's r of a row with interval and n."""
    if not informative(row["pearson_low"], row["pearson_high"]):
        return f"its r cannot be told (interval from -1 to +1, n = {row['n']})"
    between = f"95 % interval {row['pearson_low']:+.2f} to {row['pearson_high']:+.2f}"
    if math.isnan(row["pearson_low"]):
        between = "no interval"
    return f"Pearson r = {row['pearson']:+.2f} ({between}, n = {row['n']})"


def p_words(value: float) -> str:
    """Write a p-value after "p "."""
    if value < 0.0001:
        return "< 0.0001"
    return f"= {value:.4f}" if value < 0.01 else f"= {value:.2f}"


def elsewhere(survey: SurveyData) -> list[str]:
    """Ask the same of other settings and of single tiers."""
    every = survey.correlations
    if every is None:
        return []
    parts = []
    for _, group in every.groupby(["target", "sigma_ev", "electrons_per_atom_shift"], sort=False):
        target = str(group["target"].iloc[0])
        here = (float(group["sigma_ev"].iloc[0]), float(group["electrons_per_atom_shift"].iloc[0]))
        if target == TARGET and here != survey.reference:
            name = f"at {setting_words(*here)}"
        elif target.startswith(f"{TARGET}_tier_"):
            name = f"on {target.removeprefix(f'{TARGET}_tier_')} frames alone"
        else:
            continue
        told = group[which_inform(group)]
        if told.empty:
            continue
        top = told.iloc[int(np.argmax(np.abs(told["pearson"].to_numpy(float))))]
        parts.append(
            f"{name} {named(top)}, r = {top['pearson']:+.2f}, p {p_words(top['pearson_p_holm'])} "
            f"(n = {top['n']})"
        )
    if not parts:
        return []
    text = (
        f"The same question elsewhere, strongest measure and p after correction for the measures "
        f"of that question: {'; '.join(parts)}. These are {len(parts)} more questions: corrected "
        f"for all {len(every)} tests of this report the smallest is "
        f"p {p_words(float(every['pearson_p_holm_all'].min()))}."
    )
    return [text]


def falls(survey: SurveyData) -> list[str]:
    """Count the metals whose error falls from the reference to the farthest common setting."""
    from scipy import stats

    if len(survey.common) < 2:
        return []
    far = survey.common[-1]
    start = survey.at(survey.reference).set_index("metal")[TARGET]
    change = (survey.at(far).set_index("metal")[TARGET] - start).dropna()
    fall, moved = int((change < 0).sum()), int((change != 0).sum())
    if moved == 0:
        return []
    p = float(stats.binomtest(fall, moved).pvalue)
    text = (
        f"From {setting_words(*survey.reference)} to {setting_words(*far)} the force error falls "
        f"in {fall} of {len(change)} metals, by {-float(change.median()):.1f} points in the "
        f"median (two-sided sign test p {p_words(p)})."
    )
    return [text]


def within_sentences(survey: SurveyData) -> list[str]:
    """Say which measure follows the error across the settings of a metal."""
    within = survey.within
    if within is None:
        return ["One setting only: what smearing does inside a metal cannot be told."]
    best = within.iloc[0]
    kept = within[within["p_holm"] < LEVEL]
    honest = within[within["measure"] == "n_d_unsmeared_fermi_states_per_ev_atom"]
    text = (
        f"Inside metals, across settings ({best['n_metals']} metals, {best['n_points']} points, "
        f"each metal's mean taken out): {named(best)} follows the force error most surely, r = "
        f"{best['pearson']:+.2f}, p {p_words(best['p_holm'])} after correction; {len(kept)} of "
        f"{len(within)} measures pass. Smeared measures fall with σ by construction and "
        f"stand for it"
    )
    if len(honest):
        row = honest.iloc[0]
        text += (
            f"; n_d at the unsmeared Fermi level, which only moving levels change, has r = "
            f"{row['pearson']:+.2f} (p {p_words(row['p_holm'])})"
        )
    return [text + "."]


def chain(survey: SurveyData) -> list[str]:
    """Describe the two links between DOS and error: DOS -> angles, angles -> error."""
    every = survey.correlations
    rows = survey.at(survey.reference)
    if every is None or "angular_gain_percent" not in set(every["target"]):
        return []
    links = every[every["target"] == "angular_gain_percent"]
    top = links.iloc[int(np.argmax(np.abs(links["pearson"].to_numpy(float))))]
    part = rows[["angular_gain_percent", TARGET]].dropna()
    try:
        second = correlate(part["angular_gain_percent"], part[TARGET], seed=survey.seed)
    except InputError:
        return []
    return [
        (
            f"Link by link: how much angles the forces need (angular gain, no learner) goes most "
            f"with {named(top)}, {r_words(top)}, p {p_words(top['pearson_p_holm_all'])} after "
            f"correction for all {len(every)} tests of this report; the angular gain itself goes "
            f"with the force error at r = {second.pearson:+.2f} (p {p_words(second.pearson_p)}, "
            f"n = {second.n})."
        )
    ]


def ours_and_published(survey: SurveyData) -> list[str]:
    """Compare the order of our errors with that of the published ones."""
    rows = survey.at(survey.reference)[[TARGET, "published_force_percent_error"]].dropna()
    if len(rows) < FEWEST_METALS:
        return [
            (
                f"Of these metals {len(rows)} have a legible published error, too few to compare "
                f"the two orders."
            )
        ]
    try:
        found = correlate(rows[TARGET], rows["published_force_percent_error"], seed=survey.seed)
    except InputError:
        return []
    return [
        (
            f"Our errors against the published ones (other labels, frames and learner): Spearman "
            f"{found.spearman:+.2f} (p {p_words(found.spearman_p)}, n = {found.n} metals with a "
            f"legible number)."
        )
    ]


def published_sentence() -> str:
    """Say what published numbers alone give."""
    ranking = published_ranking()
    best = ranking.iloc[int(np.argmin(ranking["pearson_p"].to_numpy(float)))]
    passed = "passes" if best["pearson_p_holm"] < LEVEL else "does not pass"
    sizes = f"{ranking['n'].min()} to {ranking['n'].max()}"
    return (
        f"Published numbers alone (force errors of NequIP read from a figure, confidence medium; "
        f"{len(ranking)} d-band numbers; n = {sizes} metals, most late ones illegible): the "
        f"strongest is {named(best)}, {r_words(best)}, which {passed} the correction (p "
        f"{p_words(best['pearson_p_holm'])})."
    )
