"""Products of Cartesian moments as a descriptor: nothing in it is spherical.

    A_{c,xyz}(i) = sum_j R_n(r_ij) x^a y^b z^c   of the unit vectors, c = (species of j, n)

Invariants are connected multigraphs (`dosml.theory.multigraphs`) of nu moments, degrees <= l_max:

    nu = 1   A_{c,000}: pairs
    nu = 2   sum over abc of degree l of l!/(a! b! c!) A_c A_c' for all channels c <= c': the span
             of the spherical B2 (`dosml.theory.cartesian.pair_map`)
    nu > 2   all multigraphs of nu nodes, rings included, that others do not make up, of one channel
             at a time. The channels are fixed random mixtures of those above, other ones for each
             degree, where a network would learn them.

Each order is normalised by itself and has an equal share of the scalar product, so that with the
power zeta = 1 of the kernel nothing beyond nu + 1 bodies but the lengths enters.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch

from dosml.learners.sgp.descriptor import Descriptor, Environments
from dosml.learners.sgp.joint import SideBySide
from dosml.theory.cartesian import monomials, monomials_to, multinomial
from dosml.theory.multigraphs import PolynomialTable, irreducible_multigraphs, polynomial_table

if TYPE_CHECKING:
    from dosml.learners.sgp.geometry import PairBatch


def monomial_functions(
    vectors: torch.Tensor, distances: torch.Tensor, l_max: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Monomials of the unit vectors, and their gradients by the vectors.

    Parameters
    ----------
    vectors, distances
        Shapes (n, 3) and (n,), Å.
    l_max
        Largest degree.

    Returns
    -------
    tuple
        In the order of `monomials_to(l_max)`: shapes (n, n_moments) and (n, 3, n_moments), 1/Å.
    """
    unit = vectors / distances[:, None]
    powers = [torch.ones_like(unit)]
    for _ in range(l_max):
        powers.append(powers[-1] * unit)
    table = torch.stack(powers)  # power, pair, axis
    exponents = torch.as_tensor(monomials_to(l_max), device=unit.device)
    factors = [table[exponents[:, x], :, x] for x in range(3)]
    values = factors[0] * factors[1] * factors[2]
    slopes = []
    for x in range(3):
        lower = table[(exponents[:, x] - 1).clamp(min=0), :, x] * exponents[:, x, None]
        others = [factors[y] for y in range(3) if y != x]
        slopes.append(lower * others[0] * others[1])
    free = torch.stack(slopes)  # axis, moment, pair: as if the unit vector had any length
    along = torch.einsum("xmp,px->mp", free, unit)
    gradient = (free - along * unit.T[:, None, :]) / distances
    return values.T.contiguous(), gradient.permute(2, 0, 1).contiguous()


class CartesianPairs(Descriptor):
    """nu = 2: as B2, of Cartesian moments."""

    def __init__(
        self,
        cutoff: float,
        n_max: int,
        l_max: int,
        n_species: int,
        *,
        degree_decay: float,
        device: torch.device | None = None,
    ) -> None:
        super().__init__(
            "B2", cutoff, n_max, l_max, n_species, degree_decay=degree_decay, device=device
        )
        sizes = [len(monomials(degree)) for degree in range(l_max + 1)]
        ends = np.cumsum(sizes).tolist()
        self._degrees = [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]
        counts = [multinomial(powers) for powers in monomials_to(l_max)]
        self._lengths = torch.tensor(counts, dtype=torch.float64, device=device).sqrt()

    def _angular(
        self, batch: PairBatch, pairs: slice | torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Monomials times the root of how often they stand in their tensors."""
        values, gradients = monomial_functions(
            batch.vectors[pairs], batch.distances[pairs], self.l_max
        )
        lengths = self._lengths.to(values.dtype)
        return values * lengths, gradients * lengths


class CartesianProducts(Descriptor):
    """nu > 2: multigraphs of one channel at a time, the channels mixed.

    `n_features` is the number of channels times that of multigraphs, which run faster.
    """

    def __init__(
        self,
        cutoff: float,
        n_max: int,
        l_max: int,
        n_species: int,
        *,
        nu: int,
        degree_decay: float,
        device: torch.device | None = None,
    ) -> None:
        super().__init__("B2", cutoff, n_max, l_max, n_species, device=device)
        self._table = _Products(nu, l_max, degree_decay, device)
        self.n_features = self.n_channels * self._table.n_graphs
        rng = np.random.default_rng(0)  # a part of the definition, not a choice of the user's
        mixtures = [
            np.linalg.qr(rng.normal(size=(self.n_channels, self.n_channels)))[0]
            for _ in range(l_max + 1)
        ]
        degrees = [sum(powers) for powers in monomials_to(l_max)]
        #: Channel in the product, channel of the moment, moment.
        self._mixing = torch.as_tensor(
            np.stack([mixtures[degree] for degree in degrees], axis=2), device=device
        )

    def _angular(
        self, batch: PairBatch, pairs: slice | torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return monomial_functions(batch.vectors[pairs], batch.distances[pairs], self.l_max)

    def environments(self, batch: PairBatch) -> Environments:
        """Descriptors of every atom of the batch, and the slopes of its invariants."""
        plain = super().environments(batch)
        mixed = self._mixed(plain.coefficients)
        jacobian = self._table.jacobian(mixed.flatten(0, 1))
        return Environments(
            plain.values,
            plain.norms,
            plain.coefficients,
            plain.radial,
            plain.radial_slope,
            jacobian=jacobian.view(*mixed.shape[:2], *jacobian.shape[1:]),
        )

    def pair_gradients(
        self, batch: PairBatch, envs: Environments, pairs: slice | torch.Tensor
    ) -> torch.Tensor:
        """Gradient of each centre's unit descriptor; see `Descriptor.pair_gradients`."""
        assert envs.jacobian is not None
        centre = batch.centre[pairs]
        unit = batch.vectors[pairs] / batch.distances[pairs][:, None]
        monomial, slope = self._angular(batch, pairs)
        mixing = self._mixing.to(monomial.dtype)
        radial = torch.einsum("kcm,pc->pkm", mixing, envs.radial[pairs])
        stretch = torch.einsum("kcm,pc->pkm", mixing, envs.radial_slope[pairs])
        moved = unit[:, None, :, None] * (stretch * monomial[:, None, :])[:, :, None, :]
        moved += radial[:, :, None, :] * slope[:, None, :, :]  # pair, channel, axis, moment
        jacobian = envs.jacobian[centre] / envs.norms[centre][:, None, None, None]
        raw = torch.matmul(moved, jacobian.transpose(2, 3))  # pair, channel, axis, graph
        gradient = raw.transpose(1, 2).flatten(2)
        values = envs.values[centre]
        overlap = torch.bmm(gradient, values[:, :, None])
        return gradient - overlap * values[:, None, :]

    def _mixed(self, coefficients: torch.Tensor) -> torch.Tensor:
        return torch.einsum("kcm,acm->akm", self._mixing.to(coefficients.dtype), coefficients)

    def _invariants(self, coefficients: torch.Tensor) -> torch.Tensor:
        mixed = self._mixed(coefficients)
        values = self._table.values(mixed.flatten(0, 1))
        return values.view(len(mixed), -1)

    def _coefficient_slopes(self, envs: Environments, raw: torch.Tensor) -> torch.Tensor:
        """dE/dA from dE/dB: shape (n_scalars, n_atoms, n_channels, n_moments)."""
        assert envs.jacobian is not None
        slopes = raw.view(raw.shape[0], raw.shape[1], self.n_channels, -1)
        mixed = torch.einsum("sakg,akgm->sakm", slopes, envs.jacobian)
        return torch.einsum("kcm,sakm->sacm", self._mixing.to(raw.dtype), mixed)


class _Products:
    """Values and slopes of the multigraphs of nu nodes, for many environments at once."""

    def __init__(
        self, nu: int, l_max: int, degree_decay: float, device: torch.device | None
    ) -> None:
        table, degrees = _graph_table(nu, l_max)
        weights = degree_decay ** np.array(degrees)
        self.n_graphs = len(degrees)
        self._n_moments = len(monomials_to(l_max))
        self._factors = torch.as_tensor(table.factors, device=device)
        self._coefficients = torch.as_tensor(table.coefficients * weights, device=device)
        cofactors, rows, columns, values = _slope_table(table, weights, self._n_moments)
        self._cofactors = torch.as_tensor(cofactors, device=device)
        self._slopes = torch.sparse_coo_tensor(
            torch.as_tensor(np.stack([rows, columns]), device=device),
            torch.as_tensor(values, device=device),
            (self.n_graphs * self._n_moments, len(cofactors)),
            check_invariants=True,
        ).coalesce()

    def values(self, moments: torch.Tensor) -> torch.Tensor:
        """Shape (n, n_graphs) for moments of shape (n, n_moments)."""
        products = _product(moments.T.contiguous(), self._factors)
        values: torch.Tensor = self._coefficients.to(moments.dtype).T @ products
        return values.T.contiguous()

    def jacobian(self, moments: torch.Tensor) -> torch.Tensor:
        """Shape (n, n_graphs, n_moments) for moments of shape (n, n_moments)."""
        products = _product(moments.T.contiguous(), self._cofactors)
        flat: torch.Tensor = torch.sparse.mm(self._slopes.to(moments.dtype), products)
        return flat.view(self.n_graphs, self._n_moments, -1).permute(2, 0, 1).contiguous()


def _product(columns: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Products of rows, shape (n_terms, n), for rows of moments, shape (n_moments, n)."""
    out: torch.Tensor = columns[factors[:, 0]]
    for n in range(1, factors.shape[1]):
        out *= columns[factors[:, n]]
    return out


@lru_cache(maxsize=8)
def _graph_table(nu: int, l_max: int) -> tuple[PolynomialTable, tuple[int, ...]]:
    """Products of moments of all irreducible multigraphs, and how many edges each has."""
    graphs = irreducible_multigraphs(nu, l_max)
    return polynomial_table(graphs, l_max), tuple(sum(graph.edges) for graph in graphs)


def _slope_table(
    table: PolynomialTable, weights: np.ndarray, n_moments: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Slopes of all products by their factors.

    Returns
    -------
    cofactors, rows, columns, values
        Products of one factor less, and the sparse matrix that makes of them the slope of graph g
        by moment m in row g n_moments + m.
    """
    nu = table.factors.shape[1]
    left = np.concatenate([np.delete(table.factors, n, axis=1) for n in range(nu)])
    cofactors, place = np.unique(left, axis=0, return_inverse=True)
    moment = table.factors.T.ravel()
    terms, graphs = np.nonzero(table.coefficients)
    rows, columns, values = [], [], []
    for n in range(nu):
        at = terms + n * len(table.factors)
        rows.append(graphs * n_moments + moment[at])
        columns.append(place.ravel()[at])
        values.append(table.coefficients[terms, graphs] * weights[graphs])
    return cofactors, np.concatenate(rows), np.concatenate(columns), np.concatenate(values)


class CartesianDescriptor(SideBySide):
    """All orders 1 ... nu side by side, in equal shares.

    An order that has no multigraph at this l_max, such as three moments of degree 1, is left out.
    """

    def __init__(
        self,
        cutoff: float,
        n_max: int,
        l_max: int,
        n_species: int,
        *,
        nu: int,
        degree_decay: float = 1.0,
        device: torch.device | None = None,
    ) -> None:
        parts: list[Descriptor] = []
        sizes = (cutoff, n_max, l_max, n_species)
        parts.append(Descriptor("B1", cutoff, n_max, 0, n_species, device=device))
        if nu > 1:
            parts.append(CartesianPairs(*sizes, degree_decay=degree_decay, device=device))
        parts += [
            CartesianProducts(*sizes, nu=order, degree_decay=degree_decay, device=device)
            for order in range(3, nu + 1)
            if irreducible_multigraphs(order, l_max)
        ]
        super().__init__(parts, [1 / len(parts)] * len(parts))
