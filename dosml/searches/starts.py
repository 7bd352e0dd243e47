"""Random structures to begin with, and what a structure must be to be worth a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

from dosml.relabel.frames import canonical
from dosml.relabel.structures import unit_cell
from dosml.studies.model_runs import closest_pair, neighbour_distance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dosml.searches.settings import SearchSettings

#: Shortest distance of two atoms, and longest to the nearest one of a cluster, in units of the
#: neighbour distance of the crystal.
CLOSEST, FARTHEST = 0.72, 1.45
#: The same of random structures: atoms put anywhere are as close as they may be.
APART = 0.80
#: Å of empty space around a cluster: beyond the reach of its orbitals.
VACUUM = 10.0
#: Volume of random cells in units of the crystal's.
VOLUMES = (0.9, 1.5)
#: Smallest angle of a cell in degrees, and least height in units of the neighbour distance.
ANGLE, HEIGHT = 35.0, 0.6
_TRIALS = 3000


class Bounds:
    """What is known of a metal before the search: neighbour distance, volume, box.

    Parameters
    ----------
    settings
        Of the search.
    """

    def __init__(self, settings: SearchSettings) -> None:
        crystal = unit_cell(settings.symbol)
        self.symbol, self.n_atoms = settings.symbol, settings.n_atoms
        self.periodic = settings.periodic
        self.neighbour = neighbour_distance(crystal)
        self.volume = float(crystal.cell.volume) / len(crystal)
        #: Å: a cluster that is twice as long as it is wide has room in it.
        self.side = VACUUM + 2.2 * self.neighbour * self.n_atoms ** (1 / 3)

    def random(self, rng: np.random.Generator) -> Atoms:
        """Make a random structure: a cluster grown atom by atom, or a random cell."""
        make = self._cell if self.periodic else self._cluster
        for _ in range(_TRIALS):
            atoms = make(rng)
            # first whether it is a cell at all: in a flat one neighbours have no end
            if self.sound(atoms) and closest_pair(atoms, self.neighbour) >= APART * self.neighbour:
                return atoms
        return self._loose(rng)

    def sound(self, atoms: Atoms) -> bool:
        """Whether atoms keep their distance and hang together, and a cell is no needle."""
        if not np.isfinite(atoms.positions).all():
            return False
        if self.periodic:
            lengths, angles = atoms.cell.lengths(), atoms.cell.angles()
            ratio = atoms.cell.volume / len(atoms) / self.volume
            heights = atoms.cell.volume / np.prod(lengths) * lengths
            if not (
                0.5 < ratio < 2.5
                and angles.min() > ANGLE
                and angles.max() < 180 - ANGLE
                and heights.min() > HEIGHT * self.neighbour
            ):
                return False
            return closest_pair(atoms, self.neighbour) >= CLOSEST * self.neighbour
        if np.ptp(atoms.positions, axis=0).max() > self.side - FARTHEST * self.neighbour:
            return False  # it would touch its image
        distances = atoms.get_all_distances()
        closest = (distances + self.side * np.eye(len(atoms))).min()
        return bool(closest >= CLOSEST * self.neighbour) and self._connected(distances)

    def centred(self, atoms: Atoms) -> Atoms:
        """Put a cluster into the middle of its box, a crystal's atoms into its cell; canonical."""
        placed = atoms.copy()
        placed.calc = None
        placed.info = {}
        if self.periodic:
            placed.wrap()
        else:
            placed.positions += self.side / 2 - placed.positions.mean(axis=0)
        return canonical(placed)

    def _connected(self, distances: NDArray[np.float64]) -> bool:
        """Whether every atom of a cluster can be reached from the first."""
        near = distances < FARTHEST * self.neighbour
        reached = np.zeros(len(near), dtype=bool)
        reached[0] = True
        for _ in range(len(near)):
            grown = reached | near[reached].any(axis=0)
            if (grown == reached).all():
                break
            reached = grown
        return bool(reached.all())

    def _cluster(self, rng: np.random.Generator) -> Atoms:
        """Put atom after atom near one that is there."""
        low, high = 0.85 * self.neighbour, 1.15 * self.neighbour
        positions = [np.zeros(3)]
        while len(positions) < self.n_atoms:
            direction = rng.normal(size=3)
            step = rng.uniform(low, high) * direction / np.linalg.norm(direction)
            place = positions[int(rng.integers(len(positions)))] + step
            if min(float(np.linalg.norm(place - one)) for one in positions) >= low:
                positions.append(place)
        atoms = Atoms([self.symbol] * self.n_atoms, positions, cell=[self.side] * 3, pbc=True)
        return self.centred(atoms)

    def _cell(self, rng: np.random.Generator) -> Atoms:
        """Place atoms anywhere in a cell of any shape."""
        cell = np.eye(3) + rng.uniform(-0.5, 0.5, (3, 3))
        wanted = rng.uniform(*VOLUMES) * self.volume * self.n_atoms
        cell *= (wanted / max(abs(float(np.linalg.det(cell))), 1e-3)) ** (1 / 3)
        if np.linalg.det(cell) < 0:
            cell[[0, 1]] = cell[[1, 0]]
        atoms = Atoms(
            [self.symbol] * self.n_atoms,
            scaled_positions=rng.random((self.n_atoms, 3)),
            cell=cell,
            pbc=True,
        )
        return self.centred(atoms)

    def _loose(self, rng: np.random.Generator) -> Atoms:
        """Give a distorted simple arrangement, where chance finds none whose atoms are apart."""
        count = int(np.ceil(self.n_atoms ** (1 / 3)))
        grid = np.argwhere(np.ones((count, count, count)))[: self.n_atoms]
        step = 1.1 * self.neighbour
        positions = step * grid + rng.normal(0, 0.05 * step, (self.n_atoms, 3))
        side = [step * count] * 3 if self.periodic else [self.side] * 3
        atoms = Atoms([self.symbol] * self.n_atoms, positions, cell=side, pbc=True)
        return self.centred(atoms)
