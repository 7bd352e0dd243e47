"""Interactive figures of a survey: plotly, drawn from one copy of it inside the page."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.analysis.measures.survey_columns import describe
from dosml.analysis.measures.table import ranked
from dosml.analysis.measures.typography import as_html
from dosml.analysis.statistics.d_block import D_BLOCK, d_block_grid, d_block_quantities
from dosml.analysis.statistics.scan import setting_words
from dosml.analysis.statistics.survey import TARGET, SurveyData

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True)
class InteractiveFigure:
    """One interactive figure.

    Attributes
    ----------
    name
        Identifier in the page.
    title, caption
        A few words; what is drawn.
    data
        plotly's JSON: "data", "layout", "config".
    """

    name: str
    title: str
    caption: str
    data: str


def plotly_library() -> str:
    """plotly.js, packed with gzip and base64: a third of its size, unpacked by the browser."""
    source = (files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    return base64.b64encode(gzip.compress(source, 9, mtime=0)).decode("ascii")


def explorer(survey: SurveyData) -> InteractiveFigure | None:
    """Force error against a measure of the reader's choice, every metal by name; None without any.

    Parameters
    ----------
    survey
        The survey.
    """
    import plotly.graph_objects as go

    ranking = survey.ranking
    order = list(ranking["measure"]) if ranking is not None else []
    order += [m for m in ranked() if m not in order]
    rows = {setting: survey.at(setting) for setting in survey.common}
    order = [m for m in order if rows[survey.reference][m].notna().any()]
    if not order:
        return None
    figure = go.Figure()
    colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
    for k, (setting, part) in enumerate(rows.items()):
        y = part[TARGET]
        figure.add_scatter(
            x=_numbers(part[order[0]]),
            y=_numbers(y),
            text=list(part["metal"]),
            name=setting_words(*setting),
            mode="markers+text",
            textposition="middle right",
            visible=True if setting == survey.reference else "legendonly",
            marker={"size": 8, "color": colours[k % len(colours)]},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": _numbers((part[f"{TARGET}_high"] - y).clip(lower=0)),
                "arrayminus": _numbers((y - part[f"{TARGET}_low"]).clip(lower=0)),
                "thickness": 1,
                "width": 0,
            },
            hovertemplate="%{text}: error %{y:.2f} %<br>%{x:.3g}<extra>%{fullData.name}</extra>",
        )
    buttons = [
        {
            "label": as_html(describe(measure).heading),
            "method": "update",
            "args": [
                {"x": [_numbers(part[measure]) for part in rows.values()]},
                {"xaxis.title.text": as_html(describe(measure).label)},
            ],
        }
        for measure in order
    ]
    figure.update_layout(
        template="plotly_white",
        height=480,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 55, "r": 10, "t": 75, "b": 90},
        xaxis={"title": {"text": as_html(describe(order[0]).label)}},
        yaxis={"title": {"text": "force error (%)"}, "rangemode": "tozero"},
        legend={"orientation": "h", "y": -0.22},
        updatemenus=[{"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.2, "yanchor": "top"}],
    )
    return InteractiveFigure(
        name="explorer",
        title="Choose a measure",
        caption="Force error of every metal against a measure from the menu; the entries of the "
        "legend switch settings on and off, the bars are 95 % intervals over held-out frames. "
        "Measures in the order of their error for a metal left out.",
        data=_json(figure),
    )


def periodic_table(survey: SurveyData) -> InteractiveFigure:
    """Colour the d block of the periodic table by a quantity of the reader's choice.

    Parameters
    ----------
    survey
        The survey.
    """
    import plotly.graph_objects as go

    quantities = d_block_quantities(survey)
    grids = [d_block_grid(values) for _, values, _ in quantities]
    figure = go.Figure()
    figure.add_heatmap(
        x=list(range(3, 13)),
        y=[4, 5, 6],
        z=_rows(grids[0]),
        text=_words(grids[0], quantities[0][2]),
        texttemplate="%{text}",
        hovertemplate="%{text}<extra></extra>",
        colorscale="Viridis",
        xgap=2,
        ygap=2,
        colorbar={"thickness": 12},
    )
    buttons = [
        {
            "label": as_html(title),
            "method": "restyle",
            "args": [{"z": [_rows(grid)], "text": [_words(grid, digits)]}],
        }
        for (title, _, digits), grid in zip(quantities, grids, strict=True)
    ]
    figure.update_layout(
        template="plotly_white",
        height=330,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 30, "r": 10, "t": 50, "b": 40},
        xaxis={"title": {"text": "group"}, "dtick": 1, "showgrid": False, "fixedrange": True},
        yaxis={"autorange": "reversed", "dtick": 1, "showgrid": False, "fixedrange": True},
        updatemenus=[{"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.25, "yanchor": "top"}],
    )
    return InteractiveFigure(
        name="periodic",
        title="The d block",
        caption="Choose a quantity from the menu. White: no value. Published errors: NequIP, read "
        "from a scanned figure, confidence medium.",
        data=_json(figure),
    )


def _rows(grid: NDArray[np.float64]) -> list[list[float | None]]:
    """Rows of a grid for JSON, which has no nan."""
    return [[None if np.isnan(value) else float(value) for value in row] for row in grid]


def _words(grid: NDArray[np.float64], digits: int) -> list[list[str]]:
    """Symbol and value of every tile."""
    return [
        [
            f"<b>{symbol}</b>" + ("" if np.isnan(value) else f"<br>{value:.{digits}f}")
            for symbol, value in zip(symbols, row, strict=True)
        ]
        for symbols, row in zip(D_BLOCK, grid, strict=True)
    ]


def _numbers(values: pd.Series) -> list[float | None]:
    """Plain numbers; None where there is none, which JSON can say."""
    return [None if value != value else float(value) for value in values]  # noqa: PLR0124


def _json(figure: Any) -> str:
    content: Mapping[str, Any] = json.loads(figure.to_json())
    # templates repeat plotly's defaults at length; ours needs only what it uses
    packed = {
        "data": content["data"],
        "layout": content["layout"],
        "config": {"responsive": True, "displayModeBar": False},
    }
    # "</" would end the script element that holds it
    return json.dumps(packed, separators=(",", ":")).replace("</", "<\\/")
