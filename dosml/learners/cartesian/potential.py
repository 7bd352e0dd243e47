"""From energies of atoms to energies, forces and stresses of frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from dosml.learners.cartesian.cace import Cace
from dosml.learners.cartesian.ictp import Ictp
from dosml.learners.cartesian.settings import CaceSettings, IctpSettings
from dosml.learners.sgp.kernel import VOIGT

if TYPE_CHECKING:
    from dosml.learners.cartesian.batches import NeighbourTable
    from dosml.learners.cartesian.settings import CartesianSettings


@dataclass(frozen=True)
class Answer:
    """What a potential says of the frames of a table.

    Attributes
    ----------
    energies
        Shape (n_frames,), eV, above the baselines.
    forces
        Shape (n_atoms, 3), eV/Å.
    virials
        dE/d(strain) in ase's Voigt order, shape (n_frames, 6), eV.
    """

    energies: torch.Tensor
    forces: torch.Tensor
    virials: torch.Tensor


class Potential(nn.Module):
    """A network of either kind, in units of the training set.

    Parameters
    ----------
    settings
        Of the force field.
    n_species
        Number of elements.
    neighbours
        Usual number of neighbours of an atom.
    scale
        Root mean square force of the training frames, eV/Å: the unit of energy, with 1 Å.
    """

    scale: torch.Tensor

    def __init__(
        self, settings: CartesianSettings, n_species: int, neighbours: float, scale: float
    ) -> None:
        super().__init__()
        if isinstance(settings, CaceSettings):
            self.network: Cace | Ictp = Cace(settings, n_species, neighbours)
        else:
            assert isinstance(settings, IctpSettings)
            self.network = Ictp(settings, n_species, neighbours)
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float64))

    def energies(self, vectors: torch.Tensor, table: NeighbourTable) -> torch.Tensor:
        """Energies of the frames above their baselines, eV; atoms alone have none."""
        atoms: torch.Tensor = self.network(vectors, table)
        atoms = atoms * (table.filled.sum(dim=1) > 0) * self.scale
        out = atoms.new_zeros(len(table.sizes))
        return out.index_add(0, table.frame, atoms)

    def forward(self, table: NeighbourTable, *, train: bool = False) -> Answer:
        """Energies and their derivatives; with `train` these can be differentiated again."""
        vectors = table.vectors.detach().requires_grad_()
        with torch.enable_grad():
            energies = self.energies(vectors, table)
            (slope,) = torch.autograd.grad(energies.sum(), vectors, create_graph=train)
        forces = slope.sum(dim=1)
        pulled = slope.flatten(0, 1)
        forces = forces.index_add(0, table.neighbour.flatten(), pulled, alpha=-1)
        strain = torch.stack(
            [(slope[..., a] * table.vectors[..., b]).sum(dim=1) for a, b in VOIGT], dim=1
        )
        virials = strain.new_zeros((len(table.sizes), 6)).index_add(0, table.frame, strain)
        if not train:
            energies = energies.detach()
        return Answer(energies, forces, virials)
