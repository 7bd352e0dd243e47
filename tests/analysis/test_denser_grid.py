"""A force field against labels on a denser grid: learnt mesh errors and averaged ones."""

import numpy as np
import pandas as pd
import pytest

from dosml.analysis.measures.table import PRIMARY
from dosml.analysis.report.verdict import _primary
from dosml.analysis.statistics.denser_grid import OnDenserGrid
from dosml.analysis.statistics.label_noise import noise_sentences
from dosml.analysis.statistics.primary import primary_test


def made(share, *, seed=0):
    """Labels with a mesh error, and a model that has learnt all but a share of it."""
    rng = np.random.default_rng(seed)
    denser = [rng.normal(size=(200, 3)) for _ in range(3)]
    mesh = [0.2 * rng.normal(size=(200, 3)) for _ in range(3)]
    labels = [a + b for a, b in zip(denser, mesh, strict=True)]
    own = [0.05 * rng.normal(size=(200, 3)) for _ in range(3)]
    predicted = [a + (1 - share) * b + c for a, b, c in zip(denser, mesh, own, strict=True)]
    return OnDenserGrid(predicted, labels, denser)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_the_share_that_was_not_learnt_is_found(share):
    found = made(share)
    assert found.left_out() == pytest.approx(share, abs=0.03)
    columns = found.columns()
    assert columns["denser_grid_frames"] == 3
    averaged = columns["denser_grid_percent_error"] < columns["denser_grid_own_percent_error"]
    assert averaged == (share > 0.5)


def test_without_a_mesh_error_there_is_no_share():
    forces = [np.ones((4, 3))]
    assert np.isnan(OnDenserGrid([2 * forces[0]], forces, forces).left_out())


def test_results_and_sentences_tell_it(scan):
    from dataclasses import replace

    from dosml.analysis.statistics.scan import summarise

    settings = list(scan.settings)
    held = settings[0].held_out
    denser = [one + 0.01 for one in held.forces[:3]]
    settings[0] = replace(
        settings[0],
        denser=OnDenserGrid(held.forces_predicted[:3], held.forces[:3], denser),
    )
    table = summarise(replace(scan, settings=settings))
    assert table["denser_grid_frames"].tolist()[0] == 3
    assert table["denser_grid_percent_error"].isna().tolist() == [False] + [True] * (len(table) - 1)
    text = noise_sentences(table)[-1]
    assert text.startswith("Against forces on the denser grid (3 held-out frames) the force error")
    plain = noise_sentences(summarise(scan))
    assert not any("denser grid (" in line for line in plain)


def test_the_primary_test_is_repeated_on_the_denser_grid():
    rng = np.random.default_rng(2)
    chi = np.linspace(0, 1, 8)
    rows = pd.DataFrame(
        {
            "metal": [f"M{n}" for n in range(8)],
            PRIMARY: chi,
            "force_percent_error": np.exp(chi + 0.1 * rng.normal(size=8)),
            "force_mae_ev_per_angstrom": 0.1,
            "label_noise_ev_per_angstrom": 0.001,
            "d_band_center_ev": rng.normal(size=8),
            "denser_grid_percent_error": np.exp(2 - chi),
        }
    )
    test = primary_test(rows, "force_percent_error", {})
    assert test.denser.pearson == pytest.approx(-1)
    assert "on a denser grid of k-points (few frames a metal) Pearson -1.00" in _primary(test)
    few = rows.assign(denser_grid_percent_error=[1.0, 2.0, 3.0] + [np.nan] * 5)
    assert primary_test(few, "force_percent_error", {}).denser is None
    old = primary_test(rows.drop(columns="denser_grid_percent_error"), "force_percent_error", {})
    assert old.denser is None
    assert "denser" not in _primary(old)
