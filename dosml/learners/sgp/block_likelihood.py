"""The likelihood of `likelihood.dense_likelihood` where the normal matrices have block form.

Energies, and stresses where they are few, live in a leading block of n << M dimensions; outside of
it Phi_F is diagonal (d). With a = s beta_F, w = 1 / (1 + a d) and X = s (beta_E Phi_E + beta_S
Phi_S) in the leading block, B = [I + a F + X, a C; a C^T, 1/w] is eliminated from its diagonal end:

    S = I + a F + X - a^2 C w C^T,    log |B| = log |S| - sum log w
    x1 = S^-1 (c1 - a C w c2),        x2 = w (c2 - a C^T x1)
    tr B^-1 = tr S^-1 + sum w + a^2 sum w^2 (C^T S^-1 C)_jj,    a tr(B^-1 Phi_F) from tr B^-1 B = M

An evaluation costs O(n^2 M), not O(M^3). S keeps the large numbers of the energies; what is
subtracted from it is of the size of the forces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from dosml.errors import LearnerError
from dosml.learners.sgp.marginal import Solved, marginal_likelihood

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dosml.learners.sgp.accumulate import Evidence
    from dosml.learners.sgp.hyperparameters import Hyperparameters


def block_likelihood(
    evidence: Evidence, hypers: Hyperparameters
) -> tuple[float, NDArray[np.float64]]:
    """Log likelihood and its gradient, as `likelihood.dense_likelihood` gives them.

    Parameters
    ----------
    evidence
        With a leading block.
    hypers
        Where to evaluate.

    Raises
    ------
    LearnerError
        If S is not positive definite to rounding.
    """
    n = evidence.leading
    assert n is not None
    signal2 = hypers.signal**2
    beta = {kind: hypers.noise(kind) ** -2 for kind in evidence.phi}
    force = evidence.phi["force"]
    a = signal2 * beta["force"]
    few = {kind: phi[:n, :n] for kind, phi in evidence.phi.items() if kind != "force"}
    coupling, diagonal = force[:n, n:], force.diagonal()[n:]
    w = 1 / (1 + a * diagonal)
    schur = torch.eye(n, dtype=force.dtype, device=force.device).add_(force[:n, :n], alpha=a)
    for kind, phi in few.items():
        schur.add_(phi, alpha=signal2 * beta[kind])
    schur.addmm_(coupling * w, coupling.T, alpha=-a * a)
    factor, info = torch.linalg.cholesky_ex(schur)
    if int(info):
        raise LearnerError(f"the normal equations are singular (read {hypers})")

    right = sum(beta[kind] * evidence.rhs[kind] for kind in evidence.phi)
    assert isinstance(right, torch.Tensor)
    head = right[:n] - a * (coupling @ (w * right[n:]))
    x = torch.empty_like(right)
    x[:n] = torch.cholesky_solve(head[:, None], factor)[:, 0]
    x[n:] = w * (right[n:] - a * (coupling.T @ x[:n]))

    inverse = torch.cholesky_inverse(factor)
    reduced = torch.linalg.solve_triangular(factor, coupling, upper=False)
    trace = float(inverse.trace() + w.sum() + a * a * (reduced.square().sum(dim=0) @ (w * w)))
    log_determinant = 2 * float(factor.diagonal().log().sum()) - float(w.log().sum())
    # s beta_k tr(B^-1 Phi_k); those of all kinds and tr B^-1 add up to M
    shares = {
        kind: signal2 * beta[kind] * float((inverse * phi).sum()) for kind, phi in few.items()
    }
    shares["force"] = len(x) - trace - sum(shares.values())
    curvatures = {kind: float(x[:n] @ (phi @ x[:n])) for kind, phi in few.items()}
    curvatures["force"] = float(
        x[:n] @ (force[:n, :n] @ x[:n])
        + 2 * (x[:n] @ (coupling @ x[n:]))
        + diagonal @ x[n:].square()
    )
    solved = Solved(right, x, log_determinant, trace, shares, curvatures)
    return marginal_likelihood(evidence, hypers, solved)
