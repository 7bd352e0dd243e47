"""The small kernel over sigma of a model across sigma: see `dosml.learners.sgp.across`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Lengths that are tried, in units of the range of u.
LENGTHS = (0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)
#: Added to the diagonal of kappa: nodes that almost coincide, flat limits.
NUGGET = 1e-10


@dataclass(frozen=True)
class SigmaKernel:
    """The small kernel over sigma.

    Attributes
    ----------
    nodes
        sigma of the label sets, ascending, shape (T,), eV.
    logarithmic
        Whether u is log sigma.
    length
        In units of u.
    """

    nodes: NDArray[np.float64]
    logarithmic: bool
    length: float

    def _u(self, sigma: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.log(sigma) if self.logarithmic else sigma

    def gram(self) -> NDArray[np.float64]:
        """Kernel between the nodes, shape (T, T)."""
        u = self._u(self.nodes)
        square = ((u[:, None] - u[None, :]) / self.length) ** 2
        return np.exp(-square / 2) + NUGGET * np.eye(len(u))

    def weights(self, sigma: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Shares a_t of the nodes at one sigma, and their derivatives (1/eV), shape (T,) each."""
        u = self._u(np.array([sigma]))[0]
        apart = (u - self._u(self.nodes)) / self.length
        kernel = np.exp(-(apart**2) / 2)
        slope = -apart / self.length * kernel / (sigma if self.logarithmic else 1.0)
        gram = self.gram()
        solved = np.linalg.solve(gram, np.stack([kernel, slope, np.ones_like(kernel)], axis=1))
        share, slopes, one = solved.T
        return (
            share + one * (1 - share.sum()) / one.sum(),
            slopes - one * slopes.sum() / one.sum(),
        )

    def log_likelihood(self, products: NDArray[np.float64]) -> float:
        """Restricted log likelihood per function, up to a constant, its amplitude profiled out.

        Parameters
        ----------
        products
            Scalar products of the fitted functions, shape (T, T).
        """
        gram = self.gram()
        inverse = np.linalg.inv(gram)
        one = inverse.sum(axis=1)
        projected = inverse - np.outer(one, one) / one.sum()
        amplitude = float(np.sum(projected * products)) / (len(gram) - 1)
        log_determinant = np.linalg.slogdet(gram)[1]
        return -0.5 * (
            (len(gram) - 1) * np.log(max(amplitude, 1e-300)) + log_determinant + np.log(one.sum())
        )


def best_kernel(nodes: NDArray[np.float64], products: NDArray[np.float64]) -> SigmaKernel:
    """Coordinate and length of highest restricted likelihood."""
    trials = []
    for logarithmic in (False, True):
        u = np.log(nodes) if logarithmic else nodes
        trials += [SigmaKernel(nodes, logarithmic, length * np.ptp(u)) for length in LENGTHS]
    # of u = sigma and u = log sigma the likelihoods compare: the functions are the same
    return max(trials, key=lambda one: one.log_likelihood(products))
