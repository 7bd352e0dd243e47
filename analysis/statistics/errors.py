"""Errors of predictions and how sure one may be of them.

Everything is built on sums per frame, so that a bootstrap over frames (the unit that is drawn
independently; the components inside a frame are not independent) costs one matrix product.
The force % error of the TM23 paper (doi:10.1038/s41524-024-01264-z, eq. 2) is 100 MAE / MAV, both
over force components.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dosml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import ArrayLike, NDArray

#: Resamples of every bootstrap here.
N_RESAMPLES = 2000
#: Confidence of every interval here.
CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A confidence interval; both ends are nan where there are too few frames for one."""

    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class FrameSums:
    """Sums over the numbers (components) of each frame, all of shape (n_frames,).

    Attributes
    ----------
    absolute_error, squared_error
        Sums of |predicted - reference| and (predicted - reference)^2.
    absolute_value
        Sum of |reference|.
    count
        How many numbers the frame holds.
    """

    absolute_error: NDArray[np.float64]
    squared_error: NDArray[np.float64]
    absolute_value: NDArray[np.float64]
    count: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.count)

    def take(self, mask: NDArray[np.bool_]) -> FrameSums:
        """Return the sums of some of the frames, `mask` of shape (n_frames,)."""
        return FrameSums(
            self.absolute_error[mask],
            self.squared_error[mask],
            self.absolute_value[mask],
            self.count[mask],
        )

    @property
    def mean_absolute_error(self) -> float:
        """Mean of |predicted - reference| over all numbers of all frames."""
        return float(self.absolute_error.sum() / self.count.sum())

    @property
    def mean_absolute_value(self) -> float:
        """Mean of |reference| over all numbers of all frames."""
        return float(self.absolute_value.sum() / self.count.sum())

    @property
    def root_mean_square_error(self) -> float:
        """Root of the mean of (predicted - reference)^2 over all numbers of all frames."""
        return float(np.sqrt(self.squared_error.sum() / self.count.sum()))

    @property
    def percent_error(self) -> float:
        """100 MAE / MAV (TM23 paper, eq. 2); nan where every reference number is zero."""
        total = self.absolute_value.sum()
        return float(100 * self.absolute_error.sum() / total) if total > 0 else float("nan")


def component_sums(predicted: Sequence[ArrayLike], reference: Sequence[ArrayLike]) -> FrameSums:
    """Sum component by component.

    Parameters
    ----------
    predicted, reference
        One array (or number) per frame; the two of a frame have the same shape.

    Raises
    ------
    InputError
        If the numbers of frames or the shapes differ, there is no frame, or a number is not finite.
    """
    pairs = _checked(predicted, reference)
    return FrameSums(
        absolute_error=np.array([np.abs(p - r).sum() for p, r in pairs]),
        squared_error=np.array([np.square(p - r).sum() for p, r in pairs]),
        absolute_value=np.array([np.abs(r).sum() for _, r in pairs]),
        count=np.array([float(r.size) for _, r in pairs]),
    )


def vector_sums(predicted: Sequence[ArrayLike], reference: Sequence[ArrayLike]) -> FrameSums:
    """Sum vector by vector: |F_predicted - F_reference| and |F_reference| as Euclidean lengths.

    Parameters
    ----------
    predicted, reference
        One array of shape (n_atoms, 3) per frame.

    Raises
    ------
    InputError
        As `component_sums`.
    """
    pairs = _checked(predicted, reference)
    errors = [np.linalg.norm(p - r, axis=-1) for p, r in pairs]
    values = [np.linalg.norm(r, axis=-1) for _, r in pairs]
    return FrameSums(
        absolute_error=np.array([e.sum() for e in errors]),
        squared_error=np.array([np.square(e).sum() for e in errors]),
        absolute_value=np.array([v.sum() for v in values]),
        count=np.array([float(v.size) for v in values]),
    )


def _checked(
    predicted: Sequence[ArrayLike], reference: Sequence[ArrayLike]
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    if len(predicted) != len(reference) or len(reference) == 0:
        raise InputError(
            f"errors need as many predictions as references and at least one frame, "
            f"got {len(predicted)} and {len(reference)}"
        )
    pairs = []
    for k, (p, r) in enumerate(zip(predicted, reference, strict=True)):
        a, b = np.asarray(p, dtype=float), np.asarray(r, dtype=float)
        if a.shape != b.shape:
            raise InputError(f"frame {k}: predictions {a.shape}, references {b.shape}")
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            raise InputError(f"frame {k}: predictions or references hold nan or infinity")
        pairs.append((a, b))
    return pairs


def bootstrap_weights(
    strata: Sequence[Hashable], *, seed: int, n_resamples: int = N_RESAMPLES
) -> NDArray[np.float64]:
    """Weights of frames in bootstrap resamples, drawn inside strata (the tiers).

    The tiers of a scan are fixed by design, so frames are drawn inside each. From the n frames of
    a stratum n - 1 are drawn with replacement and weighted n / (n - 1): with few frames the plain
    bootstrap gives a variance too small by (n - 1) / n, and this one does not (Rao and Wu, J. Am.
    Stat. Assoc. 83, 231 (1988)). If any stratum holds a single frame, all frames form one.

    Parameters
    ----------
    strata
        Stratum of each frame, length n_frames.
    seed
        Seed of the draw; the same seed and strata give the same weights, which is what pairs the
        resamples of two label sets.
    n_resamples
        Number of resamples.

    Returns
    -------
    NDArray
        Shape (n_resamples, n_frames); every row sums to n_frames. No row where there are fewer
        than two frames, so that every interval is nan.
    """
    n = len(strata)
    if n < 2:
        return np.empty((0, n))
    groups = [np.flatnonzero([s == name for s in strata]) for name in dict.fromkeys(strata)]
    if min(len(g) for g in groups) < 2:
        groups = [np.arange(n)]
    rng = np.random.default_rng(seed)
    weights = np.zeros((n_resamples, n))
    for group in groups:
        size = len(group)
        draws = rng.multinomial(size - 1, np.full(size, 1 / size), size=n_resamples)
        weights[:, group] = draws * (size / (size - 1))
    return weights


def percentile_interval(values: NDArray[np.float64], *, confidence: float = CONFIDENCE) -> Interval:
    """Return the central percentile interval of resampled values, shape (n_resamples,)."""
    finite = values[np.isfinite(values)]
    if len(finite) == 0:
        return Interval(float("nan"), float("nan"))
    tail = 50 * (1 - confidence)
    low, high = np.percentile(finite, [tail, 100 - tail])
    return Interval(float(low), float(high))


def resampled_percent_errors(sums: FrameSums, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """100 MAE / MAV of each resample: numerator and denominator are both drawn again.

    Parameters
    ----------
    sums
        Sums per frame.
    weights
        From `bootstrap_weights`, shape (n_resamples, n_frames).

    Returns
    -------
    NDArray
        Shape (n_resamples,), in %.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return 100 * (weights @ sums.absolute_error) / (weights @ sums.absolute_value)


def percent_error_interval(sums: FrameSums, weights: NDArray[np.float64]) -> Interval:
    """Return the bootstrap interval of 100 MAE / MAV in %; nan with fewer than two frames."""
    if len(sums) < 2:
        return Interval(float("nan"), float("nan"))
    return percentile_interval(resampled_percent_errors(sums, weights))


def paired_difference_interval(
    sums: FrameSums, baseline: FrameSums, weights: NDArray[np.float64]
) -> Interval:
    """Bootstrap interval of the difference of two % errors on the same frames.

    Both label sets are drawn with the same weights, so what the frames have in common cancels.

    Parameters
    ----------
    sums, baseline
        Sums of the same frames in the same order under two label sets.
    weights
        From `bootstrap_weights`.

    Returns
    -------
    Interval
        Of (% error of `sums`) - (% error of `baseline`), in percentage points.

    Raises
    ------
    InputError
        If the numbers of frames differ.
    """
    if len(sums) != len(baseline):
        raise InputError(
            f"a paired difference needs the same frames, got {len(sums)} and {len(baseline)}"
        )
    difference = resampled_percent_errors(sums, weights) - resampled_percent_errors(
        baseline, weights
    )
    return percentile_interval(difference)


def error_columns(name: str, sums: FrameSums, weights: NDArray[np.float64]) -> dict[str, float]:
    """Give 100 MAE / MAV in % and the ends of its interval as columns of a table.

    Parameters
    ----------
    name
        Of the value's column; those of the ends are `name`_low and `name`_high.
    sums, weights
        As in `percent_error_interval`.
    """
    low, high = percent_error_interval(sums, weights)
    return {name: sums.percent_error, f"{name}_low": low, f"{name}_high": high}


def difference_columns(
    name: str, sums: FrameSums, baseline: FrameSums, weights: NDArray[np.float64]
) -> dict[str, float]:
    """Give the difference of two % errors and the ends of its paired interval as columns.

    Parameters
    ----------
    name
        As in `error_columns`.
    sums, baseline, weights
        As in `paired_difference_interval`.
    """
    if sums is baseline:
        return {name: 0.0, f"{name}_low": 0.0, f"{name}_high": 0.0}
    low, high = paired_difference_interval(sums, baseline, weights)
    change = sums.percent_error - baseline.percent_error
    return {name: change, f"{name}_low": low, f"{name}_high": high}
