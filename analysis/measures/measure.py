"""What one entry of the table of DOS measures is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dosml.analysis.measures.column import Column

if TYPE_CHECKING:
    from collections.abc import Callable

    from dosml.analysis.measures.reading import DosReading


@dataclass(frozen=True)
class Measure:
    """One number of a DOS.

    Attributes
    ----------
    name
        Column in results.csv and everywhere else.
    heading
        A few words for people.
    unit
        Empty for a pure number.
    definition
        One or two sentences.
    function
        Reads the number from a `DosReading`; may raise ValueError.
    window
        Which of the `DosWindows` it looks at; None for the whole grid or one energy.
    digits
        Digits after the decimal point where people read it.
    expected_sign
        Sign that the thesis expects of the correlation with the force error: a larger, sharper
        d-DOS at E_F and a half-filled band make forces harder, +1. 0: tried without an expected
        sign. None: not tried, because it says what another measure says, or nothing of the d band.
    of
        "d": empty where there are no d states. "total": of all states.
    smeared
        Whether it needs a smearing, and a grid that is fine enough to show it.
    """

    name: str
    heading: str
    unit: str
    definition: str
    function: Callable[[DosReading], float]
    window: Literal["moments", "sharpness"] | None = None
    digits: int = 3
    expected_sign: Literal[-1, 0, 1] | None = None
    of: Literal["d", "total"] = "d"
    smeared: bool = False

    @property
    def column(self) -> Column:
        """The measure as a column of a table."""
        return Column(self.name, self.heading, self.unit, self.definition, self.digits)
