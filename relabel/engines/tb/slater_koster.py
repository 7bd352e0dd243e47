"""Two-centre blocks between sp3d5 shells, and their contraction with density matrices.

Slater, Koster, Phys. Rev. 94, 1498 (1954), table I, written without its 81 entries: n is the unit
vector from the first atom to the second, and a d orbital is the traceless symmetric matrix Q_a with
<d_a|n> = n.Q_a.n (for instance Q_xy has sqrt(3)/2 off the diagonal), tr Q_a Q_b = 3/2 delta_ab. The
part of d_a along the bond is sigma_a = n.q_a with q_a = Q_a n, its pi part is the vector
2/sqrt(3) (q_a - n sigma_a), and what is left is delta. So the blocks (first atom, second atom) are

    s-s  sss                                  s-p  sps n_b
    p-p  (pps - ppp) n_a n_b + ppp delta_ab   s-d  sds sigma_b
    p-d  (pds - u pdp) n_a sigma_b + u pdp (q_b)_a,   u = 2/sqrt(3)
    d-d  (dds - 4/3 ddp + 1/3 ddd) sigma_a sigma_b + 4/3 (ddp - ddd) q_a.q_b + ddd delta_ab

and p-s = -(s-p)^T, d-s = (s-d)^T, d-p = -(p-d)^T.

Orbitals in all arrays: s, px, py, pz, then `dosml.theory.dos.D_ORBITALS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Orbitals of an atom, and the shell (0, 1, 2) of each.
N_ORBITALS = 9
SHELL_OF_ORBITAL = np.array([0, 1, 1, 1, 2, 2, 2, 2, 2])

_S, _P, _D = 0, slice(1, 4), slice(4, 9)
_U = 2 / np.sqrt(3)
_R = np.sqrt(3) / 2
#: Q_a, shape (5, 3, 3), in the order of `D_ORBITALS`.
_Q = np.array(
    [
        [[0, _R, 0], [_R, 0, 0], [0, 0, 0]],
        [[0, 0, 0], [0, 0, _R], [0, _R, 0]],
        [[-0.5, 0, 0], [0, -0.5, 0], [0, 0, 1]],
        [[0, 0, _R], [0, 0, 0], [_R, 0, 0]],
        [[_R, 0, 0], [0, -_R, 0], [0, 0, 0]],
    ]
)


@dataclass(frozen=True)
class Directions:
    """Unit vectors n of bonds with what the blocks need of them.

    Attributes
    ----------
    n
        Shape (n_bonds, 3).
    q
        Q_a n, shape (n_bonds, 5, 3).
    sigma
        n.Q_a.n, shape (n_bonds, 5).
    """

    n: NDArray[np.float64]
    q: NDArray[np.float64]
    sigma: NDArray[np.float64]


def directions(n: NDArray[np.float64]) -> Directions:
    """Prepare unit vectors, shape (n_bonds, 3)."""
    q = (n @ _Q.reshape(15, 3).T).reshape(-1, 5, 3)
    return Directions(n, q, (q @ n[:, :, None])[:, :, 0])


def blocks(integrals: NDArray[np.float64], bond: Directions) -> NDArray[np.float64]:
    """Blocks of the matrix between two atoms.

    Parameters
    ----------
    integrals
        Shape (n_bonds, 10), in the order of `dosml.relabel.engines.tb.model.BONDS`.

    Returns
    -------
    blocks
        Shape (n_bonds, 9, 9): rows are orbitals of the first atom, columns of the second, n points
        from the first to the second.
    """
    sss, sps, pps, ppp, sds, pds, pdp, dds, ddp, ddd = integrals.T[:, :, None]
    n, q, sigma = bond.n, bond.q, bond.sigma
    out = np.empty((len(n), N_ORBITALS, N_ORBITALS))
    out[:, _S, _S] = sss[:, 0]
    out[:, _S, _P] = sps * n
    out[:, _P, _S] = -out[:, _S, _P]
    out[:, _S, _D] = sds * sigma
    out[:, _D, _S] = out[:, _S, _D]
    out[:, _P, _P] = ((pps - ppp) * n)[:, :, None] * n[:, None, :]
    out[:, _P, _P] += ppp[:, :, None] * np.eye(3)
    out[:, _P, _D] = ((pds - _U * pdp) * n)[:, :, None] * sigma[:, None, :]
    out[:, _P, _D] += _U * pdp[:, :, None] * q.transpose(0, 2, 1)
    out[:, _D, _P] = -out[:, _P, _D].transpose(0, 2, 1)
    out[:, _D, _D] = ((dds - 4 / 3 * ddp + ddd / 3) * sigma)[:, :, None] * sigma[:, None, :]
    out[:, _D, _D] += 4 / 3 * (ddp - ddd)[:, :, None] * (q @ q.transpose(0, 2, 1))
    out[:, _D, _D] += ddd[:, :, None] * np.eye(5)
    return out


def contract(
    weights: NDArray[np.float64], integrals: NDArray[np.float64], bond: Directions
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Differentiate E = sum(weights * blocks): by the integrals, and by the direction.

    Parameters
    ----------
    weights
        Shape (n_bonds, 9, 9).
    integrals
        Shape (n_bonds, 10).

    Returns
    -------
    by_integrals
        Shape (n_bonds, 10).
    by_direction
        dE/dn of the blocks as polynomials in n, shape (n_bonds, 3): its part along n has no
        meaning (n stays a unit vector).
    """
    sps, pps, ppp, sds, pds, pdp, dds, ddp, ddd = integrals.T[1:, :, None]
    n, q, sigma = bond.n, bond.q, bond.sigma
    # the same block is met in both orders of the shells
    sp = weights[:, _S, _P] - weights[:, _P, _S]
    sd = weights[:, _S, _D] + weights[:, _D, _S]
    pd = weights[:, _P, _D] - weights[:, _D, _P].transpose(0, 2, 1)
    pp = weights[:, _P, _P]
    dd = weights[:, _D, _D] + weights[:, _D, _D].transpose(0, 2, 1)

    pp_n = _apply(pp, n) + _apply(pp.transpose(0, 2, 1), n)
    nn = 0.5 * _dot(pp_n, n)
    pd_sigma = _apply(pd, sigma)
    n_pd = _apply(pd.transpose(0, 2, 1), n)
    n_sigma = _dot(pd_sigma, n)
    pd_q = np.einsum("pab,pba->p", pd, q)
    dd_sigma = _apply(dd, sigma)
    sigma_sigma = 0.5 * _dot(dd_sigma, sigma)
    dd_q = dd @ q
    q_q = 0.5 * np.einsum("pax,pax->p", dd_q, q)

    by_integrals = np.stack(
        [
            weights[:, _S, _S],
            _dot(sp, n),
            nn,
            np.trace(pp, axis1=1, axis2=2) - nn,
            _dot(sd, sigma),
            n_sigma,
            _U * (pd_q - n_sigma),
            sigma_sigma,
            4 / 3 * (q_q - sigma_sigma),
            0.5 * np.trace(dd, axis1=1, axis2=2) + sigma_sigma / 3 - 4 / 3 * q_q,
        ],
        axis=1,
    )
    # d sigma_a / dn = 2 q_a and d q_a / dn = Q_a
    by_sigma = sds * sd + (pds - _U * pdp) * n_pd + (dds - 4 / 3 * ddp + ddd / 3) * dd_sigma
    by_q = _U * pdp[:, :, None] * pd.transpose(0, 2, 1)
    by_q += 4 / 3 * (ddp - ddd)[:, :, None] * dd_q
    by_direction = sps * sp + (pps - ppp) * pp_n + (pds - _U * pdp) * pd_sigma
    by_direction += 2 * np.einsum("pa,pax->px", by_sigma, q)
    by_direction += by_q.reshape(-1, 15) @ _Q.reshape(15, 3)
    return by_integrals, by_direction


def _apply(matrices: NDArray[np.float64], vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return (matrices @ vectors[:, :, None])[:, :, 0]


def _dot(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sum(one * other, axis=1))
