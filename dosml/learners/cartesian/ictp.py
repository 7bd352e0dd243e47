"""Message passing with irreducible Cartesian tensors (Zaverkin et al., NeurIPS 2024).

Written from the mathematics, all tensors symmetric and free of traces
(`dosml.theory.irreducible_tensors`):

    density    A_i,l3 = sum_j R(r_ij) (T_l1(ij) x W h_j,l2)_l3 / sqrt(neighbours)
    products   (A x A)_l, ((A x A) x A)_l, up to the correlation, weighted for each channel
    messages   h_i' = linear(A, A x A, A x A x A) + linear(h_i)
    energy     readout of the scalars of every layer

Only products without the antisymmetric tensor are taken: all tensors keep the parity (-1)^l, and
energies do not change in a reflection.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from dosml.learners.cartesian.basis import AtomicEnergies, ByDegree, Radial, Readout
from dosml.theory.irreducible_tensors import legendre_factor, stf_basis, stf_product

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dosml.learners.cartesian.batches import NeighbourTable
    from dosml.learners.cartesian.settings import IctpSettings


def _sizes(rank: int) -> list[int]:
    """Elements of the tensors of rank 0 ... rank, side by side."""
    return [2 * one + 1 for one in range(rank + 1)]


def _place(rank: int) -> slice:
    """Where the tensors of one rank lie."""
    return slice(rank * rank, (rank + 1) ** 2)


class Powers(nn.Module):
    """T_l of unit vectors, of mean square 1 for each element."""

    def __init__(self, rank: int) -> None:
        super().__init__()
        self._rank = rank
        for l in range(2, rank + 1):  # noqa: E741
            # one rank more from one less: STF of T_(l-1) n
            lower, upper = stf_basis(l - 1), stf_basis(l)
            step = np.einsum("pa,qax->pxq", lower, upper.reshape(len(upper), -1, 3))
            self.register_buffer(
                f"step_{l}", torch.as_tensor(step.reshape(-1, len(upper))), persistent=False
            )
        self.register_buffer("first", torch.as_tensor(stf_basis(1).T.copy()), persistent=False)

    def forward(self, unit: torch.Tensor) -> torch.Tensor:
        """Shape (..., (rank + 1)^2) for unit vectors of shape (..., 3)."""
        parts = [torch.ones_like(unit[..., :1])]
        if self._rank:
            last = unit @ self.get_buffer("first")
            parts.append(last * sqrt(3))
        for l in range(2, self._rank + 1):  # noqa: E741
            joint = (last[..., :, None] * unit[..., None, :]).flatten(-2)
            last = joint @ self.get_buffer(f"step_{l}")
            parts.append(last * sqrt((2 * l + 1) / legendre_factor(l)))
        return torch.cat(parts, dim=-1)


@lru_cache(maxsize=32)
def couplings(
    left: int, right: int, out: int, *, same: bool = False
) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """All products of tensors up to two ranks into those up to a third, as one matrix.

    Parameters
    ----------
    left, right, out
        Largest ranks.
    same
        Whether both factors are the same tensors: what is symmetric is then made once.

    Returns
    -------
    matrix, paths
        Shape ((left + 1)^2 (right + 1)^2, sum over the paths of 2 l + 1), and the rank of each
        path, ascending.
    """
    blocks, paths = [], []
    for l3 in range(out + 1):
        for l1 in range(left + 1):
            for l2 in range(l1 if same else 0, right + 1):
                if (l1 + l2 - l3) % 2 or not abs(l1 - l2) <= l3 <= l1 + l2:
                    continue
                block = np.zeros(((left + 1) ** 2, (right + 1) ** 2, 2 * l3 + 1))
                block[_place(l1), _place(l2)] = stf_product(l1, l2, l3)
                blocks.append(block.reshape(-1, 2 * l3 + 1))
                paths.append(l3)
    return np.concatenate(blocks, axis=1), tuple(paths)


class Coupling(nn.Module):
    """Products of two tensors, every path weighted for each channel."""

    def __init__(self, ranks: tuple[int, int, int], channels: int, *, same: bool = False) -> None:
        super().__init__()
        matrix, paths = couplings(*ranks, same=same)
        self.register_buffer("matrix", torch.as_tensor(matrix), persistent=False)
        self._counts = [paths.count(rank) for rank in range(ranks[2] + 1)]
        self.weights = nn.ParameterList(
            nn.Parameter(torch.randn(channels, n, dtype=torch.float64) / sqrt(max(n, 1)))
            for n in self._counts
        )

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Shape (n, channels, (out + 1)^2) from tensors side by side in the last place."""
        outer = (left[..., :, None] * right[..., None, :]).flatten(-2)
        found = outer @ self.get_buffer("matrix")
        start, parts = 0, []
        for l, (count, weights) in enumerate(zip(self._counts, self.weights, strict=True)):  # noqa: E741
            width = count * (2 * l + 1)
            paths = found[..., start : start + width].unflatten(-1, (count, 2 * l + 1))
            parts.append((weights[..., None] * paths).sum(dim=-2))
            start += width
        return torch.cat(parts, dim=-1)


class _Layer(nn.Module):
    """Density of the neighbours' tensors, its products, and the tensors that come out."""

    def __init__(self, settings: IctpSettings, rank_in: int, rank_out: int) -> None:
        super().__init__()
        channels, rank = settings.channels, settings.rank
        self._in, self._channels = rank_in, channels
        self.sent = ByDegree(_sizes(rank_in), channels, channels)
        matrix, paths = couplings(rank, rank_in, rank)
        self.register_buffer("matrix", torch.as_tensor(matrix), persistent=False)
        self._paths = paths
        weights = torch.randn(len(paths), settings.n_max, channels, dtype=torch.float64)
        counts = torch.tensor([paths.count(path) for path in paths], dtype=torch.float64)
        self.radial = nn.Parameter(weights / (settings.n_max * counts[:, None, None]).sqrt())
        self.kept = ByDegree(_sizes(rank_out), channels, channels)
        self.densities = ByDegree(_sizes(rank_out), channels, channels)
        self.pairs: Coupling | None = None
        self.triplets: Coupling | None = None
        if settings.correlation > 1:
            between = rank if settings.correlation > 2 else rank_out
            self.pairs = Coupling((rank, rank, between), channels, same=True)
            self.pair_mixture = ByDegree(_sizes(rank_out), channels, channels)
        if settings.correlation > 2:
            self.triplets = Coupling((rank, rank, rank_out), channels)
            self.triplet_mixture = ByDegree(_sizes(rank_out), channels, channels)
        self._out = (rank_out + 1) ** 2

    def forward(
        self,
        hidden: torch.Tensor,
        bonds: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
        usual: float,
    ) -> torch.Tensor:
        """Give new tensors of each atom, shape (n_atoms, channels, (rank_out + 1)^2)."""
        radial, angular, neighbour = bonds
        density = self._density(self.sent(hidden[:, None])[:, 0], radial, angular, neighbour)
        density = density / usual
        out = self._mixed(self.densities, density)
        if self.pairs is not None:
            pairs = self.pairs(density, density)
            out = out + self._mixed(self.pair_mixture, pairs)
            if self.triplets is not None:
                triplets = self.triplets(pairs, density)
                out = out + self._mixed(self.triplet_mixture, triplets)
        size = min(self._out, hidden.shape[-1])
        # what had a lower rank only is kept in its place
        old = torch.nn.functional.pad(hidden[..., :size], (0, self._out - size))
        return out + self._mixed(self.kept, old)

    def _mixed(self, mixture: ByDegree, tensors: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(mixture(tensors[:, None, :, : self._out])[:, 0])

    def _density(
        self,
        sent: torch.Tensor,
        radial: torch.Tensor,
        angular: torch.Tensor,
        neighbour: torch.Tensor,
    ) -> torch.Tensor:
        """Shape (n_atoms, channels, (rank + 1)^2)."""
        n, places, n_max = radial.shape
        left = (radial[..., None] * angular[:, :, None, :]).reshape(n, places, -1)
        gathered = sent.flatten(1)[neighbour]  # atom, place, channel x element
        joint = left.transpose(1, 2) @ gathered
        joint = joint.view(n, n_max, angular.shape[-1], self._channels, -1)
        start = 0
        parts: dict[int, torch.Tensor] = {}
        matrix = self.get_buffer("matrix").view(angular.shape[-1], sent.shape[-1], -1)
        for weights, rank in zip(self.radial, self._paths, strict=True):
            columns = matrix[:, :, start : start + 2 * rank + 1]
            start += 2 * rank + 1
            used = columns.abs().sum(dim=2)
            rows, places_in = used.any(dim=1).nonzero()[:, 0], used.any(dim=0).nonzero()[:, 0]
            block = joint[:, :, rows[0] : rows[-1] + 1, :, places_in[0] : places_in[-1] + 1]
            mixed = (weights[:, None, :, None] * block).sum(dim=1)  # atom, bond, channel, element
            small = columns[rows[0] : rows[-1] + 1, places_in[0] : places_in[-1] + 1]
            found = torch.einsum("iacb,abd->icd", mixed, small)
            parts[rank] = parts[rank] + found if rank in parts else found
        return torch.cat([parts[rank] for rank in sorted(parts)], dim=-1)


class Ictp(AtomicEnergies):
    """Energies of atoms by message passing with irreducible Cartesian tensors.

    Parameters
    ----------
    settings
        See `IctpSettings`.
    n_species
        Number of elements.
    neighbours
        Usual number of neighbours of an atom.
    """

    def __init__(self, settings: IctpSettings, n_species: int, neighbours: float) -> None:
        super().__init__()
        self._usual = sqrt(max(neighbours, 1.0))
        self.radial = Radial(settings.cutoff, settings.n_max)
        self.angular = Powers(settings.rank)
        self.embedding = nn.Parameter(
            torch.randn(n_species, settings.channels, dtype=torch.float64)
        )
        ranks = [0, *[settings.hidden_rank] * (settings.layers - 1), 0]
        self.layers = nn.ModuleList(
            _Layer(settings, before, after) for before, after in pairwise(ranks)
        )
        self.readouts = nn.ModuleList(Readout(settings.channels) for _ in self.layers)

    def _run(self, vectors: torch.Tensor, table: NeighbourTable, *, settle: bool) -> torch.Tensor:
        bonds = self._bonds(vectors, table)
        hidden = self.embedding[table.species][:, :, None]
        energy = vectors.new_zeros(len(vectors))
        for layer, readout in zip(self.layers, self.readouts, strict=True):
            hidden = layer(hidden, bonds, self._usual)
            scalars = hidden[:, :, 0]
            assert isinstance(readout, Readout)
            if settle:
                readout.settle(scalars)
            energy = energy + readout(readout.plain(scalars))
        return energy
