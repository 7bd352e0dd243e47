"""Label noise: how far forces move from the grid of k-points of the labels to a denser one.

No force field has to learn it, so no error below it says anything about force fields.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

#: What most noise is measured against.
NEXT_GRID = "one more k-point in every direction"


@dataclass(frozen=True)
class FrameNoise:
    """What a denser grid changes in the forces of one frame.

    Attributes
    ----------
    frame
        Its id (`dosml.relabel.frames.frame_id`).
    components
        Number of force components.
    difference
        Mean of |dF| over the components, eV/Å.
    size
        Mean of |F| over the components of the labels, eV/Å.
    forces
        Of the denser grid, shape (n_atoms, 3), eV/Å; None where only the numbers are known. No
        part of what makes two of these equal.
    """

    frame: str
    components: int
    difference: float
    size: float
    forces: NDArray[np.float64] | None = field(default=None, compare=False, repr=False)

    @classmethod
    def between(
        cls, frame: str, forces: NDArray[np.float64], denser: NDArray[np.float64]
    ) -> FrameNoise:
        """Compare the forces (eV/Å) of the labels and of the denser grid, one shape."""
        difference = float(np.abs(denser - forces).mean())
        return cls(frame, forces.size, difference, float(np.abs(forces).mean()), denser)

    def to_json(self) -> dict[str, Any]:
        """Plain values; forces as one text an atom, to 1e-6 eV/Å."""
        values = {name: value for name, value in vars(self).items() if name != "forces"}
        if self.forces is not None:
            values["forces"] = [" ".join(f"{one:.6f}" for one in row) for row in self.forces]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> FrameNoise:
        """Inverse of `to_json`.

        Raises
        ------
        TypeError, ValueError
            If it is something else.
        """
        forces = values.get("forces")
        if forces is not None:
            forces = np.array([[float(one) for one in row.split()] for row in forces])
            if forces.shape != (int(values["components"]) // 3, 3):
                raise ValueError(f"forces of shape {forces.shape} on the denser grid")
            if not np.isfinite(forces).all():
                raise ValueError("forces on the denser grid that are no numbers")
        return cls(**{**values, "forces": forces})


@dataclass(frozen=True)
class LabelNoise:
    """Label noise at one electronic setting.

    Attributes
    ----------
    frames
        One per frame that was labelled on the denser grid too, at least one.
    grid
        The denser grid, in words that follow "against".
    """

    frames: tuple[FrameNoise, ...]
    grid: str = NEXT_GRID

    @property
    def ev_per_angstrom(self) -> float:
        """Mean of |dF| over the force components of all these frames, eV/Å."""
        return self._mean([one.difference for one in self.frames])

    @property
    def percent(self) -> float:
        """100 times that over the mean of |F|; nan where there are no forces."""
        size = self._mean([one.size for one in self.frames])
        return 100 * self.ev_per_angstrom / size if size > 0 else float("nan")

    def _mean(self, values: list[float]) -> float:
        return float(np.average(values, weights=[one.components for one in self.frames]))

    def forces(self) -> dict[str, NDArray[np.float64]]:
        """Give the forces on the denser grid by frame, eV/Å, where they are known."""
        return {one.frame: one.forces for one in self.frames if one.forces is not None}

    def of_frames(self, identities: Collection[str]) -> LabelNoise | None:
        """Give what was measured on some of the frames; None where it was on none of them."""
        kept = tuple(one for one in self.frames if one.frame in identities)
        return LabelNoise(kept, self.grid) if kept else None

    def to_json(self) -> dict[str, Any]:
        """Plain values for the record of a dataset; the two numbers are for its readers."""
        return {
            "ev_per_angstrom": self.ev_per_angstrom,
            "percent": self.percent,
            "grid": self.grid,
            "frames": [one.to_json() for one in self.frames],
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any] | None) -> LabelNoise | None:
        """Inverse of `to_json`.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is something else.
        """
        if values is None:
            return None
        frames = tuple(FrameNoise.from_json(one) for one in values["frames"])
        if not frames:
            raise ValueError("label noise of no frame")
        return cls(frames, str(values["grid"]))
