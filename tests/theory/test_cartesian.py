"""Cartesian moments, multigraphs and irreducible tensors against harmonics and by hand."""
# ruff: noqa: E741 - l is the letter of the formulas

from __future__ import annotations

import importlib.util
import subprocess
import sys
from itertools import product
from math import pi
from pathlib import Path

import numpy as np
import pytest
import sphericart
from scipy.special import eval_legendre

from dosml.errors import EnvironmentMissingError
from dosml.learners.peers.environments import require
from dosml.theory import cartesian, cartesian_ace, irreducible_tensors, multigraphs
from dosml.theory.multigraphs import Multigraph

L_MAX = 4


def directions(count: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def channels(count: int = 3, seed: int = 0) -> list[np.ndarray]:
    """Moments of several channels of one environment."""
    weights = np.random.default_rng(seed + 100).normal(size=(count, 12))
    return [cartesian.moments(directions(12, seed), one, L_MAX) for one in weights]


def rotation(seed: int) -> np.ndarray:
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    return turn * np.sign(np.linalg.det(turn))


@pytest.mark.parametrize("l", range(7))
def test_harmonics_are_those_of_sphericart(l: int) -> None:
    n = directions(20)
    wanted = sphericart.SphericalHarmonics(l).compute(n)[:, l * l :]
    values = np.prod(n[:, None, :] ** np.array(cartesian.monomials(l)), axis=2)
    np.testing.assert_allclose(values @ cartesian.harmonic_matrix(l).T, wanted, atol=1e-12)


@pytest.mark.parametrize("degree", range(7))
def test_monomials_are_sums_of_harmonics_and_back(degree: int) -> None:
    n = directions(20)
    values = np.prod(n[:, None, :] ** np.array(cartesian.monomials(degree)), axis=2)
    harmonics = sphericart.SphericalHarmonics(degree).compute(n)
    again = sum(
        harmonics[:, l * l : (l + 1) ** 2] @ matrix.T
        for l, matrix in cartesian.monomial_matrix(degree).items()
    )
    np.testing.assert_allclose(again, values, atol=1e-12)
    for l, matrix in cartesian.monomial_matrix(degree).items():
        there_and_back = cartesian.harmonic_matrix(degree) @ matrix
        np.testing.assert_allclose(
            there_and_back, np.eye(2 * l + 1) if l == degree else 0, atol=1e-12
        )


def test_powers_are_sums_of_legendre_polynomials() -> None:
    x = np.linspace(-1, 1, 11)
    for degree in range(8):
        found = cartesian.power_in_legendre(degree)
        total = sum(float(c) * eval_legendre(l, x) for l, c in found.items())
        np.testing.assert_allclose(total, x**degree, atol=1e-13)


def test_pair_invariants_span_the_same() -> None:
    """Explicit map between the Cartesian B2 and that of the sgp's descriptor, both ways."""
    first, second, _ = channels()
    cartesian_b2, spherical_b2 = [], []
    start = 0
    for l in range(L_MAX + 1):
        powers = cartesian.monomials(l)
        part = slice(start, start + len(powers))
        start = part.stop
        factors = np.array([cartesian.multinomial(one) for one in powers])
        cartesian_b2.append(np.sum(factors * first[part] * second[part]))
        matrix = cartesian.harmonic_matrix(l)
        spherical_b2.append((matrix @ first[part]) @ (matrix @ second[part]))
    mapped = cartesian.pair_map(L_MAX)
    np.testing.assert_allclose(mapped @ spherical_b2, cartesian_b2, rtol=1e-10)
    np.testing.assert_allclose(np.linalg.solve(mapped, cartesian_b2), spherical_b2, rtol=1e-10)


def test_triplet_invariants_span_the_same() -> None:
    """Explicit map between multigraphs of three nodes and B3 through Gaunt coefficients."""
    first, second, third = channels()
    ours = cartesian_ace.cartesian_triplets(first, second, third, L_MAX)
    theirs = cartesian_ace.spherical_triplets(first, second, third, L_MAX)
    mapped = cartesian_ace.triplet_map(L_MAX)
    assert np.allclose(mapped, np.tril(mapped))
    scale = np.abs(ours).max()
    np.testing.assert_allclose(mapped @ theirs, ours, atol=1e-10 * scale)
    back = np.linalg.solve(mapped, ours)
    np.testing.assert_allclose(back, theirs, atol=1e-10 * np.abs(theirs).max())
    # the moment of degree 0 is B1
    assert first[0] == pytest.approx(
        cartesian_ace.singlet_factor() * cartesian_ace.harmonic_moments(first, L_MAX)[0][0]
    )


@pytest.mark.parametrize(
    ("nodes", "counts", "trees"),
    [
        (2, (1, 2, 3, 4), (1, 2, 3, 4)),
        (3, (0, 2, 4, 9), (0, 1, 2, 4)),
        (4, (0, 2, 12, 37), (0, 1, 5, 12)),
    ],
)
def test_counts_of_multigraphs(nodes: int, counts: tuple[int, ...], trees: tuple[int, ...]) -> None:
    found = [len(multigraphs.connected_multigraphs(nodes, l)) for l in range(1, 5)]
    assert tuple(found) == counts
    assert tuple(len(multigraphs.trees(nodes, l)) for l in range(1, 5)) == trees


def test_counts_of_the_published_enumeration() -> None:
    """Cheng 2024: invariants up to nu = 1 ... 4 in all, for l_max = 1 ... 6."""
    table = [
        (1, 2, 2, 2),
        (1, 3, 4, 4),
        (1, 4, 6, 7),
        (1, 5, 9, 13),
        (1, 6, 12, 22),
        (1, 7, 16, 36),
    ]
    for l_max, row in enumerate(table, 1):
        counts = np.cumsum([multigraphs.published_count(nu, l_max) for nu in (1, 2, 3, 4)])
        assert tuple(counts) == row
        few = [
            len(g)
            for nu in (2, 3)
            if (g := [one for one in multigraphs.trees(nu, l_max) if sum(one.edges) <= l_max])
        ]
        assert few == [n for n in (l_max, multigraphs.published_count(3, l_max)) if n]


def test_multigraphs_are_sums_over_neighbours() -> None:
    """Oracle: the definition, by loops over all tuples of neighbours."""
    n = directions(4)
    weights = np.random.default_rng(3).normal(size=4)
    dots = n @ n.T
    found = cartesian.moments(n, weights, L_MAX)
    for graph in (
        *multigraphs.connected_multigraphs(3, 3),
        *multigraphs.connected_multigraphs(4, 2),
    ):
        total = sum(
            np.prod(weights[list(at)])
            * np.prod([dots[at[i], at[j]] ** m for (i, j), m in graph.joined.items()])
            for at in product(range(4), repeat=graph.nodes)
        )
        assert graph.evaluate(found, L_MAX) == pytest.approx(total, rel=1e-11)


def test_multigraphs_do_not_see_rotations() -> None:
    n = directions(9)
    weights = np.random.default_rng(4).normal(size=9)
    graphs = multigraphs.connected_multigraphs(4, 3)
    table = multigraphs.polynomial_table(graphs, 3)
    turned = [
        multigraphs.evaluate_table(table, cartesian.moments(m, weights, 3)[None])
        for m in (n, n @ rotation(1).T, -n)
    ]
    np.testing.assert_allclose(turned[1], turned[0], rtol=1e-10)
    np.testing.assert_allclose(turned[2], turned[0], rtol=1e-10)


def antiprism(cos_squared: float) -> np.ndarray:
    """Six neighbours, three above and three below, their axes at this cosine to z."""
    height, reach = np.sqrt(cos_squared), np.sqrt(1 - cos_squared)
    angles = 2 * pi / 3 * np.arange(3)
    above = np.stack([reach * np.cos(angles), reach * np.sin(angles), np.full(3, height)], axis=1)
    return np.concatenate([above, -above])


def test_trees_are_not_complete_and_rings_complete_them() -> None:
    """Two antiprisms have the same trees at l_max = 2, and another trace of the cubed moment."""
    both = [cartesian.moments(antiprism(c), np.ones(6), 2) for c in (1 / 2, 1 / 6)]
    for nodes in (1, 2, 3, 4, 5):
        for tree in multigraphs.trees(nodes, 2):
            first, second = (tree.evaluate(one, 2) for one in both)
            assert first == pytest.approx(second, abs=1e-12)
    triangle = Multigraph(3, (1, 1, 1))
    assert not triangle.is_tree
    assert [triangle.evaluate(one, 2) for one in both] == pytest.approx([33.75, 32.25])
    assert triangle in multigraphs.irreducible_multigraphs(3, 2)


def jacobian_rank(graphs: list[Multigraph], l_max: int) -> int:
    """Number of independent functions among invariants, at random environments."""
    best = 0
    for seed in range(3):
        n = directions(40, seed)
        weights = np.random.default_rng(seed).normal(size=40)
        at, step = cartesian.moments(n, weights, l_max), 1e-6
        columns = []
        for k in range(40):
            slopes = []
            for x in range(3):
                moved = []
                for sign in (1, -1):
                    other = n.copy()
                    other[k, x] += sign * step
                    other[k] /= np.linalg.norm(other[k])
                    found = cartesian.moments(other, weights, l_max)
                    moved.append(found)
                slopes.append((moved[0] - moved[1]) / (2 * step))
            columns += [*slopes, cartesian.moments(n[k : k + 1], [1.0], l_max)]
        gradients = []
        for graph in graphs:
            value = np.zeros(len(at))
            for factors, c in graph.contraction().items():
                places = [multigraphs._places(l_max)[p] for p in factors]
                for k, place in enumerate(places):
                    value[place] += c * np.prod([at[q] for m, q in enumerate(places) if m != k])
            gradients.append(np.array(columns) @ value)
        matrix = np.array(gradients)
        matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
        best = max(best, int(np.sum(np.linalg.svd(matrix, compute_uv=False) > 1e-7)))
    return best


def test_rings_bring_all_independent_invariants() -> None:
    """One channel up to l_max has (l_max + 1)^2 - 3 independent invariants: 6 at l_max = 2."""
    with_rings = [g for nu in (1, 2, 3, 4) for g in multigraphs.irreducible_multigraphs(nu, 2)]
    only_trees = [g for nu in (1, 2, 3, 4) for g in multigraphs.trees(nu, 2)]
    assert jacobian_rank(with_rings, 2) == 6
    assert jacobian_rank(only_trees, 2) == 5
    # longer trees tell generic environments apart, those with a centre of inversion never
    longer = [*only_trees, *multigraphs.trees(5, 2)]
    assert jacobian_rank(longer, 2) == 6


def test_reducible_multigraphs_are_sums_of_others() -> None:
    """The square of four nodes, tr M^4, is one by Cayley and Hamilton; no triangle is."""
    assert len(multigraphs.irreducible_multigraphs(3, 4)) == 9
    square = [g for g in multigraphs.connected_multigraphs(4, 2) if not g.is_tree]
    assert [g.degrees for g in square] == [(2, 2, 2, 2)]
    kept = multigraphs.irreducible_multigraphs(4, 2)
    assert [g.is_tree for g in kept] == [True]
    # the oracle: tr M^4 of any symmetric M in space by its lower traces
    m = np.random.default_rng(0).normal(size=(3, 3))
    m = m + m.T
    t1, t2, t3 = (np.trace(np.linalg.matrix_power(m, k)) for k in (1, 2, 3))
    e2, e3 = (t1**2 - t2) / 2, (t1**3 - 3 * t1 * t2 + 2 * t3) / 6
    assert np.trace(np.linalg.matrix_power(m, 4)) == pytest.approx(t1 * t3 - e2 * t2 + e3 * t1)


@pytest.mark.parametrize("rank", range(5))
def test_irreducible_powers_are_legendre_polynomials(rank: int) -> None:
    a, b = directions(8, 1), directions(8, 2)
    dots = irreducible_tensors.stf_power(a, rank) @ irreducible_tensors.stf_power(b, rank).T
    wanted = irreducible_tensors.legendre_factor(rank) * eval_legendre(rank, a @ b.T)
    np.testing.assert_allclose(dots, wanted, atol=1e-12)


@pytest.mark.parametrize("rank", range(5))
def test_the_basis_is_symmetric_and_free_of_traces(rank: int) -> None:
    basis = irreducible_tensors.stf_basis(rank)
    assert basis.shape == (2 * rank + 1, 3**rank)
    np.testing.assert_allclose(basis @ basis.T, np.eye(2 * rank + 1), atol=1e-12)
    if rank >= 2:
        tensors = basis.reshape(-1, *([3] * rank))
        np.testing.assert_allclose(np.trace(tensors, axis1=1, axis2=2), 0, atol=1e-12)
        np.testing.assert_allclose(tensors, tensors.swapaxes(1, 2), atol=1e-12)


def turned_basis(rank: int, turn: np.ndarray) -> np.ndarray:
    """How the elements of a tensor of this rank change in a rotation."""
    full = np.ones((1, 1))
    for _ in range(rank):
        full = np.kron(full, turn)
    basis = irreducible_tensors.stf_basis(rank)
    return basis @ full @ basis.T


TRIANGLES = [
    (l1, l2, l3)
    for l1, l2, l3 in product(range(5), repeat=3)
    if abs(l1 - l2) <= l3 <= l1 + l2 and l1 <= l2
]


@pytest.mark.parametrize(("l1", "l2", "l3"), TRIANGLES)
def test_products_turn_with_their_factors(l1: int, l2: int, l3: int) -> None:
    coupling = irreducible_tensors.stf_product(l1, l2, l3)
    assert np.sum(coupling**2) == pytest.approx(2 * l3 + 1)
    turn = rotation(5)
    parts = [turned_basis(l, turn) for l in (l1, l2, l3)]
    np.testing.assert_allclose(
        np.einsum("abc,ap,bq,cr->pqr", coupling, *parts), coupling, atol=1e-10
    )
    sign = -1 if (l1 + l2 - l3) % 2 else 1
    swapped = irreducible_tensors.stf_product(l2, l1, l3).transpose(1, 0, 2)
    np.testing.assert_allclose(swapped, sign * coupling, atol=1e-12)


E3NN = """
import sys

import numpy as np
import torch
from e3nn import o3

torch.set_default_dtype(torch.float64)
found = dict(np.load(sys.argv[1]))
n = torch.as_tensor(found["directions"])
for l in range(5):
    found[f"harmonics_{l}"] = o3.spherical_harmonics(l, n, normalize=True).numpy()
for l1, l2, l3 in found["triangles"].tolist():
    found[f"product_{l1}{l2}{l3}"] = o3.wigner_3j(l1, l2, l3).numpy()
np.savez(sys.argv[1], **found)
"""


@pytest.fixture(scope="module")
def e3nn(tmp_path_factory) -> dict[str, np.ndarray]:
    """Harmonics and Wigner symbols of e3nn: from here, or from NequIP's environment."""
    python = Path(sys.executable)
    if importlib.util.find_spec("e3nn") is None:
        try:
            python = require("nequip").python
        except EnvironmentMissingError as error:
            pytest.skip(f"e3nn is not here: {error}")
    path = tmp_path_factory.mktemp("e3nn") / "values.npz"
    np.savez(path, directions=directions(60), triangles=np.array(TRIANGLES))
    subprocess.run([python, "-c", E3NN, path], check=True)
    return dict(np.load(path))


def test_products_are_those_of_e3nn(e3nn: dict[str, np.ndarray]) -> None:
    n, into = e3nn["directions"], []
    for l in range(5):
        powers = irreducible_tensors.stf_power(n, l)
        into.append(np.linalg.lstsq(powers, e3nn[f"harmonics_{l}"], rcond=None)[0])
    for triangle in TRIANGLES:
        ours = irreducible_tensors.stf_product(*triangle)
        ours = np.einsum("abc,ai,bj,ck->ijk", ours, *(into[l] for l in triangle))
        theirs = e3nn["product_{}{}{}".format(*triangle)]
        ours, theirs = ours / np.linalg.norm(ours), theirs / np.linalg.norm(theirs)
        np.testing.assert_allclose(ours * np.sign(np.sum(ours * theirs)), theirs, atol=1e-9)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="holds no rank 3"):
        irreducible_tensors.stf_product(1, 1, 3)
    with pytest.raises(ValueError, match="1 to 5 nodes"):
        multigraphs.multigraphs(6, 2)
    with pytest.raises(ValueError, match="no harmonic"):
        cartesian.solid_harmonic(1, 2)
    with pytest.raises(ValueError, match="nu = 1 ... 4"):
        multigraphs.published_count(5, 2)
    with pytest.raises(ValueError, match="ranks are"):
        irreducible_tensors.stf_projector(7)
    with pytest.raises(ValueError, match="0 or more"):
        cartesian.monomials(-1)
