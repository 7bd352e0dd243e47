import numpy as np
import pandas as pd
import pytest
from helpers.made_up_campaigns import METALS, write_campaign

from dosml.analysis.measures.table import REDUCED
from dosml.analysis.statistics.campaigns import read_campaign
from dosml.analysis.statistics.learnability import (
    Calibration,
    calibration_of,
    calibration_text,
    read_calibration,
    shipped_calibration,
)
from dosml.analysis.statistics.survey import SurveyData
from dosml.errors import InputError


def made_up(n=20, *, noise=0.2, seed=0, offset=0.4):
    """ln(error) = 1.5 + 2 x + an offset of hcp + noise."""
    rng = np.random.default_rng(seed)
    chi = rng.uniform(0.1, 1.1, n)
    crystal = np.array(["fcc", "hcp"])[rng.integers(0, 2, n)]
    error = np.exp(1.5 + 2 * chi + offset * (crystal == "hcp") + noise * rng.normal(size=n))
    return Calibration(
        pd.DataFrame(
            {
                "metal": [f"M{k}" for k in range(n)],
                "crystal": crystal,
                REDUCED: chi,
                "d_band_center_ev": rng.normal(size=n),
                "force_percent_error": error,
            }
        ),
        "made up",
    )


def test_the_law_that_was_put_in_is_found():
    calibration = made_up(60, noise=0.02)
    fcc, hcp = (calibration.expect(0.5, kind).percent_error for kind in ("fcc", "hcp"))
    assert fcc == pytest.approx(np.exp(2.5), rel=0.06)
    assert np.log(hcp / fcc) == pytest.approx(0.4, abs=0.05)
    # a crystal that nobody knows lies between, and without any offset nothing is shrunk
    assert fcc < calibration.expect(0.5, "alpha-Mn").percent_error < hcp
    q2, centre = calibration.q2()
    assert q2 > 0.95
    assert centre < 0.2


def test_intervals_hold_new_metals_as_often_as_they_say():
    hits, trials = 0, 150
    for seed in range(trials):
        calibration = made_up(12, seed=seed)
        x = float(calibration.table[REDUCED].median())
        rng = np.random.default_rng(10_000 + seed)
        truth = np.exp(1.5 + 2 * x + 0.2 * rng.normal())
        found = calibration.expect(x, "fcc")
        hits += found.low <= truth <= found.high
    assert 0.82 <= hits / trials <= 0.97
    assert 0.75 <= np.mean([made_up(12, seed=s).coverage() for s in range(20)]) <= 1


def test_far_away_nothing_is_told_and_near_metals_are_named():
    calibration = made_up()
    with pytest.raises(InputError, match="lies outside the 20 metals of the calibration"):
        calibration.expect(1.5, "fcc")
    x = calibration.table[REDUCED]
    found = calibration.expect(float(x[3]), "fcc")
    assert found.nearest[0] == ("M3", pytest.approx(calibration.table["force_percent_error"][3]))
    assert len(found.nearest) == 3
    with pytest.raises(InputError, match="needs 6 metals or more"):
        made_up(6).without("M0")


def test_the_file_of_a_survey_reads_back(tmp_path):
    for metal in METALS:
        write_campaign(tmp_path / metal, metal)
    kinds = dict.fromkeys(METALS, "fcc")
    survey = SurveyData([read_campaign(tmp_path / m) for m in METALS], crystals=kinds)
    calibration = calibration_of(survey, "labels of an engine")
    again = read_calibration(calibration_text(calibration))
    assert again.words == "labels of an engine"
    assert again.table["metal"].tolist() == sorted(METALS)
    assert again.expect(0.4, "fcc").percent_error == pytest.approx(
        calibration.expect(0.4, "fcc").percent_error, rel=1e-3
    )
    assert calibration.q2()[0] > 0.8  # errors follow chi_4 by construction


def test_the_calibration_that_ships_can_be_used():
    calibration = shipped_calibration()
    assert len(calibration.table) >= 6
    assert "labels of" in calibration.words
    middle = float(calibration.table[REDUCED].median())
    found = calibration.expect(middle, "fcc")
    assert 0 < found.low < found.percent_error < found.high
