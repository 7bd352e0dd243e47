"""Cartesian atomic cluster expansion (Cheng, npj Comput. Mater. 10, 157 (2024)).

Written from the mathematics:

    edge basis   chi_c,n,abc(ij) = T_c R_n(r_ij) x^a y^b z^c,  T = sender embedding (x) receiver's
    density      A_i = sum_j chi(ij) / sqrt(neighbours), its radial functions mixed for each degree
                 and channel
    invariants   B_i: multigraphs of up to nu moments of one channel (`dosml.theory.multigraphs`)
    messages     A_i' = [sum_j f(r_ij) A_j + sum_j chi(ij) h(B_j)] / sqrt(neighbours) + memory A_i
    energy       linear(B) + network(B), B of all passes side by side
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import torch
from torch import nn

from dosml.learners.cartesian.basis import AtomicEnergies, ByDegree, Monomials, Radial, Readout
from dosml.learners.cartesian.products import Products, chosen_graphs
from dosml.theory.cartesian import monomials

if TYPE_CHECKING:
    from dosml.learners.cartesian.batches import NeighbourTable
    from dosml.learners.cartesian.settings import CaceSettings

#: Elements of an embedding where none are asked for.
MOST_EMBEDDING = 4


class _Messages(nn.Module):
    """One pass: moments of the neighbours, and the edge basis weighted by what they are."""

    def __init__(
        self, settings: CaceSettings, sizes: list[int], channels: int, invariants: int
    ) -> None:
        super().__init__()
        few = settings.message_channels
        self._few = few
        self.sent = ByDegree(sizes, channels, few)
        self.distance = nn.Linear(settings.n_max, few, bias=False, dtype=torch.float64)
        self.received = ByDegree(sizes, few, channels)
        self.weights = nn.Linear(invariants, few, dtype=torch.float64)
        self.weighted = ByDegree(sizes, few * settings.n_max, channels)
        self.memory = ByDegree(sizes, channels, channels)

    def forward(
        self,
        moments: torch.Tensor,
        invariants: torch.Tensor,
        bonds: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
        usual: float,
    ) -> torch.Tensor:
        """Give new moments, shape (n_atoms, channels, n_moments).

        Parameters
        ----------
        moments
            Of the pass before, of the same shape.
        invariants
            Theirs, centred and scaled, shape (n_atoms, n_invariants).
        bonds
            Radial functions and monomials of the bonds, and the numbers of the neighbours.
        usual
            Root of the usual number of neighbours.
        """
        radial, angular, neighbour = bonds
        n, places = neighbour.shape
        sent = self.sent(moments[:, None])[:, 0]
        gates = self.distance(radial)  # atom, place, channel
        arrived = (gates[..., None] * sent[neighbour]).sum(dim=1)
        total = self.received(arrived[:, None])[:, 0]
        told = torch.tanh(self.weights(invariants))[neighbour]
        left = (radial[:, :, :, None] * told[:, :, None, :]).reshape(n, places, -1)
        total = total + self.weighted((left.transpose(1, 2) @ angular)[:, None])[:, 0]
        return torch.as_tensor(total / usual + self.memory(moments[:, None])[:, 0])


class Cace(AtomicEnergies):
    """Energies of atoms by the Cartesian atomic cluster expansion.

    Parameters
    ----------
    settings
        See `CaceSettings`.
    n_species
        Number of elements.
    neighbours
        Usual number of neighbours of an atom.
    """

    def __init__(self, settings: CaceSettings, n_species: int, neighbours: float) -> None:
        super().__init__()
        width = settings.embedding or min(n_species, MOST_EMBEDDING)
        self._usual = sqrt(max(neighbours, 1.0))
        sizes = [len(monomials(degree)) for degree in range(settings.l_max + 1)]
        channels = width * width * settings.channels
        self.radial = Radial(settings.cutoff, settings.n_max)
        self.angular = Monomials(settings.l_max)
        start = torch.eye(n_species, width, dtype=torch.float64)
        self.embedding = nn.Parameter(start + 0.3 * torch.randn_like(start) * (width > 1))
        self.mixture = ByDegree(sizes, settings.n_max, width * settings.channels, groups=width)
        graphs = chosen_graphs(settings.nu, settings.l_max, rings=settings.rings)
        self.products = Products(graphs, settings.l_max)
        invariants = channels * self.products.n_graphs
        self.messages = nn.ModuleList(
            _Messages(settings, sizes, channels, invariants) for _ in range(settings.layers)
        )
        self.readouts = nn.ModuleList(Readout(invariants) for _ in range(settings.layers + 1))

    def _run(self, vectors: torch.Tensor, table: NeighbourTable, *, settle: bool) -> torch.Tensor:
        bonds = self._bonds(vectors, table)
        moments = self._density(*bonds[:2], table)
        energy, plain = vectors.new_zeros(len(vectors)), moments
        for number, readout in enumerate(self.readouts):
            if number:
                moments = self.messages[number - 1](moments, plain, bonds, self._usual)
            assert isinstance(readout, Readout)
            invariants = self._invariants(moments)
            if settle:
                readout.settle(invariants)
            plain = readout.plain(invariants)
            energy = energy + readout(plain)
        return energy

    def _density(
        self, radial: torch.Tensor, angular: torch.Tensor, table: NeighbourTable
    ) -> torch.Tensor:
        """Moments of each atom, shape (n_atoms, channels, n_moments)."""
        n, places, n_max = radial.shape
        own = self.embedding[table.species]  # atom, receiver
        width = own.shape[1]
        senders = own[table.neighbour]  # atom, place, sender
        left = (senders[..., None] * radial[:, :, None, :]).reshape(n, places, -1)
        plain = (left.transpose(1, 2) @ angular).view(n, width, n_max, -1) / self._usual
        mixed: torch.Tensor = self.mixture(plain)  # atom, sender, receiver x channel, moment
        mixed = mixed.view(n, width, width, -1, mixed.shape[-1]) * own[:, None, :, None, None]
        return mixed.flatten(1, 3)

    def _invariants(self, moments: torch.Tensor) -> torch.Tensor:
        """Shape (n_atoms, channels x n_graphs)."""
        n, channels, size = moments.shape
        rows = moments.permute(2, 0, 1).reshape(size, n * channels)
        values: torch.Tensor = self.products(rows)
        return values.view(-1, n, channels).permute(1, 2, 0).flatten(1)
