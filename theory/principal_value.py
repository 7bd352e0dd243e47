"""Principal-value integrals of a density of states on a uniform grid, exact for linear pieces.

A DOS on a grid is taken as the straight lines between its points and zero outside. Then the
Hilbert transform and the double integral of g(e) g(e') / (e' - e) have closed forms in logarithms,
which depend only on the distance between grid cells: both are discrete convolutions, done by FFT in
O(n log n).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# Cells closer than this use logarithms; further apart, Gauss-Legendre points are exact to rounding.
_NEAR = 10
_POINTS = 8


def uniform_step(energies: NDArray[np.float64]) -> float:
    """Step of a uniform ascending grid in eV.

    Raises
    ------
    ValueError
        If there are fewer than two points or the grid is not uniform and ascending.
    """
    if energies.ndim != 1 or len(energies) < 2:
        raise ValueError(f"an energy grid needs two points or more, got shape {energies.shape}")
    steps = np.diff(energies)
    if not (steps[0] > 0 and np.allclose(steps, steps[0], rtol=1e-3, atol=0)):
        raise ValueError("the energy grid must be uniform and ascending")
    return float((energies[-1] - energies[0]) / (len(energies) - 1))


def _convolve(kernel: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over j of kernel[j - i] values[..., j]; the kernel holds j - i = -(n-1) ... n-1."""
    n = values.shape[-1]
    size = next_fast_len(3 * n - 2, real=True)
    spectrum = rfft(kernel[::-1], size) * rfft(values, size, axis=-1)
    return np.asarray(irfft(spectrum, size, axis=-1)[..., n - 1 : 2 * n - 1])


def hilbert_transform(energies: ArrayLike, density: ArrayLike) -> NDArray[np.float64]:
    """Hilbert transform H(e) = (1/π) PV ∫ g(e') / (e - e') de' at the grid points.

    Parameters
    ----------
    energies
        Uniform ascending grid, shape (n,), eV.
    density
        g, shape (..., n). Outside the grid it falls linearly to zero over one step.

    Returns
    -------
    transform
        Shape of `density`, same units. It is large and positive just above a band: its maximum is
        the upper edge of Xin et al., Phys. Rev. B 89, 115114 (2014).

    Raises
    ------
    ValueError
        If the grid is not uniform and ascending, or the shapes disagree.

    Notes
    -----
    The kernel is the transform of a triangle of unit half-width at distance k:
    (k+1) ln|(k+1)/k| + (k-1) ln|(k-1)/k|.
    """
    energies = np.asarray(energies, dtype=np.float64)
    density = np.asarray(density, dtype=np.float64)
    uniform_step(energies)
    n = len(energies)
    if density.shape[-1:] != (n,):
        raise ValueError(f"the DOS has shape {density.shape}, its grid {energies.shape}")
    k = np.arange(2, max(n, 2), dtype=np.float64)
    right = np.concatenate(
        [[2 * np.log(2.0)], (k + 1) * np.log1p(1 / k) + (k - 1) * np.log1p(-1 / k)]
    )[: n - 1]
    # j - i runs from -(n-1): the source lies below the point, so the transform is positive there.
    kernel = np.concatenate([right[::-1], [0.0], -right])
    return _convolve(kernel, density) / np.pi


def _power_log(a: float, b: float, k: int) -> float:
    """Integral of y^k ln y from a to b."""

    def antiderivative(y: float) -> float:
        return y ** (k + 1) * (np.log(y) / (k + 1) - 1 / (k + 1) ** 2) if y > 0 else 0.0

    return antiderivative(b) - antiderivative(a)


def _near_moments(d: int) -> NDArray[np.float64]:
    """I[p, q] = ∬_0^1 s^p s'^q / (d + s' - s) ds ds' in closed form, d >= 1.

    With y = d - s the inner integrals are J_0 = ln((y+1)/y) and J_1 = 1 - y J_0.
    """
    low = [_power_log(d - 1, d, k) for k in range(3)]
    high = [_power_log(d, d + 1, k) for k in range(3)]
    # m[k] = ∫ y^k ln((y+1)/y) over y from d-1 to d, with y = z - 1 in the first logarithm.
    m = [high[0] - low[0], high[1] - high[0] - low[1], high[2] - 2 * high[1] + high[0] - low[2]]
    y1 = d - 0.5
    return np.array([[m[0], 1 - m[1]], [d * m[0] - m[1], d - y1 - d * m[1] + m[2]]])


@lru_cache(maxsize=8)
def _cell_kernels(cells: int) -> NDArray[np.float64]:
    """Kernels K[α, β, d] between the linear shape functions of two cells at distance d.

    α, β = 0 is the shape that is 1 at a cell's left end, 1 at its right end; the distance runs from
    -(cells-1) to cells-1. A cell with itself gives zero: the principal value is antisymmetric.
    """
    moments = np.zeros((2, 2, cells))
    near = min(_NEAR, cells - 1)
    for d in range(1, near + 1):
        moments[:, :, d] = _near_moments(d)
    x, w = np.polynomial.legendre.leggauss(_POINTS)
    x, w = (x + 1) / 2, w / 2
    far = np.arange(near + 1, cells, dtype=np.float64)
    kernel = 1 / (far + x[None, :, None] - x[:, None, None])
    powers = np.array([w, w * x])
    moments[:, :, near + 1 :] = np.einsum("ps,qt,std->pqd", powers, powers, kernel, optimize=True)
    # From the powers 1, s to the shapes 1 - s, s, in each cell.
    shapes = np.array([[1.0, -1.0], [0.0, 1.0]])
    right = np.einsum("ap,bq,pqd->abd", shapes, shapes, moments)
    left = -right.transpose(1, 0, 2)[:, :, :0:-1]
    kernels = np.concatenate([left, right], axis=2)
    kernels.flags.writeable = False
    return kernels


def cell_principal_values(step: float, densities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Integrals over every cell of g_i(e) PV ∫ g_j(e') / (e' - e) de', symmetric in i and j.

    Parameters
    ----------
    step
        Grid step, eV.
    densities
        k densities on the grid, shape (k, n), linear between the points and zero outside.

    Returns
    -------
    integrals
        Shape (k, k, n-1): half the sum of the integral for (i, j) and for (j, i), in
        states^2/eV. The sum over all cells is zero, by antisymmetry.
    """
    left, right = densities[:, :-1], densities[:, 1:]
    kernels = _cell_kernels(densities.shape[1] - 1)
    field_left = _convolve(kernels[0, 0], left) + _convolve(kernels[0, 1], right)
    field_right = _convolve(kernels[1, 0], left) + _convolve(kernels[1, 1], right)
    integrals = step * (left[:, None] * field_left + right[:, None] * field_right)
    return np.asarray((integrals + integrals.transpose(1, 0, 2)) / 2)
