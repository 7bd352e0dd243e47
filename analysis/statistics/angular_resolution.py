"""How much angular resolution the forces of a label set ask for.

The same linear force field is fitted to every label set with pair functions alone, then with
triplets of angular momentum up to 0, 1, ... l_max; what it explains of frames that it did not see
is written down by level. No learner and no hyperparameter stands between labels and answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.measures.angular_basis import PAIR_LEVEL, AngularBasis, basis_functions
from dosml.analysis.statistics.errors import bootstrap_weights, percentile_interval
from dosml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    import pandas as pd
    from ase import Atoms
    from numpy.typing import NDArray

#: Ridge penalties tried, relative to the mean eigenvalue of the scaled normal matrix.
_PENALTIES = 10.0 ** np.arange(-10, 0)


def angular_resolution(
    frames: Sequence[Atoms],
    forces: Mapping[str, Sequence[NDArray[np.float64]]],
    basis: AngularBasis,
    *,
    strata: Sequence[Hashable] | None = None,
    folds: int = 6,
    seed: int = 0,
) -> pd.DataFrame:
    """Fit label sets with growing angular momentum and test on frames left out.

    Parameters
    ----------
    frames
        Positions and cells.
    forces
        Label sets by name: forces of all frames, or differences of forces, (n_atoms, 3) each.
    basis
        Functions of the force field.
    strata
        Tier of every frame: each fold takes its share of every tier. None: one stratum.
    folds
        Number of parts of the frames; each is predicted by a fit to all others.
    seed
        Seed of the dealing into folds and of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        One row per label set and level: "setting", "l_max" (-1: pairs alone), "n_functions",
        "explained" = 1 - (sum of squared residuals) / (sum of squared forces) over frames left
        out, "explained_low", "explained_high" (bootstrap over frames), "percent_error" (100
        MAE/MAV), "penalty". The ridge penalty is the best of ten on the same frames, which favours
        every level alike by a little.

    Raises
    ------
    InputError
        If arrays do not match the frames, there are fewer frames than folds, or forces vanish.
    """
    import pandas as pd

    tiers = list(strata) if strata is not None else [0] * len(frames)
    sizes = [len(f) for f in frames]
    for name, given in forces.items():
        if [np.shape(f) for f in given] != [(n, 3) for n in sizes]:
            raise InputError(f"{name}: forces do not match the atoms of the {len(frames)} frames")
        if not any(np.any(f) for f in given):
            raise InputError(f"{name}: all forces vanish, there is nothing to explain")
    if not 2 <= folds <= len(frames) or len(tiers) != len(frames):
        raise InputError(
            f"{folds} folds need at least two folds, as many frames and a tier for each; there are "
            f"{len(frames)} frames and {len(tiers)} tiers"
        )
    part = _deal(tiers, folds, seed)
    # (components, functions) of each frame
    designs = [basis_functions(f, basis)[1].reshape(len(basis.levels), -1).T for f in frames]
    scale = np.sqrt(np.mean(np.concatenate(designs) ** 2, axis=0))
    designs = [d / scale for d in designs]
    weights = bootstrap_weights(tiers, seed=seed)
    rows = []
    for name, given in forces.items():
        targets = [np.asarray(f, dtype=float).ravel() for f in given]
        squares = np.array([t @ t for t in targets])
        sizes_of_force = np.array([np.abs(t).sum() for t in targets])
        for level in range(PAIR_LEVEL, basis.l_max + 1):
            used = basis.levels <= level
            penalty, residuals = _best([d[:, used] for d in designs], targets, part)
            left = np.array([r @ r for r in residuals])
            interval = percentile_interval(1 - (weights @ left) / (weights @ squares))
            rows.append(
                {
                    "setting": name,
                    "l_max": level,
                    "n_functions": int(used.sum()),
                    "explained": float(1 - left.sum() / squares.sum()),
                    "explained_low": interval.low,
                    "explained_high": interval.high,
                    "percent_error": float(
                        100 * sum(np.abs(r).sum() for r in residuals) / sizes_of_force.sum()
                    ),
                    "penalty": penalty,
                }
            )
    return pd.DataFrame(rows)


def _deal(tiers: Sequence[Hashable], folds: int, seed: int) -> NDArray[np.int64]:
    """Deal the frames of each tier to the folds in turn; return the fold of every frame."""
    rng = np.random.default_rng(seed)
    part = np.zeros(len(tiers), dtype=np.int64)
    start = 0
    for name in dict.fromkeys(tiers):
        members = rng.permutation([k for k, t in enumerate(tiers) if t == name])
        part[members] = (start + np.arange(len(members))) % folds
        start += len(members)
    return part


def _best(
    designs: list[NDArray[np.float64]],
    targets: list[NDArray[np.float64]],
    part: NDArray[np.int64],
) -> tuple[float, list[NDArray[np.float64]]]:
    """Penalty with the smallest residuals on frames left out, and those residuals by frame."""
    grams = np.array([d.T @ d for d in designs])
    sides = np.array([d.T @ t for d, t in zip(designs, targets, strict=True)])
    residuals: list[list[NDArray[np.float64]]] = [[np.empty(0)] * len(designs) for _ in _PENALTIES]
    for fold in np.unique(part):
        values, vectors = np.linalg.eigh(grams[part != fold].sum(axis=0))
        side = vectors.T @ sides[part != fold].sum(axis=0)
        for p, penalty in enumerate(_PENALTIES):
            solution = vectors @ (side / (np.clip(values, 0, None) + penalty * values.mean()))
            for k in np.flatnonzero(part == fold):
                residuals[p][k] = targets[k] - designs[k] @ solution
    totals = [sum(float(r @ r) for r in frames) for frames in residuals]
    best = int(np.argmin(totals))
    return float(_PENALTIES[best]), residuals[best]
