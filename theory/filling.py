"""Response of an open shell with N electrons, averaged over all ways to fill it."""

# l is the notation of the field.
# ruff: noqa: E741

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from dosml.theory.coupling_products import coupling_products, shell_number
from dosml.theory.gaunt import three_j_zero_squared

if TYPE_CHECKING:
    import sympy


def _different_orbitals(l: int, k: int, kind: str) -> sympy.Expr:
    """Sum |C_{mLm'}|^2 over different orbitals m, m' of a shell, mean over the M of L = k."""
    states = [(l, m) for m in range(-l, l + 1)]
    products = coupling_products(states, states, kind, skip_self=True)
    return sum(products.get(((k, m), (k, m)), 0) for m in range(-k, k + 1)) / (2 * k + 1)


def averaged_shell_response(
    shell: str | int, electrons: Any, gap: Any, kind: Literal["real", "complex"] = "real"
) -> dict[int, sympy.Expr]:
    """P_l of a shell with N electrons and one gap, averaged over all fillings.

    A given pair of spin orbitals is occupied-empty in N (n - N) / [n (n - 1)] of the fillings,
    n = 2 (2l + 1); pairs of equal spin couple.

    Parameters
    ----------
    shell
        Letter or l.
    electrons
        N, a number or a sympy expression.
    gap
        Δ.
    kind
        Orbitals that the electrons fill: the prefactor depends on it.

    Returns
    -------
    response
        Mean of P[L, L] over M for every even l from 2 to twice the shell's, both spins.

    Raises
    ------
    ValueError
        If the shell is unknown or cannot hold N electrons.
    """
    import sympy as sp

    l = shell_number(shell)
    n = 2 * (2 * l + 1)
    number = sp.sympify(electrons)
    if number.is_number and not 0 <= number <= n:
        raise ValueError(f"this shell holds 0 to {n} electrons, got {electrons}")
    share = number * (n - number) / (n * (n - 1))
    return {k: 2 * share * _different_orbitals(l, k, kind) / gap for k in range(2, 2 * l + 1, 2)}


def partner_response(
    shell: str | int, partner: str | int, electrons: Any, gap: Any, *, full: bool = False
) -> dict[int, sympy.Expr]:
    """P_l between an open shell with N electrons and an empty (or full) partner shell.

    The sum over the partner's states makes it independent of the basis and proportional to the
    electrons that can leave (or the holes that can be filled).

    Parameters
    ----------
    shell, partner
        Letters or l.
    electrons
        N in the open shell.
    gap
        Δ.
    full
        Whether the partner is full.

    Returns
    -------
    response
        Mean of P[L, L] over M for every l that the pair reaches, both spins.

    Raises
    ------
    ValueError
        If a shell is unknown or the open one cannot hold N electrons.
    """
    import sympy as sp

    a, b = shell_number(shell), shell_number(partner)
    n = 2 * (2 * a + 1)
    number = sp.sympify(electrons)
    if number.is_number and not 0 <= number <= n:
        raise ValueError(f"this shell holds 0 to {n} electrons, got {electrons}")
    share = (n - number if full else number) / n
    response = {}
    for k in range(abs(a - b), a + b + 1):
        w = three_j_zero_squared(a, b, k)
        if w:
            coupling = sp.Rational(w.numerator, w.denominator) * (2 * a + 1) * (2 * b + 1)
            response[k] = 2 * share * coupling / (4 * sp.pi * gap)
    return response
