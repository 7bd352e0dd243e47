"""The one table of DOS measures: a new measure is one entry of it.

Results of a scan, its report, `dosml dos`, the ranking of a survey, the documentation and the
tests read it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.measures.dos_curves import check_resolution
from dosml.analysis.measures.measure import Measure
from dosml.analysis.measures.reading import DosReading
from dosml.errors import InputError
from dosml.theory.response_index import D_WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dosml.analysis.measures.reading import DosWindows
    from dosml.theory.dos import ElectronicDos
    from dosml.theory.smearing import Smearing

#: The one measure whose correlation with the force error is tested without a correction: it was
#: fixed here before the survey of all metals. All others are exploratory.
PRIMARY = "chi_4_unsmeared_states2_per_ev_atom2"
#: chi_4 in units of the band's own energy, what a percentage can depend on. Exploratory: it was
#: found on the survey of 20 metals.
REDUCED = "chi_4_reduced_states2_per_atom2"
_PAIRS, _STATES = "states²/eV/atom²", "states/eV/atom"


def _chi(rank: int) -> Measure:
    return Measure(
        f"chi_{rank}_states2_per_ev_atom2",
        f"chi_{rank}",
        _PAIRS,
        f"Response index of the d band at l = {rank}: (2 2 {rank}; 0 0 0)² = {D_WEIGHTS[rank]:.4f} "
        "times the d response.",
        lambda read: D_WEIGHTS[rank] * read.response,
        window="moments",
    )


_ENTRIES: tuple[Measure, ...] = (
    Measure(
        "d_band_center_ev",
        "d-band centre",
        "eV",
        "First moment of the bare d-DOS in the moments window, relative to E_F.",
        lambda read: read.moments.centre,
        window="moments",
        expected_sign=0,
    ),
    Measure(
        "d_band_width_ev",
        "d-band width",
        "eV",
        "Root of the second central moment of the bare d-DOS in the moments window.",
        lambda read: read.moments.width,
        window="moments",
        expected_sign=0,
    ),
    Measure(
        "d_band_filling",
        "d filling",
        "",
        "Share of the d weight in the moments window that the occupations f(e) of the setting "
        "fill.",
        lambda read: read.moments.filling,
        window="moments",
        expected_sign=0,
    ),
    Measure(
        "d_filling_product",
        "filling (1 - filling)",
        "",
        "d filling times what is left of it: N(10 - N)/100, largest for a half-filled band.",
        lambda read: read.filling_product,
        window="moments",
        digits=4,
        expected_sign=1,
    ),
    Measure(
        "d_electrons_per_atom",
        "d electrons",
        "1/atom",
        "Occupied d weight in the moments window.",
        lambda read: read.moments.electrons,
        window="moments",
    ),
    Measure(
        "d_holes_per_atom",
        "d holes",
        "1/atom",
        "Empty d weight in the moments window.",
        lambda read: read.moments.states - read.moments.electrons,
        window="moments",
    ),
    Measure(
        "d_orbital_spread_per_atom",
        "unevenness of the d orbitals",
        "1/atom",
        "Standard deviation over the five d orbitals of the electrons in them, mean over atoms and "
        "frames in the laboratory's axes; 0 where smearing has made them even. Empty where the "
        "DOS is not resolved by orbital.",
        lambda read: read.orbital_spread,
        window="moments",
        digits=4,
    ),
    Measure(
        "d_response_states2_per_ev_atom2",
        "d response",
        _PAIRS,
        "∬ g_d(e) g_d(e') [f(e) - f(e')]/(e' - e) over pairs e < e' in the moments window, with "
        "the setting's occupations: first-order response of the d band; times (2 2 l; 0 0 0)² it "
        "is chi_l for l = 0, 2, 4.",
        lambda read: read.response,
        window="moments",
        digits=2,
        expected_sign=1,
    ),
    Measure(
        "d_response_unsmeared_states2_per_ev_atom2",
        "d response, unsmeared",
        _PAIRS,
        "The same integral of the same levels filled without smearing.",
        lambda read: read.response_unsmeared,
        window="moments",
        digits=2,
        smeared=True,
    ),
    _chi(0),
    _chi(2),
    _chi(4),
    Measure(
        PRIMARY,
        "chi_4, unsmeared",
        _PAIRS,
        "chi_4 of the same levels filled without smearing, at the Fermi level that they have then: "
        "the primary measure of a survey, all others are exploratory.",
        lambda read: D_WEIGHTS[4] * read.response_unsmeared,
        window="moments",
        expected_sign=1,
        smeared=True,
    ),
    Measure(
        REDUCED,
        "chi_4 of the band's width",
        "states²/atom²",
        "Unsmeared chi_4 times the d-band width: the response in units of the band's own energy.",
        lambda read: D_WEIGHTS[4] * read.response_unsmeared * read.moments.width,
        window="moments",
        expected_sign=1,
        smeared=True,
    ),
    Measure(
        "n_d_fermi_states_per_ev_atom",
        "n_d(E_F), smeared",
        _STATES,
        "d-DOS at E_F convolved with the setting's own -df/de: what a calculation smeared with "
        "this σ prints. It falls with σ by construction.",
        lambda read: float((read.dos.d * read.delta_weights).sum()),
        expected_sign=1,
        smeared=True,
    ),
    Measure(
        "n_d_fermi_bare_states_per_ev_atom",
        "n_d(E_F), bare",
        _STATES,
        "d-DOS at E_F with only the engine's fixed broadening.",
        lambda read: float(np.interp(0.0, read.dos.energies, read.dos.d)),
        expected_sign=1,
    ),
    Measure(
        "n_d_unsmeared_fermi_states_per_ev_atom",
        "n_d, unsmeared",
        _STATES,
        "Bare d-DOS at the Fermi level to which the same electrons would fill the same levels "
        "without smearing: it changes only where levels change.",
        lambda read: float(np.interp(read.unsmeared_level, read.dos.energies, read.dos.d)),
        expected_sign=1,
        smeared=True,
    ),
    Measure(
        "n_total_fermi_states_per_ev_atom",
        "n(E_F), smeared",
        _STATES,
        "DOS of all states at E_F, convolved with the setting's own -df/de.",
        lambda read: float((read.dos.total * read.delta_weights).sum()),
        of="total",
        smeared=True,
    ),
    Measure(
        "n_total_fermi_bare_states_per_ev_atom",
        "n(E_F), bare",
        _STATES,
        "DOS of all states at E_F with only the engine's fixed broadening.",
        lambda read: float(np.interp(0.0, read.dos.energies, read.dos.total)),
        of="total",
    ),
    Measure(
        "fermi_level_shift_ev",
        "shift of E_F",
        "eV",
        "E_F of the setting (its chemical potential) minus the unsmeared Fermi level: how far "
        "smearing alone moves E_F through the band.",
        lambda read: -read.unsmeared_level,
        of="total",
        smeared=True,
    ),
    Measure(
        "d_sharpness_states_per_ev2_atom",
        "d sharpness, smeared",
        "states/eV²/atom",
        "Mean |dn_d/dE| of the smeared d-DOS over the sharpness window about E_F (its total "
        "variation there divided by the window's length).",
        lambda read: read.slope(smeared=True),
        window="sharpness",
        digits=2,
        expected_sign=1,
        smeared=True,
    ),
    Measure(
        "d_sharpness_bare_states_per_ev2_atom",
        "d sharpness, bare",
        "states/eV²/atom",
        "The same of the bare d-DOS. It also holds the jaggedness that few frames and the "
        "engine's broadening leave.",
        lambda read: read.slope(smeared=False),
        window="sharpness",
        digits=2,
        expected_sign=1,
    ),
    Measure(
        "d_curvature_states_per_ev3_atom",
        "d curvature, smeared",
        "states/eV³/atom",
        "Mean |d²n_d/dE²| of the smeared d-DOS over the sharpness window.",
        lambda read: read.curvature(smeared=True),
        window="sharpness",
        digits=2,
        expected_sign=1,
        smeared=True,
    ),
    Measure(
        "d_curvature_bare_states_per_ev3_atom",
        "d curvature, bare",
        "states/eV³/atom",
        "The same of the bare d-DOS; it depends strongly on the engine's broadening.",
        lambda read: read.curvature(smeared=False),
        window="sharpness",
        digits=2,
        expected_sign=1,
    ),
    Measure(
        "smearing_weight_on_grid",
        "-df/de on the grid",
        "",
        "Share of -df/de that lies on the DOS energy grid; below 1 the smeared values are too "
        "small.",
        lambda read: float(read.delta_weights.sum()),
        digits=4,
        of="total",
        smeared=True,
    ),
)

#: Every measure by name, in the order of tables.
MEASURES: dict[str, Measure] = {measure.name: measure for measure in _ENTRIES}


def ranked() -> dict[str, Measure]:
    """Give the measures that are tried against the force error."""
    return {name: one for name, one in MEASURES.items() if one.expected_sign is not None}


def measure_all(
    dos: ElectronicDos | None,
    smearing: Smearing | None,
    windows: DosWindows,
    *,
    skip_unresolved: bool = False,
) -> dict[str, float]:
    """Read every measure from a (mean) DOS.

    Parameters
    ----------
    dos, smearing, windows
        See `DosReading`. Without a DOS every measure is nan, without d states every measure of
        them, without a smearing every measure that needs one.
    skip_unresolved
        Give nan for measures that need a finer grid, instead of an error.

    Returns
    -------
    dict
        By name, in the order of `MEASURES`; units as the entries say.

    Raises
    ------
    InputError
        If the grid does not cover a window, or is coarser than the smearing width.
    """
    if dos is None:
        return dict.fromkeys(MEASURES, math.nan)
    resolved = smearing is not None
    if smearing is not None and smearing.width < dos.step:
        if not skip_unresolved:
            check_resolution(dos.step, smearing)
        resolved = False
    reading = DosReading(dos, smearing, windows)
    return {
        one.name: math.nan
        if (one.of == "d" and not reading.has_d) or (one.smeared and not resolved)
        else _read(one, reading)
        for one in MEASURES.values()
    }


def _read(measure: Measure, reading: DosReading) -> float:
    try:
        return float(measure.function(reading))
    except ValueError as error:
        raise InputError(f"{measure.heading} cannot be measured: {error}") from error


def measure_markdown(measures: Iterable[Measure] | None = None) -> str:
    """Write measures as the table of the documentation.

    Parameters
    ----------
    measures
        All of `MEASURES` by default.
    """
    signs = {1: "+", 0: "none", -1: "-", None: "not tried"}
    lines = [
        "| measure | column | unit | window | expected sign | definition |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for one in MEASURES.values() if measures is None else measures:
        cells = (
            one.heading,
            f"`{one.name}`",
            one.unit or "–",
            one.window or "–",
            signs[one.expected_sign],
            one.definition.replace("|", "\\|"),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
