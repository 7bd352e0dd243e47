"""Every held-out frame as a point that names itself under the pointer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.analysis.figures.style import TIER_COLOURS

if TYPE_CHECKING:
    import pandas as pd

#: Size of the drawing and its margins (left, right, top, bottom), in its own units.
_WIDTH, _HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 22, 44
#: Colours of tiers without one of their own (Okabe and Ito).
_OTHERS = ("#009E73", "#56B4E9", "#D55E00", "#CC79A7", "#E69F00", "#0072B2")
#: More points would make a page heavy; the worst frames are kept.
_MOST = 1500
_MEV = 1000.0
_TICKS = 5


def frame_scatter(frames: pd.DataFrame) -> dict[str, Any]:
    """Place of every frame: size of its forces against their error.

    Parameters
    ----------
    frames
        From `dosml.analysis.statistics.frame_errors.frame_errors`, the worst first.

    Returns
    -------
    dict
        For the macro `scatter` of the templates.
    """
    shown = frames.head(_MOST)
    error = _MEV * shown["force_mae_ev_per_angstrom"].to_numpy(float)
    size = 100 * error / shown["force_percent_error"].to_numpy(float)
    size = np.where(np.isfinite(size), size, 0.0)
    x_ticks, y_ticks = _ticks(float(size.max())), _ticks(float(error.max()))
    tiers = list(dict.fromkeys(map(str, shown["tier"])))
    colours = {one: TIER_COLOURS.get(one, _OTHERS[k % 6]) for k, one in enumerate(tiers)}
    points = [
        {
            "x": _place(x, x_ticks[-1], _LEFT, _WIDTH - _RIGHT),
            "y": _place(y, y_ticks[-1], _HEIGHT - _BOTTOM, _TOP),
            "colour": colours[str(row["tier"])],
            "text": f"{str(row['frame'])[:12]} ({row['tier']}): force MAE {y:.1f} meV/Å, "
            f"{row['force_percent_error']:.1f} %; worst atom {row['worst_atom_element']} "
            f"{row['worst_atom']}, {_MEV * row['worst_atom_error_ev_per_angstrom']:.0f} meV/Å",
        }
        for x, y, row in zip(size, error, shown.to_dict("records"), strict=True)
    ]
    return {
        "width": _WIDTH,
        "height": _HEIGHT,
        "left": _LEFT,
        "right": _WIDTH - _RIGHT,
        "top": _TOP,
        "bottom": _HEIGHT - _BOTTOM,
        "x_ticks": [(_place(t, x_ticks[-1], _LEFT, _WIDTH - _RIGHT), f"{t:g}") for t in x_ticks],
        "y_ticks": [(_place(t, y_ticks[-1], _HEIGHT - _BOTTOM, _TOP), f"{t:g}") for t in y_ticks],
        "tiers": [
            {"name": one, "colour": colour, "x": _LEFT + 90 * k}
            for k, (one, colour) in enumerate(list(colours.items())[:6])
        ],
        # the worst last: it lies on top
        "points": points[::-1],
        "total": len(frames),
    }


def _ticks(highest: float) -> list[float]:
    """Even ticks from zero to a little above the highest value."""
    if not highest > 0:
        return [0.0, 1.0]
    step = highest / _TICKS
    power = 10 ** np.floor(np.log10(step))
    step = power * next(one for one in (1, 2, 2.5, 5, 10) if one * power >= step)
    return [float(k * step) for k in range(int(np.ceil(highest / step - 1e-9)) + 1)]


def _place(value: float, top: float, start: float, end: float) -> float:
    return round(float(start + value / top * (end - start)), 1)
