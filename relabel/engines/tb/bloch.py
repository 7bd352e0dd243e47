"""From blocks of bonds to matrices at k-points, and back from density matrices to bonds.

Both ways are one product with a sparse matrix of phases exp(2 pi i k.T), for all k-points at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.blas import dsyrk, zherk
from scipy.sparse import csr_array

from dosml.relabel.engines.tb.slater_koster import N_ORBITALS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dosml.relabel.engines.tb.geometry import Bonds

_BLOCK = N_ORBITALS * N_ORBITALS
#: Blocks of all pairs of atoms that are summed over k-points at a time: bounds the memory.
_PARTS_AT_A_TIME = 32


@dataclass(frozen=True)
class AtomPairs:
    """The pairs of atoms (first <= second) that have bonds; bonds are sorted by them.

    Attributes
    ----------
    first, second
        Shape (n_pairs,).
    starts
        Shape (n_pairs,): the first bond of each.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, bonds: Bonds) -> AtomPairs:
        """Find the pairs."""
        place = bonds.first * bonds.n_atoms + bonds.second
        starts = np.flatnonzero(np.diff(place, prepend=-1))
        return cls(bonds.first[starts], bonds.second[starts], starts)


def bloch_sum(
    bonds: Bonds, blocks: NDArray[np.float64], points: NDArray[np.float64], *, real: bool
) -> NDArray[np.inexact]:
    """Sum of exp(2 pi i k.T) B(T) over the bonds and their reverse.

    Parameters
    ----------
    blocks
        Shape (n_bonds, 9, 9).
    points
        Shape (n_k, 3), in reciprocal lattice vectors.
    real
        Whether all points are their own time-reversal partners.

    Returns
    -------
    matrices
        Shape (n_k, 9 n_atoms, 9 n_atoms), Hermitian.
    """
    n_k, n_bonds, n_atoms = len(points), len(blocks), bonds.n_atoms
    pairs = AtomPairs.of(bonds)
    phase = _phases(bonds, points, real=real)
    starts = (pairs.starts[None, :] + n_bonds * np.arange(n_k)[:, None]).ravel()
    columns = np.tile(np.arange(n_bonds), n_k)
    ends = np.append(starts, n_k * n_bonds)

    def summed(coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
        sparse = csr_array((coefficients.ravel(), columns, ends), shape=(len(starts), n_bonds))
        product = sparse @ blocks.reshape(n_bonds, _BLOCK)
        return np.asarray(product.reshape(n_k, -1, N_ORBITALS, N_ORBITALS))

    upper: NDArray[np.inexact] = summed(phase.real)
    if not real:
        upper = upper + 1j * summed(phase.imag)
    upper = upper.transpose(1, 0, 2, 3)
    lower = upper.conj().transpose(0, 1, 3, 2)
    own = pairs.first == pairs.second
    upper[own] += lower[own]
    matrix = np.zeros((n_k, n_atoms, N_ORBITALS, n_atoms, N_ORBITALS), dtype=phase.dtype)
    matrix[:, pairs.second, :, pairs.first, :] = lower
    matrix[:, pairs.first, :, pairs.second, :] = upper
    return matrix.reshape(n_k, N_ORBITALS * n_atoms, N_ORBITALS * n_atoms)


@dataclass(frozen=True)
class BondGather:
    """Derivatives by the blocks that `bloch_sum` makes its matrices of, for one set of k-points.

    Made once for a frame: every setting uses it twice.

    Attributes
    ----------
    n_bonds
        Bonds of the frame.
    places
        Shape (n_pairs, 81): where the blocks of the pairs of atoms lie in an unrolled matrix, in
        its upper triangle.
    mirrored
        Shape (n_pairs, 81): -1 where the element wanted is the conjugate of that one, 1 elsewhere.
    pair_of_bond
        Shape (n_bonds,).
    phases
        Shape (n_bonds, n_k), exp(2 pi i k.T).
    """

    n_bonds: int
    places: NDArray[np.int64]
    mirrored: NDArray[np.float64]
    pair_of_bond: NDArray[np.int64]
    phases: NDArray[np.inexact]

    @classmethod
    def of(cls, bonds: Bonds, points: NDArray[np.float64]) -> BondGather:
        """Prepare a frame; `points` has the shape (n_k, 3)."""
        pairs = AtomPairs.of(bonds)
        orbitals = np.arange(N_ORBITALS)
        rows = (N_ORBITALS * pairs.first)[:, None, None] + orbitals[:, None]
        columns = (N_ORBITALS * pairs.second)[:, None, None] + orbitals
        above, below = np.minimum(rows, columns), np.maximum(rows, columns)
        n_pairs, n_bonds = len(pairs.first), len(bonds.first)
        return cls(
            n_bonds,
            (above * (N_ORBITALS * bonds.n_atoms) + below).reshape(n_pairs, _BLOCK),
            np.where(rows > columns, -1.0, 1.0).reshape(n_pairs, _BLOCK),
            np.repeat(np.arange(n_pairs), np.diff(pairs.starts, append=n_bonds)),
            _phases(bonds, points, real=False).T,
        )

    def sum_over(self) -> BondSum:
        """Start a sum over the k-points."""
        return BondSum(self)


class BondSum:
    """Derivatives of sum_k tr(D_k M_k) by the blocks of the bonds, k-point by k-point."""

    def __init__(self, gather: BondGather) -> None:
        """Start with zero."""
        self._gather = gather
        self._total = np.zeros((gather.n_bonds, _BLOCK))
        self._parts: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []

    def add(self, k: int, conjugate: NDArray[np.inexact]) -> None:
        """Add one k-point.

        Parameters
        ----------
        k
            Its number.
        conjugate
            Upper triangle of the complex conjugate of the Hermitian D_k, a contiguous array, real
            where the k-point is; the lower triangle is not read.
        """
        gather = self._gather
        block = conjugate.ravel()[gather.places]
        self._parts.append((gather.phases[:, k].real, block.real))
        if np.iscomplexobj(block):
            self._parts.append((-gather.phases[:, k].imag, block.imag * gather.mirrored))
        if len(self._parts) >= _PARTS_AT_A_TIME:
            self._spread()

    def result(self) -> NDArray[np.float64]:
        """Give the sum over the k-points added, shape (n_bonds, 9, 9)."""
        if self._parts:
            self._spread()
        return self._total.reshape(-1, N_ORBITALS, N_ORBITALS)

    def _spread(self) -> None:
        """Add twice (H_ij and its partner H_ji) the sum of coefficient times block."""
        gather, parts = self._gather, self._parts
        n_parts, n_pairs, n_bonds = len(parts), len(gather.places), gather.n_bonds
        columns = gather.pair_of_bond[:, None] + n_pairs * np.arange(n_parts)
        coefficients = 2 * np.stack([one for one, _ in parts], axis=1)
        sparse = csr_array(
            (coefficients.ravel(), columns.ravel(), n_parts * np.arange(n_bonds + 1)),
            shape=(n_bonds, n_parts * n_pairs),
        )
        self._total += sparse @ np.concatenate([block for _, block in parts])
        parts.clear()


def density_conjugate(
    vectors: NDArray[np.inexact], shares: NDArray[np.float64]
) -> NDArray[np.inexact]:
    """Upper triangle of the complex conjugate of sum_n x_n c_n c_n^+ (below it: zeros).

    Parameters
    ----------
    vectors
        Shape (n_states, n_levels), columns c_n.
    shares
        x_n of either sign, shape (n_levels,); levels with 0 cost nothing.
    """
    n = len(vectors)
    product = zherk if np.iscomplexobj(vectors) else dsyrk
    # BLAS works by columns: the lower triangle of D is the upper one of its conjugate by rows
    lower = np.zeros((n, n), dtype=vectors.dtype, order="F")
    for sign in (1, -1):
        chosen = np.flatnonzero(sign * shares > 0)
        if len(chosen):
            rows = vectors.T[chosen] * np.sqrt(np.abs(shares[chosen]))[:, None]
            lower = product(sign, rows.T, beta=1, c=lower, lower=1, overwrite_c=1)
    return np.asarray(lower.T)


def _phases(bonds: Bonds, points: NDArray[np.float64], *, real: bool) -> NDArray[np.inexact]:
    """exp(2 pi i k.T) of every bond, shape (n_k, n_bonds)."""
    turns = points @ bonds.cells.T
    if real:
        return np.where(np.round(2 * turns) % 2 == 0, 1.0, -1.0)
    return np.asarray(np.exp(2j * np.pi * turns))
