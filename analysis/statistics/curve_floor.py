"""Learning curves that level off: error = a N^-b + c."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.analysis.statistics.errors import CONFIDENCE, Interval

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from dosml.analysis.statistics.shared_test import SharedTest

#: Fewest sizes for three parameters.
FEWEST_SIZES = 4
#: Floors tried, as shares of the smallest error.
_SHARES = np.concatenate([[0.0], np.linspace(0.02, 0.98, 49), [0.99, 0.995]])


@dataclass(frozen=True)
class FloorFit:
    """A fit of error = a N^-b + c with c >= 0; all nan with too few sizes.

    Attributes
    ----------
    amplitude, exponent, floor
        a and c (unit of the error) and b.
    interval
        Profile interval of c: the floors whose best curve fits nearly as well, the errors having
        the covariance of the draws and of the shared test set; nan without two draws and the
        errors of single test frames.
    """

    amplitude: float
    exponent: float
    floor: float
    interval: Interval


def fit_floor(sizes: ArrayLike, errors: ArrayLike, *, test: SharedTest | None = None) -> FloorFit:
    """Fit error = a N^-b + c to logarithms of the geometric means over draws.

    Parameters
    ----------
    sizes
        Numbers of training frames, shape (n_sizes,), positive.
    errors
        Shape (n_seeds, n_sizes), positive.
    test
        What single test frames do to the errors.

    Returns
    -------
    FloorFit
        The best c among shares of the smallest error; a flat curve has its floor just below it.
    """
    from scipy import stats

    n, e = np.asarray(sizes, dtype=float), np.atleast_2d(np.asarray(errors, dtype=float))
    nothing = float("nan")
    if len(n) < FEWEST_SIZES:
        return FloorFit(nothing, nothing, nothing, Interval(nothing, nothing))
    y = np.log(e).mean(axis=0)
    covariance = None if test is None or len(e) < 2 else test.covariance()
    whiten = np.eye(len(n))
    if covariance is not None:
        # one scatter of the draws at all sizes: a few draws do not tell it size by size
        covariance = covariance + np.eye(len(n)) * np.log(e).var(axis=0, ddof=1).mean() / len(e)
        whiten = np.linalg.inv(np.linalg.cholesky(covariance + 1e-12 * np.eye(len(n))))
    floors = _SHARES * np.exp(y.min())
    fits = [_fit_above(n, y, floor, whiten) for floor in floors]
    misfit = np.array([one[2] for one in fits])
    best = int(np.argmin(misfit))
    interval = Interval(nothing, nothing)
    if covariance is not None:
        near = floors[misfit <= misfit[best] + stats.chi2.ppf(CONFIDENCE, 1)]
        interval = Interval(float(near.min()), float(near.max()))
    amplitude, exponent, _ = fits[best]
    return FloorFit(amplitude, exponent, float(floors[best]), interval)


def _fit_above(
    sizes: NDArray[np.float64],
    target: NDArray[np.float64],
    floor: float,
    whiten: NDArray[np.float64],
) -> tuple[float, float, float]:
    """Amplitude, exponent and weighted squares of the best a N^-b above a given floor."""
    from scipy.optimize import least_squares

    slope, start = np.polyfit(np.log(sizes), np.log(np.exp(target) - floor), 1)

    def residuals(parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        log_a, b = parameters
        curve = np.logaddexp(log_a - b * np.log(sizes), np.log(floor) if floor > 0 else -np.inf)
        return np.asarray(whiten @ (target - curve))

    found = least_squares(residuals, [start, -slope])
    log_a, b = found.x
    return float(np.exp(log_a)), float(b), float(2 * found.cost)


def floor_words(fit: Mapping[str, Any]) -> str:
    """Say what the fit with a floor found, as words that go on after the power law.

    Parameters
    ----------
    fit
        A row of `dosml.analysis.statistics.learning_curves.learning_curve_table`.
    """
    if np.isnan(fit["floor"]):
        return ""
    words = (
        f"; with a floor {fit['floor_amplitude']:.1f} % N^{-fit['floor_exponent']:.2f} + "
        f"{fit['floor']:.2f} %"
    )
    if np.isnan(fit["floor_low"]):
        return f"{words} (its interval needs two draws and four test frames a tier)"
    between = f"{fit['floor_low']:.2f} to {fit['floor_high']:.2f} %"
    shown = "a floor is shown" if fit["floor_low"] > 0 else "none is shown"
    return f"{words} (95 %: {between}, {shown})"
