"""Kernel blocks between inducing environments and the labels of frames, at signal 1.

The kernel of two environments with the same centre species is (p . p')^zeta of their unit
descriptors, and 0 for different species. With E = sum_i e_i, F = -dE/dR and the stress
(1/V) dE/d(strain) the blocks K_uE, K_uF and K_uS follow by the chain rule. They depend on the
frames alone, so one pass over the frames serves every label set.

Normalised descriptors of one metal differ little: the singular values of those of 2700 inducing
environments fall over twelve orders, and 148 of 270 are above `THIN` times the largest. Where
it saves work, inducing descriptors are therefore kept as coefficients times few orthonormal rows,
p_u = C_u U, and gradients are projected on these rows before they meet all p_u. An inducing
environment need not be one of an atom, so what `thinned` drops is no error: it moves the inducing
environments by 1e-8, in K_uu and in all rows alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from dosml.learners.sgp.descriptor import Descriptor, Environments
    from dosml.learners.sgp.geometry import PairBatch

#: Cartesian index pairs in ase's Voigt order.
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
#: Singular values below this share of the largest are dropped.
THIN = 1e-8
#: Share of the operations above which factors are not worth their projection; inducing
#: environments per feature below which that is so without looking.
_WORTH, _FEWEST = 0.8, 3


@dataclass(frozen=True)
class Factors:
    """Descriptors as a product.

    Attributes
    ----------
    coefficients
        Shape (m, rank).
    basis
        Orthonormal rows, shape (rank, n_features).
    """

    coefficients: torch.Tensor
    basis: torch.Tensor


def factorised(block: torch.Tensor) -> Factors | None:
    """Factors of descriptors up to `THIN`; None where the plain product is cheaper.

    Parameters
    ----------
    block
        Shape (m, n_features), double precision.
    """
    count, n_features = block.shape
    if count < _FEWEST * n_features:
        return None
    left, values, right = torch.linalg.svd(block, full_matrices=False)
    rank = int((values > THIN * values[0]).sum())
    if rank * (count + n_features) > _WORTH * count * n_features:
        return None
    return Factors(left[:, :rank] * values[:rank], right[:rank])


@dataclass(frozen=True)
class Inducing:
    """Inducing environments, grouped by centre species.

    Attributes
    ----------
    descriptors
        Unit descriptors of each species in the model's order, shapes (m_s, n_features), double
        precision.
    origins
        Where each comes from: (number of the training frame, number of the atom), shapes
        (m_s, 2), in the order of choice.
    factors
        Of the descriptors of each species, None where there are none; empty if none are known.
    """

    descriptors: tuple[torch.Tensor, ...]
    origins: tuple[NDArray[np.int64], ...]
    factors: tuple[Factors | None, ...] = ()

    @property
    def size(self) -> int:
        """Number of inducing environments of all species."""
        return sum(int(block.shape[0]) for block in self.descriptors)

    def columns(self) -> list[slice]:
        """Where each species' environments lie in a kernel block."""
        out, start = [], 0
        for block in self.descriptors:
            out.append(slice(start, start + int(block.shape[0])))
            start = out[-1].stop
        return out

    def thinned(self) -> Inducing:
        """Give the same environments but for what their factors drop, with the factors."""
        factors = tuple(map(factorised, self.descriptors))
        return replace(
            self,
            descriptors=tuple(
                block if one is None else one.coefficients @ one.basis
                for block, one in zip(self.descriptors, factors, strict=True)
            ),
            factors=factors,
        )

    def gram(self, zeta: int) -> torch.Tensor:
        """K_uu at signal 1 in double precision, shape (M, M)."""
        first = self.descriptors[0]
        out = torch.zeros((self.size, self.size), dtype=torch.float64, device=first.device)
        for block, where in zip(self.descriptors, self.columns(), strict=True):
            out[where, where] = (block @ block.T) ** zeta
        return out


@dataclass(frozen=True)
class KernelRows:
    """Kernel blocks of one batch of frames, one row per label.

    Attributes
    ----------
    energies
        Shape (n_frames, M).
    forces
        Shape (3 n_atoms, M), the Cartesian component running fastest.
    stresses
        Shape (6 n_frames, M), the Voigt component running fastest, or None.
    """

    energies: torch.Tensor
    forces: torch.Tensor
    stresses: torch.Tensor | None

    def only(self, kept: Mapping[str, NDArray[np.bool_]]) -> KernelRows:
        """Give the rows that are True by label kind ("energy", "force", "stress")."""

        def part(rows: torch.Tensor, kind: str) -> torch.Tensor:
            mask = kept[kind]
            return rows if mask.all() else rows[torch.as_tensor(mask, device=rows.device)]

        stresses = None if self.stresses is None else part(self.stresses, "stress")
        return KernelRows(part(self.energies, "energy"), part(self.forces, "force"), stresses)


def environment_rows(
    envs: Environments, batch: PairBatch, inducing: Inducing, zeta: int
) -> torch.Tensor:
    """Kernel of every atom's energy with the inducing environments, shape (n_atoms, M)."""
    out = envs.values.new_zeros((batch.n_atoms, inducing.size))
    for s, (block, where) in enumerate(zip(inducing.descriptors, inducing.columns(), strict=True)):
        atoms = batch.species == s
        out[atoms, where] = (envs.values[atoms] @ block.T) ** zeta
    return out


def kernel_rows(
    descriptor: Descriptor,
    batch: PairBatch,
    inducing: Inducing,
    zeta: int,
    *,
    stress: bool,
    dtype: torch.dtype,
    chunk_elements: int,
) -> KernelRows:
    """Kernel blocks between a batch of frames and the inducing environments.

    Parameters
    ----------
    descriptor, batch, inducing, zeta
        The model and the frames.
    stress
        Whether to make stress rows (frames need volumes then).
    dtype
        Precision of force and stress rows. Energy rows are always in double precision: they are
        sums over whole frames, of which small differences matter.
    chunk_elements
        Largest number of elements of a temporary (pairs x 3 x M).
    """
    envs = descriptor.environments(batch)
    m = inducing.size
    energies = envs.values.new_zeros((batch.n_frames, m))
    energies.index_add_(0, batch.frame, environment_rows(envs, batch, inducing, zeta))
    batch, envs = batch.to(dtype), envs.to(dtype)
    forces = envs.values.new_zeros((batch.n_atoms, 3, m))
    stresses = envs.values.new_zeros((batch.n_frames, 6, m)) if stress else None
    step = max(1, chunk_elements // (3 * max(m, descriptor.n_features)))
    all_factors = inducing.factors or (None,) * len(inducing.descriptors)
    for s, (where, factors) in enumerate(zip(inducing.columns(), all_factors, strict=True)):
        atoms = torch.nonzero(batch.species == s)[:, 0]
        block = inducing.descriptors[s].to(dtype)
        if len(atoms) == 0 or block.shape[0] == 0:
            continue
        # rows of atoms of other species stay unused
        slope = block.new_zeros((batch.n_atoms, block.shape[0]))
        slope[atoms] = zeta * (envs.values[atoms] @ block.T) ** (zeta - 1)
        basis = None if factors is None else factors.basis.to(dtype)
        coefficients = block if factors is None else factors.coefficients.to(dtype)
        own = block.new_zeros((batch.n_atoms, 9 if stress else 3, coefficients.shape[1]))
        target = forces[:, :, where]
        pairs = torch.nonzero(batch.species[batch.centre] == s)[:, 0]
        for start in range(0, len(pairs), step):
            # one species: a slice, which copies nothing
            chunk: slice | torch.Tensor = slice(start, start + step)
            if descriptor.n_species > 1:
                chunk = pairs[chunk]
            gradient = descriptor.pair_gradients(batch, envs, chunk)
            if basis is not None:
                gradient = gradient @ basis.T
            centre = batch.centre[chunk]
            own[:, :3].index_add_(0, centre, gradient)
            if stress:
                vectors = batch.vectors[chunk]
                strain = torch.stack(
                    [gradient[:, a] * vectors[:, b, None] for a, b in VOIGT], dim=1
                )
                own[:, 3:].index_add_(0, centre, strain)
            rows = (gradient.flatten(0, 1) @ coefficients.T).view(-1, 3, block.shape[0])
            rows *= slope[centre][:, None, :]
            target.index_add_(0, batch.neighbour[chunk], rows, alpha=-1)
        own_rows = (own[atoms] @ coefficients.T) * slope[atoms][:, None, :]
        target[atoms] += own_rows[:, :3]
        if stresses is not None:
            stresses[:, :, where].index_add_(0, batch.frame[atoms], own_rows[:, 3:])
    if stresses is not None:
        stresses = (stresses / batch.volumes[:, None, None]).flatten(0, 1)
    return KernelRows(energies, forces.flatten(0, 1), stresses)
