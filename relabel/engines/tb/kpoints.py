"""Gamma-centred grids of k-points, reduced by time reversal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import NDArray


@dataclass(frozen=True)
class KPoints:
    """A grid of k-points.

    Attributes
    ----------
    points
        Shape (n_k, 3), in reciprocal lattice vectors (k.a_i / 2 pi).
    weights
        Shape (n_k,), they sum to 1.
    """

    points: NDArray[np.float64]
    weights: NDArray[np.float64]

    @property
    def real(self) -> NDArray[np.bool_]:
        """Points that are their own time-reversal partners: matrices are real there."""
        twice = 2 * self.points
        return np.asarray(np.all(np.abs(twice - np.round(twice)) < 1e-12, axis=1))


def gamma_grid(size: tuple[int, int, int], *, time_reversal: bool = True) -> KPoints:
    """n1 x n2 x n3 points around Gamma.

    Parameters
    ----------
    time_reversal
        Keep one of k and -k, whose levels are the same.
    """
    axes = [np.arange(n) for n in size]
    index = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    numbers = np.array(size)
    count = np.ones(len(index))
    if time_reversal:
        places = np.array([size[1] * size[2], size[2], 1])
        own, partner = index @ places, (-index % numbers) @ places
        count = np.where(own == partner, 1.0, 2.0)
        index, count = index[own <= partner], count[own <= partner]
    return KPoints(index / numbers, count / count.sum())


def grid_by_spacing(frame: Atoms, spacing: float) -> tuple[int, int, int]:
    """Smallest grid around Gamma with at most this spacing (1/Å, 2 pi included)."""
    lengths = 2 * math.pi * np.linalg.norm(np.asarray(frame.cell.reciprocal()), axis=1)
    one, two, three = (max(1, math.ceil(length / spacing - 1e-9)) for length in lengths)
    return one, two, three
