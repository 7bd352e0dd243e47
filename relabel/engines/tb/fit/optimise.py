"""Levenberg-Marquardt for residuals that cost a hundredth of their derivatives.

Marquardt, J. Soc. Ind. Appl. Math. 11, 431 (1963); the damping scales with the diagonal of J^T J.
Between two Jacobians a few steps use the rank-one update of Broyden, Math. Comput. 19, 577 (1965).
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
#: Smallest share by which a Jacobian must lower the sum of squares; the second one in a row that
#: does not, the first from `RESTART_DAMPING`, ends the search.
ENOUGH = 5e-3
RESTART_DAMPING = 0.01
#: Updates between two Jacobians, and the share that a step must gain to be worth the next one.
UPDATES = 3
WORTH_AN_UPDATE = 0.01


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
    state, stalled = start, False
    while not state.converged:
        slope = jacobian(state.x)
        residual = values(state.x)
        assert residual is not None
        first = float(residual @ residual)
        for _ in range(UPDATES + 1):
            best = _best_step(values, residual, slope, state)
            if best is None:
                break
            gained = state.cost - best.cost
            moved, fresh = best.x - state.x, values(best.x)
            assert fresh is not None
            # in units in which the columns of the Jacobian are of one length
            lengths = np.linalg.norm(slope, axis=0)
            scaled = moved * np.where(lengths > 0, lengths, 1.0) ** 2
            slope = slope + np.outer(fresh - residual - slope @ moved, scaled) / (moved @ scaled)
            residual, state = fresh, best
            if gained < WORTH_AN_UPDATE * best.cost:
                break
        stalls = first - state.cost <= ENOUGH * first
        damping = RESTART_DAMPING if stalls else state.damping
        state = Step(state.x, state.cost, damping, converged=stalls and stalled)
        stalled = stalls
        yield state


def _best_step(
    values: Callable[[NDArray[np.float64]], NDArray[np.float64] | None],
    residual: NDArray[np.float64],
    slope: NDArray[np.float64],
    state: Step,
) -> Step | None:
    """Best of the steps at several dampings; None if none lowers the sum of squares."""
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
    return best
