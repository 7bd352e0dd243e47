"""Frames to neighbour pairs with their harmonics: what the descriptor is made from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from dosml.errors import LearnerError
from dosml.limits import check_pairs
from dosml.relabel.frames import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ase import Atoms
    from numpy.typing import NDArray

#: Two atoms closer than this (Å) are taken for a broken frame.
SHORTEST_DISTANCE = 1e-3


@dataclass(frozen=True)
class PairBatch:
    """Neighbour pairs of one or more frames, as torch tensors on one device.

    Atoms of all frames are numbered through. Pairs are sorted by centre; a pair (i, j) means
    the vector r_j - r_i, where j may be a periodic image, also one of i itself. Of some atoms of a
    batch alone (`PairBuilder.parts`) centres are numbered from the first of them, neighbours as in
    the whole batch.

    Attributes
    ----------
    centre, neighbour
        Atom numbers, shape (n_pairs,).
    vectors, distances
        Shapes (n_pairs, 3) and (n_pairs,), Å.
    harmonics
        Orthonormal real spherical harmonics Y_lm of the direction, shape (n_pairs, (l_max+1)^2).
    harmonic_gradients
        dY_lm/dvector, shape (n_pairs, 3, (l_max+1)^2), 1/Å.
    species
        Index of each centre's element in the model's species list, shape (n_atoms,).
    neighbour_species
        The same of each pair's neighbour, shape (n_pairs,).
    frame
        Number of each centre's frame within the batch, shape (n_atoms,).
    volumes
        Cell volumes, shape (n_frames,), Å^3; 0 without a full cell.
    """

    centre: torch.Tensor
    neighbour: torch.Tensor
    vectors: torch.Tensor
    distances: torch.Tensor
    harmonics: torch.Tensor
    harmonic_gradients: torch.Tensor
    species: torch.Tensor
    neighbour_species: torch.Tensor
    frame: torch.Tensor
    volumes: torch.Tensor

    def to(self, dtype: torch.dtype) -> PairBatch:
        """Give the same pairs with their real tensors in another precision."""
        return replace(
            self,
            vectors=self.vectors.to(dtype),
            distances=self.distances.to(dtype),
            harmonics=self.harmonics.to(dtype),
            harmonic_gradients=self.harmonic_gradients.to(dtype),
            volumes=self.volumes.to(dtype),
        )

    @property
    def size_bytes(self) -> int:
        """Memory of the tensors that grow with the number of pairs."""
        reals = self.vectors.numel() + self.distances.numel()
        reals += self.harmonics.numel() + self.harmonic_gradients.numel()
        return 8 * (reals + 3 * self.centre.numel())

    @property
    def n_atoms(self) -> int:
        """Number of centres of all frames together."""
        return int(self.species.shape[0])

    @cached_property
    def _places(self) -> tuple[torch.Tensor, int]:
        """Place of each pair where every centre has as many as the one with most, and how many."""
        counts = torch.bincount(self.centre, minlength=self.n_atoms)
        width = int(counts.max()) if len(self.centre) else 0
        before = counts.cumsum(0) - counts
        order = torch.arange(len(self.centre), device=self.centre.device) - before[self.centre]
        return self.centre * width + order, width

    def by_centre(self, values: torch.Tensor) -> torch.Tensor:
        """Numbers of pairs, shape (n_pairs, k), as (n_atoms, width, k), filled up with zeros.

        Sums over the neighbours are then one matrix product per centre, which is several times as
        fast as adding up products of pairs.
        """
        places, width = self._places
        out = values.new_zeros((self.n_atoms * width, values.shape[1]))
        out[places] = values
        return out.view(self.n_atoms, width, values.shape[1])

    def of_pairs(self, padded: torch.Tensor) -> torch.Tensor:
        """Undo `by_centre`."""
        return padded.flatten(0, 1)[self._places[0]]

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return int(self.volumes.shape[0])


@dataclass(frozen=True)
class _PairLists:
    """Pairs of some frames without harmonics, as numpy arrays; see `PairBatch`."""

    centres: NDArray[np.int64]
    neighbours: NDArray[np.int64]
    vectors: NDArray[np.float64]
    distances: NDArray[np.float64]
    species: NDArray[np.int64]
    frames: NDArray[np.int64]
    volumes: NDArray[np.float64]


class PairBuilder:
    """Makes `PairBatch` objects for one descriptor.

    Parameters
    ----------
    cutoff
        Å.
    l_max
        Largest angular momentum.
    species
        Atomic numbers that the model knows, ascending.
    device
        Where the tensors live, in double precision. Neighbour lists and harmonics are computed on
        the CPU: they are a small part of the work.
    """

    def __init__(
        self,
        cutoff: float,
        l_max: int,
        species: Sequence[int],
        *,
        device: torch.device,
    ) -> None:
        import sphericart
        import vesin

        self._cutoff = cutoff
        self._species = np.asarray(species)
        self._device = device
        self._harmonics = sphericart.SphericalHarmonics(l_max)
        self._n_harmonics = (l_max + 1) ** 2
        self._neighbours = vesin.NeighborList(cutoff=cutoff, full_list=True, n_threads=1)

    def build(self, frames: Sequence[Atoms], first: int = 0) -> PairBatch:
        """Neighbour pairs of the frames, as one batch.

        Parameters
        ----------
        frames
            Any frames of known elements.
        first
            Number of the first of them in the user's list, for messages.

        Raises
        ------
        LearnerError
            If a frame holds an unknown element, coinciding atoms, or a position that is not
            finite.
        TooLargeError
            If the pairs would fill the memory.
        """
        lists = self._lists(frames, first)
        return self._batch(lists, slice(0, len(lists.species)))

    def parts(
        self, frames: Sequence[Atoms], first: int, atoms_at_a_time: int
    ) -> Iterator[tuple[slice, PairBatch]]:
        """Yield some centres after the other, each with all its neighbours.

        What does not need all pairs at once stays near the processor's caches then, however large
        a frame is. Parameters and errors are those of `build`.
        """
        lists = self._lists(frames, first)
        for start in range(0, len(lists.species), atoms_at_a_time):
            atoms = slice(start, min(start + atoms_at_a_time, len(lists.species)))
            yield atoms, self._batch(lists, atoms)

    def _lists(self, frames: Sequence[Atoms], first: int) -> _PairLists:
        centres, neighbours, vectors, distances = [], [], [], []
        offset = 0
        for number, frame in enumerate(frames, first):
            i, j, vector, distance = self._pairs(frame, number)
            centres.append(i + offset)
            neighbours.append(j + offset)
            vectors.append(vector)
            distances.append(distance)
            offset += len(frame)
        return _PairLists(
            np.concatenate(centres),
            np.concatenate(neighbours),
            np.concatenate(vectors),
            np.concatenate(distances),
            self._species_index(np.concatenate([frame.numbers for frame in frames])),
            np.repeat(np.arange(len(frames)), [len(frame) for frame in frames]),
            np.array([_volume(frame) for frame in frames]),
        )

    def _batch(self, lists: _PairLists, atoms: slice) -> PairBatch:
        """Pairs of some centres with their harmonics."""
        pairs = slice(*np.searchsorted(lists.centres, [atoms.start, atoms.stop]).tolist())
        vectors, neighbours = lists.vectors[pairs], lists.neighbours[pairs]
        if len(vectors):
            values, gradients = self._harmonics.compute_with_gradients(vectors)
        else:
            values = np.zeros((0, self._n_harmonics))
            gradients = np.zeros((0, 3, self._n_harmonics))
        return PairBatch(
            centre=self._integers(lists.centres[pairs] - atoms.start),
            neighbour=self._integers(neighbours),
            vectors=self._reals(vectors),
            distances=self._reals(lists.distances[pairs]),
            harmonics=self._reals(values),
            harmonic_gradients=self._reals(gradients),
            species=self._integers(lists.species[atoms]),
            neighbour_species=self._integers(lists.species[neighbours]),
            frame=self._integers(lists.frames[atoms]),
            volumes=self._reals(lists.volumes),
        )

    def _pairs(
        self, frame: Atoms, number: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        if not np.all(np.isfinite(frame.positions)):
            raise LearnerError(f"frame {number}: a position is not finite")
        periodic = [bool(p) for p in frame.pbc]
        if any(periodic) and np.any(frame.cell.lengths()[frame.pbc] < SHORTEST_DISTANCE):
            raise LearnerError(f"frame {number} is periodic but has no cell: set the cell")
        if all(periodic):
            check_pairs(len(frame), _volume(frame), self._cutoff, name_of(frame, number))
        i, j, vector, distance = self._neighbours.compute(
            points=frame.positions, box=frame.cell.array, periodic=periodic, quantities="ijDd"
        )
        if len(distance) and distance.min() < SHORTEST_DISTANCE:
            raise LearnerError(f"frame {number}: two atoms lie at the same place")
        order = _pair_order(i.astype(np.int64) * len(frame) + j, vector)
        return (
            i[order].astype(np.int64),
            j[order].astype(np.int64),
            vector[order],
            distance[order],
        )

    def _species_index(self, numbers: np.ndarray) -> np.ndarray:
        index = np.searchsorted(self._species, numbers)
        index = np.minimum(index, len(self._species) - 1)
        unknown = sorted(set(numbers[self._species[index] != numbers].tolist()))
        if unknown:
            from ase.data import chemical_symbols

            raise LearnerError(
                "the model was not trained on "
                + ", ".join(chemical_symbols[z] for z in unknown)
                + "; it knows "
                + ", ".join(chemical_symbols[z] for z in self._species)
            )
        return index

    def _reals(self, array: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(array, dtype=torch.float64, device=self._device)

    def _integers(self, array: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(array, device=self._device)


def _pair_order(atoms: NDArray[np.int64], vectors: NDArray[np.float64]) -> NDArray[np.int64]:
    """Order of pairs by centre, neighbour, and vector: a fixed one, so that sums repeat.

    Parameters
    ----------
    atoms
        One number for each pair of centre and neighbour.
    """
    order = np.argsort(atoms)
    found = atoms[order]
    if (found[1:] == found[:-1]).any():
        # several images of one atom: only their vectors tell them apart, at more cost
        order = np.lexsort((vectors[:, 2], vectors[:, 1], vectors[:, 0], atoms))
    return order


def _volume(frame: Atoms) -> float:
    """Cell volume of a frame that is periodic in all directions, else 0."""
    return float(abs(frame.cell.volume)) if all(frame.pbc) else 0.0


def frame_slices(sizes: Sequence[int], atoms_per_batch: int) -> Iterator[slice]:
    """Cut a frame list into runs of at most `atoms_per_batch` atoms (at least one frame)."""
    start, atoms = 0, 0
    for n, size in enumerate(sizes):
        if n > start and atoms + size > atoms_per_batch:
            yield slice(start, n)
            start, atoms = n, 0
        atoms += size
    if start < len(sizes):
        yield slice(start, len(sizes))


class BatchSource:
    """Pair batches of a frame list, for several passes over it.

    Batches are kept between passes as long as they fit into a fixed amount of memory; the others
    are built again in each pass.

    Parameters
    ----------
    builder, frames
        What to build and from what.
    atoms_per_batch
        See `frame_slices`.
    keep_bytes
        Memory for kept batches.

    Attributes
    ----------
    sizes
        Number of atoms of each frame.
    """

    def __init__(
        self, builder: PairBuilder, frames: Sequence[Atoms], atoms_per_batch: int, keep_bytes: int
    ) -> None:
        self._builder = builder
        self._frames = frames
        self.sizes = [len(frame) for frame in frames]
        self._parts = list(frame_slices(self.sizes, atoms_per_batch))
        self._kept: dict[int, PairBatch] = {}
        self._room = keep_bytes

    def __iter__(self) -> Iterator[tuple[slice, PairBatch]]:
        """Yield which frames and their pairs, in order."""
        for number, part in enumerate(self._parts):
            batch = self._kept.get(number)
            if batch is None:
                batch = self._builder.build(self._frames[part], part.start)
                if batch.size_bytes <= self._room:
                    self._kept[number] = batch
                    self._room -= batch.size_bytes
            yield part, batch
