"""What the frames of one test set do to the errors of many models that are all tested on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.statistics.errors import ratio_influence, units_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    from dosml.analysis.statistics.errors import FrameSums


@dataclass(frozen=True)
class SharedTest:
    """Influence of the test frames on the logarithms of errors.

    Attributes
    ----------
    influence
        What each frame adds to ln(error) beyond its expectation, shape (n_seeds, n_sizes,
        n_frames).
    strata
        Tier of every frame.
    """

    influence: NDArray[np.float64]
    strata: Sequence[Hashable]

    def covariance(self) -> NDArray[np.float64] | None:
        """Covariance of the seeds' mean of ln(error) between sizes, shape (n_sizes, n_sizes).

        None with too few test frames in a tier.
        """
        units = units_of(self.strata)
        if units is None:
            return None
        mean = self.influence.mean(axis=0)
        total = np.zeros((len(mean), len(mean)))
        for blocks in units:
            sums = np.array([mean[:, block].sum(axis=1) for block in blocks])
            total += len(sums) * np.cov(sums.T, ddof=1).reshape(total.shape)
        return total


def shared_test(sums: Sequence[Sequence[FrameSums]], strata: Sequence[Hashable]) -> SharedTest:
    """Read the influence of the test frames from their errors.

    Parameters
    ----------
    sums
        By seed and size, of the same frames in the same order.
    strata
        Tier of every frame.
    """
    influence = [
        [
            ratio_influence(one.absolute_error, one.absolute_value)
            * one.absolute_value.sum()
            / one.absolute_error.sum()
            for one in line
        ]
        for line in sums
    ]
    return SharedTest(np.array(influence), strata)
