"""A scan as plain data, and the one table that is made of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.measures.angular_basis import AngularBasis
from dosml.analysis.measures.angular_power import angular_power_table
from dosml.analysis.measures.columns import result_columns, tier_column, tier_columns
from dosml.analysis.measures.reading import DosWindows
from dosml.analysis.measures.table import measure_all
from dosml.analysis.statistics.angular_resolution import angular_resolution
from dosml.analysis.statistics.errors import (
    INTERVAL_WORDS,
    difference_columns,
    error_columns,
    percent_error_interval,
)
from dosml.analysis.statistics.force_difference import ForceDifference, force_difference
from dosml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from ase import Atoms
    from numpy.typing import NDArray

    from dosml.analysis.statistics.results import SettingResult


#: The measures of angles look at so many frames at most, spread over the tiers: the time they take
#: and the memory grow with the frames, and their intervals are narrow long before.
MOST_ANGLE_FRAMES = 300
#: Cutoff of the first shell over the cube root of the volume per atom: between the first and the
#: next shell of fcc and hcp (1.12 and 1.59), behind the first two of bcc (1.09, 1.26 and 1.78).
SHELL_CUTOFF = 1.45


@dataclass(frozen=True, eq=False)
class ScanData:
    """One metal, one list of frames, several electronic settings.

    Attributes
    ----------
    formula
        Chemical formula or symbol of the metal.
    tiers
        Tier of every frame (training and test), in the order of `SettingResult.forces`.
    test_tiers
        Tier of every held-out frame, in the order of `SettingResult.held_out`.
    settings
        At least one; kept sorted by electron shift, then width.
    facts
        What was run, shown in the report. Free keys: a string, a number, a list of strings or a
        mapping of such. These keys get a place of their own: "command" (str), "versions"
        (mapping), "dropped_frames" (mapping of frame id to reason, or list of strings), "engine"
        (str), "engine_warning" (str), "warnings" (list of strings), "limits" (list of strings:
        what engine and kind of scan cannot show, added to "What cannot be concluded").
    windows
        Energy windows of the DOS measures.
    seed
        Seed of everything that is drawn: folds and shuffles of the angular measures.
    frames
        Positions and cells of all frames in the order of `tiers`, or None. With them the scan also
        measures the angular resolution that the forces ask for.
    angular_basis
        Functions behind that measure.

    Raises
    ------
    InputError
        If the settings do not describe the same frames, or mix smearing schemes.
    """

    formula: str
    tiers: Sequence[str]
    test_tiers: Sequence[str]
    settings: Sequence[SettingResult]
    facts: Mapping[str, object]
    windows: DosWindows = field(default_factory=DosWindows)
    seed: int = 0
    frames: Sequence[Atoms] | None = None
    angular_basis: AngularBasis = field(default_factory=lambda: AngularBasis(cutoff=6.0))

    def __post_init__(self) -> None:
        """Sort the settings and check that they belong together."""
        if not self.settings:
            raise InputError("a scan needs at least one electronic setting, got none")
        ordered = sorted(self.settings, key=lambda s: (s.shift, s.width))
        object.__setattr__(self, "settings", tuple(ordered))
        schemes = sorted({s.smearing.scheme for s in ordered})
        if len(schemes) > 1:
            raise InputError(
                f"a scan compares widths of one smearing scheme, got {', '.join(schemes)}: "
                f"make one scan of each"
            )
        if self.frames is not None and len(self.frames) != len(self.tiers):
            raise InputError(
                f"the scan has {len(self.frames)} frames and tiers of {len(self.tiers)}"
            )
        for s in ordered:
            counts = {
                "forces": (len(s.forces), len(self.tiers)),
                "predictions": (len(s.held_out), len(self.test_tiers)),
            }
            for name, (found, expected) in counts.items():
                if found != expected:
                    raise InputError(
                        f"setting {setting_name(s)}: {name} of {found} frames, the scan's tiers "
                        f"name {expected}"
                    )

    @property
    def reference(self) -> SettingResult:
        """The setting that others are compared with: nearest to neutral, then smallest width."""
        return min(self.settings, key=lambda s: (abs(s.shift), s.width))

    @property
    def tier_names(self) -> list[str]:
        """Tiers of the held-out frames in order of appearance; empty if there is only one."""
        names = list(dict.fromkeys(self.test_tiers))
        return names if len(names) > 1 else []

    @property
    def varies(self) -> list[str]:
        """Columns of the quantities that the scan varies: σ, electron shift, both or none."""
        widths = {s.width for s in self.settings}
        shifts = {s.shift for s in self.settings}
        values = {"sigma_ev": widths, "electrons_per_atom_shift": shifts}
        return [name for name, several in values.items() if len(several) > 1]

    def name(self, setting: SettingResult) -> str:
        """Name a setting by what this scan varies: "+1 e/atom" where σ is the same everywhere."""
        if self.varies == ["electrons_per_atom_shift"]:
            return electron_words(setting.shift)
        if len(self.varies) > 1:
            return f"σ = {setting.width:g} eV, {electron_words(setting.shift)}"
        return setting_name(setting)

    @property
    def steps(self) -> list[SettingResult]:
        """Where each axis of the scan ends: the setting farthest from the reference along it."""
        start = self.reference
        along_width = [s for s in self.settings if s.shift == start.shift and s is not start]
        along_shift = [s for s in self.settings if s.width == start.width and s is not start]
        ends = []
        if along_width:
            ends.append(max(along_width, key=lambda s: abs(s.width - start.width)))
        if along_shift:
            ends.append(max(along_shift, key=lambda s: abs(s.shift - start.shift)))
        return ends

    @cached_property
    def angle_frames(self) -> list[int]:
        """Frames that the measures of angles look at: all, or `MOST_ANGLE_FRAMES` of all tiers."""
        count = len(self.tiers)
        if count <= MOST_ANGLE_FRAMES:
            return list(range(count))
        rng = np.random.default_rng(self.seed)
        # every tier keeps its share, one frame at least
        chosen: list[int] = []
        for tier in dict.fromkeys(self.tiers):
            members = [n for n, name in enumerate(self.tiers) if name == tier]
            share = max(1, round(MOST_ANGLE_FRAMES * len(members) / count))
            chosen += rng.permutation(members)[:share].tolist()
        return sorted(chosen)

    @cached_property
    def angular(self) -> pd.DataFrame | None:
        """Angular resolution of every setting, see `dosml.analysis.statistics.angular_resolution`.

        None without `frames`, or with fewer than four of them; of `angle_frames`.
        """
        if self.frames is None or len(self.frames) < 4:
            return None
        which = self.angle_frames
        return angular_resolution(
            [self.frames[n] for n in which],
            {setting_name(s): [s.forces[n] for n in which] for s in self.settings},
            self.angular_basis,
            strata=[self.tiers[n] for n in which],
            folds=min(6, len(which)),
            seed=self.seed,
        )

    @cached_property
    def power(self) -> pd.DataFrame | None:
        """Angular power of the forces and their changes, see `angular_power_table`.

        None without `frames`, or where forces do not change at all between two settings; of
        `angle_frames`.
        """
        if self.frames is None or len(self.settings) < 2:
            return None
        which = self.angle_frames
        names = {setting_name(s): [s.forces[n] for n in which] for s in self.settings}
        reference = setting_name(self.reference)
        start = names[reference]
        if any(
            all(np.array_equal(a, b) for a, b in zip(forces, start, strict=True))
            for name, forces in names.items()
            if name != reference
        ):
            return None
        frames = [self.frames[n] for n in which]
        volume = float(np.mean([frame.cell.volume / len(frame) for frame in frames]))
        return angular_power_table(
            frames,
            names,
            reference=reference,
            cutoff=SHELL_CUTOFF * volume ** (1 / 3),
            seed=self.seed,
        )

    def tier_mask(self, tier: str) -> NDArray[np.bool_]:
        """Held-out frames of one tier, shape (n_test,)."""
        return np.array([name == tier for name in self.test_tiers])

    def force_change(self, setting: SettingResult) -> ForceDifference:
        """Force differences of all frames between a setting and the reference."""
        return force_difference(setting.forces, self.reference.forces)

    @cached_property
    def _measured(self) -> list[dict[str, float]]:
        return [measure_all(s.dos, s.smearing, self.windows) for s in self.settings]

    def measures(self, setting: SettingResult) -> dict[str, float]:
        """DOS measures of one of the settings by name, see `dosml.analysis.measures.table`."""
        return self._measured[self.settings.index(setting)]

    def has_d(self, setting: SettingResult) -> bool:
        """Whether one of the settings has a DOS, and d states in it."""
        return not math.isnan(self.measures(setting)["d_band_center_ev"])

    @property
    def with_d(self) -> list[SettingResult]:
        """Settings whose DOS is known and holds d states."""
        return [one for one in self.settings if self.has_d(one)]


def formula_of(frames: Sequence[Atoms]) -> str:
    """Name what frames are made of.

    Returns
    -------
    str
        "Ti" for one element; the reduced formula, "AlTi3", where all frames share it; otherwise
        the elements, "Al-Ti".

    Raises
    ------
    InputError
        If there is no frame.
    """
    if not frames:
        raise InputError("a formula needs at least one frame, got none")
    formulas = {frame.symbols.formula.reduce()[0].format("metal") for frame in frames}
    if len(formulas) == 1:
        return str(formulas.pop())
    return "-".join(sorted({symbol for frame in frames for symbol in set(frame.symbols)}))


def setting_words(width: float, shift: float) -> str:
    """Name a setting by width (eV) and electron shift, e.g. "σ = 0.2 eV, +0.5 e/atom"."""
    return f"σ = {width:g} eV" + (f", {shift:+g} e/atom" if shift else "")


def electron_words(shift: float) -> str:
    """Name an electron number: "neutral", "+1 e/atom"."""
    return f"{shift:+g} e/atom" if shift else "neutral"


def shift_text(shift: float) -> str:
    """Write an electron shift with its sign; neutral is a plain 0."""
    return f"{shift:+g}" if shift else "0"


def setting_name(setting: SettingResult) -> str:
    """Name a setting for people, e.g. "σ = 0.2 eV" or "σ = 0.2 eV, +0.5 e/atom"."""
    return setting_words(setting.width, setting.shift)


def summarise(scan: ScanData) -> pd.DataFrame:
    """Make the results table.

    Parameters
    ----------
    scan
        The scan.

    Returns
    -------
    pandas.DataFrame
        One row per setting in the order of `scan.settings`; columns as in
        `result_columns`, then three per tier. Columns without any value (stress
        where there is none) are nan. `attrs` holds formula, windows and how intervals are made.

    Raises
    ------
    InputError
        If frames do not match between settings, or a DOS grid does not cover a window.
    """
    import pandas as pd

    rows = [_row(scan, setting) for setting in scan.settings]
    names = [*result_columns(), *(column.name for column in tier_columns(scan.tier_names))]
    table = pd.DataFrame(rows, columns=names)
    table.attrs = {
        "formula": scan.formula,
        "moments_window_ev": list(scan.windows.moments),
        "sharpness_window_ev": list(scan.windows.sharpness),
        "reference_setting": setting_name(scan.reference),
        "intervals": INTERVAL_WORDS,
    }
    return table


def _row(scan: ScanData, setting: SettingResult) -> dict[str, object]:
    held, strata = setting.held_out, scan.test_tiers
    sums, energies, stresses = held.force_sums(), held.energy_sums(), held.stress_sums()
    start = sums if setting is scan.reference else scan.reference.held_out.force_sums()
    row: dict[str, object] = {
        "sigma_ev": setting.width,
        "smearing_scheme": setting.smearing.scheme,
        "electrons_per_atom_shift": setting.shift,
        "n_frames": len(setting.forces),
        "n_test_frames": len(held),
        "force_mae_ev_per_angstrom": sums.mean_absolute_error,
        "force_mav_ev_per_angstrom": sums.mean_absolute_value,
        **error_columns("force_percent_error", sums, strata),
        **difference_columns("force_percent_error_change", sums, start, strata),
        "label_noise_ev_per_angstrom": setting.label_noise,
        "label_noise_percent": setting.label_noise_percent,
        **({} if setting.denser is None else setting.denser.columns()),
        "force_rmse_ev_per_angstrom": sums.root_mean_square_error,
        "force_vector_percent_error": held.force_vector_sums().percent_error,
        "energy_mae_ev_per_atom": energies.mean_absolute_error,
        "energy_spread_ev_per_atom": held.energy_spread(),
    }
    if stresses is not None:
        row["stress_mae_ev_per_angstrom3"] = stresses.mean_absolute_error
        row["stress_mav_ev_per_angstrom3"] = stresses.mean_absolute_value
    for tier in scan.tier_names:
        mask = scan.tier_mask(tier)
        part = sums.take(mask)
        ends = percent_error_interval(part, [tier] * len(part))
        row[tier_column(tier)] = part.percent_error
        row[tier_column(tier, "low")], row[tier_column(tier, "high")] = ends
    return row | _dos_columns(scan, setting) | _force_change_columns(scan, setting)


def _dos_columns(scan: ScanData, setting: SettingResult) -> dict[str, object]:
    if setting.dos is None:
        return {}
    windows = scan.windows
    return {
        **scan.measures(setting),
        "moments_window_low_ev": windows.moments[0],
        "moments_window_high_ev": windows.moments[1],
        "sharpness_window_low_ev": windows.sharpness[0],
        "sharpness_window_high_ev": windows.sharpness[1],
        "dos_broadening_ev": setting.dos.broadening,
    }


def _force_change_columns(scan: ScanData, setting: SettingResult) -> dict[str, object]:
    change = scan.force_change(setting)
    return {
        "force_change_rms_ev_per_angstrom": change.rms_total,
        "force_change_magnitude_rms_ev_per_angstrom": change.rms_magnitude,
        "force_change_direction_rms_ev_per_angstrom": change.rms_direction,
        "force_change_direction_share": change.direction_share,
        "force_change_mean_ev_per_angstrom": change.mean_total,
        "force_change_magnitude_mean_ev_per_angstrom": change.mean_magnitude,
        "force_change_mean_ratio": change.ratio_of_means,
        "force_change_mean_angle_degrees": change.mean_angle,
        "force_change_percent": change.relative_percent,
    }
