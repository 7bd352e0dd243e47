"""Another electron number in fixed levels, against closed forms of a rectangular band."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq

from dosml.theory.dos import ElectronicDos
from dosml.theory.response_index import response_index
from dosml.theory.rigid_band import rigid_band
from dosml.theory.smearing import Smearing

WIDTH = 8.0
GRID = np.linspace(-4.0, 4.0, 1601)
FLAT = np.full_like(GRID, 10 / WIDTH)
SHARP = Smearing("fermi-dirac", 1e-3)


def band() -> ElectronicDos:
    """Ten states, half filled."""
    return ElectronicDos(energies=GRID, total=FLAT, d=FLAT)


@pytest.mark.parametrize("shift", [-4.0, -2.0, 0.0, 1.0, 3.0])
def test_flat_band_is_filled_linearly(shift: float) -> None:
    moved = rigid_band(band(), SHARP, shift)
    # ten states over WIDTH: one electron moves the Fermi level by WIDTH / 10
    assert moved.energies[0] == pytest.approx(-4.0 - shift * WIDTH / 10, abs=1e-6)
    assert moved.total is band().total or np.array_equal(moved.total, FLAT)


@pytest.mark.parametrize("shift", [-4.0, -2.0, 0.0, 1.0, 3.0])
def test_response_follows_the_closed_form(shift: float) -> None:
    x = 0.5 + shift / 10
    entropy = -x * np.log(x) - (1 - x) * np.log(1 - x)
    index = response_index(rigid_band(band(), SHARP, shift), None)
    assert index.pair_integral == pytest.approx(100 / WIDTH * entropy, rel=2e-3)


def test_smeared_level_of_a_band_with_a_tail_against_quadrature() -> None:
    smearing = Smearing("fermi-dirac", 0.7)
    grid = np.linspace(-10, 14, 4801)

    def density(e: float) -> float:
        return 3 * np.exp(-((e + 1) ** 2)) + 0.2

    total = density(grid)
    dos = ElectronicDos(energies=grid, total=total, d=total)

    def electrons(mu: float) -> float:
        def occupied(e: float) -> float:
            return density(e) / (1 + np.exp((e - mu) / 0.7))

        return quad(occupied, -10, 14, points=[-1, mu], limit=200)[0]

    level = brentq(lambda mu: electrons(mu) - electrons(0.0) - 1.0, -5, 10)
    moved = rigid_band(dos, smearing, 1.0)
    assert moved.energies[0] == pytest.approx(-10 - level, abs=1e-4)


def test_too_many_electrons_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        rigid_band(band(), SHARP, 5.1)
