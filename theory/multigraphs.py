"""Invariants of Cartesian moments, drawn as multigraphs.

A node is a moment tensor, an edge a contracted pair of indices: a node with d edges is the tensor
of degree d. In terms of the directions, the multigraph of nu nodes with a_ij edges between nodes i
and j is

    B = sum over neighbours j1 ... j_nu of w_j1 ... w_j_nu prod_{i<k} (n_ji . n_jk)^a_ik,

an invariant of nu + 1 bodies, the centre counted. Every polynomial invariant is a sum of
multigraphs (first fundamental theorem of O(3)); those that fall apart are products of smaller
ones, so the connected ones are enough. Edges from a node to itself give nothing new: n.n = 1 lowers
the degree by two.

A multigraph without a ring, a tree, is what the published cluster expansion in Cartesian
coordinates (Cheng, npj Comput. Mater. 10, 157 (2024)) is made of. Trees are not complete: the trace
of the cube of the second moment is the triangle.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations, permutations
from math import comb
from typing import TYPE_CHECKING

import numpy as np

from dosml.theory.cartesian import Powers, moments, monomials, monomials_to, multinomial

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

#: More nodes than these are not enumerated.
MOST_NODES = 5


@dataclass(frozen=True)
class Multigraph:
    """A multigraph up to the names of its nodes.

    Attributes
    ----------
    nodes
        Number of nodes, nu.
    edges
        Number of edges between each pair of nodes, in the order of `itertools.combinations`.
    """

    nodes: int
    edges: tuple[int, ...]

    @cached_property
    def joined(self) -> dict[tuple[int, int], int]:
        """Number of edges by pair of nodes, where there are any."""
        pairs = combinations(range(self.nodes), 2)
        return {pair: n for pair, n in zip(pairs, self.edges, strict=True) if n}

    @cached_property
    def degrees(self) -> tuple[int, ...]:
        """Edges at each node: the degrees of the moments."""
        out = [0] * self.nodes
        for (i, j), n in self.joined.items():
            out[i] += n
            out[j] += n
        return tuple(out)

    @cached_property
    def parts(self) -> tuple[tuple[int, ...], ...]:
        """Nodes of each connected part."""
        group = list(range(self.nodes))
        for i, j in self.joined:
            old, new = group[j], group[i]
            group = [new if one == old else one for one in group]
        return tuple(
            tuple(n for n in range(self.nodes) if group[n] == one) for one in sorted(set(group))
        )

    @property
    def connected(self) -> bool:
        """Whether it does not fall apart."""
        return len(self.parts) == 1

    @property
    def is_tree(self) -> bool:
        """Whether it is connected and has no ring; several edges between two nodes are none."""
        return self.connected and len(self.joined) == self.nodes - 1

    def ordered_contraction(self) -> dict[tuple[Powers, ...], int]:
        """Write the invariant out: coefficient by the powers at each of its nodes.

        Each bundle of n edges is sum over abc of degree n of n!/(a! b! c!) times the powers abc at
        both of its ends.
        """
        start: tuple[Powers, ...] = ((0, 0, 0),) * self.nodes
        terms = {start: 1}
        for (i, j), n in self.joined.items():
            grown: dict[tuple[Powers, ...], int] = {}
            for at, coefficient in terms.items():
                for powers in monomials(n):
                    ends = list(at)
                    for node in (i, j):
                        a, b, c = ends[node]
                        ends[node] = (a + powers[0], b + powers[1], c + powers[2])
                    key = tuple(ends)
                    grown[key] = grown.get(key, 0) + coefficient * multinomial(powers)
            terms = grown
        return terms

    def contraction(self) -> dict[tuple[Powers, ...], int]:
        """Write it out for nodes of one channel: coefficient by the moments, sorted."""
        merged: dict[tuple[Powers, ...], int] = {}
        for at, coefficient in self.ordered_contraction().items():
            key = tuple(sorted(at))
            merged[key] = merged.get(key, 0) + coefficient
        return merged

    def evaluate(self, moments: NDArray[np.float64], l_max: int) -> float:
        """Value for the moments of one environment, in the order of `monomials_to(l_max)`."""
        place = _places(l_max)
        return sum(
            coefficient * float(np.prod([moments[place[powers]] for powers in at]))
            for at, coefficient in self.contraction().items()
        )


@cache
def _places(l_max: int) -> dict[Powers, int]:
    return {powers: n for n, powers in enumerate(monomials_to(l_max))}


def multigraphs(nodes: int, l_max: int) -> tuple[Multigraph, ...]:
    """All multigraphs of so many nodes of degree <= l_max, connected or not, each once.

    In the order of their number of edges.

    Raises
    ------
    ValueError
        If there are no nodes or more than `MOST_NODES`.
    """
    if not 1 <= nodes <= MOST_NODES:
        raise ValueError(f"multigraphs have 1 to {MOST_NODES} nodes here, got {nodes}")
    return _multigraphs(nodes, l_max)


@cache
def _multigraphs(nodes: int, l_max: int) -> tuple[Multigraph, ...]:
    pairs = list(combinations(range(nodes), 2))
    fillings = list(_fillings(pairs, [l_max] * nodes))
    rows = np.array(fillings, dtype=np.int64).reshape(len(fillings), len(pairs))
    # the name of a multigraph: the largest of the numbers that its renamings spell
    place = {pair: n for n, pair in enumerate(pairs)}
    base = (l_max + 1) ** np.arange(len(pairs), dtype=np.int64)
    names = np.zeros(len(rows), dtype=np.int64)
    for order in permutations(range(nodes)):
        turned = [place[min(order[i], order[j]), max(order[i], order[j])] for i, j in pairs]
        np.maximum(names, rows[:, turned] @ base, out=names)
    first = np.unique(names, return_index=True)[1]
    found = [Multigraph(nodes, tuple(map(int, rows[n]))) for n in first]
    return tuple(sorted(found, key=lambda one: (sum(one.edges), one.edges[::-1])))


def _fillings(pairs: Sequence[tuple[int, int]], room: list[int]) -> Iterator[tuple[int, ...]]:
    """Numbers of edges for the pairs, such that no node gets more than its room."""
    if not pairs:
        yield ()
        return
    (i, j), rest = pairs[0], pairs[1:]
    for n in range(min(room[i], room[j]) + 1):
        left = list(room)
        left[i] -= n
        left[j] -= n
        for others in _fillings(rest, left):
            yield (n, *others)


def connected_multigraphs(nodes: int, l_max: int) -> tuple[Multigraph, ...]:
    """Those of `multigraphs` that do not fall apart; one node is the moment of degree 0."""
    return tuple(graph for graph in multigraphs(nodes, l_max) if graph.connected)


def trees(nodes: int, l_max: int) -> tuple[Multigraph, ...]:
    """Those of `multigraphs` that are connected and have no ring."""
    return tuple(graph for graph in multigraphs(nodes, l_max) if graph.is_tree)


def published_count(nodes: int, l_max: int) -> int:
    """Count of the published enumeration, whose edges together number l_max at most.

    One for each way to choose the bundles of edges: one bundle for nu = 2, two that may change
    places for nu = 3, three in their order for nu = 4.

    Raises
    ------
    ValueError
        If it has no such order.
    """
    if nodes == 1:
        return 1
    if nodes == 2:
        return l_max
    if nodes == 3:
        return (l_max // 2) * ((l_max + 1) // 2)
    if nodes == 4:
        return comb(l_max, 3)
    raise ValueError(f"the published enumeration has nu = 1 ... 4, got {nodes}")


@cache
def irreducible_multigraphs(nodes: int, l_max: int, *, seed: int = 0) -> tuple[Multigraph, ...]:
    """Give the connected multigraphs that no sum of products and of earlier ones equals.

    Four unit vectors in space and more depend on each other (their Gram determinant vanishes), so
    sums of multigraphs of four nodes and more can be products of smaller ones. Which, is found by
    the rank of their values on random environments, trees first and then by number of edges; the
    weights of an environment tell numbers of nodes apart, so each is treated by itself.

    Parameters
    ----------
    nodes, l_max
        As for `multigraphs`.
    seed
        Of the environments.
    """
    graphs = multigraphs(nodes, l_max)
    apart = [graph for graph in graphs if not graph.connected]
    whole = sorted(
        (graph for graph in graphs if graph.connected),
        key=lambda one: (not one.is_tree, sum(one.edges)),
    )
    values = _values([*apart, *whole], l_max, len(graphs) + 40, np.random.default_rng(seed))
    kept, basis = [], np.zeros((len(values), 0))
    for n, graph in enumerate([*apart, *whole]):
        column = values[:, n] / np.linalg.norm(values[:, n])
        for _ in range(2):  # once more, against rounding
            column = column - basis @ (basis.T @ column)
        left = float(np.linalg.norm(column))
        if left > _TOLERANCE:
            basis = np.column_stack([basis, column / left])
            if graph.connected:
                kept.append(graph)
    return tuple(sorted(kept, key=lambda one: (not one.is_tree, sum(one.edges), one.edges[::-1])))


#: Below this share of its length a column counts as a sum of others.
_TOLERANCE = 1e-8


def _values(
    graphs: Sequence[Multigraph], l_max: int, count: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Values on random environments of so many neighbours that their moments are independent."""
    neighbours = (l_max + 1) ** 2 + 5
    found = []
    for _ in range(count):
        vectors = rng.normal(size=(neighbours, 3))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        found.append(moments(vectors, rng.normal(size=neighbours), l_max))
    table = polynomial_table(graphs, l_max)
    return evaluate_table(table, np.array(found))


@dataclass(frozen=True)
class PolynomialTable:
    """Several multigraphs of one number of nodes, as one matrix times products of moments.

    Attributes
    ----------
    factors
        Places of the multiplied moments in `monomials_to(l_max)`, ascending, shape
        (n_terms, nodes).
    coefficients
        Shape (n_terms, n_graphs).
    """

    factors: NDArray[np.int64]
    coefficients: NDArray[np.float64]


def polynomial_table(graphs: Sequence[Multigraph], l_max: int) -> PolynomialTable:
    """Collect the products of moments that the multigraphs hold."""
    place = _places(l_max)
    rows: dict[tuple[int, ...], int] = {}
    entries = []
    for column, graph in enumerate(graphs):
        for at, coefficient in graph.contraction().items():
            key = tuple(sorted(place[powers] for powers in at))
            entries.append((rows.setdefault(key, len(rows)), column, coefficient))
    coefficients = np.zeros((len(rows), len(graphs)))
    for row, column, coefficient in entries:
        coefficients[row, column] += coefficient
    factors = np.array(list(rows), dtype=np.int64)
    order = np.lexsort(factors.T[::-1])
    return PolynomialTable(factors[order], coefficients[order])


def evaluate_table(table: PolynomialTable, moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of the multigraphs, shape (n, n_graphs), for moments of shape (n, n_moments)."""
    return np.asarray(np.prod(moments[:, table.factors], axis=2) @ table.coefficients)
