from dataclasses import replace

import numpy as np
import pytest

from dosml.analysis.measures.column import from_to
from dosml.analysis.report.answer import answer
from dosml.analysis.report.findings import findings
from dosml.analysis.statistics.scan import summarise
from dosml.theory.setting import ElectronicSetting


def shifted(setting, shift):
    return replace(setting, setting=ElectronicSetting(setting.smearing, shift))


@pytest.fixture(scope="module")
def electrons(make_scan):
    """The electron number varies, σ does not."""
    one, other = make_scan(sigmas=(0.5, 2.0), train=6, test=12).settings
    same = replace(other, setting=one.setting)
    scan = make_scan(sigmas=(0.5,), train=6, test=12)
    return replace(scan, settings=[one, shifted(same, 1.0), shifted(same, -1.0)])


@pytest.fixture(scope="module")
def both(make_scan):
    scan = make_scan(sigmas=(0.5, 2.0), train=6, test=12)
    more = [shifted(scan.settings[k], -1.0) for k in (1, 1)]
    more[0] = replace(more[0], setting=ElectronicSetting(scan.settings[0].smearing, -1.0))
    return replace(scan, settings=[*scan.settings, *more])


def test_a_smearing_scan_is_answered_with_its_interval(scan):
    table = summarise(scan)
    found, last = answer(scan, table), table.iloc[-1]
    assert found.question == "Ti: does smearing make forces easier to learn?"
    assert found.sentence.startswith("The force error of Ti falls from σ = 0.2 to 2 eV, from ")
    low, high = (last[f"force_percent_error_change_{end}"] for end in ("low", "high"))
    assert f"(95 %: {low:+.1f} to {high:+.1f})" in found.sentence
    assert found.figure == "error_against_sigma"
    limits = " ".join(found.limits)
    for words in ("Labels: tblite GFN1-xTB", "Mesh noise of the labels: 0.8 %", "n = 12 held-out"):
        assert words in limits
    assert 1 <= len(found.findings) <= 4


def test_what_is_not_shown_is_not_called_a_fall(scan):
    table = summarise(scan)
    columns = [f"force_percent_error_change{end}" for end in ("", "_low", "_high")]
    table.loc[1:, columns] = [[-0.1, -0.9, 0.4]] * 3
    sentence = answer(scan, table).sentence
    assert sentence.startswith("No change of the force error is shown: the largest, ")
    assert "falls" not in sentence


def test_the_largest_effect_is_one_that_is_shown(scan):
    table = summarise(scan)
    columns = [f"force_percent_error_change{end}" for end in ("", "_low", "_high")]
    table.loc[1, columns] = [-1.0, -1.5, -0.5]
    table.loc[2:, columns] = [[-3.0, -9.0, 0.4]] * 2
    assert "from σ = 0.2 to 0.5 eV" in answer(scan, table).sentence


def test_sentences_of_an_electron_scan_know_their_axis(electrons):
    table = summarise(electrons)
    found = answer(electrons, table)
    words = [found.question, found.sentence, *found.findings, *findings(electrons, table)]
    assert found.question == "Ti: what does the number of electrons do to the force error?"
    assert found.figure == "error_against_electrons"
    assert "from neutral to " in found.sentence
    assert "at σ = 0.5 eV" in found.sentence
    for text in words:
        assert "smoother d-DOS" not in text
        assert "from σ = 0.5 eV to σ = 0.5 eV" not in text
        assert not ("no change" in text and ("falls" in text or "rises" in text))


def test_a_map_names_the_larger_effect_and_both_axes(both):
    table = summarise(both)
    found = answer(both, table)
    assert found.figure == "map"
    assert "moves it most: the force error of Ti" in found.sentence
    assert found.findings[0].startswith("Smearing alone, from σ = 0.5 to 2 eV (neutral): ")
    assert found.findings[1].startswith(
        "The electron number alone, from neutral to -1 e/atom at σ = 0.5 eV: "
    )
    # a step of one axis at a time in the sentences below, too
    assert {end.shift for end in both.steps} == {0.0, -1.0}
    assert len(found.findings) <= 4


def test_one_setting_has_a_level_and_no_effect(make_scan):
    scan = make_scan(sigmas=(0.2,), train=6, test=6)
    found = answer(scan, summarise(scan))
    assert found.sentence.startswith("At σ = 0.2 eV the force field errs by ")


def test_noise_that_makes_errors_is_told(make_scan):
    scan = make_scan(sigmas=(0.2, 2.0), train=6, test=6)
    noisy = [replace(one, label_noise=1.0, label_noise_percent=50.0) for one in scan.settings]
    scan = replace(scan, settings=noisy)
    assert "2 of 2 errors are less than 3 times it" in " ".join(
        answer(scan, summarise(scan)).limits
    )
    unknown = [replace(one, label_noise=np.nan, label_noise_percent=np.nan) for one in noisy]
    scan = replace(scan, settings=unknown)
    assert "not known" in " ".join(answer(scan, summarise(scan)).limits)


def test_too_few_frames_tell_nothing(make_scan):
    scan = make_scan(sigmas=(0.2, 2.0), train=6, test=2)
    found = answer(scan, summarise(scan))
    assert found.sentence.startswith("Whether the force error changes cannot be told")
    assert "falls" not in found.sentence


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (6.4, 2.8, "from 6.4 to 2.8"),
        (115.2, 33.4, "from 115 to 33"),
        (0.479, 0.421, "from 0.48 to 0.42"),
        (10.02, 10.31, "from 10.0 to 10.3"),  # never "from 10 to 10"
        (2.0, 0.0, "from 2.00 to 0.00"),
    ],
)
def test_a_step_that_is_told_is_seen(first, last, said):
    assert from_to(first, last) == said
