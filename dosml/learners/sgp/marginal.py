"""From a solved system B x = c to the log marginal likelihood and its gradient.

`likelihood.posterior` solves it densely, `block_likelihood` by blocks; formulas are in the former.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dosml.learners.sgp.accumulate import KINDS

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from dosml.learners.sgp.accumulate import Evidence
    from dosml.learners.sgp.hyperparameters import Hyperparameters


@dataclass(frozen=True)
class Solved:
    """What the likelihood needs of B, with s = signal^2 and beta_k = 1 / sigma_k^2.

    Attributes
    ----------
    right, solution
        c and x = B^-1 c, shape (M,).
    log_determinant
        log |B|.
    trace
        tr B^-1.
    shares
        s beta_k tr(B^-1 Phi_k) by label kind.
    curvatures
        x.Phi_k x by label kind.
    """

    right: torch.Tensor
    solution: torch.Tensor
    log_determinant: float
    trace: float
    shares: dict[str, float]
    curvatures: dict[str, float]


def marginal_likelihood(
    evidence: Evidence, hypers: Hyperparameters, solved: Solved
) -> tuple[float, NDArray[np.float64]]:
    """Log likelihood, and its derivative by log signal and the log noises, shape (4,)."""
    signal2, x = hypers.signal**2, solved.solution
    twice = -signal2 * float(solved.right @ x) + solved.log_determinant
    gradient = np.zeros(4)
    gradient[0] = -2 * signal2 * float(x @ x) + 2 * (len(x) - solved.trace)
    for kind in evidence.phi:
        count, square = evidence.counts[kind], evidence.squares[kind]
        beta = hypers.noise(kind) ** -2
        twice += beta * square + 2 * count * math.log(hypers.noise(kind))
        twice += count * math.log(2 * math.pi)
        residual = (
            square
            - 2 * signal2 * float(evidence.rhs[kind] @ x)
            + signal2**2 * solved.curvatures[kind]
        )
        gradient[1 + KINDS.index(kind)] = -2 * beta * residual - 2 * solved.shares[kind] + 2 * count
    return -0.5 * twice, -0.5 * gradient
