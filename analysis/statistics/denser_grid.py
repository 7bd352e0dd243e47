"""Is the error of the k-mesh in a force error? A force field against labels on a denser grid.

Label noise says how far forces move when k-points are added, not what a force field made of it. An
error of the mesh that differs from frame to frame like noise averages out over the training frames:
the force field then comes nearer to the denser labels than to its own. One that repeats is learnt
as if it were physics: the error against the own labels is small, and says nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.statistics.errors import component_sums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class OnDenserGrid:
    """Forces of the held-out frames that were labelled on a denser grid of k-points too.

    Attributes
    ----------
    predicted, labels, denser
        By the force field, on the grid of the labels, and on the denser one: (n_atoms, 3) each,
        eV/Å, at least one frame.
    """

    predicted: Sequence[NDArray[np.float64]]
    labels: Sequence[NDArray[np.float64]]
    denser: Sequence[NDArray[np.float64]]

    def own_percent_error(self) -> float:
        """100 MAE/MAV against the grid of the labels."""
        return component_sums(self.predicted, self.labels).percent_error

    def percent_error(self) -> float:
        """100 MAE/MAV against the denser grid."""
        return component_sums(self.predicted, self.denser).percent_error

    def left_out(self) -> float:
        """Share of the mesh's error that the force field has not taken over.

        With r = predicted - labels and e = labels - denser it is -sum(r e) / sum(e e) over the
        components: the coefficient of a straight line through zero of -r against e. 1 where what
        was learnt does not know e, 0 where it holds all of e; nan where e is zero.
        """
        r = np.concatenate([a - b for a, b in zip(self.predicted, self.labels, strict=True)])
        e = np.concatenate([a - b for a, b in zip(self.labels, self.denser, strict=True)])
        size = float((e * e).sum())
        return -float((r * e).sum()) / size if size > 0 else float("nan")

    def columns(self) -> dict[str, float]:
        """Columns of a results table."""
        return {
            "denser_grid_frames": len(self.predicted),
            "denser_grid_own_percent_error": self.own_percent_error(),
            "denser_grid_percent_error": self.percent_error(),
            "mesh_error_left_out": self.left_out(),
        }
