"""What is known at one electronic setting, as plain data: labels, DOS, predictions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.analysis.statistics.errors import (
    FrameSums,
    component_sums,
    error_columns,
    vector_sums,
)
from dosml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from dosml.analysis.statistics.denser_grid import OnDenserGrid
    from dosml.theory.dos import ElectronicDos
    from dosml.theory.setting import ElectronicSetting
    from dosml.theory.smearing import Smearing


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What one model says about held-out frames, beside their labels.

    Attributes
    ----------
    forces, forces_predicted
        (n_atoms, 3) each, eV/Å.
    energies, energies_predicted
        Free energies, shape (n_frames,), eV (whole cell).
    stresses, stresses_predicted
        Shape (n_frames, 6), eV/Å^3; None where the labels or the model have none.
    facts
        Of the model: cost, size.

    Raises
    ------
    InputError
        If the numbers of frames differ.
    """

    forces: Sequence[NDArray[np.float64]]
    forces_predicted: Sequence[NDArray[np.float64]]
    energies: NDArray[np.float64]
    energies_predicted: NDArray[np.float64]
    stresses: NDArray[np.float64] | None = None
    stresses_predicted: NDArray[np.float64] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that everything is there for every frame."""
        for name in (
            "forces_predicted",
            "energies",
            "energies_predicted",
            "stresses",
            "stresses_predicted",
        ):
            values = getattr(self, name)
            if values is not None and len(values) != len(self):
                raise InputError(
                    f"held-out frames: forces of {len(self)} and {name} of {len(values)} frames, "
                    "expected the same number"
                )

    def __len__(self) -> int:
        """Count the frames."""
        return len(self.forces)

    def force_sums(self) -> FrameSums:
        """Sum over the force components of each frame."""
        return component_sums(self.forces_predicted, self.forces)

    def force_vector_sums(self) -> FrameSums:
        """Sum over the force vectors of each frame."""
        return vector_sums(self.forces_predicted, self.forces)

    def energy_sums(self) -> FrameSums:
        """Energies per atom (eV) as sums of a single number per frame."""
        n_atoms = np.array([len(one) for one in self.forces])
        labelled = np.asarray(self.energies, dtype=float) / n_atoms
        predicted = np.asarray(self.energies_predicted, dtype=float) / n_atoms
        return component_sums(list(predicted), list(labelled))

    def stress_sums(self) -> FrameSums | None:
        """Sum over the six stress components of each frame; None where one side has none."""
        if self.stresses is None or self.stresses_predicted is None:
            return None
        return component_sums(list(self.stresses_predicted), list(self.stresses))

    def energy_error(self) -> float:
        """Mean absolute error of the energy, eV/atom."""
        return self.energy_sums().mean_absolute_error

    def energy_spread(self) -> float:
        """Give the standard deviation of the labelled energies, eV/atom."""
        n_atoms = np.array([len(one) for one in self.forces])
        return float(np.std(np.asarray(self.energies, dtype=float) / n_atoms))


@dataclass(frozen=True, eq=False)
class SettingResult:
    """Everything known at one electronic setting.

    Attributes
    ----------
    setting
        Smearing and electron number.
    dos
        Mean DOS over all frames (training and held-out), or None where the labels have none.
    forces
        Labelled forces of all frames in one order, (n_atoms, 3) each, eV/Å.
    held_out
        Labels and predictions of the held-out frames.
    label_noise, label_noise_percent
        What a denser grid of k-points changes in the forces of a few frames: mean over the
        components (eV/Å), and in % of the mean absolute force; nan where nobody has looked.
    denser
        Those of these frames that are held out, or None where forces on the denser grid are not
        known.
    """

    setting: ElectronicSetting
    dos: ElectronicDos | None
    forces: Sequence[NDArray[np.float64]]
    held_out: HeldOut
    label_noise: float = math.nan
    label_noise_percent: float = math.nan
    denser: OnDenserGrid | None = None

    @property
    def smearing(self) -> Smearing:
        """Scheme and width."""
        return self.setting.smearing

    @property
    def width(self) -> float:
        """Width of the smearing, eV."""
        return self.setting.smearing.width

    @property
    def shift(self) -> float:
        """Electrons added per atom to the neutral cell."""
        return self.setting.electrons_per_atom_shift


def error_rows(held: HeldOut, tiers: Sequence[str]) -> list[dict[str, Any]]:
    """Errors of one model on its held-out frames: all of them, then tier by tier.

    Parameters
    ----------
    held
        Labels and predictions.
    tiers
        Tier of every held-out frame.

    Returns
    -------
    list of dict
        "tier" ("all" first; rows of tiers only where there are several), "n_test",
        "force_percent_error" with the ends "_low" and "_high" of its 95 % interval over frames,
        "force_mae_ev_per_angstrom", "force_rmse_ev_per_angstrom",
        "force_mav_ev_per_angstrom", "energy_mae_ev_per_atom" and, where there are stresses,
        "stress_mae_ev_per_angstrom3".
    """
    names = list(dict.fromkeys(tiers))
    parts = [("all", np.ones(len(tiers), dtype=bool))]
    if len(names) > 1:
        parts += [(name, np.array([tier == name for tier in tiers])) for name in names]
    forces, energies, stresses = held.force_sums(), held.energy_sums(), held.stress_sums()
    rows = []
    for name, mask in parts:
        sums = forces.take(mask)
        strata = [tier for tier, use in zip(tiers, mask, strict=True) if use]
        row: dict[str, Any] = {
            "tier": name,
            "n_test": len(sums),
            **error_columns("force_percent_error", sums, strata),
            "force_mae_ev_per_angstrom": sums.mean_absolute_error,
            "force_rmse_ev_per_angstrom": sums.root_mean_square_error,
            "force_mav_ev_per_angstrom": sums.mean_absolute_value,
            "energy_mae_ev_per_atom": energies.take(mask).mean_absolute_error,
        }
        if stresses is not None:
            row["stress_mae_ev_per_angstrom3"] = stresses.take(mask).mean_absolute_error
        rows.append(row)
    return rows
