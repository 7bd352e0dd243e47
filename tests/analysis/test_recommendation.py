import numpy as np
import pytest

from dosml.analysis.figures.recommendation import recommendation_figure
from dosml.analysis.figures.style import house_style
from dosml.analysis.statistics.recommendation import gap_width, recommend
from dosml.errors import InputError
from dosml.theory.code_settings import RYDBERG_EV, code_settings
from dosml.theory.dos import ElectronicDos
from dosml.theory.smearing import Smearing


def made_up(changes, n=12):
    """Forces whose every component differs by `changes[width]` from those at the first width."""
    rng = np.random.default_rng(0)
    base = [rng.normal(0, 1, (5, 3)) for _ in range(n)]
    signs = [np.sign(rng.normal(size=(5, 3))) for _ in range(n)]
    return {
        width: [f + by * s for f, s in zip(base, signs, strict=True)]
        for width, by in changes.items()
    }


TIERS = ["cold", "melt"] * 6


def test_the_largest_width_within_the_limit_is_taken():
    found = recommend(made_up({0.2: 0, 0.5: 0.01, 1.0: 0.03}), TIERS, limit=0.02)
    assert found.width == 0.5
    rows = found.table[found.table["tier"] == "all"].set_index("sigma_ev")
    np.testing.assert_allclose(rows["force_change_ev_per_angstrom"], [0, 0.01, 0.03])
    # every component differs by the same: the interval is a point
    np.testing.assert_allclose(rows["force_change_ev_per_angstrom_high"], [0, 0.01, 0.03])
    assert list(rows["within"]) == [True, True, False]


def test_the_most_sensitive_tier_decides():
    forces = made_up({0.2: 0, 0.5: 0.01})
    forces[0.5] = [
        f + (0.05 if tier == "melt" else 0) * np.sign(f - g)
        for f, g, tier in zip(forces[0.5], forces[0.2], TIERS, strict=True)
    ]
    found = recommend(forces, TIERS, limit=0.02)
    assert found.widths == {"all": 0.2, "cold": 0.5, "melt": 0.2}
    assert found.width == 0.2


def test_beyond_the_first_that_is_outside_nothing_is_taken():
    found = recommend(made_up({0.2: 0, 0.5: 0.05, 1.0: 0.01}), TIERS, limit=0.02)
    assert found.width == 0.2


def test_the_upper_end_of_the_interval_is_held_against_the_limit():
    forces = made_up({0.2: 0, 0.5: 0.01})
    forces[0.5] = [
        g + (2 * (f - g) if k % 4 < 2 else 0 * f)
        for k, (f, g) in enumerate(zip(forces[0.5], forces[0.2], strict=True))
    ]
    found = recommend(forces, ["all"] * 12, limit=0.0105)
    row = found.table.iloc[1]
    assert row["force_change_ev_per_angstrom"] == pytest.approx(0.01)
    assert row["force_change_ev_per_angstrom_high"] > 0.0105
    assert not row["within"]


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(InputError, match="two smearing widths or more, got 1"):
        recommend(made_up({0.2: 0}), TIERS, limit=0.01)
    with pytest.raises(InputError, match="more than 0"):
        recommend(made_up({0.2: 0, 1.0: 0.1}), TIERS, limit=0.0)


def test_the_figure_draws_every_tier_and_the_limit():
    found = recommend(made_up({0.2: 0, 0.5: 0.01}), TIERS, limit=0.02)
    with house_style():
        (axes,) = recommendation_figure(found, None).axes
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert set(names) == {"limit", "all frames", "cold", "melt"}


@pytest.mark.parametrize(("middle", "gap"), [(0.0, 2.0), (0.4, 2.0), (3.0, 0.0)])
def test_a_gap_is_found_where_the_fermi_level_lies_in_one(middle, gap):
    energies = np.linspace(-8, 8, 1601)
    total = np.where(np.abs(energies - middle) < 1.0, 0.0, 1.0)
    dos = ElectronicDos(energies, total, np.zeros_like(total))
    assert gap_width(dos) == pytest.approx(gap, abs=0.03)


def test_settings_of_programs():
    lines = code_settings(Smearing("methfessel-paxton-1", 0.2))
    assert lines["VASP (INCAR)"] == "ISMEAR = 1\nSIGMA = 0.2"
    assert "'order': 1, 'width': 0.2" in lines["GPAW"]
    degauss = float(lines["Quantum ESPRESSO"].split("degauss = ")[1].split()[0])
    assert degauss * RYDBERG_EV == pytest.approx(0.2, abs=1e-5)
    assert code_settings(Smearing("fermi-dirac", 0.1))["VASP (INCAR)"].startswith("ISMEAR = -1")
    assert "VASP (INCAR)" not in code_settings(Smearing("cold", 0.1))
    assert "Quantum ESPRESSO" not in code_settings(Smearing("methfessel-paxton-2", 0.1))
