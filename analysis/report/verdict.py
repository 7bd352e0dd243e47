"""Does the d-DOS predict learnability? The answer in words, from the rankings of a survey."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.measures.survey_columns import describe
from dosml.analysis.measures.table import ranked
from dosml.analysis.statistics.correlation import correlate, informative, smallest_p
from dosml.analysis.statistics.label_noise import within_noise
from dosml.analysis.statistics.scan import setting_words
from dosml.analysis.statistics.survey import FEWEST_METALS, TARGET, SurveyData, published_ranking
from dosml.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

#: Level of every test.
LEVEL = 0.05
#: A correlation below this is called weak: it explains less than a quarter of the variance.
WEAK = 0.5


@dataclass(frozen=True)
class Verdict:
    """The answer.

    Attributes
    ----------
    word
        "Yes", "No", "Undecided" and the like.
    headline
        One sentence that holds the answer, n and the main number.
    sentences
        What it rests on.
    """

    word: str
    headline: str
    sentences: tuple[str, ...]


def verdict(survey: SurveyData) -> Verdict:
    """Answer the question for the metals of a survey.

    "Yes" needs a DOS measure whose correlation with the force error at the reference setting is
    significant after Holm's correction, has a bootstrap interval without zero, and predicts metals
    left out better than the mean of the others. "No" needs every interval of the measures of the
    thesis below +`WEAK`, and errors that are those of the force fields: three times the label
    noise or more in half of the metals or more. Everything else is undecided.

    Parameters
    ----------
    survey
        The survey.
    """
    where = setting_words(*survey.reference)
    ranking = survey.ranking
    if ranking is None:
        n = len(survey.with_d)
        if n < len(survey.campaigns):
            text = (
                f"The d-DOS of {n} of {len(survey.campaigns)} metals is known: a correlation "
                f"across metals needs {FEWEST_METALS} or more with different force errors."
            )
            return Verdict("Undecided", text, (*_spread(survey), *_noise(survey)))
        text = (
            f"{n} metal{'s' if n > 1 else ''} cannot answer it: a correlation across metals needs "
            f"{FEWEST_METALS} or more with different force errors."
        )
        return Verdict("Undecided", text, (*_spread(survey), *_noise(survey)))
    word, headline = _word(ranking, where)
    noisy = int(within_noise(survey.at(survey.reference)).sum())
    if word == "No" and 2 * noisy > len(survey.campaigns):
        word = "Undecided"
        headline = (
            f"The errors of {noisy} of {len(survey.campaigns)} metals at {where} are less than "
            f"three times their label noise: they may be those of the k-points, and a No would be "
            f"about these. {headline}"
        )
    sentences = [
        # the first four stand beside the answer
        *_spread(survey),
        *_falls(survey),
        *_noise(survey),
        _tested(ranking, where),
        _best(ranking),
        _controls(ranking),
        *_elsewhere(survey),
        *_within(survey),
        *_chain(survey),
        *_ours_and_published(survey),
        _published(),
    ]
    return Verdict(word, headline, tuple(sentences))


def _word(ranking: pd.DataFrame, where: str) -> tuple[str, str]:
    n = int(ranking["n"].min())
    # one metal far off can carry a permutation test; the interval over metals then holds zero
    holds_zero = (ranking["pearson_low"] <= 0) & (ranking["pearson_high"] >= 0)
    passed = ranking[(ranking["pearson_p_holm"] < LEVEL) & (ranking["loo_q2"] > 0) & ~holds_zero]
    expected = {name: one.expected_sign or 0 for name, one in ranked().items()}
    signs = np.array([expected[m] * np.sign(r) for m, r in _pairs(passed)])
    if len(passed) and (signs > 0).any():
        row = passed[signs > 0].iloc[0]
        return "Yes", (
            f"For these {n} metals at {where}: {_named(row)} goes with the force error, "
            f"{_r(row)}, and survives the correction for {len(ranking)} tests."
        )
    if len(passed) and (signs == 0).any():
        row = passed[signs == 0].iloc[0]
        return "In part", (
            f"For these {n} metals at {where}: {_named(row)} goes with the force error, "
            f"{_r(row)}, but no measure of a large or sharp d-DOS at E_F does."
        )
    if len(passed):
        row = passed.iloc[0]
        return "The other way round", (
            f"For these {n} metals at {where}: where {_named(row)} is "
            f"larger, forces are learnt better, {_r(row)}."
        )
    thesis = ranking[[expected[m] > 0 for m in ranking["measure"]]]
    top = ranking.iloc[int(np.argmax(np.abs(ranking["pearson"].to_numpy(float))))]
    ends = thesis["pearson_high"].to_numpy(float)
    if len(thesis) and np.isfinite(ends).all() and (ends < WEAK).all():
        return "No", (
            f"For these {n} metals at {where}: every 95 % interval of the correlation of a "
            f"large or sharp d-DOS with the force error ends below +{WEAK:g} (highest "
            f"{ends.max():+.2f}); the strongest of all measures is {_named(top)}, {_r(top)}."
        )
    failed = (
        f"no measure of the d-DOS passes p < {LEVEL:g} after the correction for {len(ranking)} "
        "tests, has an interval without zero and predicts metals left out"
    )
    if smallest_p(n) * len(ranking) >= LEVEL:
        return "Undecided", (
            f"For these {n} metals at {where}: {n} metals are too few for any measure to pass, "
            f"whatever the data (p is {smallest_p(n):.3f} at best, before the correction for "
            f"{len(ranking)} tests)."
        )
    return "Undecided", (
        f"For these {n} metals at {where}: {failed}; the strongest is {_named(top)}, {_r(top)}, "
        f"p {_p(top['pearson_p'])} before and p {_p(top['pearson_p_holm'])} after correction."
    )


def _pairs(ranking: pd.DataFrame) -> list[tuple[str, float]]:
    return list(zip(ranking["measure"], ranking["pearson"].astype(float), strict=True))


def _named(row: pd.Series) -> str:
    return f"“{describe(str(row['measure'])).heading}”"


def _r(row: pd.Series) -> str:
    if not informative(row["pearson_low"], row["pearson_high"]):
        return f"its r cannot be told (interval from -1 to +1, n = {row['n']})"
    between = f"95 % interval {row['pearson_low']:+.2f} to {row['pearson_high']:+.2f}"
    if math.isnan(row["pearson_low"]):
        between = "no interval"
    return f"Pearson r = {row['pearson']:+.2f} ({between}, n = {row['n']})"


def _p(value: float) -> str:
    if value < 0.0001:
        return "< 0.0001"
    return f"= {value:.4f}" if value < 0.01 else f"= {value:.2f}"


def _spread(survey: SurveyData) -> list[str]:
    rows = survey.at(survey.reference).sort_values(TARGET)
    if len(rows) < 2:
        return []
    low, high = rows.iloc[0], rows.iloc[-1]
    text = (
        f"Force errors at {setting_words(*survey.reference)} run from {low[TARGET]:.1f} % "
        f"({low['metal']}) to {high[TARGET]:.1f} % ({high['metal']}), {len(rows)} metals"
    )
    if {"force_percent_error_low", "force_percent_error_high"} <= set(rows.columns):
        width = (rows["force_percent_error_high"] - rows["force_percent_error_low"]).median()
        if not math.isnan(width):
            text += f"; the 95 % interval of one metal is {width:.1f} points wide (median)"
    return [text + "."]


def _noise(survey: SurveyData) -> list[str]:
    """Say how large the label noise is, and name the metals whose errors it could make."""
    rows = survey.at(survey.reference)
    known = rows[rows["label_noise_percent"].notna()]
    if known.empty:
        return ["The label noise of these labels is not known."]
    text = (
        f"Label noise, what a denser grid of k-points changes in the forces, at "
        f"{setting_words(*survey.reference)}: {known['label_noise_percent'].median():.2g} % in the "
        f"median of {len(known)} metals"
    )
    named = ", ".join(rows["metal"][within_noise(rows)])
    if not named:
        return [text + "; the error of each of them is three times its noise or more."]
    return [
        (
            f"{text}. Less than three times its noise is the error of {named}: what is said of "
            "these metals may be said of their k-points."
        )
    ]


def _tested(ranking: pd.DataFrame, where: str) -> str:
    few = int((ranking["pearson_p"] < LEVEL).sum())
    kept = ranking[ranking["pearson_p_holm"] < LEVEL]
    passed = ", ".join(f"{_named(row)} (r = {row['pearson']:+.2f})" for _, row in kept.iterrows())
    return (
        f"{len(ranking)} measures were tried at {where}; about {LEVEL * len(ranking):.1f} would "
        f"pass p < {LEVEL:g} by chance. {few} pass{'es' if few == 1 else ''} uncorrected, after "
        f"Holm's correction {passed or 'none'}."
    )


def _best(ranking: pd.DataFrame) -> str:
    best = ranking.iloc[0]
    rival = describe(ranking.attrs["baseline"]).label
    verb = "beats" if best["loo_mae"] < best["loo_mae_baseline"] else "does not beat"
    mean = "better" if best["loo_mae"] < best["loo_mae_mean"] else "no better"
    return (
        f"Predicting a metal left out, {_named(best)} does best: mean error {best['loo_mae']:.2f} "
        f"points. It {verb} the baseline {rival} ({best['loo_mae_baseline']:.2f} points) and is "
        f"{mean} than the mean of the other metals ({best['loo_mae_mean']:.2f} points), n = "
        f"{best['n']}. Being the best of {len(ranking)} flatters it."
    )


def _controls(ranking: pd.DataFrame) -> str:
    given = " and ".join(describe(name).heading for name in ranking.attrs["controls"])
    strong = ranking.iloc[int(np.argmax(np.abs(ranking["pearson"].to_numpy(float))))]
    if math.isnan(strong["partial"]):
        return f"Too few metals to take {given} out of the correlation."
    return (
        f"With {given} taken out, the strongest correlation, that of {_named(strong)}, becomes "
        f"{strong['partial']:+.2f} (p {_p(strong['partial_p'])}, not corrected, n = "
        f"{strong['n']})."
    )


def _elsewhere(survey: SurveyData) -> list[str]:
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
        top = group.iloc[int(np.argmax(np.abs(group["pearson"].to_numpy(float))))]
        parts.append(
            f"{name} {_named(top)}, r = {top['pearson']:+.2f}, p {_p(top['pearson_p_holm'])} "
            f"(n = {top['n']})"
        )
    if not parts:
        return []
    text = (
        f"The same question elsewhere, strongest measure and p after correction for the measures "
        f"of that question: {'; '.join(parts)}. These are {len(parts)} more questions: corrected "
        f"for all {len(every)} tests of this report the smallest is "
        f"p {_p(float(every['pearson_p_holm_all'].min()))}."
    )
    return [text]


def _falls(survey: SurveyData) -> list[str]:
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
        f"median (two-sided sign test p {_p(p)})."
    )
    return [text]


def _within(survey: SurveyData) -> list[str]:
    within = survey.within
    if within is None:
        return ["One setting only: what smearing does inside a metal cannot be told."]
    best = within.iloc[0]
    kept = within[within["p_holm"] < LEVEL]
    honest = within[within["measure"] == "n_d_unsmeared_fermi_states_per_ev_atom"]
    text = (
        f"Inside metals, across settings ({best['n_metals']} metals, {best['n_points']} points, "
        f"each metal's mean taken out): {_named(best)} follows the force error most surely, r = "
        f"{best['pearson']:+.2f}, p {_p(best['p_holm'])} after correction; {len(kept)} of "
        f"{len(within)} measures pass. Smeared measures fall with σ by construction and "
        f"stand for it"
    )
    if len(honest):
        row = honest.iloc[0]
        text += (
            f"; n_d at the unsmeared Fermi level, which only moving levels change, has r = "
            f"{row['pearson']:+.2f} (p {_p(row['p_holm'])})"
        )
    return [text + "."]


def _chain(survey: SurveyData) -> list[str]:
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
            f"with {_named(top)}, {_r(top)}, p {_p(top['pearson_p_holm_all'])} after correction "
            f"for all {len(every)} tests of this report; the angular gain itself goes with the "
            f"force error at r = {second.pearson:+.2f} (p {_p(second.pearson_p)}, n = "
            f"{second.n})."
        )
    ]


def _ours_and_published(survey: SurveyData) -> list[str]:
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
            f"{found.spearman:+.2f} (p {_p(found.spearman_p)}, n = {found.n} metals with a "
            f"legible number)."
        )
    ]


def _published() -> str:
    ranking = published_ranking()
    best = ranking.iloc[int(np.argmin(ranking["pearson_p"].to_numpy(float)))]
    passed = "passes" if best["pearson_p_holm"] < LEVEL else "does not pass"
    sizes = f"{ranking['n'].min()} to {ranking['n'].max()}"
    return (
        f"Published numbers alone (force errors of NequIP read from a figure, confidence medium; "
        f"{len(ranking)} d-band numbers; n = {sizes} metals, most late ones illegible): the "
        f"strongest is {_named(best)}, {_r(best)}, which {passed} the correction (p "
        f"{_p(best['pearson_p_holm'])})."
    )
