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
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dosml.relabel.engines.tb.geometry import Bonds

_BLOCK = N_ORBITALS * N_ORBITALS
#: Shares of the largest below which a level is left out of a density matrix.
_NEGLIGIBLE = 1e-15


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


def bond_weights(
    bonds: Bonds, points: NDArray[np.float64], conjugates: Sequence[NDArray[np.inexact]]
) -> NDArray[np.float64]:
    """Differentiate sum_k tr(D_k M_k) by the blocks that `bloch_sum` makes M_k of.

    Parameters
    ----------
    points
        Shape (n_k, 3).
    conjugates
        Of every k-point the upper triangle of the complex conjugate of the Hermitian D_k, real
        where the point is its own time-reversal partner; the lower triangle is not read.

    Returns
    -------
    weights
        Shape (n_bonds, 9, 9).
    """
    n_atoms, n_bonds = bonds.n_atoms, len(bonds.first)
    pairs = AtomPairs.of(bonds)
    parts, coefficients = [], []
    for point, matrix in zip(points, conjugates, strict=True):
        shaped = matrix.reshape(n_atoms, N_ORBITALS, n_atoms, N_ORBITALS)
        block = shaped[pairs.first, :, pairs.second, :]
        _complete(block, pairs.first == pairs.second)
        real = not np.iscomplexobj(matrix)
        phase = _phases(bonds, point[None], real=real)[0]
        parts.append(block.real)
        coefficients.append(phase.real)
        if not real:
            parts.append(block.imag)
            coefficients.append(-phase.imag)
    n_parts, n_pairs = len(parts), len(pairs.first)
    pair_of_bond = np.repeat(np.arange(n_pairs), np.diff(pairs.starts, append=n_bonds))
    columns = pair_of_bond[:, None] + n_pairs * np.arange(n_parts)
    # H_ij and its partner H_ji: twice the real part
    sparse = csr_array(
        (
            2 * np.stack(coefficients, axis=1).ravel(),
            columns.ravel(),
            n_parts * np.arange(n_bonds + 1),
        ),
        shape=(n_bonds, n_parts * n_pairs),
    )
    gathered = sparse @ np.concatenate(parts).reshape(n_parts * n_pairs, _BLOCK)
    return np.asarray(gathered.reshape(n_bonds, N_ORBITALS, N_ORBITALS))


def _complete(blocks: NDArray[np.inexact], hermitian: NDArray[np.bool_]) -> None:
    """Fill the lower triangle of those blocks that lie on the diagonal."""
    upper = np.triu(blocks[hermitian])
    blocks[hermitian] = upper + np.triu(upper, 1).conj().transpose(0, 2, 1)


def density_conjugate(
    vectors: NDArray[np.inexact], shares: NDArray[np.float64]
) -> NDArray[np.inexact]:
    """Upper triangle of the complex conjugate of sum_n x_n c_n c_n^+ (below it: zeros).

    Parameters
    ----------
    vectors
        Shape (n_states, n_levels), columns c_n.
    shares
        x_n of either sign, shape (n_levels,); empty levels cost nothing.
    """
    smallest = _NEGLIGIBLE * np.abs(shares).max()
    n = len(vectors)
    product = zherk if np.iscomplexobj(vectors) else dsyrk
    # BLAS works by columns: the lower triangle of D is the upper one of its conjugate by rows
    lower = np.zeros((n, n), dtype=vectors.dtype, order="F")
    for sign in (1, -1):
        chosen = np.flatnonzero(sign * shares > smallest)
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
