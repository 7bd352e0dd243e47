"""Names beside points: read from the drawn figure."""

import numpy as np
import pytest
from matplotlib.text import Text

from dosml.analysis.figures.point_names import name_points
from dosml.analysis.figures.style import house_style, new_figure


def drawn(x, y, names):
    """Boxes of the names and places of the points, in pixels."""
    with house_style():
        figure = new_figure(3.0, 3.0)
        axes = figure.subplots()
        axes.plot(x, y, "o", ms=4)
        axes.margins(0.1)
        name_points(axes, x, y, names)
        figure.draw_without_rendering()
        # of the words alone: an annotation counts its line too
        boxes = {one.get_text(): Text.get_window_extent(one).extents for one in axes.texts}
        places = axes.transData.transform(np.column_stack([x, y]))
        inside = axes.get_window_extent().extents
    return np.array([boxes[name] for name in names]), places, inside


@pytest.mark.parametrize("seed", range(4))
def test_names_cover_neither_each_other_nor_points_and_stay_with_their_own(seed):
    rng = np.random.default_rng(seed)
    # a crowd in a corner, as metals of one group are, and some far away
    x = np.concatenate([rng.normal(0, 0.4, 6), rng.uniform(-3, 3, 8)])
    y = np.concatenate([rng.normal(0, 0.4, 6), rng.uniform(-3, 3, 8)])
    boxes, places, inside = drawn(x, y, [f"M{k}" for k in range(14)])
    for k, box in enumerate(boxes):
        for other in boxes[k + 1 :]:
            shared = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
            # a third of a line is room for accents and descenders, which names have not
            assert shared[0] < 2 or shared[1] < (box[3] - box[1]) / 3
        room = np.array([2.0, (box[3] - box[1]) / 4])
        covered = (places > box[:2] + room).all(axis=1) & (places < box[2:] - room).all(axis=1)
        assert not covered.any()
        assert (box[:2] >= inside[:2] - 2).all()
        assert (box[2:] <= inside[2:] + 2).all()


def test_a_lonely_point_has_its_name_above_to_the_right():
    boxes, places, _ = drawn([0.0, 1.0, 2.0], [0.0, 1.0, 0.0], ["Ti", "V", "Cr"])
    assert (boxes[0][:2] > places[0]).all()
    assert np.abs(boxes[0][:2] - places[0]).max() < 8
