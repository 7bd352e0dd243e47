"""Levenberg-Marquardt with a cheap trial step: residuals cost a hundredth of their derivatives.

Marquardt, J. Soc. Ind. Appl. Math. 11, 431 (1963); the damping scales with the diagonal of J^T J.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

#: Damping factors tried at every step, from the last successful one.
FACTORS = (0.03, 0.3, 1.0, 10.0, 100.0, 1e4)
#: Smallest share by which a step must lower the sum of squares to go on.
ENOUGH = 2e-3


@dataclass(frozen=True)
class Step:
    """State after one step.

    Attributes
    ----------
    x
        Unknowns.
    cost
        Sum of squares.
    damping
        That was used.
    converged
        Whether a further step would gain less than `ENOUGH`.
    """

    x: NDArray[np.float64]
    cost: float
    damping: float
    converged: bool


def steps(
    values: Callable[[NDArray[np.float64]], NDArray[np.float64] | None],
    jacobian: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    start: Step,
) -> Iterator[Step]:
    """Yield better and better unknowns; the caller stops when it has enough.

    Parameters
    ----------
    values
        Residuals at x; None where x is not allowed.
    jacobian
        Their derivatives.
    start
        Where to begin.
    """
    state = start
    while not state.converged:
        residual = values(state.x)
        assert residual is not None
        slope = jacobian(state.x)
        gradient, curvature = slope.T @ residual, slope.T @ slope
        diagonal = np.diag(curvature).copy()
        diagonal[diagonal <= 0] = 1.0
        cost, best = float(residual @ residual), None
        for factor in FACTORS:
            damping = state.damping * factor
            x = state.x - np.linalg.solve(curvature + damping * np.diag(diagonal), gradient)
            trial = values(x)
            new = np.inf if trial is None else float(trial @ trial)
            if new < cost and (best is None or new < best.cost):
                best = Step(x, new, damping, converged=False)
            elif best is not None:
                break
        if best is None:
            yield Step(state.x, cost, state.damping, converged=True)
            return
        state = Step(best.x, best.cost, best.damping, converged=cost - best.cost < ENOUGH * cost)
        yield state
