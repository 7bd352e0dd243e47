"""Three-body products: Cartesian multigraphs of three nodes against ACE's B3.

With moments A, A', A'' of three channels,

    Cartesian   B_abc = sum_ijk w_i w'_j w''_k (n_i.n_j)^a (n_j.n_k)^b (n_i.n_k)^c,
    spherical   B3_l1l2l3 = sum over m of G A_l1m1 A'_l2m2 A''_l3m3,   G = integral of R R R.

The degrees of the nodes are L1 = a + c, L2 = a + b, L3 = b + c, so every triple (L1, L2, L3) with
an even sum that closes a triangle is one Cartesian invariant and one spherical one. Each Cartesian
invariant is a sum of the spherical ones with l_i = L_i, L_i - 2, ...: the map between them is
triangular, hence invertible, and both span the same.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from math import pi
from typing import TYPE_CHECKING

import numpy as np

from dosml.theory.cartesian import harmonic_matrix, monomial_matrix, monomials, monomials_to
from dosml.theory.gaunt_tables import gaunt_table
from dosml.theory.multigraphs import Multigraph

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: l1, l2, l3, or the degrees of three nodes.
Triple = tuple[int, int, int]


def triples(l_max: int) -> tuple[Triple, ...]:
    """All (l1, l2, l3) up to l_max with an even sum that close a triangle, by their sum."""
    found = [
        (l1, l2, l3)
        for l1, l2, l3 in product(range(l_max + 1), repeat=3)
        if (l1 + l2 + l3) % 2 == 0 and abs(l1 - l2) <= l3 <= l1 + l2
    ]
    return tuple(sorted(found, key=lambda one: (sum(one), one)))


def triple_graph(degrees: Triple) -> Multigraph:
    """Give the multigraph of three nodes of these degrees: there is exactly one."""
    half = sum(degrees) // 2
    first, second, third = degrees
    return Multigraph(3, (half - third, half - second, half - first))


def harmonic_moments(moments: NDArray[np.float64], l_max: int) -> list[NDArray[np.float64]]:
    """A_lm by l, m = -l ... l, from the moments A_abc in the order of `monomials_to(l_max)`."""
    sizes = [len(monomials(degree)) for degree in range(l_max + 1)]
    blocks = np.split(moments, np.cumsum(sizes)[:-1])
    return [harmonic_matrix(degree) @ block for degree, block in enumerate(blocks)]


@cache
def _gaunt(l_max: int) -> dict[Triple, NDArray[np.float64]]:
    """Real Gaunt integrals by triple, shape (2 l1 + 1, 2 l2 + 1, 2 l3 + 1)."""
    out = {one: np.zeros([2 * rank + 1 for rank in one]) for one in triples(l_max)}
    table = gaunt_table(l_max, "real")
    for (l1, m1, l2, m2, l3, m3), value in zip(table.indices.tolist(), table.values, strict=True):
        out[l1, l2, l3][m1 + l1, m2 + l2, m3 + l3] = value
    return out


def spherical_triplets(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    third: NDArray[np.float64],
    l_max: int,
) -> NDArray[np.float64]:
    """ACE's B3 of three channels' moments A_abc, in the order of `triples`."""
    parts = [harmonic_moments(one, l_max) for one in (first, second, third)]
    table = _gaunt(l_max)
    return np.array(
        [
            np.einsum("abc,a,b,c", table[one], *(parts[n][rank] for n, rank in enumerate(one)))
            for one in triples(l_max)
        ]
    )


def cartesian_triplets(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    third: NDArray[np.float64],
    l_max: int,
) -> NDArray[np.float64]:
    """Multigraphs of three channels' moments A_abc, in the order of `triples`."""
    place = {powers: n for n, powers in enumerate(monomials_to(l_max))}
    return np.array(
        [
            sum(
                value * first[place[p]] * second[place[q]] * third[place[r]]
                for (p, q, r), value in triple_graph(one).ordered_contraction().items()
            )
            for one in triples(l_max)
        ]
    )


def triplet_map(l_max: int) -> NDArray[np.float64]:
    """T with cartesian_triplets = T spherical_triplets, lower triangular and invertible.

    An element is <F, G> / <G, G> of the Cartesian invariant F, its moments written in harmonics,
    with the Gaunt integrals G; <G, G> = sum over m of G^2.

    Returns
    -------
    matrix
        Shape (n, n), rows and columns in the order of `triples`.
    """
    order = triples(l_max)
    column = {one: n for n, one in enumerate(order)}
    table = _gaunt(l_max)
    matrix = np.zeros((len(order), len(order)))
    for row, degrees in enumerate(order):
        places = [{powers: n for n, powers in enumerate(monomials(d))} for d in degrees]
        tensor = np.zeros([len(one) for one in places])
        for (p, q, r), value in triple_graph(degrees).ordered_contraction().items():
            tensor[places[0][p], places[1][q], places[2][r]] = value
        for lower in product(*(range(d, -1, -2) for d in degrees)):
            if lower not in column:
                continue
            into = [monomial_matrix(d)[rank] for d, rank in zip(degrees, lower, strict=True)]
            turned = np.einsum("abc,ai,bj,ck->ijk", tensor, *into)
            gaunt = table[lower]
            matrix[row, column[lower]] = np.sum(turned * gaunt) / np.sum(gaunt**2)
    return matrix


def singlet_factor() -> float:
    """B1: A_000 = sqrt(4 pi) A_00."""
    return float(np.sqrt(4 * pi))
