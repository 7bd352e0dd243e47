"""Two- and three-body functions of a structure, sorted by angular momentum, and their forces.

With R_n(r) = sin(n pi r / r_c) / r times a cosine cutoff and c_i,nlm = sum_j R_n(r_ij) Y_lm(r_ij),

    pairs     e_n = sum_i sum_j R_n(r_ij),
    triplets  p_nn'l = sum_i [ sum_m c_i,nlm c_i,n'lm - (2 l + 1) / 4 pi sum_j R_n R_n'(r_ij) ]
                     = sum_i (2 l + 1) / 4 pi sum_{j != j'} R_n(r_ij) R_n'(r_ij') P_l(cos jij').

The subtraction takes the pair j = j' out, so that every triplet function holds three atoms. A force
field that is linear in these functions knows angles between neighbours up to l and no further.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dosml.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import NDArray

#: Level of the pair functions, below l = 0.
PAIR_LEVEL = -1


@dataclass(frozen=True)
class AngularBasis:
    """Size of the basis.

    Attributes
    ----------
    cutoff
        r_c in Å.
    n_pair
        Number of pair functions.
    n_max
        Number of radial functions of the triplets.
    l_max
        Highest angular momentum.
    """

    cutoff: float
    n_pair: int = 10
    n_max: int = 4
    l_max: int = 6

    def __post_init__(self) -> None:
        """Check the sizes."""
        if not (self.cutoff > 0 and self.n_pair > 0 and self.n_max > 0 and self.l_max >= 0):
            raise InputError(
                f"an angular basis needs a positive cutoff (Å) and numbers of functions, got {self}"
            )

    @property
    def levels(self) -> NDArray[np.int64]:
        """Level of every function: `PAIR_LEVEL`, then l; shape (n_functions,)."""
        triplets = np.repeat(np.arange(self.l_max + 1), self.n_max * (self.n_max + 1) // 2)
        return np.concatenate([np.full(self.n_pair, PAIR_LEVEL), triplets])


def basis_functions(
    frame: Atoms, basis: AngularBasis
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Evaluate all functions of a frame and the forces they exert.

    Parameters
    ----------
    frame
        Positions and cell of one element.
    basis
        Sizes.

    Returns
    -------
    values, forces
        Shapes (n_functions,) and (n_functions, n_atoms, 3): each function and minus its gradient.
    """
    from scipy.sparse import csr_array
    from sphericart import SphericalHarmonics

    from dosml.neighbours import ase_neighbor_list

    i, j, separation = ase_neighbor_list("ijD", frame, basis.cutoff)
    n_atoms, r = len(frame), np.linalg.norm(separation, axis=1)
    unit = separation / r[:, None]
    radial, slope = _radial(r, max(basis.n_pair, basis.n_max), basis.cutoff)
    y, dy = SphericalHarmonics(basis.l_max).compute_with_gradients(np.ascontiguousarray(separation))
    short, short_slope = radial[:, : basis.n_max], slope[:, : basis.n_max]
    coefficients = np.zeros((n_atoms, basis.n_max, y.shape[1]))
    np.add.at(coefficients, i, short[:, :, None] * y[:, None, :])
    near = coefficients[i]

    values = [radial[:, n].sum() for n in range(basis.n_pair)]
    # gradient of each function with respect to the separation of each pair, (n_pairs, 3)
    gradients = [slope[:, n, None] * unit for n in range(basis.n_pair)]
    upper = [(n, k) for n in range(basis.n_max) for k in range(n, basis.n_max)]
    for l in range(basis.l_max + 1):  # noqa: E741 - the angular momentum is called l
        m = slice(l * l, (l + 1) ** 2)
        own = (2 * l + 1) / (4 * np.pi)
        for n, k in upper:
            # d(R_n Y)/dD . c_k + c_n . d(R_k Y)/dD, minus the pair with itself
            pair = np.zeros_like(separation)
            for a, b in ((n, k), (k, n)):
                inner = np.einsum("pm,pm->p", y[:, m], near[:, b, m])
                pair += (short_slope[:, a] * inner)[:, None] * unit
                pair += short[:, a, None] * np.einsum("pxm,pm->px", dy[:, :, m], near[:, b, m])
                pair -= own * (short_slope[:, a] * short[:, b])[:, None] * unit
            gradients.append(pair)
            values.append(
                np.sum(coefficients[:, n, m] * coefficients[:, k, m])
                - own * (short[:, n] @ short[:, k])
            )
    # the separation of a pair grows with its second atom and shrinks with its first
    count = len(i)
    ones, pairs = np.ones(count), np.arange(count)
    scatter = csr_array((ones, (i, pairs)), (n_atoms, count))
    scatter = scatter - csr_array((ones, (j, pairs)), (n_atoms, count))
    forces = scatter @ np.concatenate(gradients, axis=1)
    return np.array(values), forces.reshape(n_atoms, len(gradients), 3).swapaxes(0, 1)


def _radial(
    r: NDArray[np.float64], count: int, cutoff: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Radial functions and their derivatives, both (n_pairs, count)."""
    k = np.arange(1, count + 1) * np.pi / cutoff
    x = r[:, None] * k
    wave = np.sin(x) / r[:, None]
    wave_slope = k * np.cos(x) / r[:, None] - np.sin(x) / r[:, None] ** 2
    fade = 0.5 * (1 + np.cos(np.pi * r / cutoff))[:, None]
    fade_slope = (-0.5 * np.pi / cutoff * np.sin(np.pi * r / cutoff))[:, None]
    return wave * fade, wave_slope * fade + wave * fade_slope
