"""A quick force field of any metal: what forces alone say about energies and stresses.

Linear in its coefficients: Gaussians of the distance for each pair of elements, and square roots of
pair densities, the second-moment approximation (Cleri and Rosato, Phys. Rev. B 48, 22 (1993)). It
is no force field to use: it tells whether three labels can be derivatives of one energy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase.stress import full_3x3_to_voigt_6_stress

from dosml.neighbours import NeighborList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms
    from numpy.typing import NDArray

#: Lengths in units of the cube root of the volume per atom: the cutoff, between the third and
#: fourth shell of fcc; centres of the Gaussians, from a squeezed pair to the second shell.
_CUTOFF = 2.3
_CENTRES = np.linspace(0.7, 2.0, 8)
#: Decays of the densities, from shell to shell and steeper.
_DECAYS = (2.0, 4.0, 6.0)
#: More elements are not told apart: their pairs would outnumber the forces.
_MOST_KINDS = 5
#: Relative to the mean square of a column: keeps what the forces do not see small.
_RIDGE = 1e-6


@dataclass(frozen=True)
class ForceFit:
    """What the fit says, in the units of the forces times Å.

    Attributes
    ----------
    correlation
        Of fitted forces and labels.
    energies
        Shape (n_frames,), up to a constant for every element.
    stresses
        Shape (n_frames, 6), ase's sign and order; the pressure only up to a function of the volume.
    """

    correlation: float
    energies: NDArray[np.float64]
    stresses: NDArray[np.float64]


def fit_forces(frames: Sequence[Atoms], forces: Sequence[NDArray[np.float64]]) -> ForceFit | None:
    """Fit the forces by least squares.

    Parameters
    ----------
    frames
        Periodic.
    forces
        One array of shape (n_atoms, 3) for each.

    Returns
    -------
    ForceFit
        None where there are too few forces for the coefficients, or all are the same.
    """
    kinds = np.array(sorted({int(z) for frame in frames for z in frame.numbers}))
    volume = float(np.median([abs(frame.cell.volume) / len(frame) for frame in frames]))
    parts = [_Columns(frame, kinds, volume ** (1 / 3)) for frame in frames]
    wanted = np.concatenate([one.ravel() for one in forces])
    columns = np.concatenate([one.forces for one in parts])
    size = np.sqrt((columns**2).mean(axis=0))
    used = size > 1e-9 * size.max(initial=0.0)
    if len(wanted) < 3 * used.sum() or not used.any() or np.ptp(wanted) == 0:
        return None
    scaled = columns[:, used] / size[used]
    normal = scaled.T @ scaled + _RIDGE * len(scaled) * np.eye(scaled.shape[1])
    # forces of any size: squares of huge ones would overflow
    unit = float(np.abs(wanted).max())
    solved = np.linalg.solve(normal, scaled.T @ (wanted / unit)) * unit
    coefficients = np.zeros(len(size))
    coefficients[used] = solved / size[used]
    volumes = np.array([abs(frame.cell.volume) for frame in frames])
    return ForceFit(
        correlation(scaled @ (solved / unit), wanted / unit),
        np.array([one.energies for one in parts]) @ coefficients,
        np.array([one.virials for one in parts]) @ coefficients / volumes[:, None],
    )


def correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Pearson's r; 0 where one of them does not vary."""
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norm if norm > 0 else 0.0


class _Columns:
    """Energy, forces and virial of every basis function in one frame.

    Attributes
    ----------
    energies, forces, virials
        Shapes (n_functions,), (3 n_atoms, n_functions) and (6, n_functions).
    """

    def __init__(self, frame: Atoms, kinds: NDArray[np.int_], length: float) -> None:
        found = NeighborList(cutoff=_CUTOFF * length, full_list=True, n_threads=1).compute(
            frame.positions, np.asarray(frame.cell), periodic=True, quantities="ijDd"
        )
        self._i, self._j = found[0].astype(int), found[1].astype(int)
        self._vectors, distances = found[2], found[3]
        self._units = self._vectors / distances[:, None]
        self._n_atoms = len(frame)
        x = distances / length
        inside = 1 - x / _CUTOFF
        window, window_slope = inside**2, -2 * inside / _CUTOFF
        self._found: list[tuple[float, NDArray[np.float64], NDArray[np.float64]]] = []
        n_kinds = len(kinds) if len(kinds) <= _MOST_KINDS else 1
        kind = np.searchsorted(kinds, frame.numbers) if n_kinds > 1 else np.zeros(len(frame), int)
        first, second = kind[self._i], kind[self._j]
        width = _CENTRES[1] - _CENTRES[0]
        for centre in _CENTRES:
            bell = np.exp(-0.5 * ((x - centre) / width) ** 2)
            value = bell * window
            slope = bell * (window_slope - window * (x - centre) / width**2) / length
            for a in range(n_kinds):
                for b in range(a, n_kinds):
                    mine = (np.minimum(first, second) == a) & (np.maximum(first, second) == b)
                    # every pair stands twice
                    self._add(0.5 * value[mine].sum(), np.where(mine, 0.5 * slope, 0.0))
        for decay in _DECAYS:
            bell = np.exp(-decay * (x - 1))
            value, slope = bell * window, bell * (window_slope - decay * window) / length
            for a in range(n_kinds):
                for b in range(n_kinds):
                    mine = (first == a) & (second == b)
                    self._add_root(np.where(mine, value, 0.0), np.where(mine, slope, 0.0))
        energies, forces, virials = zip(*self._found, strict=True)
        self.energies = np.array(energies)
        self.forces = np.stack(forces, axis=1)
        self.virials = np.stack(virials, axis=1)

    def _add_root(self, value: NDArray[np.float64], slope: NDArray[np.float64]) -> None:
        """Sum over atoms of the square root of the density at each."""
        root = np.sqrt(np.bincount(self._i, value, self._n_atoms))
        half = np.divide(0.5, root, out=np.zeros_like(root), where=root > 1e-9)
        self._add(float(root.sum()), half[self._i] * slope)

    def _add(self, energy: float, slope: NDArray[np.float64]) -> None:
        """Add a function whose energy grows by `slope` with the length of each directed pair."""
        pull = slope[:, None] * self._units
        forces = np.stack(
            [
                np.bincount(self._i, pull[:, k], self._n_atoms)
                - np.bincount(self._j, pull[:, k], self._n_atoms)
                for k in range(3)
            ],
            axis=1,
        )
        virial = pull.T @ self._vectors
        self._found.append((energy, forces.ravel(), full_3x3_to_voigt_6_stress(virial)))
