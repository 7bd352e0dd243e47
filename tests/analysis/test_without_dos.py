"""A scan whose labels have no DOS, or none everywhere, or no d states: nothing else is missing."""

from __future__ import annotations

import html
from dataclasses import replace
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from dosml.analysis.figures.electron_swap import swap_figure
from dosml.analysis.figures.scan_figures import draw_figures
from dosml.analysis.measures.table import MEASURES
from dosml.analysis.report.findings import findings, limits, warnings
from dosml.analysis.report.scan_report import write_report
from dosml.analysis.report.terminal import swap_terminal, terminal_table
from dosml.analysis.statistics.dos_table import dos_table
from dosml.analysis.statistics.electron_swap import Swap, swap_table
from dosml.analysis.statistics.scan import formula_of, summarise
from dosml.errors import InputError
from dosml.theory.setting import ElectronicSetting

D_MEASURES = [name for name, one in MEASURES.items() if one.of == "d"]


def without(scan, *numbers):
    """The scan without the DOS of some settings, all by default."""
    chosen = numbers or range(len(scan.settings))
    settings = [
        replace(one, dos=None) if number in chosen else one
        for number, one in enumerate(scan.settings)
    ]
    return replace(scan, settings=settings)


@pytest.fixture(scope="module")
def bare(scan):
    return without(scan)


def test_every_column_of_the_dos_is_empty_and_no_other(scan, bare):
    table, full = summarise(bare), summarise(scan)
    empty = [name for name in table.columns if table[name].isna().all()]
    windows = [f"{name}_window_{end}_ev" for name in ("moments", "sharpness") for end in ("low",)]
    assert {*MEASURES, *windows, "dos_broadening_ev"} <= set(empty)
    kept = [name for name in table.columns if name not in empty]
    pd.testing.assert_frame_equal(table[kept], full[kept])
    assert dos_table(bare).empty


def test_figures_that_need_a_dos_are_left_out(scan, bare, tmp_path):
    table = summarise(bare)
    names = [one.png.stem for one in draw_figures(bare, table, tmp_path)]
    assert names == ["error_against_sigma", "force_differences", "force_parity"]
    # of two settings one is not enough to follow the error along the DOS
    partly = without(scan, 1, 2, 3)
    names = [one.png.stem for one in draw_figures(partly, summarise(partly), tmp_path)]
    assert names == ["error_against_sigma", "d_dos", "force_differences", "force_parity"]
    partly = without(scan, 2)
    names = [one.png.stem for one in draw_figures(partly, summarise(partly), tmp_path)]
    assert "error_against_dos" in names
    assert set(dos_table(partly)["sigma_ev"]) == {0.2, 0.5, 2.0}


@pytest.mark.usefixtures("words_only")
def test_the_report_says_it_in_a_line_and_shows_the_rest(bare, tmp_path):
    table = summarise(bare)
    write_report(tmp_path / "report.html", bare, table, draw_figures(bare, table, tmp_path))
    text = html.unescape((tmp_path / "report.html").read_text("utf-8"))
    assert text.count("The labels have no DOS") == 1
    assert "--dos-engine" in text
    assert "dos_file" in text
    assert ">nan<" not in text
    heads = text.split('id="setting-table"')[1].split("</thead>")[0]
    assert "force error" in heads
    assert "d‑band" not in heads
    found = " ".join(findings(bare, table))
    assert f"{table['force_percent_error'].iloc[-1]:.2f} %" in found
    assert "d band" not in found
    assert "n_d" not in found
    assert "n_d(E_F)" not in " ".join(limits(bare))


def test_settings_that_lack_a_dos_are_named(scan):
    partly = without(scan, 1, 3)
    table = summarise(partly)
    (line,) = [one for one in warnings(partly, table) if "no DOS" in one]
    assert "no DOS at σ = 0.5 eV; σ = 2 eV: " in line
    assert "has its centre" in findings(partly, table)[0]
    assert "smeared n_d(E_F)" not in " ".join(findings(partly, table))


def test_labels_without_d_states_say_so(scan):
    flat = replace(
        scan, settings=[replace(s, dos=replace(s.dos, d=0 * s.dos.d)) for s in scan.settings]
    )
    table = summarise(flat)
    assert table[D_MEASURES].isna().all(axis=None)
    others = [name for name in MEASURES if name not in D_MEASURES]
    pd.testing.assert_frame_equal(table[others], summarise(scan)[others])
    assert [one for one in warnings(flat, table) if "no d states here" in one]
    assert flat.with_d == []


def test_the_terminal_has_no_empty_columns(scan, bare):
    screen = StringIO()
    Console(file=screen, width=100).print(terminal_table(summarise(bare)))
    assert "centre" not in screen.getvalue()
    assert "no d-DOS is known" in screen.getvalue()
    assert "nan" not in screen.getvalue()
    screen = StringIO()
    Console(file=screen, width=100).print(terminal_table(summarise(without(scan, 0))))
    assert "–" in screen.getvalue()


def test_electron_axis_map_and_swap_without_a_dos(make_scan, tmp_path):
    one = make_scan(sigmas=(0.5, 1.0), train=6, test=6)
    shifted = [
        replace(s, setting=ElectronicSetting(s.smearing, shift), dos=None)
        for s in one.settings
        for shift in (-1.0, 0.0)
    ]
    both = replace(one, settings=shifted)
    records = draw_figures(both, summarise(both), tmp_path)
    assert [record.png.stem for record in records] == ["map", "force_parity"]
    assert "chi_4" not in records[0].caption
    axis = replace(one, settings=shifted[:2])
    table = summarise(axis)
    names = [record.png.stem for record in draw_figures(axis, table, tmp_path)]
    assert names == ["error_against_electrons", "force_differences", "force_parity"]
    assert "Band theory" not in " ".join(findings(axis, table))
    swap = Swap("Ti", "Sc", -1.0, 0.5)
    compared = swap_table(swap, table)
    assert np.isfinite(compared["force_percent_error"]).all()
    record = swap_figure(swap, compared, dos_table(axis), tmp_path)
    assert "d-DOS" not in record.caption
    screen = StringIO()
    Console(file=screen, width=100).print(swap_terminal(compared))
    assert "nan" not in screen.getvalue()


def test_the_title_is_the_element_the_formula_or_the_elements():
    from ase import Atoms

    assert formula_of([Atoms("Ti4"), Atoms("Ti31")]) == "Ti"
    assert formula_of([Atoms("Ti6Al2"), Atoms("Al3Ti9")]) == "AlTi3"
    assert formula_of([Atoms("TiAl"), Atoms("TiAl3")]) == "Al-Ti"
    with pytest.raises(InputError, match="at least one frame"):
        formula_of([])
