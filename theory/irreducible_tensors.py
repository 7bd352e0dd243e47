"""Irreducible Cartesian tensors: symmetric and free of traces (STF).

A tensor of rank l that is symmetric and whose traces vanish has 2 l + 1 independent elements and
turns as the harmonics of l do. Out of l equal unit vectors it is (Thorne, Rev. Mod. Phys. 52, 299
(1980), eq. 2.2)

    T_l(n) = sum_k (-1)^k l! (2l-2k-1)!! / [(l-2k)! (2l-1)!! (2k)!!]  sym(delta^k n^(l-2k)),

so that T_l(a) . b^l = l!/(2l-1)!! P_l(a.b), Legendre's polynomial. The product of two such tensors
holds every rank from |l1 - l2| to l1 + l2 once: contract k pairs of indices, and for an odd
l1 + l2 - l3 one more pair with the antisymmetric tensor, then symmetrise and take the traces
away. Elements are kept in an orthonormal basis of the STF tensors, 2 l + 1 numbers instead of 3^l.
"""

from __future__ import annotations

from functools import cache
from itertools import permutations
from math import factorial, prod
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Largest rank: 3^l elements are formed.
LARGEST_RANK = 6


@cache
def _symmetric(rank: int) -> NDArray[np.float64]:
    """Projector on symmetric tensors, shape (3^rank, 3^rank)."""
    size = 3**rank
    identity = np.eye(size).reshape((size, *([3] * rank)))
    orders = list(permutations(range(1, rank + 1)))
    total = sum(identity.transpose(0, *order) for order in orders)
    return np.asarray(total / len(orders)).reshape(size, size)


@cache
def stf_projector(rank: int) -> NDArray[np.float64]:
    """Projector on STF tensors, shape (3^rank, 3^rank), from the sum over traces above.

    Raises
    ------
    ValueError
        If the rank is negative or above `LARGEST_RANK`.
    """
    if not 0 <= rank <= LARGEST_RANK:
        raise ValueError(f"ranks are 0 ... {LARGEST_RANK}, got {rank}")
    symmetric = _symmetric(rank)
    total = np.zeros_like(symmetric)
    for k in range(rank // 2 + 1):
        traced = symmetric.reshape((3**rank, *([3] * rank)))
        for _ in range(k):
            traced = np.trace(traced, axis1=1, axis2=2)
        for _ in range(k):
            traced = np.multiply.outer(traced, np.eye(3))
        weight = (-1) ** k * factorial(rank) * _odd(2 * rank - 2 * k - 1)
        weight /= factorial(rank - 2 * k) * _odd(2 * rank - 1) * (2**k * factorial(k))
        total += weight * (traced.reshape(3**rank, 3**rank) @ symmetric)
    return total


def _odd(n: int) -> int:
    return prod(range(n, 0, -2))


@cache
def stf_basis(rank: int) -> NDArray[np.float64]:
    """Orthonormal STF tensors, shape (2 rank + 1, 3^rank).

    The projections of z z z ..., then of those with a y, and so on, made orthonormal one after the
    other.
    """
    columns = stf_projector(rank)
    found: list[NDArray[np.float64]] = []
    for index in range(3**rank - 1, -1, -1):
        vector = columns[index]
        for _ in range(2):  # once more, against rounding
            for one in found:
                vector = vector - (vector @ one) * one
        length = float(np.linalg.norm(vector))
        if length > 1e-6:
            found.append(vector / length)
    return np.array(found)


def stf_power(directions: NDArray[np.float64], rank: int) -> NDArray[np.float64]:
    """T_l of unit vectors in the basis, shape (n, 2 rank + 1), for directions of shape (n, 3)."""
    power = np.ones((len(directions), 1))
    for _ in range(rank):
        power = (power[:, :, None] * directions[:, None, :]).reshape(len(directions), -1)
    return power @ stf_basis(rank).T


def legendre_factor(rank: int) -> float:
    """l!/(2l-1)!!: T_l(a) . b^l in units of P_l(a.b)."""
    return factorial(rank) / _odd(2 * rank - 1)


@cache
def stf_product(l1: int, l2: int, l3: int) -> NDArray[np.float64]:
    """Give the part of rank l3 in the product of two STF tensors.

    Parameters
    ----------
    l1, l2, l3
        Ranks with |l1 - l2| <= l3 <= l1 + l2. Where l1 + l2 - l3 is even the product is one of
        contractions, where it is odd it holds the antisymmetric tensor once and changes sign when
        its factors change places.

    Returns
    -------
    array
        Shape (2 l1 + 1, 2 l2 + 1, 2 l3 + 1) in the orthonormal bases, of square sum 2 l3 + 1.

    Raises
    ------
    ValueError
        If the ranks close no triangle.
    """
    if not abs(l1 - l2) <= l3 <= l1 + l2:
        raise ValueError(f"the product of ranks {l1} and {l2} holds no rank {l3}")
    k, odd = divmod(l1 + l2 - l3, 2)
    left, right = l1 - k - odd, l2 - k - odd
    first = stf_basis(l1).reshape(2 * l1 + 1, 3**k, 3**odd, 3**left)
    second = stf_basis(l2).reshape(2 * l2 + 1, 3**k, 3**odd, 3**right)
    third = stf_basis(l3).reshape(2 * l3 + 1, 3**left, 3**right, 3**odd)
    joint = _antisymmetric() if odd else np.ones((1, 1, 1))
    out = np.einsum("pkia,qkjb,ijc,rabc->pqr", first, second, joint, third, optimize=True)
    return np.asarray(out * np.sqrt((2 * l3 + 1) / np.sum(out**2)))


def _antisymmetric() -> NDArray[np.float64]:
    out = np.zeros((3, 3, 3))
    for order in permutations(range(3)):
        out[order] = np.linalg.det(np.eye(3)[list(order)])
    return out
