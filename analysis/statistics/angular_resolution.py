"""How much angular resolution the forces of a label set ask for.

The same linear force field is fitted to every label set with pair functions alone, then with
triplets of angular momentum up to 0, 1, ... l_max; what it explains of frames that it did not see
is written down by level. No learner and no hyperparameter stands between labels and answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.measures.angular_basis import PAIR_LEVEL, AngularBasis, basis_functions
from dosml.analysis.statistics.errors import ratio_interval
from dosml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    import pandas as pd
    from ase import Atoms
    from numpy.typing import NDArray

#: Ridge penalties tried, relative to the mean eigenvalue of the scaled normal matrix.
_PENALTIES = 10.0 ** np.arange(-10, 0)
#: Made-up label sets without angles behind the null of the angular gain: the largest of so many is
#: exceeded by chance once in twenty times.
N_NULL = 19


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
        Seed of the dealing into folds and of the null.

    Returns
    -------
    pandas.DataFrame
        One row per label set and level: "setting", "l_max" (-1: pairs alone), "n_functions",
        "explained" = 1 - (sum of squared residuals) / (sum of squared forces) over frames left
        out, "explained_low", "explained_high" (Student's t over frames, see
        `dosml.analysis.statistics.errors`), "percent_error" (100 MAE/MAV), "penalty"; and, the same
        in every row of a label set, "angular_gain_percent" (see `gain_of`), its mean
        "angular_gain_null_percent" and largest value "angular_gain_null_high_percent" over `N_NULL`
        label sets in which angles carry nothing. The ridge penalty is the best of ten on the same
        frames, which favours every level alike by a little.

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
    fits = _Fits([d / scale for d in designs], basis.levels, part)
    rng = np.random.default_rng(seed)
    rows = []
    for name, given in forces.items():
        # one column: the label set
        targets = [np.asarray(f, dtype=float).reshape(-1, 1) for f in given]
        squares = np.array([float(np.sum(t * t)) for t in targets])
        sizes_of_force = sum(float(np.abs(t).sum()) for t in targets)
        mine = []
        for level in range(PAIR_LEVEL, basis.l_max + 1):
            penalty, residuals = fits.left_out(targets, level)
            left = np.array([float(np.sum(r * r)) for r in residuals])
            rest = ratio_interval(left, squares, tiers)
            mine.append(
                {
                    "setting": name,
                    "l_max": level,
                    "n_functions": fits.count(level),
                    "explained": float(1 - left.sum() / squares.sum()),
                    "explained_low": 1 - rest.high,
                    "explained_high": 1 - rest.low,
                    "percent_error": float(
                        100 * sum(np.abs(r).sum() for r in residuals) / sizes_of_force
                    ),
                    "penalty": float(penalty[0]),
                }
            )
        gains = _null_gains(fits, targets, basis.l_max, rng)
        gain = float(gain_of(1 - np.array([row["explained"] for row in mine[-PAIR_LEVEL:]])))
        for row in mine:
            row |= {
                "angular_gain_percent": gain,
                "angular_gain_null_percent": float(gains.mean()),
                "angular_gain_null_high_percent": float(gains.max()),
            }
        rows += mine
    return pd.DataFrame(rows)


def gain_of(left: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of what l = 0 leaves that a higher l explains, in %: the largest over the nested l.

    Parameters
    ----------
    left
        Unexplained squares with triplets up to l = 0, 1, ..., shape (n_levels, ...).

    Returns
    -------
    NDArray
        Shape (...), never negative: l = 0 is one of the levels. As the best of several levels it
        is above zero by chance alone, see "angular_gain_null_percent".
    """
    gained = np.asarray(left[0] - left.min(axis=0))
    # nothing is left to gain where l = 0 explains everything
    return np.asarray(100 * gained / np.where(gained > 0, left[0], 1.0))


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


class _Fits:
    """Ridge fits of nested levels to any targets, each frame predicted from the other folds.

    Parameters
    ----------
    designs
        (components, functions) of each frame.
    levels
        Level of each function, ascending.
    part
        Fold of each frame.
    """

    def __init__(
        self,
        designs: list[NDArray[np.float64]],
        levels: NDArray[np.int64],
        part: NDArray[np.int64],
    ) -> None:
        self.designs = designs
        self.levels = levels
        self.part = part
        self.grams = np.array([d.T @ d for d in designs])

    def count(self, level: int) -> int:
        """Count the functions up to a level."""
        return int(np.sum(self.levels <= level))

    def left_out(
        self, targets: Sequence[NDArray[np.float64]], level: int
    ) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
        """Residuals of every frame with the best penalty of each target.

        Parameters
        ----------
        targets
            (components, n_targets) of each frame.
        level
            Highest level used.

        Returns
        -------
        penalties, residuals
            Of each target, shape (n_targets,); (components, n_targets) of each frame.
        """
        n = self.count(level)
        sides = np.array([d[:, :n].T @ t for d, t in zip(self.designs, targets, strict=True)])
        grams = self.grams[:, :n, :n]
        shape = (len(_PENALTIES), targets[0].shape[1])
        totals = np.zeros(shape)
        residuals: list[NDArray[np.float64]] = [np.empty(0)] * len(targets)
        for fold in np.unique(self.part):
            values, vectors = np.linalg.eigh(grams[self.part != fold].sum(axis=0))
            side = vectors.T @ sides[self.part != fold].sum(axis=0)
            damped = np.clip(values, 0, None) + _PENALTIES[:, None] * values.mean()
            solutions = vectors @ (side / damped[:, :, None])  # (penalties, functions, targets)
            for k in np.flatnonzero(self.part == fold).tolist():
                residuals[k] = targets[k] - self.designs[k][:, :n] @ solutions
                totals += np.sum(residuals[k] ** 2, axis=1)
        best = np.argmin(totals, axis=0)
        columns = np.arange(shape[1])
        return _PENALTIES[best], [r[best, :, columns].T for r in residuals]


def _null_gains(
    fits: _Fits, targets: Sequence[NDArray[np.float64]], l_max: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Angular gains of `N_NULL` made-up label sets in which angles carry nothing, in %.

    Each is what the fit with l = 0 predicts, plus what it leaves unexplained dealt to the atoms of
    the frame at random and turned over at random: the same sizes, no pattern.
    """
    _, residuals = fits.left_out(targets, 0)
    nulls = []
    for target, residual in zip(targets, residuals, strict=True):
        vectors = residual.reshape(-1, 3)
        dealt = [
            (vectors[rng.permutation(len(vectors))] * rng.choice([-1.0, 1.0])).ravel()
            for _ in range(N_NULL)
        ]
        nulls.append(target - residual + np.array(dealt).T)
    left = []
    for level in range(l_max + 1):
        _, rest = fits.left_out(nulls, level)
        left.append(sum(np.sum(r * r, axis=0) for r in rest))
    return gain_of(np.array(left))
