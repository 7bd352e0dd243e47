"""The small kernel over sigma of a model across sigma: see `dosml.learners.sgp.across`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.interpolate import CubicSpline

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: eV: smearing acts on forces with sigma^2 below, and with log sigma above: the width of what a
#: density of states has at the Fermi level.
SOFT = 0.3
#: Length of the kernel in units of the range of u: four label sets cannot decide it, and long ones
#: were best for titanium and molybdenum (docs/sgp.md).
LENGTH = 4.0
#: Added to the diagonal of kappa: nodes that almost coincide.
NUGGET = 1e-12


@dataclass(frozen=True)
class SigmaKernel:
    """From values at the label sets' sigma to any sigma in between.

    Attributes
    ----------
    nodes
        sigma of the label sets, ascending, shape (T,), eV.
    """

    nodes: NDArray[np.float64]

    def weights(self, sigma: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Shares a_t of the nodes' weights at one sigma, and their derivatives (1/eV), (T,)."""
        u, slope = _coordinate(np.array(sigma))
        shares, slopes = _kriging(_coordinate(self.nodes)[0], float(u))
        return shares, slopes * float(slope)

    def baseline_weights(self, sigma: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give the same of the baselines, which are much larger and much smoother in sigma.

        A cubic spline in v = sqrt(sigma^2 + SOFT^2) ("not a knot": of three nodes a parabola, of
        four one cubic), so that the entropy goes to 0 with sigma.
        """
        soft, slope = _soft(np.array(sigma))
        spline = CubicSpline(_soft(self.nodes)[0], np.eye(len(self.nodes)))
        return spline(float(soft)), spline(float(soft), 1) * float(slope)


def _coordinate(sigma: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return u = log(sigma^2 + SOFT^2) / 2 and du/dsigma."""
    square = sigma**2 + SOFT**2
    return np.log(square) / 2, sigma / square


def _soft(sigma: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return v = sqrt(sigma^2 + SOFT^2) and dv/dsigma."""
    soft = np.sqrt(sigma**2 + SOFT**2)
    return soft, sigma / soft


def _matern(r: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Matern kernel of order 5/2 of a signed distance, and its slope."""
    a = np.sqrt(5) * np.abs(r)
    return (1 + a + a**2 / 3) * np.exp(-a), -5 / 3 * r * (1 + a) * np.exp(-a)


def _gram(u: NDArray[np.float64], length: float) -> NDArray[np.float64]:
    return _matern((u[:, None] - u[None, :]) / length)[0] + NUGGET * np.eye(len(u))


def _kriging(
    nodes: NDArray[np.float64], at: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Universal kriging with a mean that is linear in the coordinate: shares and their slopes.

    Shares a = K^-1 k + K^-1 H (H^T K^-1 H)^-1 (h - H^T K^-1 k) give back what is linear.
    """
    length = LENGTH * float(np.ptp(nodes))
    inverse = np.linalg.inv(_gram(nodes, length))
    mean = np.stack([np.ones_like(nodes), nodes], axis=1)
    spread = inverse @ mean
    inner = mean.T @ spread
    value, slope = _matern((at - nodes) / length)

    def shares(kernel: NDArray[np.float64], trend: list[float]) -> NDArray[np.float64]:
        return inverse @ kernel + spread @ np.linalg.solve(inner, trend - spread.T @ kernel)

    return shares(value, [1.0, at]), shares(slope / length, [0.0, 1.0])
