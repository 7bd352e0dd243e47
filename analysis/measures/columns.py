"""What every column of results.csv means: one place for the table, the terminal and the report."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real


@dataclass(frozen=True)
class Column:
    """One column of the results table.

    Attributes
    ----------
    name
        Name in results.csv.
    heading
        Short heading for people.
    unit
        Unit, empty for a pure number.
    definition
        One or two sentences.
    digits
        Digits after the decimal point where people read it.
    """

    name: str
    heading: str
    unit: str
    definition: str
    digits: int = 3


_REFERENCE = "the reference setting (the smallest σ at the electron number nearest to neutral)"

_COLUMNS = (
    Column("sigma_ev", "σ", "eV", "Width of the electronic smearing.", 2),
    Column(
        "smearing_scheme",
        "scheme",
        "",
        "Smearing scheme. Widths of different schemes are not comparable one to one.",
    ),
    Column(
        "electrons_per_atom_shift",
        "electron shift",
        "e/atom",
        "Electrons added to the neutral cell, per atom.",
        2,
    ),
    Column("n_frames", "frames", "", "Labelled frames (training and test) behind DOS and forces."),
    Column("n_test_frames", "test frames", "", "Held-out frames behind the errors."),
    Column(
        "force_mae_ev_per_angstrom",
        "force MAE",
        "eV/Å",
        "Mean absolute error of the force components of all held-out frames.",
        4,
    ),
    Column(
        "force_mav_ev_per_angstrom",
        "force MAV",
        "eV/Å",
        "Mean absolute value of the labelled force components of all held-out frames.",
        4,
    ),
    Column(
        "force_percent_error",
        "force error",
        "%",
        "100 MAE/MAV over force components (Owen et al. 2024, eq. 2).",
        2,
    ),
    Column(
        "force_percent_error_low",
        "force error, low",
        "%",
        "Lower end of its 95 % bootstrap interval: held-out frames drawn anew inside each tier, "
        "MAE and MAV both computed again. The model is not retrained: the interval holds the "
        "scatter of test frames only.",
        2,
    ),
    Column(
        "force_percent_error_high", "force error, high", "%", "Upper end of the same interval.", 2
    ),
    Column(
        "force_percent_error_change",
        "change of force error",
        "points",
        f"Force % error minus that of {_REFERENCE}.",
        2,
    ),
    Column(
        "force_percent_error_change_low",
        "change, low",
        "points",
        "Lower end of the 95 % paired bootstrap interval of the change: the same draw of frames "
        "for both settings.",
        2,
    ),
    Column(
        "force_percent_error_change_high",
        "change, high",
        "points",
        "Upper end of the same interval.",
        2,
    ),
    Column(
        "force_rmse_ev_per_angstrom",
        "force RMSE",
        "eV/Å",
        "Root mean square error of the force components of all held-out frames.",
        4,
    ),
    Column(
        "force_vector_percent_error",
        "force error by vector",
        "%",
        "100 (mean |F_predicted - F|) / (mean |F|) with the lengths of whole force vectors.",
        2,
    ),
    Column(
        "energy_mae_ev_per_atom",
        "energy MAE",
        "eV/atom",
        "Mean absolute error of the free energy per atom over held-out frames.",
        5,
    ),
    Column(
        "energy_spread_ev_per_atom",
        "energy spread",
        "eV/atom",
        "Standard deviation of the labelled free energies per atom of the held-out frames: what "
        "the energy MAE is to be measured against.",
        5,
    ),
    Column(
        "stress_mae_ev_per_angstrom3",
        "stress MAE",
        "eV/Å³",
        "Mean absolute error of the six stress components over held-out frames.",
        6,
    ),
    Column(
        "stress_mav_ev_per_angstrom3",
        "stress MAV",
        "eV/Å³",
        "Mean absolute value of the six labelled stress components of the held-out frames.",
        6,
    ),
    Column(
        "d_band_center_ev",
        "d-band centre",
        "eV",
        "First moment of the bare d-DOS in the moments window, relative to E_F.",
        3,
    ),
    Column(
        "d_band_width_ev",
        "d-band width",
        "eV",
        "Root of the second central moment of the bare d-DOS in the moments window.",
        3,
    ),
    Column(
        "d_band_filling",
        "d filling",
        "",
        "Share of the d weight in the moments window that the occupations f(e) of the setting "
        "fill.",
        3,
    ),
    Column(
        "d_electrons_per_atom",
        "d electrons",
        "1/atom",
        "Occupied d weight in the moments window.",
        3,
    ),
    Column("d_holes_per_atom", "d holes", "1/atom", "Empty d weight in the moments window.", 3),
    Column(
        "d_response_states2_per_ev_atom2",
        "d response",
        "states²/eV/atom²",
        "∬ g_d(e) g_d(e') [f(e) - f(e')]/(e' - e) over pairs e < e' in the moments window, with "
        "the setting's occupations: first-order response of the d band; times (2 2 l; 0 0 0)² it "
        "is chi_l for l = 0, 2, 4.",
        2,
    ),
    Column(
        "d_response_unsmeared_states2_per_ev_atom2",
        "d response, unsmeared",
        "states²/eV/atom²",
        "The same integral of the same levels filled without smearing.",
        2,
    ),
    Column(
        "n_d_fermi_states_per_ev_atom",
        "n_d(E_F), smeared",
        "states/eV/atom",
        "d-DOS at E_F convolved with the setting's own -df/de: what a calculation smeared with "
        "this σ prints. It falls with σ by construction.",
        3,
    ),
    Column(
        "n_d_fermi_bare_states_per_ev_atom",
        "n_d(E_F), bare",
        "states/eV/atom",
        "d-DOS at E_F with only the engine's fixed broadening.",
        3,
    ),
    Column(
        "n_d_unsmeared_fermi_states_per_ev_atom",
        "n_d, unsmeared",
        "states/eV/atom",
        "Bare d-DOS at the Fermi level to which the same electrons would fill the same levels "
        "without smearing: it changes only where levels change.",
        3,
    ),
    Column(
        "fermi_level_shift_ev",
        "shift of E_F",
        "eV",
        "E_F of the setting (its chemical potential) minus that unsmeared Fermi level: how far "
        "smearing alone moves E_F through the band.",
        3,
    ),
    Column(
        "d_sharpness_states_per_ev2_atom",
        "d sharpness, smeared",
        "states/eV²/atom",
        "Mean |dn_d/dE| of the smeared d-DOS over the sharpness window about E_F (its total "
        "variation there divided by the window's length).",
        2,
    ),
    Column(
        "d_sharpness_bare_states_per_ev2_atom",
        "d sharpness, bare",
        "states/eV²/atom",
        "The same of the bare d-DOS. It also holds the jaggedness that few frames and the "
        "engine's broadening leave.",
        2,
    ),
    Column(
        "d_curvature_states_per_ev3_atom",
        "d curvature, smeared",
        "states/eV³/atom",
        "Mean |d²n_d/dE²| of the smeared d-DOS over the sharpness window.",
        2,
    ),
    Column(
        "d_curvature_bare_states_per_ev3_atom",
        "d curvature, bare",
        "states/eV³/atom",
        "The same of the bare d-DOS; it depends strongly on the engine's broadening.",
        2,
    ),
    Column(
        "smearing_weight_on_grid",
        "-df/de on the grid",
        "",
        "Share of -df/de that lies on the DOS energy grid; below 1 the smeared values are too "
        "small.",
        4,
    ),
    Column("moments_window_low_ev", "moments from", "eV", "Moments window, lower end.", 2),
    Column("moments_window_high_ev", "moments to", "eV", "Moments window, upper end.", 2),
    Column("sharpness_window_low_ev", "sharpness from", "eV", "Sharpness window, lower end.", 2),
    Column("sharpness_window_high_ev", "sharpness to", "eV", "Sharpness window, upper end.", 2),
    Column("dos_broadening_ev", "DOS broadening", "eV", "The engine's fixed Gaussian broadening."),
    Column(
        "force_change_rms_ev_per_angstrom",
        "force change",
        "eV/Å",
        f"Root mean square over all atoms of |F - F0|, F0 the force on the same atom at "
        f"{_REFERENCE}.",
        4,
    ),
    Column(
        "force_change_magnitude_rms_ev_per_angstrom",
        "magnitude part",
        "eV/Å",
        "Root mean square of |F| - |F0|. Exactly, atom by atom: |F - F0|² = (|F| - |F0|)² + "
        "4 |F| |F0| sin²(θ/2), θ the angle between F and F0.",
        4,
    ),
    Column(
        "force_change_direction_rms_ev_per_angstrom",
        "direction part",
        "eV/Å",
        "Root mean square of 2 √(|F| |F0|) sin(θ/2), the rest of the force change.",
        4,
    ),
    Column(
        "force_change_direction_share",
        "direction share",
        "",
        "Mean square of the direction part over that of the whole change, 0 to 1.",
        3,
    ),
    Column(
        "force_change_mean_angle_degrees",
        "mean angle",
        "°",
        "Mean of θ over all atoms, weighted with |F0|.",
        2,
    ),
    Column(
        "force_change_percent",
        "relative force change",
        "%",
        "100 (root mean square of |F - F0|) / (root mean square of |F0|).",
        2,
    ),
)

#: Every fixed column by name, in the order of the table.
COLUMNS = {column.name: column for column in _COLUMNS}

_TIER_PREFIX = "force_percent_error_tier_"


def tier_column(tier: str, end: str = "") -> str:
    """Name of the column with a tier's force % error; `end` is "low", "high" or empty."""
    return f"{_TIER_PREFIX}{tier}" + (f"_{end}" if end else "")


def tier_columns(tiers: list[str]) -> list[Column]:
    """Columns of the tiers, three each (value and both ends of its interval)."""
    ends = {
        "": ("", "."),
        "low": (", low", ": lower end of its 95 % bootstrap interval."),
        "high": (", high", ": upper end of its 95 % bootstrap interval."),
    }
    return [
        Column(
            tier_column(tier, end),
            f"force error, {tier}{words}",
            "%",
            f"100 MAE/MAV over the force components of the held-out frames of tier {tier}{tail}",
            2,
        )
        for tier in tiers
        for end, (words, tail) in ends.items()
    ]


def describe(name: str) -> Column:
    """Describe any column of a results table, of a tier too.

    Raises
    ------
    KeyError
        If there is no such column.
    """
    if name in COLUMNS:
        return COLUMNS[name]
    if name.startswith(_TIER_PREFIX):
        tier = name.removeprefix(_TIER_PREFIX).removesuffix("_low").removesuffix("_high")
        return {column.name: column for column in tier_columns([tier])}[name]
    raise KeyError(name)


def format_value(name: str, value: object) -> str:
    """Format one cell of a results table for people."""
    return number_text(value, describe(name).digits)


def number_text(value: object, digits: int) -> str:
    """Format a value for people: fixed digits, "–" for a missing number, words as they are."""
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        number = float(value)
        return "–" if math.isnan(number) else f"{number:.{digits}f}"
    return str(value)
