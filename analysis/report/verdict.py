"""Does the d-DOS predict learnability? The answer in words, from the rankings of a survey."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.measures.column import interval_words
from dosml.analysis.measures.survey_columns import describe
from dosml.analysis.measures.table import PRIMARY
from dosml.analysis.report.control_sections import control_sentences
from dosml.analysis.report.exploratory import (
    LEVEL,
    chain,
    elsewhere,
    falls,
    named,
    ours_and_published,
    p_words,
    published_sentence,
    r_words,
    within_sentences,
)
from dosml.analysis.statistics.correlation import informative, smallest_p
from dosml.analysis.statistics.label_noise import within_noise
from dosml.analysis.statistics.primary import POWER_AT, power
from dosml.analysis.statistics.scan import setting_words
from dosml.analysis.statistics.survey import FEWEST_METALS, TARGET, SurveyData

if TYPE_CHECKING:
    import pandas as pd

    from dosml.analysis.statistics.primary import PrimaryTest

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

    The answer is that of the primary test (`dosml.analysis.statistics.primary`), which was named
    before the survey and needs no correction. "Yes" needs p < 0.05, a bootstrap interval without
    zero and metals left out predicted better than by the mean of the others. "No" needs the
    interval below +`WEAK`, with and without the metals whose error is less than three times their
    label noise. Where only an exploratory measure passes Holm's correction the word is "In part".
    Everything else is undecided.

    Parameters
    ----------
    survey
        The survey.
    """
    where, test, ranking = setting_words(*survey.reference), survey.primary, survey.ranking
    if test is None or ranking is None:
        word, headline = "Undecided", _too_few(survey)
        return Verdict(word, headline, (*carries(survey), *_spread(survey), *_noise(survey)))
    word, headline = _word(test, ranking, where)
    sentences = [
        # the first four stand beside the answer
        _primary(test),
        *_spread(survey),
        *falls(survey),
        *carries(survey),
        *_noise(survey),
        *control_sentences(survey.controls, survey.own, seed=survey.seed),
        _tested(ranking, where),
        _best(ranking),
        _controls(ranking),
        *elsewhere(survey),
        *within_sentences(survey),
        *chain(survey),
        *ours_and_published(survey),
        published_sentence(),
    ]
    return Verdict(word, headline, tuple(sentences))


def _too_few(survey: SurveyData) -> str:
    n, metals = len(survey.with_d), len(survey.campaigns)
    if n < metals:
        return (
            f"The d-DOS of {n} of {metals} metals is known: a correlation across metals needs "
            f"{FEWEST_METALS} or more with different force errors."
        )
    return (
        f"{n} metal{'s' if n > 1 else ''} cannot answer it: a correlation across metals needs "
        f"{FEWEST_METALS} or more with different force errors."
    )


def carries(survey: SurveyData) -> list[str]:
    """Say what the labels can carry: engine, mesh, noise, n, power.

    Parameters
    ----------
    survey
        The survey.
    """
    engines = sorted({str(one.settings.get("engine", "unknown")) for one in survey.campaigns})
    grids = sorted({_grid(one.settings.get("kpoints")) for one in survey.campaigns})
    n = len(survey.with_d)
    chance = ""
    if n >= FEWEST_METALS:
        found = ", ".join(f"{100 * power(n, r):.0f} % for a true r of {r:g}" for r in POWER_AT)
        chance = f"; n = {n} metals find a correlation with a chance of {found} (p < {LEVEL:g}, "
        chance += "two-sided)"
    noise = survey.at(survey.reference)["label_noise_percent"].dropna()
    words = "label noise not known"
    if len(noise):
        words = f"label noise {noise.median():.2g} % of the forces in the median, at most "
        words += f"{noise.max():.2g} %"
    return [
        (
            f"What these labels can carry: engine {', '.join(engines)}, k-points "
            f"{'; '.join(grids)}, {words}{chance}."
        )
    ]


def _grid(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return " x ".join(map(str, value))
    return "of the engine's choice" if value is None else str(value)


def _word(test: PrimaryTest, ranking: pd.DataFrame, where: str) -> tuple[str, str]:
    about = f"For these {test.n} metals at {where}"
    between = f"95 % interval {test.interval.low:+.2f} to {test.interval.high:+.2f}"
    if math.isnan(test.interval.low):
        between = "no interval"
    r = f"Pearson r = {test.pearson:+.2f} ({between}, p {p_words(test.p)}, n = {test.n})"
    if not informative(*test.interval):
        r = f"its r cannot be told (interval from -1 to +1, n = {test.n})"
    if test.passes and test.pearson > 0:
        return "Yes", (
            f"{about}: where the unsmeared chi_4 of the d band is larger, the force error is "
            f"larger, {r}. This is the one primary measure of dosml, not the best of many."
        )
    if test.passes:
        return "The other way round", (
            f"{about}: where the unsmeared chi_4 of the d band is larger, forces are learnt "
            f"better, {r}."
        )
    # one metal far off can carry a permutation test; the interval over metals then holds zero
    holds_zero = (ranking["pearson_low"] <= 0) & (ranking["pearson_high"] >= 0)
    passed = ranking[
        (ranking["measure"] != PRIMARY)
        & (ranking["pearson_p_holm"] < LEVEL)
        & (ranking["loo_q2"] > 0)
        & ~holds_zero
    ]
    if len(passed):
        row = passed.iloc[0]
        return "In part", (
            f"{about}: the primary measure, unsmeared chi_4, does not pass ({r}); of the "
            f"exploratory ones {named(row)} goes with the force error, {r_words(row)}, and "
            f"survives the correction for {len(ranking)} tests."
        )
    if test.interval.high < WEAK:
        if test.noisy and not test.clear_interval.high < WEAK:
            return "Undecided", (
                f"{about}: unsmeared chi_4 against the force error, {r}, but the "
                f"errors of {', '.join(test.noisy)} are less than three times their label noise: "
                f"they may be those of the k-points, and without them the labels do not carry a No."
            )
        return "No", (
            f"{about}: the 95 % interval of the correlation of unsmeared chi_4 with the force "
            f"error ends below +{WEAK:g}, {r}."
        )
    reason = "it does not pass p < 0.05 with an interval without zero and metals left out predicted"
    if smallest_p(test.n) >= LEVEL:
        reason = f"{test.n} metals are too few to pass whatever the data"
    text = f"{about}: unsmeared chi_4 against the force error, {r}; {reason}."
    if not informative(*test.interval):
        text = (
            f"{test.n} metals are too few to tell whether the force error at {where} goes with the "
            "unsmeared chi_4 of the d band: the interval of their correlation runs from -1 to +1."
        )
    return "Undecided", text


def _primary(test: PrimaryTest) -> str:
    pearson = ""
    if informative(*test.interval):
        pearson = f"Pearson {test.pearson:+.2f} (p {p_words(test.p)}), "
    text = (
        f"Primary test: ln(force error) against unsmeared chi_4, {pearson}Spearman "
        f"{test.spearman:+.2f} (p {p_words(test.spearman_p)}), n = {test.n}"
    )
    if not math.isnan(test.within_crystals):
        text += (
            f"; with the kind of crystal taken out {test.within_crystals:+.2f} (p "
            f"{p_words(test.within_crystals_p)})"
        )
    if not math.isnan(test.q2):
        text += (
            f". A metal left out is predicted with Q² = {test.q2:+.2f}, from the d-band centre "
            f"with {test.q2_centre:+.2f}"
        )
    if test.denser is not None:
        low, high = test.denser.pearson_interval
        text += (
            ". With errors against forces on a denser grid of k-points (few frames a metal) "
            f"Pearson {test.denser.pearson:+.2f}{interval_words(low, high, '+.2f')}, p "
            f"{p_words(test.denser.pearson_p)}, n = {test.denser.n}"
        )
    return f"{text}."


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
    passed = ", ".join(f"{named(row)} (r = {row['pearson']:+.2f})" for _, row in kept.iterrows())
    return (
        f"Exploratory: {len(ranking)} measures were tried at {where}; about "
        f"{LEVEL * len(ranking):.1f} would pass p < {LEVEL:g} by chance. "
        f"{few} pass{'es' if few == 1 else ''} uncorrected, after Holm's correction "
        f"{passed or 'none'}."
    )


def _best(ranking: pd.DataFrame) -> str:
    best = ranking.iloc[0]
    rival = describe(ranking.attrs["baseline"]).label
    verb = "beats" if best["loo_mae"] < best["loo_mae_baseline"] else "does not beat"
    mean = "better" if best["loo_mae"] < best["loo_mae_mean"] else "no better"
    return (
        f"Predicting a metal left out, {named(best)} does best: mean error {best['loo_mae']:.2f} "
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
        f"With {given} taken out, the strongest correlation, that of {named(strong)}, becomes "
        f"{strong['partial']:+.2f} (p {p_words(strong['partial_p'])}, not corrected, n = "
        f"{strong['n']})."
    )
