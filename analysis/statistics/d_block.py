"""The d block of the periodic table as a grid: what is known of every metal, in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.statistics.published import published_metals, published_table
from dosml.analysis.statistics.scan import setting_words
from dosml.analysis.statistics.survey import TARGET, SurveyData

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

#: Periods 4 to 6, groups 3 to 12.
D_BLOCK = (
    ("Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn"),
    ("Y", "Zr", "Nb", "Mo", "Tc", "Ru", "Rh", "Pd", "Ag", "Cd"),
    ("La", "Hf", "Ta", "W", "Re", "Os", "Ir", "Pt", "Au", "Hg"),
)


def in_d_block(survey: SurveyData) -> bool:
    """Whether any metal of a survey has a place there: alloys and other elements have none."""
    return any(one.metal in row for one in survey.campaigns for row in D_BLOCK)


def d_block_grid(values: pd.Series) -> NDArray[np.float64]:
    """Lay values out in the d block.

    Parameters
    ----------
    values
        Indexed by chemical symbol.

    Returns
    -------
    NDArray
        Shape (3, 10); nan where there is no value.
    """
    known = {str(metal): float(value) for metal, value in values.items()}
    return np.array([[known.get(symbol, np.nan) for symbol in row] for row in D_BLOCK])


def d_block_quantities(survey: SurveyData) -> list[tuple[str, pd.Series, int]]:
    """Title, values by metal and digits of every quantity that is shown in the d block."""
    where = setting_words(*survey.reference)
    ours = survey.at(survey.reference).set_index("metal")
    errors = published_table().set_index("metal")["force_percent_error"]
    metals = published_metals().set_index("metal")
    quantities = [
        (f"force error, {where} (%)", ours[TARGET], 1),
        ("published force error (%)", errors, 1),
        (
            f"bare n_d(E_F), {where} (states/eV/atom)",
            ours["n_d_fermi_bare_states_per_ev_atom"],
            2,
        ),
        (
            "unsmeared d response (states²/eV/atom²)",
            ours["d_response_unsmeared_states2_per_ev_atom2"],
            1,
        ),
        (f"d-band centre, {where} (eV)", ours["d_band_center_ev"], 2),
        ("d-band centre, Vijay 2022 (eV)", metals["d_band_center_vijay2022_ev"], 2),
    ]
    return [(title, values, digits) for title, values, digits in quantities if values.notna().any()]
