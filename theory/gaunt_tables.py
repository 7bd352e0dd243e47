"""Whole tables of Gaunt coefficients as arrays, correctly rounded.

The formula of `dosml.theory.gaunt` is evaluated for all coefficients at once: the alternating sums
exactly in 64-bit integers, the square roots as pairs of doubles (about 104 bits), taken from exact
integers. Only one of the up to twelve coefficients that permutations and m -> -m make equal is
computed. A coefficient whose rounding 104 bits cannot decide is computed by exact integers.
"""

# l is the notation of the field.
# ruff: noqa: E741

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import comb, factorial, isqrt, ldexp
from typing import TYPE_CHECKING, Literal

import numpy as np

from dosml.theory.gaunt import exact, triple_factor
from dosml.theory.surd import INVERSE_FOUR_PI, INVERSE_FOUR_PI_BITS, Surd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: The sums stay within 64-bit integers up to here.
LARGEST_TABLE_L = 20

# A pair (high, low) of doubles stands for their sum; arrays of shape (2, n).
_SPLIT = 134217729.0  # 2^27 + 1
_UNDECIDED = 0.5 - 1e-10


@dataclass(frozen=True)
class GauntTable:
    """Non-zero Gaunt coefficients with all three l up to `l_max`.

    Attributes
    ----------
    l_max
        Largest l.
    kind
        "complex" (`gaunt`) or "real" (`real_gaunt`).
    indices
        Columns l1, m1, l2, m2, l3, m3; shape (n, 6), int64, rows in rising order. All permutations
        are listed.
    values
        Correctly rounded coefficients, shape (n,).
    """

    l_max: int
    kind: str
    indices: NDArray[np.int64]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of non-zero coefficients."""
        return len(self.values)

    def dense(self) -> NDArray[np.float64]:
        """Return the table as an array of shape (n, n, n), n = (l_max + 1)^2, index l^2 + l + m."""
        n = (self.l_max + 1) ** 2
        full = np.zeros((n, n, n))
        i = self.indices
        full[tuple(i[:, k] ** 2 + i[:, k] + i[:, k + 1] for k in (0, 2, 4))] = self.values
        return full


def _product(
    x: tuple[NDArray[np.float64], NDArray[np.float64]],
    y: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Multiply double-doubles (Dekker, Numer. Math. 18, 224 (1971)); error below 2^-100."""
    (a, a_low), (b, b_low) = x, y
    p = a * b
    t = _SPLIT * a
    a_top = t - (t - a)
    a_end = a - a_top
    t = _SPLIT * b
    b_top = t - (t - b)
    b_end = b - b_top
    error = ((a_top * b_top - p) + a_top * b_end + a_end * b_top) + a_end * b_end
    error += a * b_low + a_low * b
    high = p + error
    return high, error - (high - p)


# Exact roots are kept as integers with this many bits after the binary point.
_BITS = 128


def _pair(number: int, bits: int) -> tuple[float, float]:
    """Round number / 2^bits to a double-double."""
    high = float(number)
    return ldexp(high, -bits), ldexp(float(number - int(high)), -bits)


_ROOT_INVERSE_FOUR_PI = isqrt(INVERSE_FOUR_PI << 2 * _BITS) >> (INVERSE_FOUR_PI_BITS // 2)
_ROOT_HALF = _pair(isqrt(1 << (2 * _BITS - 1)), _BITS)


@lru_cache(maxsize=1024)
def _level_factor(l: int, m: int) -> tuple[float, float]:
    """Square root of (2l+1) (l+m)! (l-m)! as a double-double."""
    square = (2 * l + 1) * factorial(l + m) * factorial(l - m)
    return _pair(isqrt(square << 2 * _BITS), _BITS)


@lru_cache(maxsize=4096)
def _triple_factor(l1: int, l2: int, l3: int) -> tuple[float, float]:
    """Factor of a triple over sqrt(4π), with the sign that does not depend on m."""
    numerator, denominator = triple_factor(l1, l2, l3)
    shift = denominator.bit_length()
    number = (numerator * _ROOT_INVERSE_FOUR_PI << shift) // denominator
    negative = ((l1 + l2 + l3) // 2 + l1 - l2) % 2
    return _pair(-number if negative else number, _BITS + shift)


@dataclass(frozen=True)
class _Unique:
    """Coefficients of complex harmonics with l1 <= l2 <= l3 and m1 + m2 >= 0.

    `ids` holds, at [l1^2 + l1 + m1, l2^2 + l2 + m2, l3], the number of the coefficient that a
    full table has there, or -1 for zero.
    """

    ids: NDArray[np.int32]
    l: NDArray[np.int64]
    m: NDArray[np.int64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]

    def rounded(self) -> NDArray[np.float64]:
        """Return the coefficients as doubles."""
        return _round(self.high, self.low, self.l, self.m, 1)

    def over_root_two(self) -> NDArray[np.float64]:
        """Return the coefficients divided by sqrt(2) as doubles."""
        root = (np.array(_ROOT_HALF[0]), np.array(_ROOT_HALF[1]))
        return _round(*_product((self.high, self.low), root), self.l, self.m, 2)


@lru_cache(maxsize=32)
def _binomials(reach: int) -> tuple[NDArray[np.int64], int]:
    """C(n, k) for n up to 2 reach, flat, at n * width + 2 reach + k: zero outside 0 <= k <= n."""
    width = 5 * reach + 1
    table = np.zeros((2 * reach + 1, width), dtype=np.int64)
    for n in range(2 * reach + 1):
        table[n, 2 * reach : 2 * reach + n + 1] = [comb(n, k) for k in range(n + 1)]
    return table.ravel(), width


def _sums(l: NDArray[np.int64], m1: NDArray[np.int64], m2: NDArray[np.int64]) -> NDArray[np.int64]:
    """Alternating sums over k of the formula, exact; l has shape (3, n)."""
    reach = int(l[2].max())
    binomials, width = _binomials(reach)
    l1, l2, l3 = l
    a, b, c = l1 + l2 - l3, l1 - l2 + l3, l2 - l1 + l3
    k = np.arange(int(a.max()) + 1)[:, None]
    terms = binomials.take(a * width + 2 * reach + k)
    terms *= binomials.take(b * width + (2 * reach + l1 - m1) - k)
    terms *= binomials.take(c * width + (2 * reach + l2 + m2) - k)
    terms[1::2] *= -1
    return np.asarray(terms.sum(axis=0))


def _round(
    high: NDArray[np.float64],
    low: NDArray[np.float64],
    l: NDArray[np.int64],
    m: NDArray[np.int64],
    halving: int,
) -> NDArray[np.float64]:
    """Round double-doubles to doubles; where they cannot decide, ask the exact integers."""
    rounded = high.copy()
    undecided = np.abs(low) > _UNDECIDED * np.spacing(np.abs(high))
    for n in np.flatnonzero(undecided):
        value = exact(*(int(x) for pair in zip(l[:, n], m[:, n], strict=True) for x in pair))
        rounded[n] = float(Surd(value.factor / halving, value.radicand * halving, spherical=True))
    return rounded


@lru_cache(maxsize=4)
def _unique(l_max: int) -> _Unique:
    """Compute every coefficient once."""
    triples = [
        (l1, l2, l3)
        for l1 in range(l_max + 1)
        for l2 in range(l1, l_max + 1)
        for l3 in range(l2 + l1 % 2, min(l_max, l1 + l2) + 1, 2)
    ]
    factors = np.array([_triple_factor(*triple) for triple in triples])
    levels = np.array(
        [
            _level_factor(degree, abs(m))
            for degree in range(l_max + 1)
            for m in range(-degree, degree + 1)
        ]
    )

    every = np.arange(-l_max, l_max + 1)
    lt = np.array(triples)
    l1, l2, l3 = lt.T[:, :, None, None]
    m1, m2 = every[:, None], every[None, :]
    above = m1 + m2
    # Of the orders that equal l allow, keep one with m1 <= m2 and m2 >= m3 = -(m1 + m2).
    valid = (
        (np.abs(m1) <= l1)
        & (np.abs(m2) <= l2)
        & (above <= l3)
        & (above >= 0)
        & ((m1 <= m2) | (l1 < l2))
        & ((m2 + above >= 0) | (l2 < l3))
    )
    which, i1, i2 = np.nonzero(valid)
    sums = _sums(lt[which].T, every[i1], every[i2])
    keep = np.flatnonzero(sums)
    which, sums = which[keep], sums[keep]
    m1, m2 = every[i1[keep]], every[i2[keep]]
    l = lt[which].T
    m = np.array([m1, m2, -m1 - m2])
    positions = l * l + l + m

    # (-1)^m3 is the part of the sign that depends on m.
    sums = np.where(m[2] % 2, -sums, sums)
    whole = sums.astype(np.float64)
    rest = (sums - whole.astype(np.int64)).astype(np.float64)
    of_triple = factors.T.take(which, axis=1)
    of_m = levels.T.take(positions, axis=1)
    # Triple times m1 and m2 times m3, both at once; then with each other; then times the sum.
    left = np.stack([of_triple, of_m[:, 1]], axis=1)
    high, low = _product((left[0], left[1]), (of_m[0, ::2], of_m[1, ::2]))
    value = _product(_product((high[0], low[0]), (high[1], low[1])), (whole, rest))
    n, depth = len(levels), l_max + 1
    ids = np.full(n * n * depth, -1, dtype=np.int32)
    number = np.arange(len(sums), dtype=np.int32)
    third = l.take([2, 1, 2, 0, 1, 0], axis=0)
    for side in (positions, positions - 2 * m):
        first = side.take([0, 0, 1, 1, 2, 2], axis=0) * n
        first += side.take([1, 2, 0, 2, 0, 1], axis=0)
        first *= depth
        first += third
        ids[first] = number
    return _Unique(ids.reshape(n, n, depth), l, m, *value)


def _rows(ids: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """List the quantum numbers of all non-zero complex coefficients, and their numbers."""
    flat = ids.ravel()
    found = np.flatnonzero(flat >= 0)
    pairs, l3 = np.divmod(found, ids.shape[2])
    first, second = np.divmod(pairs, ids.shape[1])
    size = np.arange(ids.shape[2])
    l = np.repeat(size, 2 * size + 1)
    m = np.arange(len(l)) - l * l - l
    m1, m2 = m.take(first), m.take(second)
    rows = np.empty((len(found), 6), dtype=np.int64)
    for column, numbers in enumerate((l.take(first), m1, l.take(second), m2, l3, -m1 - m2)):
        rows[:, column] = numbers
    return rows, flat.take(found)


def _real_rows(
    indices: NDArray[np.int64], numbers: NDArray[np.int32], unique: _Unique
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows and values of the real coefficients that follow from the complex ones.

    See `dosml.theory.gaunt._real`: for given |m|, the real coefficients differ by which two of the
    three harmonics are sines, if any.
    """
    m = indices[:, 1::2]
    # Of the two rows ±m, take the one whose first non-zero m is positive.
    leading = np.where(m[:, 0] != 0, m[:, 0], m[:, 1])
    half = np.flatnonzero((leading > 0) | (np.abs(m).sum(axis=1) == 0))
    m, l, numbers = np.abs(m[half]), indices[half, ::2], numbers[half]
    sign = np.where(m.max(axis=1) % 2, -1.0, 1.0)
    nonzero = np.count_nonzero(m, axis=1)
    largest = m.argmax(axis=1)
    values = unique.rounded()
    parts = [(nonzero < 3, 1, 1.0), (nonzero == 2, -1, 1.0)]
    every: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = [
        (l[rows], pattern * m[rows], factor * sign[rows] * values[numbers[rows]])
        for rows, pattern, factor in parts
    ]
    rows = np.flatnonzero(nonzero == 3)
    values = sign[rows] * unique.over_root_two()[numbers[rows]]
    every.append((l[rows], m[rows], values))
    for cosine in range(3):
        pattern = np.full(3, -1)
        pattern[cosine] = 1
        flip = np.where(largest[rows] == cosine, -1.0, 1.0)
        every.append((l[rows], pattern * m[rows], flip * values))
    l_all, m_all, value_all = (np.concatenate(part) for part in zip(*every, strict=True))
    columns = np.stack([l_all, m_all], axis=2).reshape(-1, 6)
    position = l_all * l_all + l_all + m_all
    size = unique.ids.shape[0]
    order = np.argsort((position[:, 0] * size + position[:, 1]) * size + position[:, 2])
    return columns[order], value_all[order]


def gaunt_table(l_max: int, kind: Literal["complex", "real"] = "complex") -> GauntTable:
    """Compute all non-zero Gaunt coefficients with l1, l2, l3 <= l_max.

    Parameters
    ----------
    l_max
        Largest l, 0 ... 20.
    kind
        "complex": `dosml.theory.gaunt`; "real": `dosml.theory.real_gaunt`.

    Returns
    -------
    table
        Quantum numbers and correctly rounded values; 4060 rows at l_max = 6, complex.

    Raises
    ------
    ValueError
        If l_max is no integer between 0 and 20, or the kind is unknown.
    """
    if isinstance(l_max, bool) or not isinstance(l_max, int | np.integer):
        raise ValueError(f"l_max must be an integer, got {l_max!r}")  # noqa: TRY004 - theory's rule
    if not 0 <= l_max <= LARGEST_TABLE_L:
        raise ValueError(
            f"tables reach from l_max = 0 to {LARGEST_TABLE_L}, got {l_max}; single coefficients "
            "of larger l come from dosml.theory.gaunt"
        )
    if kind not in {"complex", "real"}:
        raise ValueError(f"unknown kind {kind!r}: use 'complex' or 'real'")
    unique = _unique(int(l_max))
    indices, numbers = _rows(unique.ids)
    if kind == "complex":
        return GauntTable(int(l_max), kind, indices, unique.rounded()[numbers])
    return GauntTable(int(l_max), kind, *_real_rows(indices, numbers, unique))


def shell_couplings(
    shells: Sequence[int], kind: Literal["complex", "real"] = "real"
) -> tuple[list[tuple[int, int]], NDArray[np.float64]]:
    """Couplings C_{i L j} = ∫ Y*_i Y_L Y_j between all states of some shells.

    Parameters
    ----------
    shells
        The l of each shell; its states follow with m = -l ... l.
    kind
        "real" or "complex" harmonics, for states and potential alike.

    Returns
    -------
    labels
        The (L, M) that can couple: L = 0 ... twice the largest l.
    couplings
        Shape (len(labels), n, n).

    Raises
    ------
    ValueError
        If a shell is no integer between 0 and 10.
    """
    if not shells:
        raise ValueError("name at least one shell")
    dense = gaunt_table(2 * max(shells), kind).dense()
    states = [(l, m) for l in shells for m in range(-l, l + 1)]
    if min(shells) < 0:
        raise ValueError(f"the l of a shell must not be negative, got {min(shells)}")
    labels = [(l, m) for l in range(2 * max(shells) + 1) for m in range(-l, l + 1)]
    columns = [l * l + l + m for l, m in states]
    if kind == "real":
        return labels, dense[np.ix_(columns, range(len(labels)), columns)].transpose(1, 0, 2)
    # Y*_lm = (-1)^m Y_l-m
    rows = [l * l + l - m for l, m in states]
    signs = np.array([(-1.0) ** m for _, m in states])
    couplings = dense[np.ix_(rows, range(len(labels)), columns)] * signs[:, None, None]
    return labels, couplings.transpose(1, 0, 2)
