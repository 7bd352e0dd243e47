"""What every column of results.csv means: one place for the table, the terminal and the report."""

from __future__ import annotations

from dosml.analysis.measures.column import Column, number_text
from dosml.analysis.measures.table import MEASURES

_REFERENCE = "the reference setting (the smallest σ at the electron number nearest to neutral)"

_ERRORS = (
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
        "Lower end of its 95 % interval: Student's t of the ratio MAE/MAV over held-out frames "
        "inside each tier. Empty with fewer than four frames in a tier. The model is not "
        "retrained: the interval holds the scatter of test frames only.",
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
        "Lower end of the 95 % interval of the change, from the differences frame by frame.",
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
        "label_noise_ev_per_angstrom",
        "label noise",
        "eV/Å",
        "Mean absolute difference of the force components of a few frames between the labels and "
        "the same labels on a denser grid of k-points (as a rule one held-out frame a tier, one "
        "more point in every direction). Empty where it was not measured.",
        4,
    ),
    Column(
        "label_noise_percent",
        "label noise",
        "%",
        "100 times that over the mean absolute force component of the same frames. A force MAE of "
        "less than three times the label noise may be that of the k-points.",
        2,
    ),
    Column(
        "denser_grid_frames",
        "frames on a denser grid",
        "",
        "Held-out frames whose forces on a denser grid of k-points are known: behind the next "
        "three columns, which are empty where there are none.",
        0,
    ),
    Column(
        "denser_grid_own_percent_error",
        "force error, own grid, these frames",
        "%",
        "100 MAE/MAV of these frames against their labels, to compare with the next column.",
        2,
    ),
    Column(
        "denser_grid_percent_error",
        "force error, denser grid",
        "%",
        "100 MAE/MAV of the same frames against forces on the denser grid: more than the column "
        "before where the error of the mesh was learnt, less where it was averaged out.",
        2,
    ),
    Column(
        "mesh_error_left_out",
        "mesh error left out",
        "",
        "Share of the mesh's error that the force field has not taken over: 1 averaged out, 0 "
        "learnt (-sum(r e)/sum(e e), r = predicted - label, e = label - denser label).",
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
)
_WINDOWS = (
    Column("moments_window_low_ev", "moments from", "eV", "Moments window, lower end.", 2),
    Column("moments_window_high_ev", "moments to", "eV", "Moments window, upper end.", 2),
    Column("sharpness_window_low_ev", "sharpness from", "eV", "Sharpness window, lower end.", 2),
    Column("sharpness_window_high_ev", "sharpness to", "eV", "Sharpness window, upper end.", 2),
    Column("dos_broadening_ev", "DOS broadening", "eV", "The engine's fixed Gaussian broadening."),
)
_FORCE_CHANGES = (
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
        "Mean square of the direction part over that of the whole change, 0 to 1; 2/3 for small "
        "changes of random direction.",
        3,
    ),
    Column(
        "force_change_mean_ev_per_angstrom",
        "mean force change",
        "eV/Å",
        "Mean over all atoms of |F - F0| (Owen et al. 2024, Fig. 9c).",
        4,
    ),
    Column(
        "force_change_magnitude_mean_ev_per_angstrom",
        "mean change of size",
        "eV/Å",
        "Mean over all atoms of ||F| - |F0|| (Fig. 9c).",
        4,
    ),
    Column(
        "force_change_mean_ratio",
        "ratio of the means",
        "",
        "The first of these two means over the second; 2.0 for small changes of random direction.",
        2,
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

_TIER_PREFIX = "force_percent_error_tier_"


def tier_column(tier: str, end: str = "") -> str:
    """Name of the column with a tier's force % error; `end` is "low", "high" or empty."""
    return f"{_TIER_PREFIX}{tier}" + (f"_{end}" if end else "")


def tier_columns(tiers: list[str]) -> list[Column]:
    """Columns of the tiers, three each (value and both ends of its interval)."""
    ends = {
        "": ("", "."),
        "low": (", low", ": lower end of its 95 % interval."),
        "high": (", high", ": upper end of its 95 % interval."),
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


def result_columns() -> dict[str, Column]:
    """Every fixed column by name, in the order of the table; what the DOS gives in the middle."""
    measures = (measure.column for measure in MEASURES.values())
    return {one.name: one for one in (*_ERRORS, *measures, *_WINDOWS, *_FORCE_CHANGES)}


def describe(name: str) -> Column:
    """Describe any column of a results table, of a tier too.

    Raises
    ------
    KeyError
        If there is no such column.
    """
    fixed = result_columns()
    if name in fixed:
        return fixed[name]
    if name.startswith(_TIER_PREFIX):
        tier = name.removeprefix(_TIER_PREFIX).removesuffix("_low").removesuffix("_high")
        return {column.name: column for column in tier_columns([tier])}[name]
    raise KeyError(name)


def format_value(name: str, value: object) -> str:
    """Format one cell of a results table for people."""
    return number_text(value, describe(name).digits)
