"""The table of several learners: errors by hand, pairs on the same frames."""

from __future__ import annotations

import numpy as np

from dosml.analysis.figures.learners import learner_figure
from dosml.analysis.figures.style import house_style
from dosml.analysis.statistics.learner_table import learner_table
from dosml.analysis.statistics.results import HeldOut


def held_out(scale: float, **facts) -> HeldOut:
    """Six frames of two atoms whose predicted forces are wrong by a factor."""
    rng = np.random.default_rng(0)
    forces = [rng.normal(size=(2, 3)) for _ in range(6)]
    return HeldOut(
        forces=forces,
        forces_predicted=[(1 + scale) * one for one in forces],
        energies=np.arange(6.0),
        energies_predicted=np.arange(6.0) + 0.5,
        facts=facts,
    )


def test_errors_and_differences() -> None:
    table = learner_table(
        {
            "sgp": [({"sigma_ev": 0.2}, held_out(0.1)), ({"sigma_ev": 2.0}, held_out(0.05))],
            "mace": [
                ({"sigma_ev": 0.2}, held_out(0.3, n_parameters=7, device="cpu")),
                ({"sigma_ev": 2.0}, held_out(-0.2)),
            ],
        },
        ["cold"] * 6,
    )
    assert list(table["learner"]) == ["sgp", "sgp", "mace", "mace"]
    # every force is wrong by the factor, so is the error of each resample: intervals are points
    np.testing.assert_allclose(table["force_percent_error"], [10, 5, 30, 20])
    np.testing.assert_allclose(table["force_percent_error_low"], [10, 5, 30, 20])
    np.testing.assert_allclose(table["change_to_first_setting"], [0, -5, 0, -10])
    np.testing.assert_allclose(table["difference_to_first_learner_high"], [0, 0, 20, 15])
    np.testing.assert_allclose(table["energy_mae_ev_per_atom"], 0.25)
    assert table["n_parameters"][2] == 7
    assert np.isnan(table["n_parameters"][0])
    with house_style():
        figure = learner_figure(table, "sigma_ev", "σ (eV)")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["sgp", "mace"]
    assert -0.05 * axes.get_ylim()[1] < axes.get_ylim()[0] < 0  # whole markers
