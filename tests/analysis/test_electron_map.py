"""Tables and figures over the electron number, on made-up scans."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dosml.analysis.figures.electron_swap import swap_figure
from dosml.analysis.figures.scan_figures import draw_figures
from dosml.analysis.report.findings import findings
from dosml.analysis.report.terminal import swap_terminal
from dosml.analysis.statistics.campaigns import CampaignTables
from dosml.analysis.statistics.dos_table import dos_table
from dosml.analysis.statistics.electron_axis import electron_table
from dosml.analysis.statistics.electron_swap import Swap, swap_table
from dosml.analysis.statistics.scan import summarise
from dosml.errors import InputError


def charged(one, shift):
    """The same numbers at another electron number."""
    return replace(one, setting=replace(one.setting, electrons_per_atom_shift=shift))


@pytest.fixture
def electron_scan(make_scan):
    """Same made-up levels at -1, 0 and +1 electrons, so that a rigid band is exact nowhere else."""
    scan = make_scan(sigmas=(0.5,), train=6, test=6)
    neutral = scan.settings[0]
    settings = [charged(neutral, shift) for shift in (-1.0, 0.0, 1.0)]
    return replace(scan, settings=settings)


def test_rigid_band_moves_only_the_prediction(electron_scan) -> None:
    table = electron_table(electron_scan, summarise(electron_scan))
    # the levels and their filling are the same at all three, so the measured columns are
    assert np.ptp(table["n_times_ten_minus_n"]) == 0
    rigid = table["d_electrons_of_ten_rigid_band"].to_numpy()
    assert np.all(np.diff(rigid) > 0)
    # most but not all of an added electron goes to the d band; N is scaled to ten states
    own = electron_scan.measures(electron_scan.settings[1])
    states = own["d_electrons_per_atom"] + own["d_holes_per_atom"]
    steps = np.diff(rigid) * states / 10
    assert np.all((steps > 0.5) & (steps < 1.0))
    assert rigid[1] == pytest.approx(table["d_electrons_of_ten"][1], rel=1e-6)


def test_electrons_that_do_not_fit_are_missing_numbers(electron_scan) -> None:
    far = charged(electron_scan.settings[0], -50.0)
    scan = replace(electron_scan, settings=[far, electron_scan.settings[1]])
    table = electron_table(scan, summarise(scan))
    assert np.isnan(table["chi_4_states2_per_ev_atom2_rigid_band"][0])
    assert np.isfinite(table["chi_4_states2_per_ev_atom2"][0])


def test_figures_of_an_axis_and_of_a_map(electron_scan, make_scan, tmp_path) -> None:
    names = [
        record.png.stem
        for record in draw_figures(electron_scan, summarise(electron_scan), tmp_path)
    ]
    assert {"error_against_electrons", "electron_axis"} <= set(names)
    wide = make_scan(sigmas=(1.0,), train=6, test=6).settings[0]
    # one cell of the grid has no labels
    cells = [*electron_scan.settings, wide, charged(wide, -1.0)]
    grid = replace(electron_scan, settings=cells)
    records = draw_figures(grid, summarise(grid), tmp_path)
    names = [record.png.stem for record in records]
    assert names[0] == "map"
    assert "force_differences" not in names
    assert records[0].png.stat().st_size > 5000


def test_words_compare_with_the_farthest_electron_number(electron_scan) -> None:
    scan = replace(
        electron_scan,
        settings=[
            charged(electron_scan.settings[0], -3.0),
            *electron_scan.settings[1:],
        ],
    )
    text = " ".join(findings(scan, summarise(scan)))
    assert "neutral to -3 e/atom: chi_4" in text
    assert "A rigid band would have predicted" in text


def partner(tmp_path, table: pd.DataFrame, metal: str = "Os") -> CampaignTables:
    return CampaignTables(metal, tmp_path, table, None, None, {}, "0")


def test_swap_takes_its_rows_from_both_campaigns(electron_scan, make_scan, tmp_path) -> None:
    own = summarise(electron_scan)
    other = summarise(make_scan(sigmas=(0.5, 1.0), train=6, test=6))
    other["force_percent_error"] += 1
    swap = Swap("Ti", "Os", 1.0, 0.5, partner(tmp_path, other))
    table = swap_table(swap, own)
    assert list(table["case"]) == ["Ti", "Ti with the electrons of Os (+1)", "Os"]
    assert table["force_percent_error"][2] == other["force_percent_error"][0]
    assert list(table["electrons_per_atom_shift"]) == [0, 1, 0]
    n = table["d_electrons_of_ten"]
    assert table["n_times_ten_minus_n"].to_numpy() == pytest.approx((n * (10 - n)).to_numpy())
    record = swap_figure(swap, table, dos_table(electron_scan), tmp_path)
    assert record.png.stat().st_size > 5000
    assert swap_terminal(table).row_count == 3


@pytest.mark.parametrize(
    ("metal", "width", "message"),
    [("Fe", 0.5, "a campaign of Fe, not of Os"), ("Os", 0.3, "at sigma 0.5 eV, not at 0.3")],
)
def test_swap_partner_must_fit(make_scan, tmp_path, metal, width, message) -> None:
    table = summarise(make_scan(sigmas=(0.5,), train=6, test=6))
    with pytest.raises(InputError, match=message):
        Swap("Ti", "Os", 1.0, width, partner(tmp_path, table, metal))
