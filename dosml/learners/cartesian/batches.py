"""Frames as padded tables of neighbours.

Every atom has a row of as many places as the atom with most neighbours has. Sums over neighbours
are then products of small matrices, atom by atom, which is what makes these force fields fast on
processors: a density of many channels needs no array of bonds times channels.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from dosml.learners.sgp.geometry import PairBuilder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from dosml.learners.sgp.geometry import PairBatch


@dataclass(frozen=True)
class NeighbourTable:
    """Atoms of several frames with their neighbours.

    Attributes
    ----------
    vectors
        r_j - r_i, shape (n_atoms, n_places, 3), Å; of an empty place one that is as long as the
        cutoff.
    neighbour
        Number of the neighbour's atom, shape (n_atoms, n_places); any where empty.
    filled
        1 where there is a neighbour, else 0, shape (n_atoms, n_places).
    species
        Index of each atom's element, shape (n_atoms,).
    frame
        Number of each atom's frame, shape (n_atoms,).
    sizes
        Atoms of each frame, shape (n_frames,).
    volumes
        Of the cells, shape (n_frames,), Å^3; 0 without a full cell.
    reach
        The cutoff, Å.
    """

    vectors: torch.Tensor
    neighbour: torch.Tensor
    filled: torch.Tensor
    species: torch.Tensor
    frame: torch.Tensor
    sizes: torch.Tensor
    volumes: torch.Tensor
    reach: float

    def to(self, device: torch.device, dtype: torch.dtype) -> NeighbourTable:
        """Give the same on a device, its real numbers in a precision."""
        moved: dict[str, Any] = {
            one.name: value.to(device, dtype if value.is_floating_point() else value.dtype)
            for one in fields(self)
            if isinstance(value := getattr(self, one.name), torch.Tensor)
        }
        return replace(self, **moved)

    def displaced(self, displacement: torch.Tensor) -> NeighbourTable:
        """Give the same with atoms moved by so much, shape (n_atoms, 3), Å.

        The neighbours stay who they are: one that comes within the cutoff is missed, at which all
        functions vanish with two derivatives.
        """
        moved = displacement[self.neighbour] - displacement[:, None, :]
        return replace(self, vectors=self.vectors + self.filled[:, :, None] * moved)


def join(tables: Sequence[NeighbourTable]) -> NeighbourTable:
    """Put the frames of several tables into one."""
    most = max(table.vectors.shape[1] for table in tables)
    atoms = np.cumsum([0, *(len(table.species) for table in tables)])
    frames = np.cumsum([0, *(len(table.sizes) for table in tables)])
    vectors, neighbours, filled = [], [], []
    for table, first in zip(tables, atoms.tolist(), strict=False):
        spare = most - table.vectors.shape[1]
        # an empty place is beyond no atom's reach: any of the table's own will do
        tail = table.vectors.new_tensor([1.0, 0.0, 0.0]) * table.reach
        vectors.append(torch.cat([table.vectors, tail.expand(len(table.species), spare, 3)], dim=1))
        neighbours.append(torch.nn.functional.pad(table.neighbour, (0, spare)) + first)
        filled.append(torch.nn.functional.pad(table.filled, (0, spare)))
    return NeighbourTable(
        vectors=torch.cat(vectors),
        neighbour=torch.cat(neighbours),
        filled=torch.cat(filled),
        species=torch.cat([table.species for table in tables]),
        frame=torch.cat(
            [table.frame + first for table, first in zip(tables, frames.tolist(), strict=False)]
        ),
        sizes=torch.cat([table.sizes for table in tables]),
        volumes=torch.cat([table.volumes for table in tables]),
        reach=tables[0].reach,
    )


class TableBuilder:
    """Makes `NeighbourTable` objects.

    Parameters
    ----------
    cutoff
        Å.
    species
        Atomic numbers that the model knows, ascending.
    """

    def __init__(self, cutoff: float, species: Sequence[int]) -> None:
        self.cutoff = cutoff
        self._pairs = PairBuilder(cutoff, 0, species, device=torch.device("cpu"))

    def build(self, frames: Sequence[Atoms], first: int = 0) -> NeighbourTable:
        """Neighbours of the frames, on the CPU in double precision.

        Parameters
        ----------
        frames, first
            See `PairBuilder.build`.

        Raises
        ------
        LearnerError, TooLargeError
            See `PairBuilder.build`.
        """
        return self._padded(self._pairs.build(frames, first), [len(frame) for frame in frames])

    def _padded(self, pairs: PairBatch, sizes: Sequence[int]) -> NeighbourTable:
        n = pairs.n_atoms
        counts = torch.bincount(pairs.centre, minlength=n)
        most = max(1, int(counts.max())) if n else 1
        starts = torch.cumsum(counts, 0) - counts
        place = torch.arange(len(pairs.centre)) - starts[pairs.centre]
        vectors = torch.zeros((n, most, 3), dtype=torch.float64)
        vectors[:, :, 0] = self.cutoff
        vectors[pairs.centre, place] = pairs.vectors
        neighbour = torch.arange(n)[:, None].repeat(1, most)
        neighbour[pairs.centre, place] = pairs.neighbour
        filled = torch.zeros((n, most), dtype=torch.float64)
        filled[pairs.centre, place] = 1.0
        return NeighbourTable(
            vectors=vectors,
            neighbour=neighbour,
            filled=filled,
            species=pairs.species,
            frame=pairs.frame,
            sizes=torch.tensor(np.asarray(sizes), dtype=torch.int64),
            volumes=pairs.volumes,
            reach=self.cutoff,
        )
