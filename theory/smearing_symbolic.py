"""The smearing schemes as sympy expressions in x = (e - μ)/σ."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dosml.theory.smearing import parse_scheme

if TYPE_CHECKING:
    import sympy


class SymbolicSmearing(NamedTuple):
    """One scheme in closed form.

    Attributes
    ----------
    x
        The symbol (e - μ)/σ, real.
    occupation, delta, entropy
        f(x), δ(x) = -df/dx and s(x), with F = E - σ Σ s.
    """

    x: sympy.Symbol
    occupation: sympy.Expr
    delta: sympy.Expr
    entropy: sympy.Expr


def symbolic_smearing(scheme: str) -> SymbolicSmearing:
    """Occupation, delta function and entropy of a scheme as sympy expressions.

    Parameters
    ----------
    scheme
        Name of the scheme, see `dosml.theory.smearing.SCHEMES`.

    Returns
    -------
    expressions
        Exact; sources as in `dosml.theory.smearing`.

    Raises
    ------
    ValueError
        If the scheme is unknown.
    """
    import sympy as sp

    family, order = parse_scheme(scheme)
    x = sp.Symbol("x", real=True)
    if family == "fermi-dirac":
        f = 1 / (sp.exp(x) + 1)
        return SymbolicSmearing(
            x, f, sp.exp(x) / (sp.exp(x) + 1) ** 2, -f * sp.log(f) - (1 - f) * sp.log(1 - f)
        )
    if family == "cold":
        u = x + 1 / sp.sqrt(2)
        gaussian = sp.exp(-(u**2)) / sp.sqrt(sp.pi)
        return SymbolicSmearing(
            x,
            sp.erfc(u) / 2 + gaussian / sp.sqrt(2),
            gaussian * (2 + sp.sqrt(2) * x),
            gaussian * u / sp.sqrt(2),
        )
    gaussian = sp.exp(-(x**2))
    weights = [
        sp.Integer(-1) ** n / (sp.factorial(n) * 4**n * sp.sqrt(sp.pi)) for n in range(order + 1)
    ]
    tail = sum(weights[n] * sp.hermite(2 * n - 1, x) for n in range(1, order + 1))
    peak = sum(weights[n] * sp.hermite(2 * n, x) for n in range(order + 1))
    return SymbolicSmearing(
        x,
        sp.erfc(x) / 2 + sp.expand(tail) * gaussian,
        sp.factor(sp.expand(peak)) * gaussian,
        sp.factor(sp.expand(weights[order] * sp.hermite(2 * order, x) / 2)) * gaussian,
    )
