"""Exact sums of products of angular couplings."""

# l is the notation of the field.
# ruff: noqa: E741

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from functools import lru_cache
from math import gcd
from typing import TYPE_CHECKING

from dosml.theory.gaunt import exact

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sympy

LETTERS = "spdfghik"

Channel = tuple[int, int]
#: Sum of q sqrt(n) over n, in units of 1/(4π): exact value of a product of couplings.
_Roots = dict[int, Fraction]


def shell_number(shell: str | int) -> int:
    """Return l of a shell given as l or as its letter (s, p, d, f, g, h, i, k).

    Raises
    ------
    ValueError
        If it is neither.
    """
    if isinstance(shell, str):
        if len(shell) != 1 or shell not in LETTERS:
            raise ValueError(f"unknown shell {shell!r}: use one of {', '.join(LETTERS)}")
        return LETTERS.index(shell)
    if isinstance(shell, bool) or not isinstance(shell, int) or not 0 <= shell < len(LETTERS):
        raise ValueError(f"the l of a shell must lie between 0 and {len(LETTERS) - 1}, got {shell}")
    return shell


@lru_cache(maxsize=65536)
def _coupling(i: Channel, channel: Channel, j: Channel, kind: str) -> tuple[Fraction, int]:
    """C_{iLj} times sqrt(4π) as q sqrt(n)."""
    value = exact(*i, *channel, *j, kind="real" if kind == "real" else "coupling")
    return value.factor, value.radicand


@lru_cache(maxsize=4096)
def state_couplings(i: Channel, j: Channel, kind: str) -> dict[Channel, tuple[Fraction, int]]:
    """Return C_{iLj} times sqrt(4π) as {L: (q, n)} for q sqrt(n), zeros left out."""
    (l1, m1), (l2, m2) = i, j
    found = {}
    for l in range(abs(l1 - l2), l1 + l2 + 1, 2):
        near = {m1 - m2} if kind == "complex" else {m1 - m2, m1 + m2, m2 - m1, -m1 - m2}
        for m in sorted(near):
            if abs(m) <= l:
                q, n = _coupling(i, (l, m), j, kind)
                if q:
                    found[l, m] = (q, n)
    return found


def coupling_products(
    first: Sequence[Channel],
    second: Sequence[Channel],
    kind: str = "real",
    *,
    skip_self: bool = False,
) -> dict[tuple[Channel, Channel], sympy.Expr]:
    """Sum C*_{jLi} C_{jL'i} over i in one set of states and j in another, exactly.

    Parameters
    ----------
    first, second
        States (l, m).
    kind
        "real" or "complex" harmonics.
    skip_self
        Leave out i = j, by position: for one set with itself.

    Returns
    -------
    sums
        Keys (L, L') with L = (l, m); zero sums are left out.
    """
    sums: dict[tuple[Channel, Channel], _Roots] = defaultdict(lambda: defaultdict(Fraction))
    for p, i in enumerate(first):
        for q, j in enumerate(second):
            if skip_self and p == q:
                continue
            found = state_couplings(j, i, kind).items()
            for a, (x, na) in found:
                for b, (y, nb) in found:
                    common = gcd(na, nb)
                    sums[a, b][na * nb // common**2] += x * y * common
    return {key: value for key, roots in sums.items() if (value := _number(roots)) != 0}


def _number(roots: _Roots) -> sympy.Expr:
    """Build the sympy number of a sum of roots in units of 1/(4π)."""
    import sympy as sp

    total = sum(
        (sp.Rational(q.numerator, q.denominator) * sp.sqrt(n) for n, q in roots.items()),
        start=sp.Integer(0),
    )
    return total / (4 * sp.pi)
