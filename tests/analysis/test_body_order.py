"""Tables and sentences of body orders, with expansions made by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dosml.analysis.report.body_order_report import body_order_answer, body_order_sentences
from dosml.analysis.report.hydrogen_report import hydrogen_sentences
from dosml.analysis.statistics.body_order import (
    Expansion,
    changes,
    cluster_table,
    mean_interval,
    order_table,
    part_errors,
    summary_table,
)


def expansion(orders, *, width=0.2, subject="Ti", number=0, forces=(), energy=None, shift=0.0):
    orders = np.array(orders, dtype=float)
    return Expansion(
        source="engine",
        setting=f"sigma_{width:g}",
        width=width,
        shift=shift,
        subject=subject,
        number=number,
        n_atoms=4,
        energy=orders.sum() if energy is None else energy,
        orders=orders,
        errors=np.zeros(len(orders)),
        force_left=np.array(forces, dtype=float),
    )


def test_measures_of_one_expansion():
    one = expansion([-20.0, -8.0, 2.5, -0.5], forces=[2.0, 1.0, 0.08, 0.0])
    assert one.binding == -6.0
    np.testing.assert_allclose(one.left, [6.0, -2.0, 0.5, 0.0])
    assert one.effective(0.9) == 3  # 0.5 of 6 is less than a tenth, 2 is not
    assert one.effective(0.95) == 4
    assert one.remainder == pytest.approx((2.0 + 0.5) / 2 / 6.0)
    assert one.force_remainder == pytest.approx((1.0 + 0.08) / 2 / 2.0)
    assert one.effective_for_forces(0.95) == 3
    assert one.tail == pytest.approx(0.5 / 8.0)


def test_what_was_not_computed_is_nan():
    cut = expansion([-20.0, -8.0, 2.5], energy=-26.0)
    assert cut.effective(0.9) == 3
    assert np.isnan([cut.effective(0.95), cut.remainder, cut.force_remainder, cut.tail]).all()
    assert np.isnan(cut.effective_for_forces(0.9))
    assert np.isnan(expansion([-20.0, 0.0, 0.0, 0.0]).effective(0.9))  # does not bind


def test_a_mean_has_an_interval_from_four_values_on():
    assert np.isnan(mean_interval([1.0, 2.0, 3.0])[1:]).all()
    mean, low, high = mean_interval([1.0, 2.0, 3.0, 4.0, np.nan])
    # Student's t with 3 degrees of freedom: 3.182 standard errors of 1.291 / 2
    assert (mean, low, high) == pytest.approx((2.5, 2.5 - 2.054, 2.5 + 2.054), abs=1e-3)
    assert np.isnan(mean_interval([])).all()


def tables(last):
    """Five clusters of two metals at two widths; `last` gives E_4 at each width."""
    rng = np.random.default_rng(0)
    made = [
        expansion(
            [-20.0, -8.0, 2.0, last[width] * (1 + 0.1 * rng.normal())],
            width=width,
            subject=subject,
            number=number,
            forces=[2.0, 1.0, 0.5 * last[width], 0.0],
        )
        for subject in ("Ti", "Cu")
        for number in range(5)
        for width in (0.2, 2.0)
    ]
    orders, clusters = order_table(made), cluster_table(made)
    return orders, clusters, summary_table(orders, clusters)


def test_a_tail_that_falls_is_a_factor_with_an_interval():
    _, clusters, summary = tables({0.2: 0.8, 2.0: 0.08})
    together = next(one for one in changes(clusters, measure="tail") if not one.subject)
    assert together.n == 10
    assert together.mean == pytest.approx(0.1, rel=0.1)
    assert together.low < 0.1 < together.high < 1
    assert together.shown
    assert together.before == pytest.approx(0.1, rel=0.1)
    row = summary[(summary["subject"] == "Cu") & (summary["sigma_ev"] == 2.0)].iloc[0]
    assert row["tail_low"] < row["tail"] < row["tail_high"]
    assert row["mean_abs_e3_ev_per_atom"] == 0.5
    assert row["sum_rmse_2_ev_per_atom"] == pytest.approx(2.08 / 4, rel=0.05)
    assert row["n_clusters"] == 5


def test_changes_are_of_the_largest_clusters():
    # smaller environments are parts of the larger ones: no clusters of their own
    _, clusters, _ = tables({0.2: 0.8, 2.0: 0.08})
    smaller = clusters.assign(n_atoms=2, tail=1.0)
    alone = changes(clusters, measure="tail")
    assert alone == changes(pd.concat([smaller, clusters]), measure="tail")
    assert alone[0].sizes == (4,)


def test_what_does_not_change_is_told():
    _, clusters, summary = tables({0.2: 0.4, 2.0: 0.4})
    head = "engine, all subjects together, from σ = 0.2 eV to σ = 2 eV: "
    first = [
        one.removeprefix(head)
        for one in body_order_sentences(clusters, summary, pd.DataFrame())
        if one.startswith(head)
    ]
    # bodies first: it is the answer
    assert first[0].startswith("bodies for 95 % of the binding energy")
    assert "factor" in first[2]
    assert all("no change is shown" in one for one in first)


def test_sentences_name_intervals_chi_and_what_hardly_binds():
    _, clusters, summary = tables({0.2: 0.8, 2.0: 0.08})
    summary["chi_4_states2_per_ev_atom2"] = np.where(summary["subject"] == "Ti", 1.5, 0.1)
    summary.loc[summary["sigma_ev"] == 2.0, "binding_ev_per_atom"] = 0.2
    errors = part_errors([{1: -5.0, 3: -11.0}], [{1: -5.5, 3: -11.0, 7: 0.0}])
    parts = errors.assign(source="model", setting="sigma_0.2", subject="Ti")
    said = body_order_sentences(clusters, summary, parts)
    assert "95 %:" in said[0]
    assert any(one.startswith("engine, Ti, from") for one in said)
    assert any("chi_4 of the d-DOS, falling" in one and "Ti 1.5" in one for one in said)
    assert any("hardly bind" in one and "Ti at sigma_2" in one for one in said)
    assert (
        "model, sigma_0.2: energy error by atoms of a part, meV/atom: 500 for 1, 0 for 2." in said
    )
    answer = body_order_answer("tb", said, ["words"], figure="body_orders")
    assert answer.sentence == said[0]


def test_one_setting_says_how_many_bodies():
    _, clusters, summary = tables({0.2: 0.8, 2.0: 0.08})
    one = clusters["sigma_ev"] == 0.2
    said = body_order_sentences(clusters[one], summary[summary["sigma_ev"] == 0.2], pd.DataFrame())
    assert said[0].startswith(
        "engine, sigma_0.2, Ti, 4 atoms: 95 % of the binding energy takes 4.0"
    )


def hydrogen_errors(by_density):
    rows = [
        {
            "learner": learner,
            "trained_on": trained,
            "sizes": "all",
            "tested_on": tested,
            "n_atoms": atoms,
            "energy_rmse_ev_per_atom": value if tested == trained else 3 * value,
        }
        for learner, values in by_density.items()
        for trained, value in values.items()
        for tested in values
        for atoms in (np.nan, 2, 8)
    ]
    return pd.DataFrame(rows)


def test_hydrogen_is_ranked_and_density_is_judged():
    errors = hydrogen_errors(
        {"a": {0.02: 0.05, 0.1: 0.03, 0.3: 0.02}, "b": {0.02: 0.01, 0.1: 0.02, 0.3: 0.03}}
    )
    _, _, summary = tables({0.2: 0.8, 2.0: 0.08})
    parts = pd.DataFrame(
        [{"source": "a", "part_atoms": 1, "energy_rmse_ev_per_atom": 0.25, "subject": "H"}]
    )
    said = hydrogen_sentences(errors, summary, parts, reference="engine")
    assert "b at 0.02 Å⁻³ (10 meV/atom; a, the largest, 50)" in said[0]
    assert "a at 0.3 Å⁻³ (20 meV/atom; b, the largest, 30)" in said[0]
    assert any("their own density for a of a, b" in one for one in said)
    # medians of 90/50, 60/50, 60/30 and of 60/10, 90/10, 90/20
    assert any("on thinner clusters a 1.8, b 6; on denser" in one for one in said)
    assert said[-1].endswith("(meV): a 250.")
