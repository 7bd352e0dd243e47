"""What training makes small: errors of labels, and what needs no labels.

Weak supervision (Takamoto et al. 2024) asks energies of displaced frames to follow the forces, u
and v being displacements of all atoms:

    one-sided    [E(r + u) - E(r) + u.F]^2
    two-point    [E(r) - u.F - E(r + v) + (u - v).F(r + v)]^2: two ways to E(r + u)
    antithetic   [E(r + u) - E(r - u) + 2 u.F]^2

F at r is the label where forces are trained on, else the model's own. Even the exact potential does
not make the first two vanish: what is left is the second order, u.Phi.u / 2, which grows with the
number of atoms. So each is divided by their number, and the antithetic one, in which the second
order cancels, is there. Displacements are drawn anew for every frame and epoch, in all directions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from dosml.learners.cartesian.batches import NeighbourTable
    from dosml.learners.cartesian.potential import Answer, Potential
    from dosml.learners.cartesian.settings import CartesianSettings


@dataclass(frozen=True)
class Labels:
    """Labels of the frames of a table.

    Attributes
    ----------
    energies
        Above the baselines, shape (n_frames,), eV.
    forces
        Shape (n_atoms, 3), eV/Å.
    virials
        Stress times volume, shape (n_frames, 6), eV; None where there are none.
    """

    energies: torch.Tensor
    forces: torch.Tensor
    virials: torch.Tensor | None

    def to(self, device: torch.device, dtype: torch.dtype) -> Labels:
        """Give the same on a device, in a precision."""
        return Labels(
            self.energies.to(device, dtype),
            self.forces.to(device, dtype),
            None if self.virials is None else self.virials.to(device, dtype),
        )


def label_loss(
    said: Answer,
    labels: Labels,
    table: NeighbourTable,
    settings: CartesianSettings,
    scale: float | torch.Tensor,
) -> torch.Tensor:
    """Weighted mean squares of the errors of forces, energies and virials per atom.

    All in units of the root mean square force of the training set and 1 Å. Errors of forces beyond
    that unit count linearly (Huber), so that a few hot atoms do not decide.
    """
    huber = torch.nn.functional.huber_loss
    force = huber(said.forces / scale, labels.forces / scale)
    energy = ((said.energies - labels.energies) / table.sizes / scale).square().mean()
    loss = settings.force_weight * force + settings.energy_weight * energy
    if labels.virials is not None and settings.stress_weight:
        virial = (said.virials - labels.virials) / table.sizes[:, None] / scale
        loss = loss + settings.stress_weight * virial.square().mean()
    return loss


def displacements(shape: torch.Size, amplitude: float, generator: torch.Generator) -> torch.Tensor:
    """Draw normal displacements of atoms, on the CPU, Å: all directions alike."""
    return torch.randn(shape, generator=generator, dtype=torch.float64) * amplitude / 3**0.5


def weak_loss(
    potential: Potential,
    table: NeighbourTable,
    said: Answer,
    forces: torch.Tensor | None,
    moves: tuple[torch.Tensor, torch.Tensor],
    form: str,
) -> torch.Tensor:
    """Mean square over frames of what a form of weak supervision asks for, in the set's units.

    Parameters
    ----------
    potential, table
        The model and the frames.
    said
        Its answer there, made for training.
    forces
        Labels of the forces; None: the model's own.
    moves
        u and v, each of shape (n_atoms, 3), Å; v is for the two-point form.
    form
        "one-sided", "two-point" or "antithetic".
    """
    along = said.forces if forces is None else forces
    first, second = moves
    work = _per_frame(first * along, table)
    if form == "antithetic":
        above, below = (
            potential.energies(one.vectors, one)
            for one in (table.displaced(first), table.displaced(-first))
        )
        left = above - below + 2 * work
    elif form == "one-sided":
        moved = table.displaced(first)
        left = potential.energies(moved.vectors, moved) - said.energies + work
    else:
        there = potential(table.displaced(second), train=True)
        onward = _per_frame((first - second) * there.forces, table)
        left = said.energies - work - there.energies + onward
    return (left / potential.scale / table.sizes).square().mean()


def _per_frame(values: torch.Tensor, table: NeighbourTable) -> torch.Tensor:
    out = values.new_zeros(len(table.sizes))
    return out.index_add(0, table.frame, values.sum(dim=1))
