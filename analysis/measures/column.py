"""A column of a table: its name in files, and what people read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real


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
