import numpy as np
import pytest

from dosml.analysis.figures.style import house_style
from dosml.analysis.figures.transfer import transfer_figure
from dosml.analysis.statistics.errors import component_sums
from dosml.analysis.statistics.transfer import transfer_table
from dosml.errors import InputError

TIERS = ["cold"] * 4 + ["melt"] * 4
FORCES = [np.full((4, 3), size) for size in (1.0, 1.5, 0.5, 0.7, 2.0, 2.5, 3.0, 2.5)]


def relative_errors(*relative):
    """Sums of a model whose force on frame k is wrong by a share `relative[k]`."""
    predicted = [f * (1 + e) for f, e in zip(FORCES, relative, strict=True)]
    return component_sums(predicted, FORCES)


@pytest.fixture
def table():
    cold = relative_errors(0.05, 0.05, 0.05, 0.05, 0.2, 0.25, 0.3, 0.25)
    melt = relative_errors(*[0.1] * 8)
    return transfer_table({"cold": cold, "melt": melt}, TIERS)


def test_every_pair_has_its_error(table):
    cells = table.set_index(["trained_on", "tested_on"])
    assert cells.loc[("cold", "cold"), "percent_error"] == pytest.approx(5)
    assert cells.loc[("melt", "cold"), "percent_error"] == pytest.approx(10)
    expected = 100 * (0.2 * 2 + 0.25 * 5 + 0.3 * 3) / 10
    assert cells.loc[("cold", "melt"), "percent_error"] == pytest.approx(expected)
    assert cells.loc[("cold", "melt"), "mav"] == pytest.approx(2.5)
    assert (table["n_test_frames"] == 4).all()


def test_changes_are_paired_with_the_model_of_the_tested_tier(table):
    cells = table.set_index(["trained_on", "tested_on"])
    assert cells.loc[("cold", "cold"), "change"] == 0
    assert cells.loc[("melt", "cold"), "change"] == pytest.approx(5)
    # both models have one relative error on cold frames: there is no scatter
    assert cells.loc[("melt", "cold"), "change_low"] == pytest.approx(5)
    assert cells.loc[("cold", "melt"), "change_low"] > 0


def test_a_model_of_no_tier_has_no_own_rival():
    table = transfer_table({"all": relative_errors(*[0.1] * 8)}, TIERS)
    assert table["change"].isna().all()
    assert table["percent_error"].tolist() == pytest.approx([10, 10])


def test_other_numbers_of_frames_are_refused():
    with pytest.raises(InputError, match="trained on all was tested on 8"):
        transfer_table({"all": relative_errors(*[0.1] * 8)}, TIERS[:4])


def test_figure_writes_every_cell(table):
    with house_style():
        axes = transfer_figure(table).axes[0]
    texts = [text.get_text() for text in axes.texts]
    assert len(texts) == 4
    assert "10.0\n10.0 to 10.0" in texts
    values = axes.images[0].get_array()
    np.testing.assert_allclose(values[0], table[table["trained_on"] == "cold"]["percent_error"])
