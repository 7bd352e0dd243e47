"""gpatom's Gaussian process on all labels at once: the same numbers by a few products of arrays.

The library evaluates its kernel pair by pair of structures. A search asks for the energy and its
slope thousands of times, for which the sum over labels can be taken before the derivative: with
v and v_n the fingerprints of a structure and of label n, R_n the derivatives of v_n by positions,
k_n = w^2 exp(-|v - v_n|^2 / 2 l^2) and the weights (a_n, b_n) = C^-1 (y - mu) of its energy and
its forces,

    E(v) = sum_n k_n (a_n + (v - v_n) . R_n^T b_n / l^2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from gpatom.gpfp.gp import GaussianProcess
from gpatom.gpfp.kernel import FPKernel
from scipy.linalg import cho_solve, solve_triangular

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dosml.searches.fingerprint import Fingerprint


class StackedKernel(FPKernel):  # type: ignore[misc]
    """The library's kernel of energies and forces, of all structures at once."""

    def kernel_matrix(self, X: Sequence[Fingerprint]) -> NDArray[np.float64]:
        """Give C(X, X), shape (n (1 + 3 n_atoms), n (1 + 3 n_atoms))."""
        vectors = np.array([one.vector for one in X])
        rows = np.array([one.rows for one in X])
        count, size, _ = rows.shape
        inverse = 1.0 / self.kerneltype.scale**2
        apart = vectors[:, None] - vectors[None]
        k = self.kerneltype.weight**2 * np.exp(-0.5 * inverse * (apart**2).sum(axis=2))
        # [i, a, j]: derivative of |v_i - v_j|^2 / 2 by coordinate a of structure i
        slopes = np.einsum("iab,ijb->iaj", rows, apart, optimize=True)
        flat = rows.reshape(count * size, -1)
        matrix = np.empty((count, 1 + size, count, 1 + size))
        matrix[:, 0, :, 0] = k
        matrix[:, 1:, :, 0] = -inverse * k[:, None] * slopes
        matrix[:, 0, :, 1:] = matrix[:, 1:, :, 0].transpose(2, 0, 1)
        for i in range(count):  # no second array of this size
            block = (rows[i] @ flat.T).reshape(size, count, size)
            block += inverse * slopes[i][..., None] * slopes[:, :, i]
            matrix[i, 1:, :, 1:] = inverse * k[i][:, None] * block
        return matrix.reshape(count * (1 + size), -1)


class StackedProcess(GaussianProcess):  # type: ignore[misc]
    """The library's process; what does not change is not computed again."""

    def __init__(self, noise: float, prior: Any) -> None:
        self._factored: tuple[Any, ...] = ()
        super().__init__(hp={"ratio": noise}, prior=prior, kernel=StackedKernel("sqexp"))

    def train(self, X: Sequence[Fingerprint], Y: Any) -> None:
        """Train; where only the constant of the prior is another, the factors stay."""
        asked = (*(self.hp[name] for name in ("scale", "weight", "noise")), tuple(map(id, X)))
        # the library's fit of the prefactor changes the factors where they stand
        if self._factored and (*asked, self.L[0, 0]) == self._factored:
            self.prior_array = self.calculate_prior_array(self.X)
            left = self.Y.flatten() - np.asarray(self.prior_array)
            self.model_vector = cho_solve((self.L, self.lower), left)
            return
        super().train(X, Y)
        self._factored = (*asked, self.L[0, 0])

    def settle(self) -> None:
        """Take the weights of the labels apart, before `energy` is asked for."""
        weights = self.model_vector.reshape(len(self.X), -1)
        self._vectors = np.array([one.vector for one in self.X])
        self._rows = np.array([one.rows for one in self.X])
        self._a = weights[:, 0]
        self._b = np.einsum("nc,ncb->nb", weights[:, 1:], self._rows)

    def energy(self, x: Fingerprint) -> tuple[float, NDArray[np.float64]]:
        """Energy above the prior's, eV, and its slope along the fingerprint, shape (bins,)."""
        inverse = 1.0 / self.hp["scale"] ** 2
        apart, k = self._near(x)
        height = k * (self._a + inverse * np.einsum("nb,nb->n", apart, self._b))
        return float(height.sum()), inverse * (k @ self._b - height @ apart)

    def variance(self, x: Fingerprint) -> float:
        """Variance of the energy, eV^2."""
        apart, k = self._near(x)
        slopes = np.einsum("ncb,nb->nc", self._rows, apart) / self.hp["scale"] ** 2
        vector = np.hstack([k[:, None], k[:, None] * slopes]).ravel()
        known = solve_triangular(self.L, vector, lower=True)
        return float(self.hp["weight"] ** 2 - known @ known)

    def distances(self, x: Fingerprint) -> NDArray[np.float64]:
        """Distances of the fingerprint from those of the labels."""
        return np.asarray(np.linalg.norm(self._near(x)[0], axis=1))

    def _near(self, x: Fingerprint) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        apart = x.vector - self._vectors
        square = np.einsum("nb,nb->n", apart, apart)
        return apart, self.hp["weight"] ** 2 * np.exp(-0.5 * square / self.hp["scale"] ** 2)
