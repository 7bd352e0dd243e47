"""Choice of inducing environments by predictive variance.

Greedy: the next environment is the one whose energy the chosen ones determine least, that is,
the largest residual variance k(x,x) - k_xu K_uu^-1 k_ux without noise. This is a pivoted
Cholesky factorisation of the environments' kernel matrix. Pivots are taken in blocks: the
candidates with the largest residuals are factorised exactly among themselves, then all residuals
are updated with one matrix product. Labels play no part, so all label sets share the choice.
"""

from __future__ import annotations

import torch

#: Most pivots per block, and candidates examined exactly for each block.
_BLOCK, _POOL = 32, 128


def greedy_environments(
    candidates: torch.Tensor, zeta: int, count: int, tolerance: float
) -> torch.Tensor:
    """Choose the most informative environments of one species.

    Parameters
    ----------
    candidates
        Unit descriptors, shape (n, n_features); zero rows (empty environments) are never chosen.
    zeta
        Power of the kernel.
    count
        Largest number to choose.
    tolerance
        Stop once no candidate has a residual variance above this (signal 1).

    Returns
    -------
    torch.Tensor
        Indices into `candidates` in the order of choice, shape (m,), m <= count.
    """
    x = candidates.double()
    n = int(x.shape[0])
    count = min(count, n)
    residual = (x * x).sum(dim=1) ** zeta
    factor = x.new_zeros((n, count))
    chosen: list[int] = []
    while len(chosen) < count:
        done = len(chosen)
        # stable sort: equal residuals (symmetry-equivalent atoms) keep the atoms' order
        pool = torch.sort(residual, descending=True, stable=True).indices[: min(_POOL, n)]
        picks = _pivots(
            (x[pool] @ x[pool].T) ** zeta - factor[pool, :done] @ factor[pool, :done].T,
            # few at first: all residuals are equal before the first pick
            min(max(1, done // 4), _BLOCK, count - done),
            tolerance,
        )
        if not picks:
            break
        index = pool[picks]
        rest = (x @ x[index].T) ** zeta - factor[:, :done] @ factor[index, :done].T
        lower = torch.linalg.cholesky(_safe(rest[index]))
        update = torch.linalg.solve_triangular(lower, rest.T, upper=False).T
        factor[:, done : done + len(picks)] = update
        residual = residual - (update * update).sum(dim=1)
        residual[index] = 0
        chosen.extend(index.tolist())
    return torch.tensor(chosen, dtype=torch.long, device=x.device)


def _pivots(matrix: torch.Tensor, count: int, tolerance: float) -> list[int]:
    """Pivots of a pivoted Cholesky factorisation of a small matrix, on the CPU."""
    work = matrix.cpu().clone()
    diagonal = work.diagonal().clone()
    columns = work.new_zeros((work.shape[0], count))
    picks: list[int] = []
    for k in range(count):
        pivot = int(torch.argmax(diagonal))
        if float(diagonal[pivot]) <= tolerance:
            break
        column = work[:, pivot] - columns[:, :k] @ columns[pivot, :k]
        columns[:, k] = column / diagonal[pivot].sqrt()
        diagonal -= columns[:, k] ** 2
        diagonal[pivot] = -1.0
        picks.append(pivot)
    return picks


def _safe(matrix: torch.Tensor) -> torch.Tensor:
    """Symmetrise, and lift the diagonal by rounding so that the factorisation cannot fail."""
    size = matrix.shape[0]
    lift = 1e-14 * torch.eye(size, dtype=matrix.dtype, device=matrix.device)
    return (matrix + matrix.T) / 2 + lift


def shares(available: list[int], count: int) -> list[int]:
    """How many of `count` inducing environments each species gets: in proportion to its atoms.

    Every species with at least one candidate gets at least one.
    """
    total = sum(available)
    if total <= count:
        return list(available)
    out = [min(n, max(1, round(count * n / total))) if n else 0 for n in available]
    while sum(out) > count and max(out) > 1:
        out[out.index(max(out))] -= 1
    while sum(out) < count:
        room = [n - taken for n, taken in zip(available, out, strict=True)]
        out[room.index(max(room))] += 1
    return out
