"""`LabelSet`: labels of one frame list at one electronic setting."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.errors import LabelError
from dosml.relabel.dataset.spectra import (
    MeanDos,
    PickedDos,
    ResampledDos,
    common_grid,
    resample,
    same_grid,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from dosml.relabel.dataset.noise import LabelNoise
    from dosml.relabel.dataset.spectra import DosParts
    from dosml.theory.dos import ElectronicDos
    from dosml.theory.setting import ElectronicSetting

#: Decimals that energies (eV) and forces (eV/Å) keep: what extxyz writes, so that labels read back
#: are the same. Stresses (eV/Å^3) are smaller.
LABEL_DECIMALS = 8
STRESS_DECIMALS = 12


@dataclass(frozen=True, eq=False)
class LabelSet:
    """Labels of one frame list at one electronic setting, in the frames' order.

    Values are rounded to what a file keeps, so that a set that went through one has the same
    content.

    Attributes
    ----------
    energies
        Force-consistent free energy of each frame, shape (n_frames,), eV (total, not per atom).
    forces
        One array of shape (n_atoms, 3) per frame, eV/Å.
    stresses
        Shape (n_frames, 6), eV/Å^3, ase's sign and Voigt order (xx yy zz yz xz xy), or None.
    setting
        Smearing and electron number; None where a file does not say.
    name
        Of files and models; by default that of the setting.
    dos
        Mean DOS over all frames, or None.
    dos_parts
        DOS of each frame, read when asked for, or None.
    facts
        Columns of the table of labels by name, one value per frame: "fermi_level_ev",
        "n_electrons", "top_occupation" and what else the engine tells (seconds, attempts).
    noise
        What a denser grid of k-points changes in the forces, or None where nobody has looked. It
        is of the frames that it names, whichever frames are taken.
    """

    energies: NDArray[np.float64]
    forces: Sequence[NDArray[np.float64]]
    stresses: NDArray[np.float64] | None = None
    setting: ElectronicSetting | None = None
    name: str = ""
    dos: ElectronicDos | None = None
    dos_parts: DosParts | None = None
    facts: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    noise: LabelNoise | None = None

    def __post_init__(self) -> None:
        """Round, and name the set after its setting."""
        put = object.__setattr__
        put(self, "energies", np.round(np.asarray(self.energies, dtype=float), LABEL_DECIMALS))
        put(self, "forces", tuple(_rounded(one) for one in self.forces))
        if self.stresses is not None:
            stresses = np.asarray(self.stresses, dtype=float)
            put(self, "stresses", np.round(stresses, STRESS_DECIMALS))
        if not self.name:
            put(self, "name", "labels" if self.setting is None else self.setting.name)

    def __len__(self) -> int:
        """Count the frames."""
        return len(self.forces)

    def take(self, which: Sequence[int]) -> LabelSet:
        """Give the labels of some frames; `averaged` knows their mean DOS."""
        order = list(which)
        return replace(
            self,
            energies=self.energies[order],
            forces=[self.forces[n] for n in order],
            stresses=None if self.stresses is None else self.stresses[order],
            dos=None,
            dos_parts=None if self.dos_parts is None else PickedDos(self.dos_parts, order),
            facts={name: [values[n] for n in order] for name, values in self.facts.items()},
        )

    def averaged(self) -> LabelSet:
        """Give the same labels with the mean of `dos_parts`, all on the grid of that mean."""
        if self.dos_parts is None:
            return self
        mean = MeanDos()
        for number in range(len(self)):
            mean.add(self.dos_parts[number])
        dos = mean.mean()
        return self if dos is None else replace(self, dos=dos).on_grid(dos.energies)

    def on_grid(self, energies: NDArray[np.float64]) -> LabelSet:
        """Give the same labels with their DOS on this grid (eV), which must lie inside theirs."""
        parts = self.dos_parts
        return replace(
            self,
            dos=None if self.dos is None else resample(self.dos, energies),
            dos_parts=None if parts is None else ResampledDos(parts, energies),
        )


def _rounded(forces: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.round(np.asarray(forces, dtype=float), LABEL_DECIMALS)


def on_one_grid(label_sets: Sequence[LabelSet]) -> tuple[LabelSet, ...]:
    """Give the label sets with their DOS on one grid, where all of them reach.

    Raises
    ------
    InputError
        If two have no energies in common.
    """
    grids = [one.dos.energies for one in label_sets if one.dos is not None]
    if not grids:
        return tuple(label_sets)
    grid = grids[0]
    for other in grids[1:]:
        if not same_grid(grid, other):
            grid = common_grid(grid, other)
    return tuple(one.on_grid(grid) for one in label_sets)


def check_label_set(labels: LabelSet, sizes: Sequence[int]) -> None:
    """Refuse labels that do not fit frames of so many atoms each.

    Raises
    ------
    LabelError
        Naming the label set and the frame.
    """
    name, n_frames = labels.name, len(sizes)
    if labels.energies.shape != (n_frames,):
        raise LabelError(
            f"{name}: energies have shape {labels.energies.shape}, expected ({n_frames},): one "
            "total energy per frame"
        )
    if len(labels.forces) != n_frames:
        raise LabelError(f"{name}: forces of {len(labels.forces)} frames, expected {n_frames}")
    if labels.stresses is not None and labels.stresses.shape != (n_frames, 6):
        raise LabelError(
            f"{name}: stresses have shape {labels.stresses.shape}, expected ({n_frames}, 6) in "
            "ase's Voigt order"
        )
    _check_values(labels, sizes)
    for column, given in labels.facts.items():
        if len(given) != n_frames:
            raise LabelError(f"{name}: {len(given)} values of {column}, expected {n_frames}")
    if labels.dos_parts is not None and len(labels.dos_parts) != n_frames:
        raise LabelError(f"{name}: {len(labels.dos_parts)} DOS, expected {n_frames}")


def _check_values(labels: LabelSet, sizes: Sequence[int]) -> None:
    name = labels.name
    for n, (forces, size) in enumerate(zip(labels.forces, sizes, strict=True)):
        if forces.shape != (size, 3):
            raise LabelError(
                f"{name}, frame {n}: forces have shape {forces.shape}, expected ({size}, 3)"
            )
        values = [labels.energies[n], forces]
        if labels.stresses is not None:
            values.append(labels.stresses[n])
        if not all(np.isfinite(value).all() for value in values):
            raise LabelError(f"{name}, frame {n}: a label is not finite; drop the frame")
