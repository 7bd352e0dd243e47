"""The force error of a metal from its d-DOS alone, calibrated on the metals of a survey.

    ln(force error) = a + b x + s(crystal)

with x the reduced chi_4 (unsmeared chi_4 times the width of the d band: an error in percent has no
unit, so it is held against a response without one in energy) and an offset for the kind of crystal
that is drawn towards zero (`SHRINK` metals' worth). The 90 % interval is Student's, from the errors
of the metals left out one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.measures.table import REDUCED
from dosml.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from dosml.analysis.statistics.survey import SurveyData

#: Ships with dosml; `python -m dosml.learnability_set SURVEY_FOLDER` writes it.
SHIPPED = "learnability.csv"
#: An offset of a crystal counts as if so many more metals of that crystal lay on the line.
SHRINK = 2.0
#: Confidence of the interval.
CONFIDENCE = 0.90
#: Fewest metals of a calibration: each is left out, and again in the check of the coverage.
FEWEST = 6
#: How far outside the range of the calibration x may lie, as a share of that range.
MARGIN = 0.05
COLUMNS = ("metal", "crystal", REDUCED, "d_band_center_ev", "force_percent_error")


@dataclass(frozen=True)
class Expectation:
    """What the calibration expects of a metal.

    Attributes
    ----------
    percent_error, low, high
        Expected force error in % and its 90 % interval.
    nearest
        Metals of the calibration nearest in x, with their force errors in %.
    """

    percent_error: float
    low: float
    high: float
    nearest: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Calibration:
    """Metals whose force errors are known, and how well they predict each other.

    Attributes
    ----------
    table
        One row per metal, columns `COLUMNS`.
    words
        Where the numbers come from, one line.

    Raises
    ------
    InputError
        If there are fewer than `FEWEST` metals, or a column is missing.
    """

    table: pd.DataFrame
    words: str

    def __post_init__(self) -> None:
        """Check the table."""
        missing = [name for name in COLUMNS if name not in self.table]
        if missing or len(self.table) < FEWEST:
            raise InputError(
                f"a calibration needs {FEWEST} metals or more with force error and d-DOS, got "
                f"{len(self.table)}{' without ' + ', '.join(missing) if missing else ''}: run "
                "dosml survey on more metals"
            )

    def without(self, metal: str) -> Calibration:
        """Give the same without a metal.

        Raises
        ------
        InputError
            If too few are left.
        """
        kept = self.table[self.table["metal"] != metal].reset_index(drop=True)
        return Calibration(kept, self.words)

    def expect(self, response: float, crystal: str | None) -> Expectation:
        """Expect the force error of a metal.

        Parameters
        ----------
        response
            Its reduced chi_4, (states/atom)^2.
        crystal
            fcc, hcp, bcc, ...; None, or one that no metal here has, takes no offset.

        Raises
        ------
        InputError
            If the response lies outside the range of the metals here.
        """
        x, y, kinds = _columns(self.table)
        low, high = float(x.min()), float(x.max())
        room = MARGIN * (high - low)
        if not low - room <= response <= high + room:
            raise InputError(
                f"chi_4 times the d-band width, {response:.3f} (states/atom)², lies outside the "
                f"{len(x)} metals of the calibration ({low:.3f} to {high:.3f}): "
                "no force error is told that far away"
            )
        value = _predict(x, y, kinds, response, crystal)
        half = _half_width(_left_out(x, y, kinds) - y)
        order = np.argsort(np.abs(x - response))[:3]
        metals = self.table["metal"].to_numpy()
        return Expectation(
            float(np.exp(value)),
            float(np.exp(value - half)),
            float(np.exp(value + half)),
            tuple((str(metals[k]), float(np.exp(y[k]))) for k in order),
        )

    def q2(self) -> tuple[float, float]:
        """Give Q² of ln(error), metals left out: of this model, of a line in the d-band centre."""
        x, y, kinds = _columns(self.table)
        nothing = np.array([None] * len(y), dtype=object)
        return (
            _q2(x, y, kinds),
            _q2(self.table["d_band_center_ev"].to_numpy(float), y, nothing),
        )

    def coverage(self) -> float:
        """Share of the metals whose error lies in the interval made without them."""
        x, y, kinds = _columns(self.table)
        hits = 0
        for k in range(len(y)):
            rest = np.arange(len(y)) != k
            value = _predict(x[rest], y[rest], kinds[rest], x[k], kinds[k])
            half = _half_width(_left_out(x[rest], y[rest], kinds[rest]) - y[rest])
            hits += abs(value - y[k]) <= half
        return hits / len(y)


def _columns(
    table: pd.DataFrame,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.object_]]:
    """Reduced chi_4, ln(force error) and crystals."""
    return (
        table[REDUCED].to_numpy(float),
        np.log(table["force_percent_error"].to_numpy(float)),
        table["crystal"].to_numpy(object),
    )


def _predict(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    kinds: NDArray[np.object_],
    at: float,
    kind: object,
) -> float:
    """ln(error) at an x in a kind of crystal: least squares with shrunk offsets."""
    names = [name for name in dict.fromkeys(kinds.tolist()) if name is not None]
    indicators = np.array([[float(one == name) for name in names] for one in kinds])
    design = np.column_stack([np.ones(len(x)), x, indicators.reshape(len(x), -1)])
    penalty = np.diag([0.0, 0.0, *[SHRINK] * len(names)])
    # the penalty makes the offsets of all crystals, beside the constant, one solution
    coefficients = np.linalg.lstsq(design.T @ design + penalty, design.T @ y, rcond=None)[0]
    row = np.array([1.0, at, *[float(kind == name) for name in names]])
    return float(row @ coefficients)


def _left_out(
    x: NDArray[np.float64], y: NDArray[np.float64], kinds: NDArray[np.object_]
) -> NDArray[np.float64]:
    """ln(error) of every metal from all others."""
    out = np.empty(len(y))
    for k in range(len(y)):
        rest = np.arange(len(y)) != k
        out[k] = _predict(x[rest], y[rest], kinds[rest], x[k], kinds[k])
    return out


def _q2(x: NDArray[np.float64], y: NDArray[np.float64], kinds: NDArray[np.object_]) -> float:
    """Share of the spread of ln(error) that is told to metals left out."""
    plain = (len(y) * y.mean() - y) / (len(y) - 1)
    return float(1 - np.sum((_left_out(x, y, kinds) - y) ** 2) / np.sum((plain - y) ** 2))


def _half_width(residuals: NDArray[np.float64]) -> float:
    """Half the interval of ln(error), from the errors of metals left out."""
    from scipy import stats

    quantile = float(stats.t.ppf(0.5 + CONFIDENCE / 2, len(residuals) - 2))
    return quantile * float(np.sqrt(np.mean(residuals**2)))


def calibration_of(survey: SurveyData, words: str) -> Calibration:
    """Take the metals of a survey at its reference setting.

    Parameters
    ----------
    survey
        With crystals.
    words
        Where the numbers come from.

    Raises
    ------
    InputError
        If too few metals have force error and d-DOS.
    """
    rows = survey.own.dropna(subset=[REDUCED, "force_percent_error"])
    rows = rows[rows["force_percent_error"] > 0]
    return Calibration(rows.reindex(columns=list(COLUMNS)).reset_index(drop=True), words)


def shipped_calibration() -> Calibration:
    """Read the calibration that ships with dosml."""
    text = (files("dosml.analysis.statistics") / SHIPPED).read_text(encoding="utf-8")
    return read_calibration(text)


def read_calibration(text: str) -> Calibration:
    """Read what `calibration_text` wrote.

    Raises
    ------
    InputError
        If it is something else.
    """
    import pandas as pd

    comments = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("#")]
    return Calibration(pd.read_csv(StringIO(text), comment="#"), " ".join(comments))


def calibration_text(calibration: Calibration) -> str:
    """Write a calibration as the file that ships."""
    rounded = calibration.table.round(5)
    return f"# {calibration.words}\n{rounded.to_csv(index=False)}"


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Write the file that ships."""
    from dosml.files import whole_file

    with whole_file(path) as partial:
        partial.write_text(calibration_text(calibration), encoding="utf-8")
