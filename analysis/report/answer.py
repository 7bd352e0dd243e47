"""The answer of a scan: one sentence with its interval, what limits it, four findings at most."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.measures.column import from_to, interval_words
from dosml.analysis.measures.columns import tier_column
from dosml.analysis.statistics.electron_axis import chi_four, neutral_setting
from dosml.analysis.statistics.label_noise import FACTOR, within_noise
from dosml.analysis.statistics.scan import electron_words, setting_words

if TYPE_CHECKING:
    import pandas as pd

    from dosml.analysis.statistics.results import SettingResult
    from dosml.analysis.statistics.scan import ScanData

_MEV = 1000.0
#: Relative change of a DOS measure that is worth a sentence.
_MOVED = 0.02
_SIGMA, _ELECTRONS, _BOTH = "smearing", "the electron number", "smearing and the electron number"


@dataclass(frozen=True)
class Answer:
    """What stands at the top of a report.

    Attributes
    ----------
    question
        Heading of the report.
    sentence
        The answer, with its interval.
    limits
        What limits it: engine, mesh noise, number of frames.
    findings
        Four at most, each short.
    figure
        Name of the figure that shows it.
    word
        "Yes", "No" and the like, where the question asks for it.
    """

    question: str
    sentence: str
    limits: tuple[str, ...]
    findings: tuple[str, ...]
    figure: str
    word: str = ""


@dataclass(frozen=True)
class _Effect:
    """Change of the force error from the reference to another setting, in points."""

    setting: SettingResult
    change: float
    low: float
    high: float

    @property
    def shown(self) -> bool:
        return self.low > 0 or self.high < 0

    @property
    def text(self) -> str:
        if math.isnan(self.low):
            return f"{self.change:+.1f} points (no interval: too few frames)"
        return f"{self.change:+.1f} points{interval_words(self.low, self.high, '+.1f')}"


def answer(scan: ScanData, table: pd.DataFrame) -> Answer:
    """Answer the question that a scan asks.

    Parameters
    ----------
    scan, table
        A scan and its `dosml.analysis.statistics.scan.summarise`.
    """
    electrons = "electrons_per_atom_shift" in scan.varies
    both = len(scan.varies) > 1
    metal = scan.formula
    question = f"{metal}: how hard are its forces to learn?"
    figure = "error_against_sigma"
    if both:
        question = f"{metal}: what do smearing and the electron number do to the force error?"
        figure = "map"
    elif electrons:
        question = f"{metal}: what does the number of electrons do to the force error?"
        figure = "error_against_electrons"
    elif scan.varies:
        question = f"{metal}: does smearing make forces easier to learn?"
    effects = _effects(scan, table)
    sentence = _level(scan, table) if not effects else _sentence(scan, table, effects)
    found = [
        *(_axis_sentences(scan, effects) if both else ()),
        *_two_parts(scan, table, effects),
        *_band(scan, effects),
        *_tiers(scan, table),
    ]
    return Answer(question, sentence, tuple(_limits(scan, table)), tuple(found[:4]), figure)


def _effects(scan: ScanData, table: pd.DataFrame) -> list[_Effect]:
    columns = [f"force_percent_error_change{end}" for end in ("", "_low", "_high")]
    rows = table[columns].to_numpy(float)
    return [
        _Effect(setting, *row)
        for setting, row in zip(scan.settings, rows, strict=True)
        if setting is not scan.reference
    ]


def _largest(effects: list[_Effect]) -> _Effect:
    """Largest effect whose interval excludes zero; where none does, the largest."""
    shown = [one for one in effects if one.shown]
    return max(shown or effects, key=lambda one: abs(one.change))


def _axis(scan: ScanData, setting: SettingResult) -> str:
    start = scan.reference
    if setting.shift == start.shift:
        return _SIGMA
    return _ELECTRONS if setting.width == start.width else _BOTH


def _step(scan: ScanData, setting: SettingResult) -> str:
    """Name a step from the reference by what moves in it; what stays is named once."""
    start, axis = scan.reference, _axis(scan, setting)
    if axis == _SIGMA:
        held = f" ({electron_words(start.shift)})" if len(scan.varies) > 1 else ""
        return f"from σ = {start.width:g} to {setting.width:g} eV{held}"
    if axis == _ELECTRONS:
        return (
            f"from {electron_words(start.shift)} to {electron_words(setting.shift)} at σ = "
            f"{start.width:g} eV"
        )
    return (
        f"from {setting_words(start.width, start.shift)} to "
        f"{setting_words(setting.width, setting.shift)}"
    )


def _error(table: pd.DataFrame, position: int) -> str:
    row = table.iloc[position]
    low, high = row["force_percent_error_low"], row["force_percent_error_high"]
    between = "" if math.isnan(low) else f" ({low:.1f} to {high:.1f})"
    return f"{row['force_percent_error']:.1f}{between} %"


def _level(scan: ScanData, table: pd.DataFrame) -> str:
    return (
        f"At {setting_words(scan.reference.width, scan.reference.shift)} the force field errs by "
        f"{_error(table, 0)} of the mean force."
    )


def _sentence(scan: ScanData, table: pd.DataFrame, effects: list[_Effect]) -> str:
    best = _largest(effects)
    errors = [_error(table, scan.settings.index(one)) for one in (scan.reference, best.setting)]
    step = _step(scan, best.setting)
    if math.isnan(best.low):
        return (
            f"Whether the force error changes cannot be told, too few frames are held out for an "
            f"interval: the largest step, {step}, is {best.change:+.1f} points, {errors[0]} to "
            f"{errors[1]}."
        )
    if not best.shown:
        return (
            f"No change of the force error is shown: the largest, {step}, is {best.text}, "
            f"{errors[0]} against {errors[1]}."
        )
    verb = "falls" if best.change < 0 else "rises"
    lead = ""
    if len(scan.varies) > 1:
        lead = f"{_axis(scan, best.setting).capitalize()} moves it most: "
    text = f"the force error of {scan.formula} {verb} {step}, from {errors[0]} to {errors[1]}"
    text = f"{lead}{text}" if lead else f"{text[0].upper()}{text[1:]}"
    return f"{text}: {best.text}."


def _axis_sentences(scan: ScanData, effects: list[_Effect]) -> list[str]:
    """Say what each axis does on its own, through the reference."""
    lines = []
    for axis in (_SIGMA, _ELECTRONS):
        along = [one for one in effects if _axis(scan, one.setting) == axis]
        if along:
            best = _largest(along)
            verdict = "" if best.shown or math.isnan(best.low) else ", which shows no change"
            lines.append(
                f"{axis.capitalize()} alone, {_step(scan, best.setting)}: {best.text}{verdict}."
            )
    return lines


def _two_parts(scan: ScanData, table: pd.DataFrame, effects: list[_Effect]) -> list[str]:
    if not effects:
        return []
    best = _largest(effects).setting
    rows = [table.iloc[scan.settings.index(one)] for one in (scan.reference, best)]
    mae, mav = (
        [_MEV * float(row[f"force_{part}_ev_per_angstrom"]) for row in rows]
        for part in ("mae", "mav")
    )
    text = (
        f"In meV/Å, {_step(scan, best)}: the error (MAE) goes {from_to(*mae)}, the forces "
        f"themselves (MAV) {from_to(*mav)}"
    )
    if (mae[1] - mae[0]) * (rows[1]["force_percent_error"] - rows[0]["force_percent_error"]) < 0:
        text += "; the ratio moves against the error: it is the forces that change"
    elif min(*mae, *mav) > 0 and abs(math.log(mav[1] / mav[0])) > abs(math.log(mae[1] / mae[0])):
        text += "; the forces change more than the error"
    return [f"{text}."]


def _band(scan: ScanData, effects: list[_Effect]) -> list[str]:
    """Say in one sentence what the d band has to do with it."""
    if not scan.has_d(scan.reference):
        return []
    start = scan.measures(scan.reference)
    text = (
        f"The d band at {scan.name(scan.reference)}: n_d(E_F) = "
        f"{start['n_d_fermi_bare_states_per_ev_atom']:.2f} states/eV/atom, filling "
        f"{start['d_band_filling']:.2f}"
    )
    if not effects:
        return [f"{text}."]
    there = _largest(effects).setting
    if not scan.has_d(there):
        return [f"{text}."]
    neutral = neutral_setting(scan, there.width)
    if there.shift != neutral.shift and scan.has_d(neutral):
        chi = [chi_four(scan.measures(one)) for one in (neutral, there)]
        return [
            (
                f"{text}. Its response chi_4 goes {from_to(*chi)} (states/atom)²/eV "
                f"from {electron_words(neutral.shift)} to "
                f"{electron_words(there.shift)} at σ = {there.width:g} eV."
            )
        ]
    column = "d_response_unsmeared_states2_per_ev_atom2"
    values = [scan.measures(one)[column] for one in (scan.reference, there)]
    if not np.isfinite(values).all() or abs(values[1] - values[0]) < _MOVED * abs(values[0]):
        return [f"{text}."]
    return [
        (
            f"{text}. Its response with the smearing taken out goes {from_to(*values)} "
            f"states²/eV/atom² {_step(scan, there)}: only moving levels do that."
        )
    ]


def _tiers(scan: ScanData, table: pd.DataFrame) -> list[str]:
    """Name the hardest and the easiest tier at the reference."""
    if not scan.tier_names:
        return []
    row = table.iloc[scan.settings.index(scan.reference)]
    errors = {tier: float(row[tier_column(tier)]) for tier in scan.tier_names}
    hard, easy = max(errors, key=errors.__getitem__), min(errors, key=errors.__getitem__)
    return [
        (
            f"Hardest at {scan.name(scan.reference)}: {hard} frames, {errors[hard]:.1f} %; "
            f"easiest: {easy} frames, {errors[easy]:.1f} %."
        )
    ]


def _limits(scan: ScanData, table: pd.DataFrame) -> list[str]:
    lines = []
    engine, warning = (str(scan.facts.get(key, "")) for key in ("engine", "engine_warning"))
    if engine:
        first = warning.split(". ")[0].rstrip(".")
        first = first.removeprefix("Labels are ")  # said already
        lines.append(f"Labels: {engine}{'; ' if first else ''}{first}.")
    noise = table["label_noise_percent"].to_numpy(float)
    if np.isnan(noise).all():
        lines.append("Mesh noise of the labels: not known, so its share in the errors is not.")
    else:
        largest = int(np.nanargmax(noise))
        text = (
            f"Mesh noise of the labels: {noise[largest]:.2g} % at most, at "
            f"{scan.name(scan.settings[largest])}"
        )
        marked = int(within_noise(table).sum())
        if marked:
            text += (
                f"; {marked} of {len(table)} errors are less than {FACTOR:g} times it and may be "
                "its own"
            )
        lines.append(f"{text}.")
    n_test = len(scan.test_tiers)
    lines.append(
        f"n = {n_test} held-out frames, {len(scan.tiers) - n_test} training frames, one draw of "
        "them, one seed: the interval holds the scatter of the held-out frames only."
    )
    return lines
