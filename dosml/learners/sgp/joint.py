"""Descriptors in one kernel.

Unit descriptors side by side, with shares that keep the length 1:

    p = (sqrt(w1) p1, sqrt(w2) p2, ...),   p.p' = w1 p1.p1' + w2 p2.p2' + ...,   w1 + w2 + ... = 1

so that the power of the kernel also mixes them, pairs with triplets for instance. B1 is cheap, and
may have more radial functions than B2, whose length grows with their square.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from dosml.learners.sgp.descriptor import Descriptor, Environments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dosml.learners.sgp.geometry import PairBatch


class SideBySide(Descriptor):
    """Several descriptors of the same pairs as one.

    Parameters
    ----------
    parts
        The descriptors; the last has the cutoff, n_max and l_max of the whole.
    shares
        Of each in the scalar product; their sum is 1.
    """

    def __init__(self, parts: Sequence[Descriptor], shares: Sequence[float]) -> None:
        last = parts[-1]
        self.kind, self.cutoff, self.n_max = last.kind, last.cutoff, last.n_max
        self.l_max, self.n_species = last.l_max, last.n_species
        self.n_channels = last.n_channels
        self.n_features = sum(part.n_features for part in parts)
        self._parts = tuple(parts)
        self._scales = tuple(map(math.sqrt, shares))

    def environments(self, batch: PairBatch) -> Environments:
        """Descriptors of every atom of the batch."""
        parts = tuple(part.environments(batch) for part in self._parts)
        last = parts[-1]
        return Environments(
            self._beside([one.values for one in parts], 1),
            last.norms,
            last.coefficients,
            last.radial,
            last.radial_slope,
            parts,
        )

    def pair_gradients(
        self, batch: PairBatch, envs: Environments, pairs: slice | torch.Tensor
    ) -> torch.Tensor:
        """Gradient of each centre's unit descriptor; see `Descriptor.pair_gradients`."""
        return self._beside(
            [
                part.pair_gradients(batch, one, pairs)
                for part, one in zip(self._parts, envs.parts, strict=True)
            ],
            2,
        )

    def pull_back(
        self, batch: PairBatch, envs: Environments, cotangent: torch.Tensor
    ) -> torch.Tensor:
        """Transpose of `pair_gradients`; see `Descriptor.pull_back`."""
        sizes = [part.n_features for part in self._parts]
        total = cotangent.new_zeros((cotangent.shape[0], len(batch.centre), 3))
        for part, one, scale, slope in zip(
            self._parts, envs.parts, self._scales, torch.split(cotangent, sizes, dim=2), strict=True
        ):
            total += part.pull_back(batch, one, scale * slope)
        return total

    def _beside(self, blocks: list[torch.Tensor], dim: int) -> torch.Tensor:
        scaled = [scale * block for scale, block in zip(self._scales, blocks, strict=True)]
        return torch.cat(scaled, dim=dim)


class JointDescriptor(SideBySide):
    """B1 beside B2.

    Parameters
    ----------
    cutoff, n_max, l_max, n_species
        Of B2, as for `Descriptor`.
    pair_n_max
        Radial functions of B1.
    pair_weight
        w, the share of B1 in the scalar product.
    degree_decay
        Of B2.
    device
        A torch device.
    """

    def __init__(
        self,
        cutoff: float,
        n_max: int,
        l_max: int,
        n_species: int,
        *,
        pair_n_max: int,
        pair_weight: float,
        degree_decay: float = 1.0,
        device: torch.device | None = None,
    ) -> None:
        pairs = Descriptor("B1", cutoff, pair_n_max, 0, n_species, device=device)
        triplets = Descriptor(
            "B2", cutoff, n_max, l_max, n_species, degree_decay=degree_decay, device=device
        )
        super().__init__((pairs, triplets), (pair_weight, 1 - pair_weight))
