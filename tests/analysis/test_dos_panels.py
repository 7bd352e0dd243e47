"""Which orbitals a panel of `dosml dos --plot` adds."""

from __future__ import annotations

import re

import numpy as np
import pytest

from dosml.analysis.figures.dos_panels import (
    DEFAULT_PANELS,
    DosCurve,
    dos_panels_figure,
    read_panels,
)


def test_panels_are_sums_of_orbitals_with_titles():
    panels = read_panels("total, d,plane=dxy+dx2-y2,eg")
    assert panels == {
        "total": ("total",),
        "d": ("d",),
        "plane": ("dxy", "dx2-y2"),
        "eg: dz2 + dx2-y2": ("dz2", "dx2-y2"),
    }
    assert len(read_panels(DEFAULT_PANELS)) == 6


@pytest.mark.parametrize(
    ("text", "words"), [("d,", "names no orbital"), ("d,s+", "names no orbital"), ("d,d", "twice")]
)
def test_a_panel_that_means_nothing_is_refused(text, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        read_panels(text)


def test_a_scale_is_that_of_the_energies_shown():
    energies = np.linspace(-60, 10, 141)
    d = np.where(energies < -40, 100.0, np.exp(-(energies**2)))
    curve = DosCurve(energies, {"d": d})
    figure = dos_panels_figure({"a": curve, "b": DosCurve(energies, {})}, ["d"])
    assert figure.axes[0].get_ylim()[1] == pytest.approx(1.05)
    assert [one.get_text() for one in figure.legends[0].get_texts()] == ["a"]
