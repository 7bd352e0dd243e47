"""Columns that appear only where several metals stand side by side."""

from __future__ import annotations

from dosml.analysis.measures import columns
from dosml.analysis.measures.column import Column

_COLUMNS = (
    Column("metal", "metal", "", "Chemical symbol."),
    Column(
        "pairs_unexplained_percent",
        "beyond pairs",
        "%",
        "Share of the squared force on frames left out that a linear force field of pair "
        "functions alone leaves unexplained.",
        2,
    ),
    Column(
        "angular_gain_percent",
        "angular gain",
        "%",
        "Share of what triplets of l = 0 leave unexplained that triplets of higher l explain, the "
        "largest over l: how much angles the forces need, measured without a learner.",
        1,
    ),
    Column(
        "angular_gain_null_high_percent",
        "gain by chance",
        "%",
        "Largest angular gain of 19 made-up label sets in which angles carry nothing: a gain below "
        "it is no sign of angles.",
        1,
    ),
    Column(
        "melting_temperature_k", "melting point", "K", "As used by the sampling of the data set.", 0
    ),
    Column(
        "published_force_percent_error",
        "published force error",
        "%",
        "Owen et al. 2024, Fig. 2, NequIP on all tiers, read from a scanned figure: confidence "
        "medium at best.",
        2,
    ),
    Column(
        "d_band_center_ruban1997_ev",
        "d centre, Ruban 1997",
        "eV",
        "LMTO, J. Mol. Catal. A 115, 421 (1997).",
        2,
    ),
    Column(
        "d_band_center_vojvodic2014_ev",
        "d centre, Vojvodic 2014",
        "eV",
        "Top. Catal. 57, 25 (2014).",
        2,
    ),
    Column(
        "d_band_second_moment_vojvodic2014_ev2",
        "d second moment, Vojvodic 2014",
        "eV²",
        "Top. Catal. 57, 25 (2014).",
        2,
    ),
    Column(
        "d_band_center_vijay2022_ev",
        "d centre, Vijay 2022",
        "eV",
        "PBE, J. Chem. Phys. 156, 231102 (2022).",
        2,
    ),
    Column(
        "d_band_width_vijay2022_ev",
        "d width, Vijay 2022",
        "eV",
        "PBE, J. Chem. Phys. 156, 231102 (2022).",
        2,
    ),
)
SURVEY_COLUMNS = {column.name: column for column in _COLUMNS}

#: Controls of every partial correlation.
CONTROLS = ("force_mav_ev_per_angstrom", "melting_temperature_k")
#: Published measures of the published test bed.
PUBLISHED_MEASURES = (
    "d_band_center_ruban1997_ev",
    "d_band_center_vojvodic2014_ev",
    "d_band_center_vijay2022_ev",
    "d_band_width_vijay2022_ev",
    "d_band_second_moment_vojvodic2014_ev2",
)


def describe(name: str) -> Column:
    """Describe a column of the table of a survey, of a single campaign's table too.

    Raises
    ------
    KeyError
        If there is no such column.
    """
    return SURVEY_COLUMNS[name] if name in SURVEY_COLUMNS else columns.describe(name)
