"""Exact numbers of the form a sqrt(n), with or without a factor 1/sqrt(4π).

Every Gaunt coefficient, in any convention, is one of these; they are kept as integers and turned
into sympy numbers or correctly rounded doubles on demand.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sympy

#: 1/(4π) as a fraction of 2^320, rounded down; a test recomputes it.
INVERSE_FOUR_PI_BITS = 320
INVERSE_FOUR_PI = int(
    "145F306DC9C882A53F84EAFA3EA69BB81B6C52B3278872083FCA2C757BD778AC36E48DC74849BA5C",
    16,
)

_EXTRA_BITS = 160


@dataclass(frozen=True)
class Surd:
    """The number `factor` sqrt(`radicand`), divided by sqrt(4π) if `spherical`.

    Attributes
    ----------
    factor
        Any rational number; carries the sign.
    radicand
        Positive and square-free.
    spherical
        Whether the number is divided by sqrt(4π).
    """

    factor: Fraction
    radicand: int
    spherical: bool

    def sympy(self) -> sympy.Expr:
        """Return the exact sympy number."""
        import sympy as sp

        number = sp.Rational(self.factor.numerator, self.factor.denominator)
        number = number * sp.sqrt(self.radicand)
        return number / (2 * sp.sqrt(sp.pi)) if self.spherical else number

    def square(self) -> Fraction:
        """Return the square, times 4π if `spherical`; a fraction without sign."""
        return self.factor**2 * self.radicand

    def scaled_root(self) -> tuple[int, int]:
        """Return (r, k): the magnitude lies within a few 2^-k of r/2^k, r has 160 bits or more."""
        square = self.square()
        numerator, denominator = square.numerator, square.denominator
        if self.spherical:
            numerator *= INVERSE_FOUR_PI
            denominator <<= INVERSE_FOUR_PI_BITS
        # Enough bits after the binary point for 160 significant ones.
        k = max(0, _EXTRA_BITS + (denominator.bit_length() - numerator.bit_length()) // 2 + 1)
        return isqrt((numerator << 2 * k) // denominator), k

    def __float__(self) -> float:
        """Round correctly to the nearest double (integer division in Python rounds correctly)."""
        if not self.factor:
            return 0.0
        root, k = self.scaled_root()
        value = root / (1 << k)
        return value if self.factor > 0 else -value

    def __neg__(self) -> Surd:
        """Return the number with the other sign."""
        return Surd(-self.factor, self.radicand, self.spherical)


ZERO = Surd(Fraction(0), 1, spherical=False)
