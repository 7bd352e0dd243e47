"""A scan as plain data, and the one table that is made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.measures.angular_basis import AngularBasis
from dosml.analysis.measures.angular_power import angular_power_table
from dosml.analysis.measures.angular_resolution import angular_resolution
from dosml.analysis.measures.columns import COLUMNS, tier_column, tier_columns
from dosml.analysis.measures.dos_measures import DosMeasures, DosWindows, dos_measures
from dosml.analysis.statistics.errors import (
    FrameSums,
    Interval,
    bootstrap_weights,
    component_sums,
    paired_difference_interval,
    percent_error_interval,
    vector_sums,
)
from dosml.analysis.statistics.force_difference import ForceDifference, force_difference
from dosml.errors import InputError
from dosml.theory.dos import ElectronicDos, mean_dos

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from ase import Atoms
    from numpy.typing import NDArray

    from dosml.theory.smearing import Smearing


#: Cutoff of the first shell over the cube root of the volume per atom: between the first and the
#: next shell of fcc and hcp (1.12 and 1.59), behind the first two of bcc (1.09, 1.26 and 1.78).
SHELL_CUTOFF = 1.45


@dataclass(frozen=True)
class SettingResult:
    """Everything known at one electronic setting.

    Attributes
    ----------
    smearing
        Scheme and width (eV).
    electrons_per_atom_shift
        Electrons added to the neutral cell, per atom.
    dos
        One DOS per frame (training and test), all on one energy grid.
    forces
        Labelled forces of all frames in the same order, (n_atoms, 3) each, eV/Å.
    test_forces, test_forces_predicted
        Held-out frames, (n_atoms, 3) each, eV/Å.
    test_energies, test_energies_predicted
        Free energies of the held-out frames, shape (n_test,), eV (whole cell).
    test_stresses, test_stresses_predicted
        Stresses of the held-out frames, shape (n_test, 6), eV/Å^3, or None where the engine or the
        learner has none.
    """

    smearing: Smearing
    electrons_per_atom_shift: float
    dos: Sequence[ElectronicDos]
    forces: Sequence[NDArray[np.float64]]
    test_forces: Sequence[NDArray[np.float64]]
    test_forces_predicted: Sequence[NDArray[np.float64]]
    test_energies: NDArray[np.float64]
    test_energies_predicted: NDArray[np.float64]
    test_stresses: NDArray[np.float64] | None = None
    test_stresses_predicted: NDArray[np.float64] | None = None

    @cached_property
    def mean_dos(self) -> ElectronicDos:
        """Mean DOS over all frames.

        Raises
        ------
        InputError
            If there is no frame or the grids differ.
        """
        try:
            return mean_dos(self.dos)
        except ValueError as error:
            raise InputError(f"the DOS of the frames cannot be averaged: {error}") from error

    @cached_property
    def force_sums(self) -> FrameSums:
        """Sums over the force components of each held-out frame."""
        return component_sums(self.test_forces_predicted, self.test_forces)


@dataclass(frozen=True)
class ScanStudy:
    """One metal, one list of frames, several electronic settings.

    Attributes
    ----------
    formula
        Chemical formula or symbol of the metal.
    tiers
        Tier of every frame (training and test), in the order of `SettingResult.forces`.
    test_tiers
        Tier of every held-out frame, in the order of `SettingResult.test_forces`.
    settings
        At least one; kept sorted by electron shift, then width.
    facts
        What was run, shown in the report. Free keys: a string, a number, a list of strings or a
        mapping of such. These keys get a place of their own: "command" (str), "versions"
        (mapping), "dropped_frames" (mapping of frame id to reason, or list of strings), "warnings"
        (list of strings), "engine" (str), "limits" (list of strings, added to "What cannot be
        concluded").
    windows
        Energy windows of the DOS measures.
    bootstrap_seed
        Seed of every bootstrap.
    frames
        Positions and cells of all frames in the order of `tiers`, or None. With them the study also
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
    bootstrap_seed: int = 0
    frames: Sequence[Atoms] | None = None
    angular_basis: AngularBasis = field(default_factory=lambda: AngularBasis(cutoff=6.0))

    def __post_init__(self) -> None:
        """Sort the settings and check that they belong together."""
        if not self.settings:
            raise InputError("a scan study needs at least one electronic setting, got none")
        ordered = sorted(
            self.settings, key=lambda s: (s.electrons_per_atom_shift, s.smearing.width)
        )
        object.__setattr__(self, "settings", tuple(ordered))
        schemes = sorted({s.smearing.scheme for s in ordered})
        if len(schemes) > 1:
            raise InputError(
                f"a scan study compares widths of one smearing scheme, got {', '.join(schemes)}: "
                f"make one study of each"
            )
        if self.frames is not None and len(self.frames) != len(self.tiers):
            raise InputError(
                f"the study has {len(self.frames)} frames and tiers of {len(self.tiers)}"
            )
        for s in ordered:
            counts = {
                "dos": (len(s.dos), len(self.tiers)),
                "forces": (len(s.forces), len(self.tiers)),
                "test_forces": (len(s.test_forces), len(self.test_tiers)),
                "test_forces_predicted": (len(s.test_forces_predicted), len(self.test_tiers)),
                "test_energies": (len(s.test_energies), len(self.test_tiers)),
                "test_energies_predicted": (len(s.test_energies_predicted), len(self.test_tiers)),
            }
            for name, (found, expected) in counts.items():
                if found != expected:
                    raise InputError(
                        f"setting {setting_name(s)}: {name} holds {found} frames, the study's "
                        f"tiers name {expected}"
                    )
            if (s.test_stresses is None) != (s.test_stresses_predicted is None):
                raise InputError(
                    f"setting {setting_name(s)}: give labelled and predicted stresses, or neither"
                )

    @property
    def reference(self) -> SettingResult:
        """The setting that others are compared with: nearest to neutral, then smallest width."""
        return min(self.settings, key=lambda s: (abs(s.electrons_per_atom_shift), s.smearing.width))

    @property
    def tier_names(self) -> list[str]:
        """Tiers of the held-out frames in order of appearance; empty if there is only one."""
        names = list(dict.fromkeys(self.test_tiers))
        return names if len(names) > 1 else []

    @property
    def varies(self) -> list[str]:
        """Columns of the quantities that the scan varies: σ, electron shift, both or none."""
        widths = {s.smearing.width for s in self.settings}
        shifts = {s.electrons_per_atom_shift for s in self.settings}
        values = {"sigma_ev": widths, "electrons_per_atom_shift": shifts}
        return [name for name, several in values.items() if len(several) > 1]

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """Bootstrap weights of the held-out frames, shape (n_resamples, n_test)."""
        return bootstrap_weights(self.test_tiers, seed=self.bootstrap_seed)

    @cached_property
    def angular(self) -> pd.DataFrame | None:
        """Angular resolution of every setting, see `dosml.analysis.measures.angular_resolution`.

        None without `frames`, or with fewer than four of them.
        """
        if self.frames is None or len(self.frames) < 4:
            return None
        return angular_resolution(
            self.frames,
            {setting_name(s): s.forces for s in self.settings},
            self.angular_basis,
            strata=self.tiers,
            folds=min(6, len(self.frames)),
            seed=self.bootstrap_seed,
        )

    @cached_property
    def power(self) -> pd.DataFrame | None:
        """Angular power of the forces and their changes, see `angular_power_table`.

        None without `frames`, or where forces do not change at all between two settings.
        """
        if self.frames is None or len(self.settings) < 2:
            return None
        names = {setting_name(s): s.forces for s in self.settings}
        reference = setting_name(self.reference)
        if any(
            not self.force_change(s).total.any() for s in self.settings if s is not self.reference
        ):
            return None
        volume = float(np.mean([frame.cell.volume / len(frame) for frame in self.frames]))
        return angular_power_table(
            self.frames,
            names,
            reference=reference,
            cutoff=SHELL_CUTOFF * volume ** (1 / 3),
            seed=self.bootstrap_seed,
        )

    def tier_mask(self, tier: str) -> NDArray[np.bool_]:
        """Held-out frames of one tier, shape (n_test,)."""
        return np.array([name == tier for name in self.test_tiers])

    def force_change(self, setting: SettingResult) -> ForceDifference:
        """Force differences of all frames between a setting and the reference."""
        return force_difference(setting.forces, self.reference.forces)

    def measures(self, setting: SettingResult) -> DosMeasures:
        """DOS measures of a setting."""
        return dos_measures(setting.mean_dos, setting.smearing, self.windows)


def setting_words(width: float, shift: float) -> str:
    """Name a setting by width (eV) and electron shift, e.g. "σ = 0.2 eV, +0.5 e/atom"."""
    return f"σ = {width:g} eV" + (f", {shift:+g} e/atom" if shift else "")


def setting_name(setting: SettingResult) -> str:
    """Name a setting for people, e.g. "σ = 0.2 eV" or "σ = 0.2 eV, +0.5 e/atom"."""
    return setting_words(setting.smearing.width, setting.electrons_per_atom_shift)


def summarise(study: ScanStudy) -> pd.DataFrame:
    """Make the results table.

    Parameters
    ----------
    study
        The scan.

    Returns
    -------
    pandas.DataFrame
        One row per setting in the order of `study.settings`; columns as in
        `COLUMNS`, then three per tier. Columns without any value (stress
        where there is none) are nan. `attrs` holds formula, windows and bootstrap facts.

    Raises
    ------
    InputError
        If frames do not match between settings, or a DOS grid does not cover a window.
    """
    import pandas as pd

    rows = [_row(study, setting) for setting in study.settings]
    names = [*COLUMNS, *(column.name for column in tier_columns(study.tier_names))]
    table = pd.DataFrame(rows, columns=names)
    table.attrs = {
        "formula": study.formula,
        "moments_window_ev": list(study.windows.moments),
        "sharpness_window_ev": list(study.windows.sharpness),
        "reference_setting": setting_name(study.reference),
        "bootstrap_seed": study.bootstrap_seed,
        "bootstrap_resamples": len(study.weights),
    }
    return table


def _row(study: ScanStudy, setting: SettingResult) -> dict[str, object]:
    sums, weights = setting.force_sums, study.weights
    interval = percent_error_interval(sums, weights)
    is_reference = setting is study.reference
    change = (
        Interval(0.0, 0.0)
        if is_reference
        else paired_difference_interval(sums, study.reference.force_sums, weights)
    )
    vectors = vector_sums(setting.test_forces_predicted, setting.test_forces)
    n_atoms = np.array([len(f) for f in setting.test_forces])
    reference_energies = np.asarray(setting.test_energies, dtype=float) / n_atoms
    energies = component_sums(
        list(np.asarray(setting.test_energies_predicted, dtype=float) / n_atoms),
        list(reference_energies),
    )
    row: dict[str, object] = {
        "sigma_ev": setting.smearing.width,
        "smearing_scheme": setting.smearing.scheme,
        "electrons_per_atom_shift": setting.electrons_per_atom_shift,
        "n_frames": len(setting.forces),
        "n_test_frames": len(setting.test_forces),
        "force_mae_ev_per_angstrom": sums.mean_absolute_error,
        "force_mav_ev_per_angstrom": sums.mean_absolute_value,
        "force_percent_error": sums.percent_error,
        "force_percent_error_low": interval.low,
        "force_percent_error_high": interval.high,
        "force_percent_error_change": sums.percent_error - study.reference.force_sums.percent_error,
        "force_percent_error_change_low": change.low,
        "force_percent_error_change_high": change.high,
        "force_rmse_ev_per_angstrom": sums.root_mean_square_error,
        "force_vector_percent_error": vectors.percent_error,
        "energy_mae_ev_per_atom": energies.mean_absolute_error,
        "energy_spread_ev_per_atom": float(np.std(reference_energies)),
    }
    if setting.test_stresses is not None and setting.test_stresses_predicted is not None:
        stresses = component_sums(
            list(setting.test_stresses_predicted), list(setting.test_stresses)
        )
        row["stress_mae_ev_per_angstrom3"] = stresses.mean_absolute_error
        row["stress_mav_ev_per_angstrom3"] = stresses.mean_absolute_value
    for tier in study.tier_names:
        mask = study.tier_mask(tier)
        part = sums.take(mask)
        ends = percent_error_interval(part, weights[:, mask])
        row[tier_column(tier)] = part.percent_error
        row[tier_column(tier, "low")], row[tier_column(tier, "high")] = ends
    return row | _dos_columns(study, setting) | _force_change_columns(study, setting)


def _dos_columns(study: ScanStudy, setting: SettingResult) -> dict[str, object]:
    measures, windows = study.measures(setting), study.windows
    return {
        "d_band_center_ev": measures.center,
        "d_band_width_ev": measures.width,
        "d_band_filling": measures.filling,
        "d_electrons_per_atom": measures.electrons,
        "d_holes_per_atom": measures.holes,
        "d_response_states2_per_ev_atom2": measures.response,
        "d_response_unsmeared_states2_per_ev_atom2": measures.response_unsmeared,
        "n_d_fermi_states_per_ev_atom": measures.n_fermi,
        "n_d_fermi_bare_states_per_ev_atom": measures.n_fermi_bare,
        "n_d_unsmeared_fermi_states_per_ev_atom": measures.n_fermi_unsmeared,
        "fermi_level_shift_ev": measures.fermi_shift,
        "d_sharpness_states_per_ev2_atom": measures.sharpness,
        "d_sharpness_bare_states_per_ev2_atom": measures.sharpness_bare,
        "d_curvature_states_per_ev3_atom": measures.curvature,
        "d_curvature_bare_states_per_ev3_atom": measures.curvature_bare,
        "smearing_weight_on_grid": measures.covered,
        "moments_window_low_ev": windows.moments[0],
        "moments_window_high_ev": windows.moments[1],
        "sharpness_window_low_ev": windows.sharpness[0],
        "sharpness_window_high_ev": windows.sharpness[1],
        "dos_broadening_ev": setting.mean_dos.broadening,
    }


def _force_change_columns(study: ScanStudy, setting: SettingResult) -> dict[str, object]:
    change = study.force_change(setting)
    return {
        "force_change_rms_ev_per_angstrom": change.rms_total,
        "force_change_magnitude_rms_ev_per_angstrom": change.rms_magnitude,
        "force_change_direction_rms_ev_per_angstrom": change.rms_direction,
        "force_change_direction_share": change.direction_share,
        "force_change_mean_angle_degrees": change.mean_angle,
        "force_change_percent": change.relative_percent,
    }
