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

    from dosml.learners.sgp.descriptor import Environments
    from dosml.learners.sgp.geometry import PairBatch
    from dosml.learners.sgp.trained import SgpModel, SharedBasis

_CHUNK = 2_000_000


def force_spread(
    shared: SharedBasis, models: tuple[SgpModel, ...], batch: PairBatch, envs: Environments
) -> list[np.ndarray]:
    """Give the standard deviation of every force component.

    Parameters
    ----------
    shared, models
        Trained models.
    batch, envs
        The frames and their descriptors.

    Returns
    -------
    list of numpy.ndarray
        One array of shape (n_atoms, 3) per model, eV/Å.
    """
    zeta = shared.settings.zeta
    rows = kernel_rows(
        shared.descriptor(),
        batch,
        shared.inducing,
        zeta,
        stress=False,
        dtype=torch.float64,
        chunk_elements=_CHUNK,
    ).forces
    white = torch.linalg.solve_triangular(shared.lower, rows.T, upper=False)
    prior = _prior(shared, batch, envs).flatten()
    unknown = prior - (white * white).sum(dim=0)
    out = []
    for model in models:
        variance = unknown + ((model.spread @ white) ** 2).sum(dim=0)
        spread = model.hyperparameters.signal * variance.clamp(min=0).sqrt()
        out.append(spread.view(-1, 3).cpu().numpy())
    return out


def _prior(shared: SharedBasis, batch: PairBatch, envs: Environments) -> torch.Tensor:
    """k_FF of every force component at signal 1, shape (n_atoms, 3)."""
    zeta = shared.settings.zeta
    descriptor = shared.descriptor()
    gradient = descriptor.pair_gradients(batch, envs, slice(None))
    values = envs.values
    own = gradient.new_zeros((batch.n_atoms, *gradient.shape[1:]))
    own.index_add_(0, batch.centre, gradient, alpha=-1)
    out = gradient.new_zeros((batch.n_atoms, 3))
    for a in range(batch.n_atoms):
        mine = batch.neighbour == a
        # images of one atom around one centre add up; the atom's own environment comes last
        centres, where = torch.unique(
            torch.cat([batch.centre[mine], torch.tensor([a], device=values.device)]),
            return_inverse=True,
        )
        moves = gradient.new_zeros((len(centres), *gradient.shape[1:]))
        moves.index_add_(0, where, torch.cat([gradient[mine], own[a : a + 1]]))
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
            out[a, x] = value
    return out
