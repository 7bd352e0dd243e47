"""Write the project's regression tables theory/*.csv from sources other than dosml.theory.

    python tests/theory/make_tables.py

Gaunt coefficients come from sympy's Wigner symbols, smearing functions from their definitions by
mpmath integration with 30 digits.
"""

# l is the notation of the field.
# ruff: noqa: E741

from __future__ import annotations

import csv
from itertools import product
from pathlib import Path

import mpmath
import sympy as sp
from sympy.physics.wigner import gaunt, real_gaunt, wigner_3j

FOLDER = Path(__file__).parents[2] / "theory"
L_MAX = 3
POINTS = (
    "-8",
    "-3",
    "-2",
    "-1.5",
    "-1",
    "-0.5",
    "-0.25",
    "0",
    "0.25",
    "0.5",
    "1",
    "1.5",
    "2",
    "3",
    "8",
)


def write(name: str, source: str, header: list[str], rows: list[tuple]) -> None:
    with (FOLDER / name).open("w", newline="", encoding="utf-8") as handle:
        handle.write(f"# {source}; written by tests/theory/make_tables.py\n")
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def signed_square(value: sp.Expr) -> tuple[int, int]:
    square = sp.simplify(value**2)
    assert square.is_Rational, value
    return int(sp.sign(value)) * int(square.p), int(square.q)


def states() -> list[tuple[int, int]]:
    return [(l, m) for l in range(L_MAX + 1) for m in range(-l, l + 1)]


def ck_rows() -> list[tuple]:
    rows = []
    for (l, m), (lp, mp) in product(states(), repeat=2):
        for k in range(abs(l - lp), l + lp + 1, 2):
            if lp < l or abs(m - mp) > k:
                continue
            integral = (-1) ** abs(m) * gaunt(l, k, lp, -m, m - mp, mp)
            value = sp.sqrt(4 * sp.pi / (2 * k + 1)) * integral
            if value != 0:
                rows.append((l, m, lp, mp, k, *signed_square(value), f"{sp.N(value, 17)}"))
    return rows


def real_rows() -> list[tuple]:
    rows = []
    for (l1, m1), (l2, m2) in product(states(), repeat=2):
        if (l2, m2) < (l1, m1):
            continue
        for l3 in range(abs(l1 - l2), l1 + l2 + 1, 2):
            for m3 in sorted({m1 + m2, m1 - m2, m2 - m1, -m1 - m2}):
                if abs(m3) > l3:
                    continue
                value = real_gaunt(l1, l2, l3, m1, m2, m3)
                if value != 0:
                    exact = signed_square(value * sp.sqrt(4 * sp.pi))
                    rows.append((l1, m1, l2, m2, l3, m3, *exact, f"{sp.N(value, 17)}"))
    return rows


def sum_rule_rows() -> list[tuple]:
    rows = []
    for l1 in range(L_MAX + 1):
        for l2 in range(l1, L_MAX + 1):
            for l3 in range(abs(l1 - l2), l1 + l2 + 1, 2):
                value = (2 * l1 + 1) * (2 * l2 + 1) * wigner_3j(l1, l2, l3, 0, 0, 0) ** 2
                rows.append((l1, l2, l3, value.p, value.q))
    return rows


def delta_functions() -> dict:
    def methfessel_paxton(order: int):
        def delta(x):
            return sum(
                (-1) ** n
                / (mpmath.factorial(n) * 4**n * mpmath.sqrt(mpmath.pi))
                * mpmath.hermite(2 * n, x)
                * mpmath.exp(-x * x)
                for n in range(order + 1)
            )

        return delta

    def cold(x):
        # Marzari and Vanderbilt: a Gaussian about -1/sqrt(2), in x = (e - mu)/sigma.
        shift = x + 1 / mpmath.sqrt(2)
        return (2 + mpmath.sqrt(2) * x) * mpmath.exp(-shift * shift) / mpmath.sqrt(mpmath.pi)

    return {
        "fermi-dirac": lambda x: 1 / (2 + 2 * mpmath.cosh(x)),
        "gaussian": methfessel_paxton(0),
        "methfessel-paxton-1": methfessel_paxton(1),
        "methfessel-paxton-2": methfessel_paxton(2),
        "methfessel-paxton-5": methfessel_paxton(5),
        "cold": cold,
    }


def smearing_rows() -> list[tuple]:
    rows = []
    with mpmath.workdps(30):
        for scheme, delta in delta_functions().items():
            reach = 80 if scheme == "fermi-dirac" else 12
            for text in POINTS:
                x = mpmath.mpf(text)
                nodes = [x, *(t for t in (-4, -1, 0, 1, 3, 6, 10, 20, 40) if x < t < reach), reach]
                f = mpmath.quad(delta, nodes)
                s = mpmath.quad(lambda t, d=delta: t * d(t), nodes)
                rows.append((scheme, text, *(mpmath.nstr(v, 17) for v in (f, delta(x), s))))
    return rows


def main() -> None:
    write(
        "gaunt_ck.csv",
        "c^k(lm, l'm'), s to f, l <= l', non-zero; sympy.physics.wigner.gaunt",
        ["l", "m", "lp", "mp", "k", "signed_numerator_under_sqrt", "denominator", "value"],
        ck_rows(),
    )
    write(
        "gaunt_real.csv",
        "real Gaunt integrals, s to f, non-zero, value = sign sqrt(|n|/d / 4 pi); "
        "sympy.physics.wigner.real_gaunt",
        ["l1", "m1", "l2", "m2", "l3", "m3", "signed_numerator_under_sqrt", "denominator", "value"],
        real_rows(),
    )
    write(
        "gaunt_sum_rules.csv",
        "4 pi sum_mm' |C|^2 for every M, s to f; sympy.physics.wigner.wigner_3j",
        ["l1", "l2", "l3", "numerator", "denominator"],
        sum_rule_rows(),
    )
    write(
        "smearing_reference.csv",
        "x = (e - mu)/sigma; occupation and entropy integrated from delta by mpmath, 30 digits",
        ["scheme", "x", "occupation", "delta", "entropy"],
        smearing_rows(),
    )


if __name__ == "__main__":
    main()
