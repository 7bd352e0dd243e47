"""How forces on the same frames differ between two electronic settings (TM23 paper, Fig. 9c).

For one atom with force F0 at the first setting and F at the second, theta the angle between them,

    |F - F0|^2 = (|F| - |F0|)^2 + 4 |F| |F0| sin^2(theta / 2),

exactly (the law of cosines). The first term is the magnitude part, the second the direction part.
Figure 9c compares mean |F - F0| with mean ||F| - |F0||.

What a change without any preference gives: small against the force and of random direction, one
of its three components lies along the force and two across it, so the direction part holds
`ISOTROPIC_SHARE` of the mean square, and the mean of |cos| over the sphere being one half, the
ratio of the two means of Figure 9c is `ISOTROPIC_RATIO`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dosml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


#: Share of the direction part, and ratio of the two means of Fig. 9c, of small isotropic changes.
ISOTROPIC_SHARE = 2 / 3
ISOTROPIC_RATIO = 2.0


@dataclass(frozen=True)
class ForceDifference:
    """Differences atom by atom, all arrays of shape (n_atoms of all frames,).

    Attributes
    ----------
    total
        |F - F0|, eV/Å.
    magnitude
        |F| - |F0|, eV/Å, signed.
    direction
        2 sqrt(|F| |F0|) sin(theta / 2), eV/Å; total^2 = magnitude^2 + direction^2.
    angle
        theta in degrees, 0 where a force vanishes.
    reference
        |F0|, eV/Å.
    """

    total: NDArray[np.float64]
    magnitude: NDArray[np.float64]
    direction: NDArray[np.float64]
    angle: NDArray[np.float64]
    reference: NDArray[np.float64]

    @property
    def rms_total(self) -> float:
        """Root mean square of |F - F0| over atoms, eV/Å."""
        return _rms(self.total)

    @property
    def rms_magnitude(self) -> float:
        """Root mean square of |F| - |F0| over atoms, eV/Å."""
        return _rms(self.magnitude)

    @property
    def rms_direction(self) -> float:
        """Root mean square of the direction part over atoms, eV/Å."""
        return _rms(self.direction)

    @property
    def direction_share(self) -> float:
        """Share of the direction part in the mean square difference, 0 to 1; nan without change."""
        total = float(np.mean(self.total**2))
        return float(np.mean(self.direction**2)) / total if total > 0 else float("nan")

    @property
    def mean_total(self) -> float:
        """Mean of |F - F0| over atoms, eV/Å (Fig. 9c)."""
        return float(np.mean(self.total))

    @property
    def mean_magnitude(self) -> float:
        """Mean of ||F| - |F0|| over atoms, eV/Å (Fig. 9c)."""
        return float(np.mean(np.abs(self.magnitude)))

    @property
    def ratio_of_means(self) -> float:
        """Ratio of the two means of Fig. 9c; nan where no force changes its size."""
        return self.mean_total / self.mean_magnitude if self.mean_magnitude > 0 else float("nan")

    @property
    def mean_angle(self) -> float:
        """Mean angle in degrees, weighted with |F0|: small forces turn easily and mean little."""
        weight = self.reference.sum()
        return float((self.angle * self.reference).sum() / weight) if weight > 0 else float("nan")

    @property
    def relative_percent(self) -> float:
        """100 (rms of |F - F0|) / (rms of |F0|)."""
        scale = _rms(self.reference)
        return 100 * self.rms_total / scale if scale > 0 else float("nan")


def _rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(values**2)))


def force_difference(
    forces: Sequence[NDArray[np.float64]], reference: Sequence[NDArray[np.float64]]
) -> ForceDifference:
    """Compare the forces of the same frames at two settings.

    Parameters
    ----------
    forces, reference
        One array of shape (n_atoms, 3) per frame, eV/Å; the change is from `reference` to `forces`.

    Raises
    ------
    InputError
        If there is no frame, or numbers of frames or atoms differ.
    """
    shapes = [np.shape(f) for f in forces]
    if (
        not shapes
        or shapes != [np.shape(f) for f in reference]
        or any(len(s) != 2 or s[1] != 3 for s in shapes)
    ):
        raise InputError(
            f"a force difference needs the same frames at both settings, each (n_atoms, 3); "
            f"got {len(forces)} and {len(reference)} frames, or frames with other atoms"
        )
    new, old = np.concatenate(list(forces)), np.concatenate(list(reference))
    new_size, old_size = np.linalg.norm(new, axis=1), np.linalg.norm(old, axis=1)
    # atan2 of cross and dot products keeps small angles that arccos would round away
    angle = np.arctan2(np.linalg.norm(np.cross(old, new), axis=1), np.sum(old * new, axis=1))
    return ForceDifference(
        total=np.linalg.norm(new - old, axis=1),
        magnitude=new_size - old_size,
        direction=2 * np.sqrt(new_size * old_size) * np.sin(angle / 2),
        angle=np.degrees(angle),
        reference=old_size,
    )
