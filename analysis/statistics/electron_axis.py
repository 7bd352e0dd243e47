"""The electron number as an axis: force error beside what band theory says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dosml.analysis.measures.table import measure_all
from dosml.errors import InputError
from dosml.theory.rigid_band import rigid_band

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from dosml.analysis.statistics.results import SettingResult
    from dosml.analysis.statistics.scan import ScanData

#: Columns of the results that stand beside the theory.
_KEPT = (
    "force_percent_error",
    "force_percent_error_low",
    "force_percent_error_high",
    "force_mae_ev_per_angstrom",
    "force_mav_ev_per_angstrom",
    "label_noise_ev_per_angstrom",
    "label_noise_percent",
)


def chi_four(measures: Mapping[str, float]) -> float:
    """Response index chi_4 of the d band, (states/atom)^2/eV."""
    return measures["chi_4_states2_per_ev_atom2"]


def d_count(measures: Mapping[str, float]) -> float:
    """Electrons N in a d band of ten: ten times the filling of the calculated one."""
    return 10 * measures["d_band_filling"]


def half_filling(measures: Mapping[str, float]) -> float:
    """N (10 - N): what the response of an averaged d shell is proportional to."""
    return d_count(measures) * (10 - d_count(measures))


def neutral_setting(scan: ScanData, width: float) -> SettingResult:
    """Find the setting nearest to neutral at a width (eV): a rigid band starts from it."""
    return min((one for one in scan.settings if one.width == width), key=lambda one: abs(one.shift))


def predicted_measures(scan: ScanData, start: SettingResult, shift: float) -> dict[str, float]:
    """DOS measures of a rigid band.

    Parameters
    ----------
    scan
        Gives the windows.
    start
        Setting whose levels are kept.
    shift
        Electrons per atom relative to the neutral cell.

    Returns
    -------
    measures
        As `measure_all`: a prediction, not a result. All nan where the electrons do not fit the
        levels on the grid, or the setting has no DOS.
    """
    nothing = measure_all(None, start.smearing, scan.windows)
    if start.dos is None:
        return nothing
    try:
        moved = rigid_band(start.dos, start.smearing, shift - start.shift)
        return measure_all(moved, start.smearing, scan.windows)
    except (ValueError, InputError):
        return nothing


def electron_table(scan: ScanData, table: pd.DataFrame) -> pd.DataFrame:
    """Force error beside the band theory, one row per setting.

    Parameters
    ----------
    scan, table
        A scan of the electron number (and perhaps of σ) and its results table.

    Returns
    -------
    pandas.DataFrame
        `chi_4_...` and `d_electrons_of_ten` (N) come from the setting's own calculated d-DOS in the
        moments window; columns ending in `_rigid_band` are predictions from the DOS of the setting
        nearest to neutral at the same σ.
    """
    import pandas as pd

    rows = []
    for (_, line), setting in zip(table.iterrows(), scan.settings, strict=True):
        own = scan.measures(setting)
        start = neutral_setting(scan, setting.width)
        rigid = predicted_measures(scan, start, setting.shift)
        row: dict[str, Any] = {
            "sigma_ev": setting.width,
            "electrons_per_atom_shift": setting.shift,
            **{name: line[name] for name in _KEPT},
        }
        for measures, end in ((own, ""), (rigid, "_rigid_band")):
            row |= {
                f"chi_4_states2_per_ev_atom2{end}": chi_four(measures),
                f"d_electrons_of_ten{end}": d_count(measures),
                f"n_times_ten_minus_n{end}": half_filling(measures),
                f"n_d_fermi_states_per_ev_atom{end}": measures["n_d_fermi_states_per_ev_atom"],
            }
        rows.append(row)
    return pd.DataFrame(rows)
