"""What becomes of the model where atoms crowd so that the overlap matrix stops being positive.

The overlap of fitted parameters is no true overlap: in a crowd an eigenvalue s of S falls to zero
and below, and the level H/S of its state, which should rise out of the way, goes through infinity
and comes back from below. So below s_0 two smooth functions of the matrix S take over:

    S' = g(S), g(s) = s for s >= s_0, then s_0 (1/2 + I(s/s_0)), and s_0/2 for s <= 0
    H' = H + p(S), p(s) = A (1 - s/s_0)^4 for s < s_0

with I the integral of the smooth step of `radial.py`: both have three continuous derivatives, S' is
positive definite whatever S is, and p lifts the state that has lost its norm above all others.
Their derivatives are those of a function of a matrix (Daleckii, Krein, AMS Transl. Ser. 2 47, 1
(1965)): for S = U diag(s) U^+, d g(S) = U [D * (U^+ dS U)] U^+ with D the divided differences of g.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import eigh
from scipy.linalg.lapack import dpotrf, zpotrf

from dosml.relabel.engines.tb.radial import smooth_step

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: s_0: none of the published sets comes below 0.13 in fcc or bcc at the atomic volume of its metal.
SMALLEST = 0.1
#: A in eV.
LIFT = 20.0
#: Eigenvalues closer than this have the slope as their divided difference.
_SAME = 1e-7


@dataclass(frozen=True)
class Guard:
    """The overlap matrix of a crowded frame at one k-point.

    Attributes
    ----------
    values, vectors
        Eigenvalues s and eigenvectors U of S, shapes (n,) and (n, n).
    """

    values: NDArray[np.float64]
    vectors: NDArray[np.inexact]

    @property
    def overlap(self) -> NDArray[np.inexact]:
        """g(S)."""
        return self._matrix(_guarded(self.values)[0])

    @property
    def lift(self) -> NDArray[np.inexact]:
        """p(S), eV."""
        return self._matrix(_lifted(self.values)[0])

    def _matrix(self, values: NDArray[np.float64]) -> NDArray[np.inexact]:
        return np.asarray((self.vectors * values) @ self.vectors.conj().T)

    def adjoint_conjugate(
        self, hamiltonian: NDArray[np.inexact], overlap: NDArray[np.inexact]
    ) -> NDArray[np.inexact]:
        """Differentiate an energy by S, given its derivatives by H' and by S', shape (n, n).

        All are given and returned as the complex conjugate; of the given ones the upper triangle.
        """
        vectors, inverse = self.vectors.conj(), self.vectors.T
        inner = np.zeros_like(self.vectors)
        for given, function in ((hamiltonian, _lifted), (overlap, _guarded)):
            full = given + np.triu(given, 1).conj().T
            inner += _differences(self.values, *function(self.values)) * (inverse @ full @ vectors)
        return np.asarray(vectors @ inner @ inverse)


def guard_of(overlap: NDArray[np.inexact]) -> Guard | None:
    """Guard of an overlap matrix; None where all its eigenvalues are above `SMALLEST`."""
    shifted = overlap.copy()
    shifted[np.diag_indices_from(shifted)] -= SMALLEST
    factor = zpotrf if np.iscomplexobj(overlap) else dpotrf
    if factor(shifted, lower=1, overwrite_a=1, clean=0)[1] == 0:
        return None
    return Guard(*eigh(overlap, driver="evd", check_finite=False))


def _guarded(s: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values and slopes of g."""
    t = np.clip(s / SMALLEST, 0.0, 1.0)
    inside = SMALLEST * (0.5 + t**4 * (t * (t - 3) + 2.5))
    return np.where(s < SMALLEST, inside, s), smooth_step(t)[0]


def _lifted(s: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values and slopes of p."""
    t = np.maximum(1 - s / SMALLEST, 0.0)
    return LIFT * t**4, -4 * LIFT / SMALLEST * t**3


def _differences(
    s: NDArray[np.float64], values: NDArray[np.float64], slopes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Divided differences (f_m - f_n)/(s_m - s_n), the slope where they are the same."""
    step = s[:, None] - s
    same = np.abs(step) < _SAME
    means = 0.5 * (slopes[:, None] + slopes)
    return np.where(same, means, (values[:, None] - values) / np.where(same, 1.0, step))
