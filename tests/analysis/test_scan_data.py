from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dosml.analysis.measures.columns import describe, format_value, result_columns
from dosml.analysis.report.findings import findings, limits, warnings
from dosml.analysis.statistics.results import error_rows
from dosml.analysis.statistics.scan import setting_name, summarise
from dosml.analysis.statistics.tables import write_tables
from dosml.errors import DiskSpaceError, InputError
from dosml.files import whole_file
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing


@pytest.fixture(scope="module")
def table(scan):
    return summarise(scan)


def test_one_row_per_setting_in_order_with_every_column_described(table):
    assert table["sigma_ev"].tolist() == [0.2, 0.5, 1.0, 2.0]
    assert list(table.columns[: len(result_columns())]) == list(result_columns())
    for name in table.columns:
        assert describe(name).definition
    # at the reference nothing changes, orbitals of this DOS are not told apart, and no forces on
    # a denser grid are known
    empty = ["force_change_direction_share", "force_change_mean_ratio", "d_orbital_spread_per_atom"]
    empty += [name for name in table.columns if name.startswith(("denser_grid", "mesh_error"))]
    assert len(empty) == 7
    assert table.notna().drop(columns=empty).all(axis=None)
    assert table.attrs["sharpness_window_ev"] == [-2.0, 2.0]


def test_errors_in_the_table_are_those_of_the_arrays(scan, table):
    for setting, (_, row) in zip(scan.settings, table.iterrows(), strict=True):
        labelled = np.concatenate(setting.held_out.forces)
        error = np.abs(np.concatenate(setting.held_out.forces_predicted) - labelled)
        assert row["force_mae_ev_per_angstrom"] == pytest.approx(error.mean())
        assert row["force_mav_ev_per_angstrom"] == pytest.approx(np.abs(labelled).mean())
        assert row["force_percent_error"] == pytest.approx(
            100 * error.mean() / np.abs(labelled).mean()
        )
        assert (
            row["force_percent_error_low"]
            < row["force_percent_error"]
            < row["force_percent_error_high"]
        )
        held = setting.held_out
        energy = np.abs(held.energies_predicted - held.energies).mean() / 31
        assert row["energy_mae_ev_per_atom"] == pytest.approx(energy)
        stress = np.abs(held.stresses_predicted - held.stresses).mean()
        assert row["stress_mae_ev_per_angstrom3"] == pytest.approx(stress)


def test_tier_columns_hold_the_tier_alone(scan, table):
    setting = scan.settings[0]
    chosen = [k for k, tier in enumerate(scan.test_tiers) if tier == "melt"]
    labelled = np.concatenate([setting.held_out.forces[k] for k in chosen])
    predicted = np.concatenate([setting.held_out.forces_predicted[k] for k in chosen])
    expected = 100 * np.abs(predicted - labelled).sum() / np.abs(labelled).sum()
    assert table.loc[0, "force_percent_error_tier_melt"] == pytest.approx(expected)


def test_changes_are_against_the_smallest_sigma(scan, table):
    assert setting_name(scan.reference) == "σ = 0.2 eV"
    first = table.iloc[0]
    assert first["force_percent_error_change"] == 0
    assert first["force_change_rms_ev_per_angstrom"] == 0
    last = table.iloc[-1]
    assert last["force_percent_error_change"] == pytest.approx(
        last["force_percent_error"] - first["force_percent_error"]
    )
    assert last["force_change_rms_ev_per_angstrom"] ** 2 == pytest.approx(
        last["force_change_magnitude_rms_ev_per_angstrom"] ** 2
        + last["force_change_direction_rms_ev_per_angstrom"] ** 2
    )


def test_order_of_settings_does_not_change_the_table(make_scan, table):
    again = make_scan(sigmas=(2.0, 0.2, 1.0, 0.5))
    pd.testing.assert_frame_equal(summarise(again), table)


def test_a_study_without_stress_and_tiers(make_scan):
    scan = make_scan(sigmas=(0.2, 1.0), stresses=False)
    scan = replace(scan, tiers=["own"] * len(scan.tiers), test_tiers=["own"] * 12)
    table = summarise(scan)
    assert table["stress_mae_ev_per_angstrom3"].isna().all()
    assert not [name for name in table.columns if "_tier_" in name]


def test_electron_shift_study_takes_the_neutral_setting_as_reference(make_scan):
    scan = make_scan(sigmas=(0.2,))
    one = scan.settings[0]
    shifted = [
        replace(one, setting=replace(one.setting, electrons_per_atom_shift=s))
        for s in (-1.0, 0.0, 0.5)
    ]
    scan = replace(scan, settings=shifted)
    assert scan.reference.shift == 0
    assert scan.varies == ["electrons_per_atom_shift"]
    assert setting_name(scan.settings[0]) == "σ = 0.2 eV, -1 e/atom"
    assert summarise(scan)["electrons_per_atom_shift"].tolist() == [-1.0, 0.0, 0.5]


def test_studies_that_do_not_fit_together_are_refused(scan):
    with pytest.raises(InputError, match="at least one electronic setting"):
        replace(scan, settings=[])
    other = replace(scan.settings[1], setting=ElectronicSetting(Smearing("gaussian", 1.0)))
    with pytest.raises(InputError, match="one smearing scheme"):
        replace(scan, settings=[scan.settings[0], other])
    with pytest.raises(InputError, match="predictions of 12 frames, the scan's tiers name 11"):
        replace(scan, test_tiers=scan.test_tiers[1:])
    with pytest.raises(InputError, match="energies of 11 frames"):
        replace(scan.settings[0].held_out, energies=scan.settings[0].held_out.energies[1:])
    with pytest.raises(InputError, match="2 frames and tiers of 36"):
        replace(scan, frames=[None, None])


def test_tables_on_disk_hold_the_same_numbers(table, tmp_path):
    csv, parquet = write_tables(table, tmp_path / "new")
    pd.testing.assert_frame_equal(pd.read_csv(csv), table, check_dtype=False)
    back = pd.read_parquet(parquet)
    pd.testing.assert_frame_equal(back, table)
    assert back.attrs["moments_window_ev"] == [-10.0, 10.0]
    assert sorted(p.name for p in csv.parent.iterdir()) == ["results.csv", "results.parquet"]


def write_half(path, error):
    with whole_file(path) as partial:
        partial.write_text("ne")
        raise error


def test_a_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "results.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="halfway"):
        write_half(path, RuntimeError("halfway"))
    with pytest.raises(DiskSpaceError, match="no space left"):
        write_half(path, OSError(28, "No space left on device"))
    with pytest.raises(PermissionError):
        write_half(path, PermissionError(13, "no"))
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["results.csv"]


def test_findings_say_what_the_numbers_say(scan, table):
    text = " ".join(findings(scan, table))
    last = table.iloc[-1]
    assert "falls" in text
    assert f"{last['force_percent_error']:.2f} %" in text
    assert "excludes zero" in text
    turned = table.copy()
    turned.loc[3, ["force_percent_error_change", "force_percent_error_change_high"]] = [0.5, 1.0]
    turned.loc[3, "force_percent_error_change_low"] = -0.2
    unsure = findings(scan, turned)[1]
    assert "no change of the force error is shown" in unsure
    assert "includes zero" in unsure
    assert "rises" not in unsure
    assert "falls" not in unsure
    turned.loc[3, "force_percent_error_change_low"] = 0.2
    assert "rises" in findings(scan, turned)[1]
    turned.loc[1, "force_percent_error"] = 0.01
    assert "The lowest force error, 0.01 %, is at σ = 0.5 eV" in findings(scan, turned)[2]


def test_findings_of_perfect_predictions_and_equal_forces(scan):
    first, other = scan.settings[:2]
    held = first.held_out
    perfect = replace(other.held_out, forces=held.forces, forces_predicted=held.forces)
    same = replace(other, forces=first.forces, held_out=perfect)
    scan = replace(scan, settings=[first, same])
    text = " ".join(findings(scan, summarise(scan)))
    assert "ratio says nothing" in text
    assert "are the same" in text
    assert "nan" not in text


def test_limits_and_warnings(scan, table):
    text = " ".join(limits(scan))
    for words in ("Methfessel-Paxton", "few", "One metal", "by construc"):
        assert words in text
    said = {**scan.facts, "limits": ["own limit"], "engine_warning": "not DFT"}
    assert limits(replace(scan, facts=said))[-1] == "own limit"
    assert warnings(replace(scan, facts=said), table) == ["not DFT", *scan.facts["warnings"]]
    assert warnings(scan, table) == scan.facts["warnings"]
    thin = table.copy()
    thin.loc[3, "smearing_weight_on_grid"] = 0.9
    assert "90.0 %" in warnings(scan, thin)[-1]


def test_one_held_out_frame_is_told(make_scan):
    scan = make_scan(sigmas=(0.2, 1.0), test=1)
    table = summarise(scan)
    assert table["force_percent_error_low"].isna().all()
    assert "no interval" in findings(scan, table)[0]
    assert "fewer than 4 held-out frames" in warnings(scan, table)[-1]


def test_angular_resolution_needs_frames(scan, make_scan):
    assert scan.angular is None
    few = make_scan(sigmas=(0.2,), with_frames=True, train=2, test=1)
    assert few.angular is None


def test_values_for_people():
    assert format_value("n_frames", np.int64(36)) == "36"
    assert format_value("force_percent_error", 10.149) == "10.15"
    assert format_value("stress_mae_ev_per_angstrom3", float("nan")) == "–"
    assert format_value("smearing_scheme", "cold") == "cold"
    assert describe("force_percent_error_tier_low_low").heading == "force error, low, low"
    with pytest.raises(KeyError):
        describe("no_such_column")


def test_error_rows_are_all_frames_then_tiers(scan):
    held = scan.settings[0].held_out
    rows = error_rows(held, scan.test_tiers)
    assert [row["tier"] for row in rows] == ["all", *dict.fromkeys(scan.test_tiers)]
    assert [row["n_test"] for row in rows] == [12, 4, 4, 4]
    table = summarise(scan).iloc[0]
    for name in rows[0].keys() & set(table.index):
        assert rows[0][name] == pytest.approx(table[name], rel=1e-12), name
    for row in rows[1:]:
        assert row["force_percent_error"] == pytest.approx(
            table[f"force_percent_error_tier_{row['tier']}"], rel=1e-12
        )
    chosen = [k for k, tier in enumerate(scan.test_tiers) if tier == "cold"]
    difference = held.energies_predicted[chosen] - held.energies[chosen]
    assert rows[1]["energy_mae_ev_per_atom"] == pytest.approx(np.abs(difference).mean() / 31)
    bare = replace(held, stresses=None)
    (row,) = error_rows(bare, ["own"] * 12)
    assert row["tier"] == "all"
    assert "stress_mae_ev_per_angstrom3" not in row
