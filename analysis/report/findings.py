"""What a scan found, in sentences made from its numbers, and what it cannot tell."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.measures.column import from_to
from dosml.analysis.statistics.angular_resolution import N_NULL
from dosml.analysis.statistics.electron_axis import (
    chi_four,
    half_filling,
    neutral_setting,
    predicted_measures,
)
from dosml.analysis.statistics.errors import FEWEST, Interval, units_of
from dosml.analysis.statistics.force_difference import ISOTROPIC_RATIO, ISOTROPIC_SHARE
from dosml.analysis.statistics.label_noise import noise_sentences
from dosml.analysis.statistics.scan import setting_name

if TYPE_CHECKING:
    import pandas as pd

    from dosml.analysis.statistics.results import SettingResult
    from dosml.analysis.statistics.scan import ScanData

_FEW_FRAMES = 30


def findings(scan: ScanData, table: pd.DataFrame) -> list[str]:
    """Sentences on error, its two parts, DOS and forces: reference against the last setting.

    Parameters
    ----------
    scan, table
        A scan and its `dosml.analysis.statistics.scan.summarise`.

    Returns
    -------
    list of str
        Plain text, one finding each.
    """
    rows = [row for _, row in table.iterrows()]
    start = scan.settings.index(scan.reference)
    first = rows[start]
    sentences = [_level(scan, first)]
    ends = [(scan.settings.index(end), end) for end in scan.steps]
    # along each axis on its own: a step of two knobs at once tells of neither
    for far, there in ends:
        sentences.append(_trend(scan, first, rows[far], scan.name(there)))
    if ends:
        best = int(np.argmin(table["force_percent_error"].to_numpy(float)))
        if best not in {start, *(far for far, _ in ends)}:
            sentences.append(
                f"The lowest force error, {rows[best]['force_percent_error']:.2f} %, is at "
                f"{scan.name(scan.settings[best])}, between these ends or aside of them."
            )
        sentences += noise_sentences(table)
    for far, there in ends:
        name, last = scan.name(there), rows[far]
        sentences.append(_two_parts(scan, first, last, name))
        if scan.has_d(scan.reference) and scan.has_d(there):
            sentences.append(_dos(scan, first, last, there))
        sentences.append(_forces(scan, last, name))
        neutral = neutral_setting(scan, there.width)
        shifted = there.shift != neutral.shift
        if shifted and scan.has_d(neutral) and scan.has_d(there):
            sentences.append(_electrons(scan, neutral, there))
        if scan.angular is not None:
            sentences.append(_angles(scan, scan.angular, there))
        if scan.power is not None:
            sentences.append(_patterns(scan, scan.power, there))
    return sentences


def _interval(row: pd.Series, column: str) -> str:
    low, high = row[f"{column}_low"], row[f"{column}_high"]
    if math.isnan(low) or math.isnan(high):
        return "(no interval: too few frames)"
    return f"({low:.2f} to {high:.2f})"


def _level(scan: ScanData, first: pd.Series) -> str:
    error = f"{first['force_percent_error']:.2f} % {_interval(first, 'force_percent_error')}."
    if not scan.has_d(scan.reference):
        return (
            f"At {scan.name(scan.reference)} the force error of {scan.formula} on "
            f"{len(scan.test_tiers)} held-out frames is {error}"
        )
    return (
        f"At {scan.name(scan.reference)} the d band of {scan.formula} has its centre at "
        f"{first['d_band_center_ev']:+.2f} eV from E_F, an rms width of "
        f"{first['d_band_width_ev']:.2f} eV and a filling of {first['d_band_filling']:.2f}; the "
        f"force error on {len(scan.test_tiers)} held-out frames is {error}"
    )


def _trend(scan: ScanData, first: pd.Series, last: pd.Series, name: str) -> str:
    change = last["force_percent_error_change"]
    ends = Interval(last["force_percent_error_change_low"], last["force_percent_error_change_high"])
    start = scan.name(scan.reference)
    errors = (
        f"{first['force_percent_error']:.2f} % {_interval(first, 'force_percent_error')} at "
        f"{start} to {last['force_percent_error']:.2f} % "
        f"{_interval(last, 'force_percent_error')} at {name}"
    )
    if math.isnan(ends.low):
        return f"The force error goes from {errors}; too few held-out frames for an interval."
    interval = f"95 % interval of the paired difference {ends.low:+.2f} to {ends.high:+.2f}"
    if not ends.excludes_zero:
        return (
            f"Between {start} and {name} no change of the force error is shown ({errors}; "
            f"{change:+.2f} points, {interval}, which includes zero)."
        )
    verb = "falls" if change < 0 else "rises"
    return (
        f"The force error {verb} from {errors}: {change:+.2f} points, {interval}, which excludes "
        f"zero for these held-out frames."
    )


def _two_parts(scan: ScanData, first: pd.Series, last: pd.Series, name: str) -> str:
    mae, mav = "force_mae_ev_per_angstrom", "force_mav_ev_per_angstrom"
    if not min(first[mae], last[mae], first[mav], last[mav]) > 0:
        return "Force errors or forces vanish at a setting: their ratio says nothing there."
    steps = {key: math.log(last[key] / first[key]) for key in (mae, mav)}
    larger = "the error" if abs(steps[mae]) >= abs(steps[mav]) else "the size of the forces"
    return (
        f"Of the two parts of that ratio, the MAE goes {from_to(first[mae], last[mae])} "
        f"eV/Å ({100 * math.expm1(steps[mae]):+.1f} %) and the MAV from {first[mav]:.3f} to "
        f"{last[mav]:.3f} eV/Å ({100 * math.expm1(steps[mav]):+.1f} %) between "
        f"{scan.name(scan.reference)} and {name}; on a logarithmic scale {larger} moves more."
    )


def _dos(scan: ScanData, first: pd.Series, last: pd.Series, there: SettingResult) -> str:
    smeared, bare = "n_d_fermi_states_per_ev_atom", "n_d_fermi_bare_states_per_ev_atom"
    slope, bare_slope = (
        "d_sharpness_states_per_ev2_atom",
        "d_sharpness_bare_states_per_ev2_atom",
    )
    frozen, shift = "n_d_unsmeared_fermi_states_per_ev_atom", "fermi_level_shift_ev"
    name = scan.name(there)
    text = (
        f"From {scan.name(scan.reference)} to {name} the smeared n_d(E_F) goes from "
        f"{first[smeared]:.2f} to {last[smeared]:.2f} states/eV/atom (bare: {first[bare]:.2f} to "
        f"{last[bare]:.2f}) and the mean |dn_d/dE| from {first[slope]:.2f} to {last[slope]:.2f} "
        f"states/eV²/atom (bare: {first[bare_slope]:.2f} to {last[bare_slope]:.2f})."
    )
    if there.width == scan.reference.width:
        return text
    return text + (
        f" The smeared values change by construction. Smearing also moves E_F through the band: it "
        f"lies {first[shift]:+z.2f} eV, then {last[shift]:+z.2f} eV, from where the same levels "
        f"filled without smearing have it. There, at the unsmeared Fermi level, n_d goes from "
        f"{first[frozen]:.2f} to {last[frozen]:.2f} states/eV/atom: only moving levels change that."
    )


def _electrons(scan: ScanData, start: SettingResult, there: SettingResult) -> str:
    kept, own = scan.measures(start), scan.measures(there)
    rigid = predicted_measures(scan, start, there.shift)
    return (
        f"Band theory for the same step, {scan.name(start)} to {scan.name(there)}: chi_4 of "
        f"the d band goes {from_to(chi_four(kept), chi_four(own))} (states/atom)²/eV and "
        f"N(10 - N) from {half_filling(kept):.1f} to {half_filling(own):.1f}, both from the "
        f"calculated DOS of each setting. A rigid band would have predicted {chi_four(rigid):.3f} "
        f"and {half_filling(rigid):.1f}."
    )


def _forces(scan: ScanData, last: pd.Series, name: str) -> str:
    if last["force_change_rms_ev_per_angstrom"] == 0:
        return f"The forces at {scan.name(scan.reference)} and at {name} are the same."
    share, ratio = last["force_change_direction_share"], last["force_change_mean_ratio"]
    text = (
        f"Between {scan.name(scan.reference)} and {name} the forces on the same atoms change "
        f"by {last['force_change_rms_ev_per_angstrom']:.3f} eV/Å (rms), "
        f"{last['force_change_percent']:.0f} % of the rms force; the mean angle is "
        f"{last['force_change_mean_angle_degrees']:.1f}°. {100 * share:.0f} % of the mean square "
        f"change is a change of direction; a change of random direction gives "
        f"{100 * ISOTROPIC_SHARE:.0f} %. "
    )
    if math.isnan(ratio):
        return text + "No force changes its size."
    return text + (
        f"The two means of Fig. 9c of the paper, |ΔF| over the change of |F|, stand as "
        f"{ratio:.2f} to 1, where random directions give {ISOTROPIC_RATIO:.1f}: "
        + (
            "directions change more than chance has it."
            if share > ISOTROPIC_SHARE and ratio > ISOTROPIC_RATIO
            else "no sign that directions change more than chance has it."
        )
    )


def _angles(scan: ScanData, angular: pd.DataFrame, there: SettingResult) -> str:
    """Tell what angles between neighbours take from the error of a linear force field."""
    parts = []
    for setting in (scan.reference, there):
        group = angular[angular["setting"] == setting_name(setting)]
        error = group["percent_error"].to_numpy(float)
        best = 1 + int(np.argmin(error[1:]))
        first = group.iloc[0]
        parts.append(
            f"from {error[1]:.1f} to {error[best]:.1f} % at {scan.name(setting)}, an angular gain "
            f"of {first['angular_gain_percent']:.0f} % where chance alone gives up to "
            f"{first['angular_gain_null_high_percent']:.0f} %"
        )
    return (
        f"Without any learner: angles between neighbours (triplets with the best l up to "
        f"{scan.angular_basis.l_max} instead of l = 0) take the force error of a linear force "
        f"field on frames left out {parts[0]}; {parts[1]}. Chance: the largest of {N_NULL} label "
        f"sets in which angles carry nothing."
    )


def _patterns(scan: ScanData, power: pd.DataFrame, there: SettingResult) -> str:
    """Angular momenta at which the change of the forces has more power than chance leaves."""
    part = power[(power["quantity"] == "change") & (power["setting"] == setting_name(there))]
    kinds = []
    for kind, words in (("vector", "whole vectors"), ("radial", "radial parts")):
        above = part[part[kind] > part[f"{kind}_shuffled"] + 2 * part[f"{kind}_spread"]]
        which = ", ".join(f"{row['l']} ({row[kind]:.2f})" for _, row in above.iterrows())
        kinds.append(f"{words} at {'l = ' + which if which else 'no l'}")
    return (
        f"Pattern of the change of the forces to {scan.name(there)}, seen from each atom over its "
        f"{part['neighbours'].iloc[0]:.1f} neighbours: its power at angular momentum l is 1 where "
        f"neighbours change independently of each other. It lies two standard deviations or more "
        f"above that of the same changes dealt out at random for {'; '.join(kinds)}."
    )


def warnings(scan: ScanData, table: pd.DataFrame) -> list[str]:
    """Warnings of the engine and of the run (`facts`), and of the analysis.

    Parameters
    ----------
    scan, table
        A scan and its `dosml.analysis.statistics.scan.summarise`.
    """
    notes = [str(line) for line in (scan.facts.get("engine_warning"),) if line]
    given = scan.facts.get("warnings", [])
    notes += [given] if isinstance(given, str) else [str(line) for line in _items(given)]
    notes += _lacking(scan)
    off_grid = table[table["smearing_weight_on_grid"] < 0.99]
    notes += [
        f"At σ = {row['sigma_ev']:g} eV only {100 * row['smearing_weight_on_grid']:.1f} % of "
        f"-df/de lies on the energy grid of the DOS: smeared n_d(E_F) and sharpness are too small."
        for _, row in off_grid.iterrows()
    ]
    if units_of(scan.test_tiers) is None:
        notes.append(
            f"A tier has fewer than {FEWEST} held-out frames: no interval can be given (--test "
            f"{FEWEST * max(1, len(scan.tier_names))} or more)."
        )
    return notes


def _lacking(scan: ScanData) -> list[str]:
    """Say in a line where there is no d-DOS, and where one comes from."""
    bare = [setting_name(one) for one in scan.settings if one.dos is None]
    poor = [setting_name(one) for one in scan.settings if one.dos is not None]
    poor = [] if scan.with_d else poor
    notes = []
    if bare:
        where = "" if len(bare) == len(scan.settings) else f" at {'; '.join(bare)}"
        notes.append(
            f"The labels have no DOS{where}: columns, figures and sentences that need one are "
            "empty or left out. An engine computes it for the same frames (--dos-engine), or a "
            "column dos_file of the table of labels names files that hold it."
        )
    if poor:
        notes.append(
            "There are no d states here: columns, figures and sentences on the d band are empty "
            "or left out."
        )
    return notes


def _items(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else []


def limits(scan: ScanData) -> list[str]:
    """Tell what the scan cannot show, with `facts["limits"]` at the end.

    Parameters
    ----------
    scan
        The scan.
    """
    n_test, n_settings = len(scan.test_tiers), len(scan.settings)
    scheme = scan.reference.smearing.scheme
    lines = []
    if scheme == "fermi-dirac":
        lines.append(
            "σ is the width of a Fermi-Dirac distribution (k_B T). The published study used "
            "Methfessel-Paxton smearing, whose width is another quantity: the two σ axes cannot be "
            "laid over each other."
        )
    if all(math.isnan(setting.label_noise) for setting in scan.settings):
        told = str(scan.facts.get("label noise", "not known"))
        lines.append(
            f"The label noise is {told}. How much of the errors is that of the k-points cannot be "
            "told here."
        )
    few = " That is few." if n_test < _FEW_FRAMES else ""
    lines.append(
        f"The errors rest on {n_test} held-out frames.{few} The intervals hold the scatter of "
        f"those frames only: another draw of training frames, another seed or another learner "
        f"would move the errors too."
    )
    lines.append(
        "Frames of one molecular dynamics run resemble each other; the true intervals may be wider "
        "than frames or blocks of a few say."
    )
    lines.append(
        f"One metal and {n_settings} settings of one knob: error and DOS measures that change "
        f"together here need not be cause and effect, and no correlation is claimed."
    )
    if scan.with_d:
        lines.append(
            "The smeared n_d(E_F) and the smeared sharpness fall with σ by construction, whatever "
            "the metal. E_F is the chemical potential of the setting: in a band that is not "
            "symmetric about it, smearing moves it, so the d-band centre and the bare n_d(E_F) "
            "change without any level moving. Only n_d and the response at the unsmeared Fermi "
            "level are free of that."
        )
    lines.append(
        "MAV changes with the setting as well as MAE. A falling % error can mean smaller errors, "
        "larger forces, or both: look at the two parts."
    )
    return lines + [str(line) for line in _items(scan.facts.get("limits", []))]
