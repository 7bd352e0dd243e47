"""A column of a table: its name in files, and what people read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

#: Of a number in a sentence, behind its point.
_MOST_DIGITS = 6


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name
        Name in the table's file.
    heading
        Short heading for people.
    unit
        Unit, empty for a pure number.
    definition
        One or two sentences.
    digits
        Digits after the decimal point where people read it.
    """

    name: str
    heading: str
    unit: str
    definition: str
    digits: int = 3

    @property
    def label(self) -> str:
        """Heading and unit, for an axis or a sentence."""
        return f"{self.heading} ({self.unit})" if self.unit else self.heading


def number_text(value: object, digits: int) -> str:
    """Format a value for people: fixed digits, "–" for a missing number, words as they are."""
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        number = float(value)
        return "–" if math.isnan(number) else f"{number:.{digits}f}"
    return str(value)


def interval_words(low: float, high: float, form: str = ".1f") -> str:
    """Write a 95 % interval as it stands behind a number: " (95 %: 1.2 to 3.4)".

    Parameters
    ----------
    low, high
        Its ends.
    form
        Format of both.

    Returns
    -------
    str
        Empty where there is no interval: ends are missing, or the same.
    """
    return f" (95 %: {low:{form}} to {high:{form}})" if low < high else ""


def row_interval(row: Mapping[Any, Any] | pd.Series, name: str, form: str = ".1f") -> str:
    """Write the interval of a row's number, from its columns `name`_low and `name`_high."""
    return interval_words(row[f"{name}_low"], row[f"{name}_high"], form)


def from_to(first: float, last: float) -> str:
    """Say between which numbers something goes, with two digits of the smaller one.

    More where these would be equal: a step that is told is seen. "from 115 to 33".
    """
    smaller = min(abs(first), abs(last))
    known = 0 < smaller < math.inf
    digits = max(0, min(_MOST_DIGITS, 1 - math.floor(math.log10(smaller)))) if known else 2
    while digits < _MOST_DIGITS and f"{first:.{digits}f}" == f"{last:.{digits}f}":
        digits += 1
    return f"from {first:.{digits}f} to {last:.{digits}f}"
