import numpy as np
import pandas as pd
import pytest

from dosml.analysis.figures.parity import parity_figure
from dosml.analysis.figures.style import house_style
from dosml.analysis.report.frame_section import group_section, worst_section
from dosml.analysis.statistics.frame_errors import frame_errors, species_rows
from dosml.analysis.statistics.results import HeldOut

SYMBOLS = [["Ti", "Al", "Al"], ["Ti", "Al", "Al"]]


@pytest.fixture
def held():
    """Titanium errs by 0.3 in the second frame, aluminium by 0.1 in the first."""
    labelled = [np.full((3, 3), 1.0), np.full((3, 3), 1.0)]
    told = [one.copy() for one in labelled]
    told[0][1] += 0.1
    told[1][0] += 0.3
    return HeldOut(labelled, told, np.array([-3.0, -6.0]), np.array([-3.0, -5.7]))


def test_the_worst_frame_and_its_worst_atom_stand_first(held):
    table = frame_errors(held, SYMBOLS, ["a", "b"], ["cold", "melt"])
    assert list(table["frame"]) == ["b", "a"]
    first, second = table.to_dict("records")
    assert (first["worst_atom_element"], first["worst_atom"]) == ("Ti", 0)
    assert (second["worst_atom_element"], second["worst_atom"]) == ("Al", 1)
    assert first["worst_atom_error_ev_per_angstrom"] == pytest.approx(0.3 * np.sqrt(3))
    assert first["force_mae_ev_per_angstrom"] == pytest.approx(0.1)
    assert first["force_percent_error"] == pytest.approx(10)
    assert first["energy_error_ev_per_atom"] == pytest.approx(0.1)
    assert first["number"] == 1


def test_errors_by_species(held):
    al, ti = species_rows(held, SYMBOLS, ["cold", "cold"])
    assert (al["element"], al["n_atoms"]) == ("Al", 4)
    assert al["force_percent_error"] == pytest.approx(2.5)
    assert ti["force_percent_error"] == pytest.approx(15)
    assert np.isnan(ti["force_percent_error_low"])  # two frames give no interval


def test_sections_show_them(held):
    section = worst_section(
        frame_errors(held, SYMBOLS, ["a", "b"], ["cold", "melt"]), file="worst.extxyz"
    )
    first = [cell["text"] for cell in section["table"]["rows"][0]]
    assert first == ["b", "melt", "100.0", "10.0", "Ti 0", "520", "100.0"]
    # drawn from the least to the worst, each with its name: frame b errs by 100 meV/Å of 1 eV/Å
    drawn = section["scatter"]
    assert [point["text"][:8] for point in drawn["points"]] == ["a (cold)", "b (melt)"]
    assert "force MAE 100.0 meV/Å, 10.0 %; worst atom Ti 0, 520 meV/Å" in drawn["points"][1]["text"]
    assert drawn["points"][1]["x"] == drawn["right"]  # 1000 meV/Å is the last tick
    assert drawn["points"][1]["y"] == drawn["top"]
    rows = group_section("by element", "elements", species_rows(held, SYMBOLS, ["a", "a"]))
    assert [row[0]["text"] for row in rows["table"]["rows"]] == ["Al", "Ti"]


def test_parity_holds_every_component(held):
    with house_style():
        forces, residuals, energies, _ = parity_figure(held, ["cold", "melt"]).axes
    counted = forces.images[0].get_array()
    assert counted.sum() == 18
    assert residuals.images[0].get_array().sum() == 18
    points = np.concatenate([line.get_ydata() for line in energies.lines[:2]])
    assert points == pytest.approx([500.0, -400.0])


def test_nothing_named_is_lost(held):
    table = frame_errors(held, SYMBOLS, ["a", "b"], ["cold", "melt"])
    assert isinstance(table, pd.DataFrame)
    assert table.notna().all(axis=None)
