"""Predictive variance of force components.

For a force component F = sum_i f_i, f_i = -zeta (p_i . p')^(zeta-1) (dp_i . p') against another
environment p', the prior variance at signal 1 is

    k_FF = sum_ij zeta (zeta-1) (p_i.p_j)^(zeta-2) (dp_i.p_j)(p_i.dp_j)
                + zeta (p_i.p_j)^(zeta-1) dp_i.dp_j

over the environments i, j of one species that hold the moved atom. What the inducing
environments know is subtracted, what the labels left open is added, as for energies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from dosml.learners.sgp.kernel import kernel_rows

if TYPE_CHECKING:
    import numpy as np

    from dosml.learners.sgp.descriptor import Descriptor, Environments
    from dosml.learners.sgp.geometry import PairBatch
    from dosml.learners.sgp.trained import SgpModel, SharedBasis

_CHUNK = 2_000_000


def force_spread(
    shared: SharedBasis,
    models: tuple[SgpModel, ...],
    batch: PairBatch,
    envs: Environments,
    *,
    forces: list[np.ndarray] | None = None,
) -> list[np.ndarray]:
    """Give the standard deviation of every force component.

    Parameters
    ----------
    shared, models
        Trained models.
    batch, envs
        The frames and their descriptors.
    forces
        Predicted forces of all atoms of the batch by each model, (n_atoms, 3): then the noise is
        added, and the sum scaled as it was calibrated: the error to expect against a label.

    Returns
    -------
    list of numpy.ndarray
        One array of shape (n_atoms, 3) per model, eV/Å.
    """
    zeta = shared.settings.zeta
    descriptor = shared.descriptor()
    rows = kernel_rows(
        descriptor,
        batch,
        shared.inducing,
        zeta,
        stress=False,
        dtype=torch.float64,
        chunk_elements=_CHUNK,
    ).forces
    white = torch.linalg.solve_triangular(shared.lower, rows.T, upper=False)
    atoms = torch.arange(batch.n_atoms, device=rows.device)
    prior = force_prior(descriptor, batch, envs, zeta, atoms).flatten()
    unknown = prior - (white * white).sum(dim=0)
    out = []
    for number, model in enumerate(models):
        variance = unknown + ((model.spread @ white) ** 2).sum(dim=0)
        hypers = model.hyperparameters
        spread = hypers.signal * variance.clamp(min=0).sqrt()
        if forces is not None:
            mine = torch.as_tensor(forces[number], device=rows.device).square().mean(dim=1)
            squares = mine.new_zeros(batch.n_frames).index_add_(0, batch.frame, mine)
            squares = (squares / torch.bincount(batch.frame))[batch.frame].repeat_interleave(3)
            noise = hypers.force_noise**2 * model.force_errors.noise_share(squares)
            spread = model.force_errors.scale * (spread**2 + noise).sqrt()
        out.append(spread.view(-1, 3).cpu().numpy())
    return out


def force_prior(
    descriptor: Descriptor,
    batch: PairBatch,
    envs: Environments,
    zeta: int,
    atoms: torch.Tensor,
) -> torch.Tensor:
    """k_FF of the force components of some atoms at signal 1.

    Parameters
    ----------
    descriptor, batch, envs, zeta
        The model, the frames and their descriptors.
    atoms
        Numbers of the atoms in the batch.

    Returns
    -------
    torch.Tensor
        Shape (len(atoms), 3).
    """
    near = torch.isin(batch.centre, atoms) | torch.isin(batch.neighbour, atoms)
    pairs = torch.nonzero(near)[:, 0]
    gradient = descriptor.pair_gradients(batch, envs, pairs)
    centre, neighbour = batch.centre[pairs], batch.neighbour[pairs]
    values = envs.values
    out = gradient.new_zeros((len(atoms), 3))
    for row, a in enumerate(atoms.tolist()):
        mine = neighbour == a
        own = -gradient[centre == a].sum(dim=0)
        # images of one atom around one centre add up; the atom's own environment comes last
        centres, where = torch.unique(
            torch.cat([centre[mine], torch.tensor([a], device=values.device)]),
            return_inverse=True,
        )
        moves = gradient.new_zeros((len(centres), *gradient.shape[1:]))
        moves.index_add_(0, where, torch.cat([gradient[mine], own[None]]))
        here = values[centres]
        same = batch.species[centres][:, None] == batch.species[centres][None, :]
        dots = here @ here.T
        second = zeta * dots ** (zeta - 1) * same
        for x in range(3):
            move = moves[:, x]
            value = (second * (move @ move.T)).sum()
            if zeta > 1:
                cross = move @ here.T
                first = zeta * (zeta - 1) * dots ** (zeta - 2) * same
                value = value + (first * cross * cross.T).sum()
            out[row, x] = value
    return out
