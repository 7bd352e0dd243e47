"""Names beside the points of a plot, so that they do not cover each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

#: Directions in which a name may lie from its point, the favourite first.
_DIRECTIONS = ((1, 1), (1, -1), (-1, 1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1))
#: Distances of a name from its point, in points; from the second on a line leads to it.
_DISTANCES = (2.5, 9.0, 16.0, 24.0)
#: Height of a name and mean width of its letters, relative to the size of the letters.
_HEIGHT, _WIDTH = 1.05, 0.66
#: What a name costs for every point (1/72 inch) that it lies nearer to another mark.
_WRONG = 3.0


def name_points(
    axes: Axes, x: ArrayLike, y: ArrayLike, names: Sequence[str], *, size: float = 7
) -> None:
    """Write a name beside every point, where the fewest other names and points are in its way.

    Crowded points choose first. Call it when the limits of the axes are set.

    Parameters
    ----------
    axes
        Where the points are drawn.
    x, y
        Points, shape (n,) each.
    names
        One per point.
    size
        Of the letters, in points.
    """
    # the layout decides how far points lie apart
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    scale = 72 / figure.dpi
    values = np.column_stack([np.asarray(x, dtype=float), np.asarray(y, dtype=float)])
    places = np.asarray(axes.transData.transform(values)) * scale
    marks = np.hstack([places - 2.2, places + 2.2])
    inside = np.asarray(axes.get_window_extent().extents) * scale
    crowd = [int(np.sum(np.hypot(*(places - place).T) < 4 * size)) for place in places]
    taken: list[NDArray[np.float64]] = []
    for k in np.argsort([-count for count in crowd], kind="stable"):
        box = np.array([_WIDTH * size * len(names[k]), _HEIGHT * size])
        others = np.array([*np.delete(marks, k, axis=0), *taken]).reshape(-1, 4)
        best: tuple[float, NDArray[np.float64], float] | None = None
        for number, distance in enumerate(_DISTANCES):
            for rank, direction in enumerate(_DIRECTIONS):
                centre = places[k] + np.array(direction) * (box / 2 + distance)
                area = np.concatenate([centre - box / 2, centre + box / 2])
                outside = box.prod() - _overlap(area, inside[None])
                # a free place nearby is better than a covered one, and a favourite one than both
                cost = _overlap(area, others) + 2 * outside + 0.02 * rank + 1.5 * number
                # a name that lies nearer to another point is read as that one's, unless a line
                # leads to its own
                gaps = _distance(area, places)
                nearer = max(0.0, float(gaps[k] + 1 - np.delete(gaps, k).min(initial=np.inf)))
                cost += nearer * (_WRONG if number == 0 else _WRONG / 10)
                if best is None or cost < best[0]:
                    best = cost, area, distance
        assert best is not None
        _, area, distance = best
        taken.append(area)
        offset = (area[:2] + area[2:]) / 2 - places[k]
        line = {"arrowstyle": "-", "color": "#444444", "lw": 0.6, "shrinkA": 0, "shrinkB": 2}
        axes.annotate(
            names[k],
            tuple(values[k]),
            tuple(offset),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=size,
            arrowprops=line if distance > _DISTANCES[0] else None,
        )


def _distance(box: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances from a box to points, shape (n, 2): (n,)."""
    aside = np.maximum(box[:2] - points, points - box[2:]).clip(min=0)
    return np.asarray(np.hypot(*aside.T))


def _overlap(box: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Area that a box (left, bottom, right, top) shares with others, shape (n, 4), summed."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    return float(np.clip(high - low, 0, None).prod(axis=1).sum())
