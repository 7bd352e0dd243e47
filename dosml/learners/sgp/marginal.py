"""From a solved system B x = c to the log marginal likelihood and its gradient.

`likelihood.dense_likelihood` solves it densely, `block_likelihood` by blocks; formulas are in the
former.
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
        residual = _residual(evidence, hypers, solved, kind)
        gradient[1 + KINDS.index(kind)] = -2 * beta * residual - 2 * solved.shares[kind] + 2 * count
    return -0.5 * twice, -0.5 * gradient


def held_out_errors(
    evidence: Evidence, hypers: Hyperparameters, solved: Solved
) -> dict[str, float]:
    """Root mean square error of each label kind as if every label had been left out in turn.

    Generalised cross-validation (Golub, Heath and Wahba, Technometrics 21, 215 (1979)): the
    residual over 1 - tr(H_k)/n_k, where tr(H_k) = s beta_k tr(B^-1 Phi_k) is the share of the
    labels of kind k in their own prediction. Units of the labels: eV per frame, eV/Å, eV/Å^3.
    """
    out = {}
    for kind, count in evidence.counts.items():
        left = max(1 - solved.shares[kind] / count, 1 / count)
        residual = max(_residual(evidence, hypers, solved, kind), 0.0)
        out[kind] = math.sqrt(residual / count) / left
    return out


def _residual(evidence: Evidence, hypers: Hyperparameters, solved: Solved, kind: str) -> float:
    """|y_k - s V_k^T x|^2."""
    signal2 = hypers.signal**2
    return (
        evidence.squares[kind]
        - 2 * signal2 * float(evidence.rhs[kind] @ solved.solution)
        + signal2**2 * solved.curvatures[kind]
    )
