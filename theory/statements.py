"""What the theory says about filling, as statements that compute their own evidence.

Each function returns a `Statement`: a sentence, the exact numbers it rests on, and whether they
bear it out. Printing it shows all three.
"""

# l is the notation of the field.
# ruff: noqa: E741

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations_with_replacement
from math import comb
from typing import TYPE_CHECKING, Any

from dosml.theory.coupling_products import LETTERS, shell_number
from dosml.theory.filling import averaged_shell_response
from dosml.theory.gaunt import three_j_zero_squared
from dosml.theory.response import density_response

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Statement:
    """A claim with its evidence.

    Attributes
    ----------
    claim
        The statement in words.
    evidence
        Named exact results (sympy expressions, numbers or lists of l).
    holds
        Whether the evidence bears the claim out.
    """

    claim: str
    evidence: dict[str, Any]
    holds: bool

    def __str__(self) -> str:
        """Return the claim, the evidence line by line, and the verdict."""
        lines = [self.claim, *(f"  {name} = {value}" for name, value in self.evidence.items())]
        return "\n".join([*lines, f"  {'holds' if self.holds else 'DOES NOT HOLD'}"])


def full_shell(shell: str | int = "d") -> Statement:
    """State that a full shell has no response at l > 0: all weights f_i - f_j are zero.

    Parameters
    ----------
    shell
        Letter or l.

    Raises
    ------
    ValueError
        If the shell is unknown.
    """
    import sympy as sp

    l = shell_number(shell)
    gap = sp.Symbol("Delta", positive=True)
    full, half = (
        {
            weight: density_response([l], occupations=[f], gap=gap, weight=weight)
            for weight in ("difference", "transition")
        }
        for f in (1, sp.Rational(1, 2))
    )
    evidence: dict[str, Any] = {
        f"elements of P with weight '{weight}', full": len(response.elements)
        for weight, response in full.items()
    }
    # At l = 0 the coupling is a constant times the unit matrix: nothing moves at any filling.
    evidence["l reached at half filling, weight 'transition'"] = sorted(
        {key[0][0] for key in half["transition"].elements}
    )
    return Statement(
        f"A full {LETTERS[l]} shell does not respond at any l > 0 (nor at l = 0: a constant "
        "potential moves no electron within a shell).",
        evidence,
        not any(response.elements for response in full.values()),
    )


def reach(shells: Sequence[str | int] = ("s", "p", "d")) -> Statement:
    """State which l each pair of shells answers: d-d reaches 4, s-d and p-d do not.

    Parameters
    ----------
    shells
        Letters or l.

    Raises
    ------
    ValueError
        If a shell is unknown or none is given.
    """
    numbers = [shell_number(shell) for shell in shells]
    if not numbers:
        raise ValueError("name at least one shell, for example 'd'")
    reached: dict[str, list[int]] = {}
    for a, b in combinations_with_replacement(numbers, 2):
        name = f"{LETTERS[a]}-{LETTERS[b]}"
        reached[name] = [l for l in range(a + b + 1) if three_j_zero_squared(a, b, l)]
    top = max(numbers)
    own = f"{LETTERS[top]}-{LETTERS[top]}"
    others = [name for name in reached if name != own]
    claim = f"Only {own} transitions reach l = {2 * top}"
    claim += f"; {', '.join(others)} stop below." if others else "."
    holds = [name for name, values in reached.items() if 2 * top in values] == [own]
    return Statement(claim, dict(reached), holds)


def average_over_fillings(shell: str | int = "d", *, one_gap: Any = None) -> Statement:
    """State that averaged over fillings a shell responds as N (n - N), n = 2 (2l + 1).

    Each filling puts N electrons into N of the n spin orbitals; every occupied-empty pair of equal
    spin costs the same gap. A given pair is occupied-empty in a share N (n - N) / [n (n - 1)] of
    the fillings, exactly. The prefactor is a sum over pairs of *different* orbitals, and which part
    of the coupling joins an orbital to itself depends on the orbitals chosen: real ones, complex
    ones, or others. Over all pairs including i = j the sum is (2l+1)^2 (l l L; 0 0 0)^2 / 4π in any
    basis; averaged over all unitary bases a share 1 - 1/(2l+2) of it joins different orbitals, over
    all real orthogonal bases 1 - 2/(2l+3).

    Parameters
    ----------
    shell
        Letter or l.
    one_gap
        Δ; the symbol Delta if None.

    Returns
    -------
    statement
        For every l > 0 reached and both bases: the mean of P over M divided by N (n - N), and
        the share of the coupling that joins different orbitals.

    Raises
    ------
    ValueError
        If the shell is unknown or s, which has nothing to respond with.
    """
    import sympy as sp

    l = shell_number(shell)
    if l == 0:
        raise ValueError("an s shell has a single orbital: no pair of different ones to respond")
    gap = sp.Symbol("Delta", positive=True) if one_gap is None else one_gap
    n = 2 * (2 * l + 1)
    evidence: dict[str, Any] = {}
    # Of the C(n, N) fillings, C(n-2, N-1) have a given first orbital full and a second one empty.
    holds = all(
        Fraction(comb(n - 2, k - 1), comb(n, k)) == Fraction(k * (n - k), n * (n - 1))
        for k in range(1, n)
    )
    for kind in ("real", "complex"):
        # One electron stands for any number: N (n - N) is divided out.
        for k, one in averaged_shell_response(l, 1, gap, kind).items():
            per_pair = one / (n - 1)
            evidence[f"P(l={k}) / [N ({n} - N)], {kind} orbitals"] = per_pair
            every = 2 * basis_free_strength(l, l, k) / (n * (n - 1) * gap)
            share = sp.simplify(per_pair / every)
            evidence[f"share of l={k} that joins different {kind} orbitals"] = share
            holds = holds and bool(0 < share < 1)
    evidence["share, mean over unitary bases"] = 1 - sp.Rational(1, 2 * l + 2)
    evidence["share, mean over orthogonal bases"] = 1 - sp.Rational(2, 2 * l + 3)
    return Statement(
        f"Averaged over all fillings, the {LETTERS[l]}-{LETTERS[l]} response goes exactly as "
        f"N ({n} - N); only its prefactor depends on the basis.",
        evidence,
        holds,
    )


def equal_occupations() -> Statement:
    """State that equal occupations damp the response: this is how smearing acts.

    Two levels ±Δ/2 about the chemical potential, Fermi-Dirac smearing σ: the kernel falls from 1/Δ
    by the factor tanh(Δ/4σ), and never exceeds 1/(4σ), the value for degenerate levels.
    """
    import sympy as sp

    gap, width, f = sp.symbols("Delta sigma f", positive=True)
    low, high = (1 / (sp.exp(sign * gap / (2 * width)) + 1) for sign in (-1, 1))
    kernel = (low - high) / gap
    damping = sp.tanh(gap / (4 * width))
    limit = sp.limit(damping / gap, gap, 0)
    same = density_response("sp", occupations=[f, f])
    transition = density_response("sp", occupations=[f, f], gap=gap, weight="transition")
    zero = sp.simplify((kernel * gap - damping).rewrite(sp.exp))
    return Statement(
        "Equal occupations damp the response: f_i - f_j vanishes, while f_i (1 - f_j) alone "
        "does not; smearing makes occupations equal.",
        {
            "P(l=1) of s, p at equal occupation f, weight f_i - f_j": same.strength(1),
            "P(l=1) at equal occupation f and one gap, weight f_i (1 - f_j)": (
                sp.factor(transition.strength(1))
            ),
            "kernel at width sigma over kernel at zero width": damping,
            "kernel of degenerate levels": limit,
        },
        bool(zero == 0 and not same.elements and limit == 1 / (4 * width)),
    )


def basis_free_strength(first: str | int, second: str | int, l: int) -> Any:
    """Sum |C_{m L m'}|^2 over m, m': (2l1+1)(2l2+1)(l1 l2 l; 0 0 0)^2 / 4π for every M.

    Parameters
    ----------
    first, second
        Shells.
    l
        Angular momentum of the potential.

    Raises
    ------
    ValueError
        If a shell is unknown or l is negative.
    """
    import sympy as sp

    a, b = shell_number(first), shell_number(second)
    w = three_j_zero_squared(a, b, l)
    return sp.Rational(w.numerator, w.denominator) * (2 * a + 1) * (2 * b + 1) / (4 * sp.pi)
