"""B1 and B2 in one kernel.

Both unit descriptors side by side, with weights that keep the length 1:

    p = (sqrt(w) p1, sqrt(1 - w) p2),   p.p' = w p1.p1' + (1 - w) p2.p2'

so that the power of the kernel also mixes pairs with triplets. B1 is cheap, and may have more
radial functions than B2, whose length grows with their square.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from dosml.learners.sgp.descriptor import Descriptor, Environments

if TYPE_CHECKING:
    from dosml.learners.sgp.geometry import PairBatch


class JointDescriptor(Descriptor):
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
        super().__init__(
            "B2", cutoff, n_max, l_max, n_species, degree_decay=degree_decay, device=device
        )
        self._parts = (
            Descriptor("B1", cutoff, pair_n_max, 0, n_species, device=device),
            Descriptor(
                "B2", cutoff, n_max, l_max, n_species, degree_decay=degree_decay, device=device
            ),
        )
        self._scales = (math.sqrt(pair_weight), math.sqrt(1 - pair_weight))
        self.n_features = sum(part.n_features for part in self._parts)

    def environments(self, batch: PairBatch) -> Environments:
        """Descriptors of every atom of the batch."""
        parts = tuple(part.environments(batch) for part in self._parts)
        triplets = parts[1]
        return Environments(
            self._beside([one.values for one in parts], 1),
            triplets.norms,
            triplets.coefficients,
            triplets.radial,
            triplets.radial_slope,
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
        slopes = torch.split(cotangent, sizes, dim=2)
        pairs, triplets = (
            part.pull_back(batch, one, scale * slope)
            for part, one, scale, slope in zip(
                self._parts, envs.parts, self._scales, slopes, strict=True
            )
        )
        return pairs + triplets

    def _beside(self, blocks: list[torch.Tensor], dim: int) -> torch.Tensor:
        scaled = [scale * block for scale, block in zip(self._scales, blocks, strict=True)]
        return torch.cat(scaled, dim=dim)
