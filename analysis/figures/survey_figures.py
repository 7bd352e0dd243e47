"""Figures of several metals side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.figures.correlation_figures import forest_figure, scatter_figure
from dosml.analysis.figures.d_block import d_block_figure
from dosml.analysis.figures.point_names import name_points
from dosml.analysis.figures.style import (
    LINE_COLOUR,
    FigureRecord,
    from_zero,
    log_ordinate,
    new_figure,
    plain,
    save_figures,
    scale_colours,
)
from dosml.analysis.measures.survey_columns import describe
from dosml.analysis.measures.table import PRIMARY, ranked
from dosml.analysis.statistics.correlation import informative, which_inform
from dosml.analysis.statistics.d_block import in_d_block
from dosml.analysis.statistics.scan import setting_words
from dosml.analysis.statistics.survey import TARGET, SurveyData

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LABEL = "force error, 100 MAE/MAV (%)"


def draw_survey_figures(survey: SurveyData, folder: Path) -> list[FigureRecord]:
    """Draw every figure of a survey as PNG and PDF.

    Parameters
    ----------
    survey
        The survey.
    folder
        Where to; made if it does not exist.

    Returns
    -------
    list of FigureRecord
        In the order of the report; figures that the data do not allow are left out.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    return save_figures(_figures(survey), folder)


def _figures(survey: SurveyData) -> Iterator[tuple[str, str, str, Figure]]:
    """Yield name, title, caption and figure."""
    where, n = setting_words(*survey.reference), len(survey.campaigns)
    ranking = survey.ranking
    if survey.primary is not None:
        yield (
            "primary",
            "Force error against unsmeared chi_4",
            (
                f"The primary measure of a survey: force error (logarithmic) of every metal at "
                f"{where} with 95 % intervals over held-out frames, n = {survey.primary.n}. "
                f"Symbols: kind of crystal. Line: least squares of ln(error)."
            ),
            primary_figure(survey),
        )
    if ranking is not None and which_inform(ranking).any():
        labels = {name: describe(name).label for name in [*ranked(), TARGET]}
        headings = {name: describe(name).heading for name in ranked()}
        yield (
            "correlations",
            "Every measure at once",
            (
                f"Left: Pearson correlation of each DOS measure with the force error at {where}, "
                f"with its 95 % bootstrap interval over metals, and the partial correlation with "
                f"force MAV and melting point taken out; none where the interval runs "
                f"from -1 to +1. Right: mean error (points) for a metal left out, for the measure, "
                f"for the baseline "
                f"{describe(ranking.attrs['baseline']).label} and for the mean of the other "
                f"metals. Best prediction first."
            ),
            forest_figure(ranking, labels=headings),
        )
        yield (
            "error_against_measures",
            "Force error against the best measures",
            (
                f"Every metal by name at {where}, n = {n}; grey bars: 95 % intervals of the force "
                f"error over held-out frames; the line is a least-squares fit. The six measures "
                f"that predict best; the best of {len(ranking)} look better than they are."
            ),
            scatter_figure(survey.at(survey.reference), ranking, labels=labels),
        )
    yield (
        "error_by_metal",
        "Force error by metal",
        (
            f"Force error of every metal at every common setting with 95 % intervals "
            f"over held-out frames, sorted by {where}. Crosses: published errors of NequIP (other "
            f"labels, frames and learner; read from a figure, confidence medium)."
        ),
        error_by_metal_figure(survey),
    )
    if len(survey.common) > 1:
        yield (
            "error_against_setting",
            "What the setting does",
            f"Change of the force error against {where}, metal by metal.",
            change_figure(survey),
        )
    known = all(len(_curve(one.dos, survey.reference)) for one in survey.campaigns)
    if known and survey.with_d:
        yield (
            "d_dos_by_metal",
            "d density of states of every metal",
            (
                f"Mean d-DOS over all frames at {where}, energies relative to E_F; grey: bare, "
                f"line: convolved with the setting's own -df/de. Sorted by force error, hardest "
                f"first."
            ),
            dos_by_metal_figure(survey),
        )
    if in_d_block(survey):
        yield (
            "d_block",
            "In the periodic table",
            (
                "Periods 4 to 6, groups 3 to 12, coloured by our force errors, the published ones "
                "(NequIP, read from a figure, confidence medium) and measures of the d band. Grey "
                "symbols: no value."
            ),
            d_block_figure(survey),
        )
    figure = published_figure(survey)
    if figure is not None:
        yield (
            "against_published",
            "Against what is published",
            (
                "Left: our force errors against the published ones where those are legible. Right: "
                "published force errors against a published d-band centre (Vijay 2022), another "
                "test of the same question. Published errors: NequIP, read from a figure, "
                "confidence medium."
            ),
            figure,
        )


def primary_figure(survey: SurveyData) -> Figure:
    """Draw the force error of every metal against the primary measure."""
    test = survey.primary
    assert test is not None
    rows = survey.own[survey.own["metal"].isin(test.metals)]
    figure = new_figure(5.6, 3.6)
    axes = figure.subplots()
    x, y = rows[PRIMARY].to_numpy(float), rows[TARGET].to_numpy(float)
    ends = rows[[f"{TARGET}_low", f"{TARGET}_high"]].to_numpy(float)
    bars = np.nan_to_num(np.clip([y - ends[:, 0], ends[:, 1] - y], 0, None))
    axes.errorbar(x, y, yerr=bars, fmt="none", lw=1, color="0.7")
    for k, (crystal, group) in enumerate(rows.groupby("crystal")):
        axes.plot(group[PRIMARY], group[TARGET], "oDs^v"[k % 5], ms=5, color=f"C{k}", label=crystal)
    slope, start = np.polyfit(x, np.log(y), 1)
    line = np.linspace(x.min(), x.max(), 50)
    axes.plot(line, np.exp(start + slope * line), color=LINE_COLOUR, lw=0.8)
    axes.set(xlabel=describe(PRIMARY).label, ylabel=_LABEL)
    log_ordinate(axes)
    # an r that may be anything is not shown
    told = f"r = {test.pearson:+.2f}, " if informative(*test.interval) else ""
    axes.set_title(f"ln(error): {told}n = {test.n}")
    name_points(axes, rows[PRIMARY], rows[TARGET], list(rows["metal"]))
    figure.legend(loc="outside upper right", ncols=4)
    return figure


def error_by_metal_figure(survey: SurveyData) -> Figure:
    """Draw the force error of every metal at every common setting."""
    order = survey.at(survey.reference).sort_values(TARGET)["metal"].tolist()
    figure = new_figure(7.2, 3.4)
    axes = figure.subplots()
    place = {metal: k for k, metal in enumerate(order)}
    colours = scale_colours(len(survey.common))
    offsets = np.linspace(-0.22, 0.22, len(survey.common)) if len(survey.common) > 1 else [0.0]
    for setting, colour, offset in zip(survey.common, colours, offsets, strict=True):
        rows = survey.at(setting)
        x = np.array([place[m] for m in rows["metal"]]) + offset
        y = rows[TARGET].to_numpy(float)
        ends = rows[[f"{TARGET}_low", f"{TARGET}_high"]].to_numpy(float)
        bars = np.nan_to_num(np.clip([y - ends[:, 0], ends[:, 1] - y], 0, None))
        axes.errorbar(
            x, y, yerr=bars, fmt="o", ms=4, lw=1, color=colour, label=setting_words(*setting)
        )
    rows = survey.at(survey.reference).dropna(subset=["published_force_percent_error"])
    if len(rows):
        x = [place[m] for m in rows["metal"]]
        axes.plot(
            x, rows["published_force_percent_error"], "x", color="C1", ms=6, label="published"
        )
    axes.set_xticks(range(len(order)), order)
    axes.set(ylabel=_LABEL)
    from_zero(axes)
    figure.legend(loc="outside upper right", ncols=5)
    return figure


def change_figure(survey: SurveyData) -> Figure:
    """Draw the change of the force error from the reference to the other common settings."""
    figure = new_figure(7.2, 3.6)
    axes = figure.subplots()
    table = survey.table.set_index("metal")
    # one axis only: the settings at the electron shift of the reference, or else all shifts
    widths = sorted(width for width, shift in survey.common if shift == survey.reference[1])
    by_width = len(widths) > 1
    shifts = sorted(shift for width, shift in survey.common if width == survey.reference[0])
    values = widths if by_width else shifts
    settings = [(v, survey.reference[1]) if by_width else (survey.reference[0], v) for v in values]
    points = {setting: survey.at(setting).set_index("metal")[TARGET] for setting in settings}
    start = points[survey.reference]
    ends: list[tuple[float, str, str]] = []
    for k, metal in enumerate(dict.fromkeys(table.index)):
        colour = f"C{k % 6}"
        change = [float(points[setting][metal] - start[metal]) for setting in settings]
        axes.plot(values, change, "o-", ms=3.5, lw=1.2, color=colour)
        ends.append((change[-1], metal, colour))
    axes.axhline(0, color=LINE_COLOUR, lw=0.8)
    low, high = axes.get_ylim()
    ends.sort()
    places = _apart([value for value, _, _ in ends], 0.045 * (high - low))
    for place, (_, metal, colour) in zip(places, ends, strict=True):
        axes.annotate(
            metal,
            (values[-1], place),
            (6, 0),
            textcoords="offset points",
            color=colour,
            va="center",
            fontsize=8,
        )
    axes.set_ylim(min(low, places[0]), max(high, places[-1]))
    axes.set_xticks(values, [f"{v:g}" for v in values])
    axes.set_xlabel("smearing width σ (eV)" if by_width else "electrons added per atom")
    axes.set_ylabel("change of force error (points)")
    return figure


def _apart(values: list[float], gap: float) -> list[float]:
    """Move sorted values apart to a least distance, as little as may be (for names in a margin)."""
    groups = [[value] for value in values]
    joined = True
    while joined:
        joined = False
        for k in range(len(groups) - 1):
            (above, below), (n, m) = (
                (groups[k + 1], groups[k]),
                (len(groups[k]), len(groups[k + 1])),
            )
            if np.mean(above) - np.mean(below) < gap * (n + m) / 2 - 1e-9:
                groups[k : k + 2] = [below + above]
                joined = True
                break
    return [
        float(np.mean(group) + gap * (k - (len(group) - 1) / 2))
        for group in groups
        for k in range(len(group))
    ]


def dos_by_metal_figure(survey: SurveyData) -> Figure:
    """Draw small panels with the d-DOS of every metal at the reference setting."""
    errors = survey.at(survey.reference).set_index("metal")[TARGET].sort_values(ascending=False)
    dos = {campaign.metal: campaign.dos for campaign in survey.campaigns}
    columns = min(4, len(errors))
    rows = -(-len(errors) // columns)
    figure = new_figure(7.2, 0.5 + 1.35 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, (metal, error) in zip(panels, errors.items(), strict=False):
        part = _curve(dos[str(metal)], survey.reference)
        axes.fill_between(
            part["energy_ev"], part["d_bare_states_per_ev_atom"], color="#d0d0d0", lw=0
        )
        axes.plot(part["energy_ev"], part["d_smeared_states_per_ev_atom"], color="C0", lw=1)
        axes.axvline(0, color=LINE_COLOUR, lw=0.8)
        axes.set_title(f"{plain(str(metal))}: {error:.1f} %", fontsize=8)
    panels[0].set(xlim=(-8, 8))
    panels[0].set_ylim(bottom=0)
    for axes in panels[len(errors) :]:
        axes.set_visible(False)
    figure.supxlabel(r"energy relative to $E_\mathrm{F}$ (eV)", fontsize=9)
    figure.supylabel("d-DOS (states/eV/atom)", fontsize=9)
    return figure


def _curve(dos: pd.DataFrame | None, setting: tuple[float, float]) -> pd.DataFrame:
    """Rows of a table of d-DOS at a setting, none where there is no table."""
    import pandas as pd

    if dos is None:
        return pd.DataFrame()
    here = np.isclose(dos["sigma_ev"], setting[0])
    here &= np.isclose(dos["electrons_per_atom_shift"], setting[1])
    return dos[here]


def published_figure(survey: SurveyData) -> Figure | None:
    """Draw our errors against the published ones, and those against a published d-band centre."""
    from dosml.analysis.statistics.published import published_table

    rows = survey.at(survey.reference).dropna(subset=["published_force_percent_error"])
    # a scatter of two points says nothing
    if len(rows) < 3:
        return None
    figure = new_figure(7.2, 3.1)
    left, right = figure.subplots(1, 2)
    _named_points(left, rows["metal"], rows["published_force_percent_error"], rows[TARGET])
    left.set(xlabel="published force error (%)", ylabel="our force error (%)")
    left.set_title(f"n = {len(rows)}")
    published = published_table().dropna(subset=["d_band_center_vijay2022_ev"])
    _named_points(
        right,
        published["metal"],
        published["d_band_center_vijay2022_ev"],
        published["force_percent_error"],
    )
    right.set(
        xlabel=describe("d_band_center_vijay2022_ev").label,
        ylabel="published force error (%)",
    )
    right.set_title(f"published numbers only, n = {len(published)}")
    return figure


def _named_points(axes: Axes, names: pd.Series, x: pd.Series, y: pd.Series) -> None:
    axes.plot(x, y, "o", ms=4)
    axes.margins(0.1)
    name_points(axes, x, y, list(names))
