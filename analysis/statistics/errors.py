"""Errors of predictions and how sure one may be of them.

Everything is built on sums per frame: the frame, or a block of consecutive ones, is the unit that
is drawn independently; the components inside a frame are not.
The force % error of the TM23 paper (doi:10.1038/s41524-024-01264-z, eq. 2) is 100 MAE / MAV, both
over force components.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dosml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import ArrayLike, NDArray

#: Confidence of every interval here.
CONFIDENCE = 0.95
#: Fewest frames (or blocks of frames) of a tier that give an interval.
FEWEST = 4
#: How the intervals are made, for reports and captions.
INTERVAL_WORDS = (
    "95 % intervals: Student's t over held-out frames inside each tier (blocks of consecutive "
    f"frames from 8 frames a tier), none with fewer than {FEWEST} frames in a tier"
)


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


def units_of(strata: Sequence[Hashable]) -> list[list[NDArray[np.intp]]] | None:
    """Group frames into what may be taken as drawn independently inside each stratum (tier).

    Consecutive frames of a tier come from one trajectory as a rule and resemble each other. From n
    frames of a tier come blocks of floor(sqrt(n)) consecutive ones, at least `FEWEST` blocks; up to
    seven frames are a block each.

    Parameters
    ----------
    strata
        Stratum of each frame, in the order of the trajectory.

    Returns
    -------
    list
        Per stratum the blocks, indices of frames each; None where a stratum has fewer than
        `FEWEST` frames: so few show nothing of how much they scatter.
    """
    groups = [np.flatnonzero([s == name for s in strata]) for name in dict.fromkeys(strata)]
    if not groups or min(map(len, groups)) < FEWEST:
        return None
    return [
        np.array_split(group, len(group) // max(1, min(len(group) // FEWEST, isqrt(len(group)))))
        for group in groups
    ]


def scatter(influence: NDArray[np.float64], strata: Sequence[Hashable]) -> tuple[float, float]:
    """Find standard error and degrees of freedom of a number that is a sum over frames.

    Parameters
    ----------
    influence
        What each frame adds to the number beyond its expectation, shape (n_frames,).
    strata
        Stratum of each frame.

    Returns
    -------
    error, freedom
        The variance is the sum over strata of m s^2 (m blocks whose sums scatter with variance
        s^2), the degrees of freedom are Satterthwaite's (Biometrics 2, 110 (1946)). Both nan with
        fewer than `FEWEST` frames in a stratum.
    """
    units = units_of(strata)
    if units is None:
        return float("nan"), float("nan")
    parts, freedoms = [], []
    for blocks in units:
        sums = np.array([influence[block].sum() for block in blocks])
        parts.append(len(sums) * float(sums.var(ddof=1)))
        freedoms.append(len(sums) - 1)
    variance, each = sum(parts), np.array(parts)
    if variance == 0:
        return 0.0, float(sum(freedoms))
    return float(np.sqrt(variance)), float(variance**2 / np.sum(each**2 / np.array(freedoms)))


def t_half_width(error: float, freedom: float, *, confidence: float = CONFIDENCE) -> float:
    """Half the width of Student's interval: quantile times standard error; nan passes through."""
    from scipy import stats

    if np.isnan(error):
        return float("nan")
    return float(stats.t.ppf(0.5 + confidence / 2, freedom) * error)


def ratio_influence(
    numerator: NDArray[np.float64], denominator: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Find what each frame adds to (sum of numerators) / (sum of denominators), to first order.

    Parameters
    ----------
    numerator, denominator
        Sums of each frame, shape (n_frames,); the denominators add up to more than zero.

    Returns
    -------
    NDArray
        (n_k - R d_k) / D, shape (n_frames,): they add up to zero.
    """
    total = denominator.sum()
    return np.asarray((numerator - numerator.sum() / total * denominator) / total)


def ratio_interval(
    numerator: NDArray[np.float64], denominator: NDArray[np.float64], strata: Sequence[Hashable]
) -> Interval:
    """Student's interval of a positive ratio of sums over frames, symmetric on a logarithm.

    Parameters
    ----------
    numerator, denominator
        Sums of each frame, shape (n_frames,).
    strata
        Stratum of each frame: tiers are fixed by design, frames scatter inside them.

    Returns
    -------
    Interval
        nan where a stratum has fewer than `FEWEST` frames or the denominators vanish.
    """
    ratio = _ratio(numerator, denominator)
    if not ratio > 0:  # nan, or no error at all
        return Interval(ratio, ratio)
    half = t_half_width(*scatter(ratio_influence(numerator, denominator), strata)) / ratio
    return Interval(float(ratio * np.exp(-half)), float(ratio * np.exp(half)))


def _ratio(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> float:
    total = denominator.sum()
    return float(numerator.sum() / total) if total > 0 else float("nan")


def percent_error_interval(sums: FrameSums, strata: Sequence[Hashable]) -> Interval:
    """Return the interval of 100 MAE / MAV in %; nan with too few frames, see `ratio_interval`."""
    return ratio_interval(100 * sums.absolute_error, sums.absolute_value, strata)


def paired_difference_interval(
    sums: FrameSums, baseline: FrameSums, strata: Sequence[Hashable]
) -> Interval:
    """Student's interval of the difference of two % errors on the same frames.

    What the frames have in common under both label sets cancels frame by frame.

    Parameters
    ----------
    sums, baseline
        Sums of the same frames in the same order under two label sets.
    strata
        Stratum of each frame.

    Returns
    -------
    Interval
        Of (% error of `sums`) - (% error of `baseline`), in percentage points; nan with too few
        frames or where all forces vanish.

    Raises
    ------
    InputError
        If the numbers of frames differ.
    """
    if len(sums) != len(baseline):
        raise InputError(
            f"a paired difference needs the same frames, got {len(sums)} and {len(baseline)}"
        )
    change = sums.percent_error - baseline.percent_error
    if np.isnan(change):
        return Interval(change, change)
    own, start = (
        100 * ratio_influence(one.absolute_error, one.absolute_value) for one in (sums, baseline)
    )
    half = t_half_width(*scatter(own - start, strata))
    return Interval(change - half, change + half)


def error_columns(name: str, sums: FrameSums, strata: Sequence[Hashable]) -> dict[str, float]:
    """Give 100 MAE / MAV in % and the ends of its interval as columns of a table.

    Parameters
    ----------
    name
        Of the value's column; those of the ends are `name`_low and `name`_high.
    sums, strata
        As in `percent_error_interval`.
    """
    low, high = percent_error_interval(sums, strata)
    return {name: sums.percent_error, f"{name}_low": low, f"{name}_high": high}


def difference_columns(
    name: str, sums: FrameSums, baseline: FrameSums, strata: Sequence[Hashable]
) -> dict[str, float]:
    """Give the difference of two % errors and the ends of its paired interval as columns.

    Parameters
    ----------
    name
        As in `error_columns`.
    sums, baseline, strata
        As in `paired_difference_interval`.
    """
    if sums is baseline:
        return {name: 0.0, f"{name}_low": 0.0, f"{name}_high": 0.0}
    low, high = paired_difference_interval(sums, baseline, strata)
    change = sums.percent_error - baseline.percent_error
    return {name: change, f"{name}_low": low, f"{name}_high": high}
