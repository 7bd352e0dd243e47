"""Log marginal likelihood of the sparse Gaussian process and its exact gradient.

DTC approximation (Quinonero-Candela and Rasmussen, J. Mach. Learn. Res. 6, 1939 (2005)): labels
y ~ N(0, s Q + Lambda) with Q = K_fu K_uu^-1 K_uf, s = signal^2, and Lambda diagonal with one
noise variance per label kind. In the whitened basis, with beta_k = 1 / sigma_k^2,

    B = I + s sum_k beta_k Phi_k,    c = sum_k beta_k b_k,    x = B^-1 c
    -2 log p = sum_k beta_k y_k.y_k - s c.x + log |B| + sum_k n_k log sigma_k^2 + n log 2 pi

    d(-2 log p)/d log sigma_k = -2 beta_k |y_k - s V_k^T x|^2 - 2 s beta_k tr(B^-1 Phi_k) + 2 n_k
    d(-2 log p)/d log signal  = -2 s x.x + 2 (M - tr B^-1)

Each evaluation costs O(M^3), whatever the number of frames, and less where `block_likelihood`
applies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from dosml.errors import LearnerError
from dosml.learners.sgp.accumulate import KINDS
from dosml.learners.sgp.block_likelihood import block_likelihood
from dosml.learners.sgp.hyperparameters import Hyperparameters
from dosml.learners.sgp.marginal import Solved, held_out_errors, marginal_likelihood

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from dosml.learners.sgp.accumulate import Evidence

#: Noise below these (eV per frame, eV/Å, eV/Å^3) is below any electronic-structure code's own.
NOISE_FLOOR = {"energy": 1e-4, "force": 1e-4, "stress": 1e-7}
_WORST = 1e300


@dataclass(frozen=True)
class Posterior:
    """Solution at one set of hyperparameters, in the whitened basis.

    Attributes
    ----------
    right
        c, shape (M,).
    solution
        x = B^-1 c, shape (M,).
    factor
        Lower Cholesky factor of B, shape (M, M).
    """

    right: torch.Tensor
    solution: torch.Tensor
    factor: torch.Tensor


@dataclass(frozen=True)
class Likelihood:
    """What the labels say of one set of hyperparameters.

    Attributes
    ----------
    value
        log p(y).
    gradient
        Its derivative by log signal and the log noises of energy, force and stress, shape (4,);
        0 for kinds without labels.
    held_out
        Expected error of labels that are left out, by kind: `marginal.held_out_errors`.
    """

    value: float
    gradient: NDArray[np.float64]
    held_out: dict[str, float]


def posterior(evidence: Evidence, hypers: Hyperparameters) -> Posterior:
    """Solve the normal equations at given hyperparameters.

    Raises
    ------
    LearnerError
        If B is not positive definite to rounding (noises far too small for the data).
    """
    signal2 = hypers.signal**2
    kinds = list(evidence.phi)
    beta = {kind: hypers.noise(kind) ** -2 for kind in kinds}
    first = evidence.phi[kinds[0]]
    matrix = torch.eye(first.shape[0], dtype=first.dtype, device=first.device)
    right = torch.zeros_like(evidence.rhs[kinds[0]])
    for kind in kinds:
        matrix.add_(evidence.phi[kind], alpha=signal2 * beta[kind])
        right.add_(evidence.rhs[kind], alpha=beta[kind])
    factor, info = torch.linalg.cholesky_ex(matrix)
    if int(info):
        raise LearnerError(
            "the normal equations are singular: a noise hyperparameter is too small for the data "
            f"(read {hypers})"
        )
    return Posterior(right, torch.cholesky_solve(right[:, None], factor)[:, 0], factor)


def dense_likelihood(evidence: Evidence, hypers: Hyperparameters) -> Likelihood:
    """Log likelihood, its gradient and expected errors at given hyperparameters.

    Raises
    ------
    LearnerError
        As `posterior`.
    """
    point = posterior(evidence, hypers)
    x, inverse = point.solution, torch.cholesky_inverse(point.factor)
    shares = {
        kind: (hypers.signal / hypers.noise(kind)) ** 2 * float((inverse * phi).sum())
        for kind, phi in evidence.phi.items()
    }
    solved = Solved(
        point.right,
        x,
        log_determinant=2 * float(point.factor.diagonal().log().sum()),
        trace=float(inverse.trace()),
        shares=shares,
        curvatures={kind: float(x @ (phi @ x)) for kind, phi in evidence.phi.items()},
    )
    value, gradient = marginal_likelihood(evidence, hypers, solved)
    return Likelihood(value, gradient, held_out_errors(evidence, hypers, solved))


def evaluate(evidence: Evidence, hypers: Hyperparameters) -> tuple[float, NDArray[np.float64]]:
    """Log likelihood and gradient, the fastest way that the evidence allows."""
    if evidence.leading is not None:
        return block_likelihood(evidence, hypers)
    point = dense_likelihood(evidence, hypers)
    return point.value, point.gradient


def start(
    evidence: Evidence,
    given: Mapping[str, float | None],
    energy_share: float = 0.1,
    other_share: float = 0.1,
) -> Hyperparameters:
    """Take starting hyperparameters from the data, where they are not given.

    The signal makes the prior spread of the forces that of the labels; noises start at a share of
    the spread of their labels.

    Parameters
    ----------
    evidence
        Of one label set.
    given
        Values or None for signal, energy_noise, force_noise, stress_noise.
    energy_share, other_share
        Noise over spread of the energies, and of forces and stresses.
    """
    rms = {kind: spread(evidence, kind) for kind in evidence.phi}
    kind = "force" if rms.get("force", 0) > 0 else "energy"
    prior = float(evidence.phi[kind].trace()) / evidence.counts[kind]
    values = {"signal": rms[kind] / math.sqrt(prior) if prior > 0 and rms[kind] > 0 else 1.0}
    for name in KINDS:
        share = energy_share if name == "energy" else other_share
        values[f"{name}_noise"] = max(share * rms.get(name, 0.0), 10 * NOISE_FLOOR[name])
    values.update({name: value for name, value in given.items() if value is not None})
    return Hyperparameters(**values)


def spread(evidence: Evidence, kind: str) -> float:
    """Root mean square of the labels of one kind: about the baseline, or about zero."""
    return math.sqrt(evidence.squares[kind] / evidence.counts[kind])


def maximise(
    evidence: Evidence,
    first: Hyperparameters,
    max_iterations: int,
    ceilings: Mapping[str, float] | None = None,
) -> tuple[Hyperparameters, float, int]:
    """Maximise the log marginal likelihood over the logarithms of the hyperparameters.

    L-BFGS-B from one start; `dosml.learners.sgp.evidence_maximum` tries several.

    Parameters
    ----------
    evidence
        Of one label set.
    first
        Where to start.
    max_iterations
        L-BFGS-B steps; 0 keeps the start.
    ceilings
        Largest noise by label kind; noises are also bounded below by `NOISE_FLOOR`.

    Returns
    -------
    tuple
        The best hyperparameters, their log likelihood, and the number of its evaluations.
    """
    from scipy.optimize import minimize

    free = [0] + [1 + KINDS.index(kind) for kind in evidence.phi]
    origin = np.log([first.signal, first.energy_noise, first.force_noise, first.stress_noise])
    lowest = np.log([1e-6, *(NOISE_FLOOR[kind] for kind in KINDS)])
    highest = np.full(4, np.log(1e6))
    for kind, ceiling in (ceilings or {}).items():
        place = 1 + KINDS.index(kind)
        highest[place] = max(np.log(ceiling), lowest[place])
    evaluations = 0
    # per label, so that the first step is not thrown off by a gradient of many thousands
    labels = sum(evidence.counts.values())

    def unpack(values: NDArray[np.float64]) -> Hyperparameters:
        full = origin.copy()
        full[free] = values
        return Hyperparameters(*np.exp(full).tolist())

    def objective(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        nonlocal evaluations
        evaluations += 1
        try:
            value, gradient = evaluate(evidence, unpack(values))
        except LearnerError:
            # a line search that went too far: L-BFGS-B steps back
            return _WORST, np.zeros(len(free))
        return -value / labels, -gradient[free] / labels

    if max_iterations == 0:
        return first, evaluate(evidence, first)[0], 1
    result = minimize(
        objective,
        np.clip(origin, lowest, highest)[free],
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(lowest[free], highest[free], strict=True)),
        options={"maxiter": max_iterations, "ftol": 1e-11, "gtol": 1e-7},
    )
    return unpack(result.x), -float(result.fun) * labels, evaluations
