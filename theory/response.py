"""Density response of atomic shells to a small potential, symbolic.

The formulas are those of `dosml.theory.perturbation`; here levels, occupations and the gap are
sympy symbols or numbers, and the angular part is exact.
"""

# l is the notation of the field.
# ruff: noqa: E741

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any, Literal

from dosml.theory.coupling_products import (
    LETTERS,
    Channel,
    coupling_products,
    shell_number,
    state_couplings,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sympy

    from dosml.theory.perturbation import Weight

#: Occupation, level and -f' that some states share.
_Group = tuple[Any, Any, Any]


@dataclass(frozen=True)
class DensityResponse:
    """Symbolic response of some states to a small potential V = Σ V_L Y_L.

    Attributes
    ----------
    states
        (l, m) of every state.
    occupations
        Of every state.
    kind
        "real" or "complex" harmonics.
    channels
        The (L, M) that can respond or contribute to the energy, in order.
    elements
        Non-zero P[L, L'], each pair of states counted once: n1 = -|φ|^2 Σ Y_L V_L' P[L, L'] + c.c.
    """

    states: tuple[Channel, ...]
    occupations: tuple[sympy.Expr, ...]
    kind: Literal["real", "complex"]
    channels: tuple[Channel, ...]
    elements: dict[tuple[Channel, Channel], sympy.Expr]

    def __getitem__(self, key: tuple[Channel, Channel]) -> sympy.Expr:
        """Return P[L, L'] with L = (l, m), L' = (l', m'); zero if they do not couple."""
        import sympy as sp

        return self.elements.get(key, sp.Integer(0))

    def matrix(self, l: int | None = None) -> sympy.Matrix:
        """Return P over all channels, or over those of one l."""
        import sympy as sp

        channels = [c for c in self.channels if l is None or c[0] == l]
        return sp.Matrix(len(channels), len(channels), lambda a, b: self[channels[a], channels[b]])

    def strength(self, l: int) -> sympy.Expr:
        """Return the mean of P[(l, m), (l, m)] over m: it does not depend on the axes."""
        import sympy as sp

        total = sum((self[(l, m), (l, m)] for m in range(-l, l + 1)), start=sp.Integer(0))
        return sp.Add(*(term / (2 * l + 1) for term in sp.Add.make_args(total)))

    def potential(self) -> dict[Channel, sympy.Symbol]:
        """Return the symbol V_L of every channel (real for real harmonics)."""
        import sympy as sp

        real = True if self.kind == "real" else None
        return {c: sp.Symbol(f"V_{{{c[0]},{c[1]}}}", real=real) for c in self.channels}

    def first_order_energy(self) -> sympy.Expr:
        """Return E1 = Σ_i f_i Σ_L V_L C_{iLi} (eq. 14 of the paper)."""
        import sympy as sp

        v = self.potential()
        total = sp.Integer(0)
        for state, f in zip(self.states, self.occupations, strict=True):
            for channel, (q, n) in state_couplings(state, state, self.kind).items():
                total += f * v[channel] * sp.Rational(q.numerator, q.denominator) * sp.sqrt(n)
        return sp.collect(sp.expand(total), list(v.values())) / (2 * sp.sqrt(sp.pi))

    def second_order_energy(self) -> sympy.Expr:
        """Return E2 = -Σ V*_L P[L, L'] V_L' (the next order of eq. 14)."""
        import sympy as sp

        v = self.potential()
        return -sum(
            (sp.conjugate(v[a]) * value * v[b] for (a, b), value in self.elements.items()),
            start=sp.Integer(0),
        )

    def density(self) -> dict[Channel, sympy.Expr]:
        """Return n_L of n1 = |φ|^2 Σ_L n_L Y_L: -2 Σ_L' P[L, L'] V_L'."""
        import sympy as sp

        v = self.potential()
        result: dict[Channel, sympy.Expr] = defaultdict(lambda: sp.Integer(0))
        for (a, b), value in self.elements.items():
            result[a] -= 2 * value * v[b]
        return dict(result)

    def latex(self) -> str:
        """Return the non-zero P[L, L'] on and above the diagonal as a LaTeX align block."""
        import sympy as sp

        rows = [
            rf"P_{{({a[0]},{a[1]}),({b[0]},{b[1]})}} &= {sp.latex(value)}"
            for (a, b), value in sorted(self.elements.items())
            if a <= b
        ]
        body = " \\\\\n".join(rows or [r"P_{L,L'} &= 0"])
        return "\\begin{align}\n" + body + "\n\\end{align}"


def _spread(
    values: Sequence[Any] | None,
    shells: Sequence[int],
    prefix: str,
    n_states: int,
) -> list[sympy.Expr]:
    """Return one value per state, from values per shell or per state, or symbols per shell."""
    import sympy as sp

    if values is None:
        repeated = len(set(shells)) < len(shells)
        names = [
            f"{prefix}_{LETTERS[l]}{number if repeated else ''}"
            for number, l in enumerate(shells, start=1)
        ]
        values = [sp.Symbol(name, real=True) for name in names]
    expressions = [sp.Rational(str(v)) if isinstance(v, float) else sp.sympify(v) for v in values]
    if len(expressions) == len(shells) and len(expressions) != n_states:
        return [e for e, l in zip(expressions, shells, strict=True) for _ in range(2 * l + 1)]
    if len(expressions) != n_states:
        raise ValueError(
            f"give one {prefix} per shell ({len(shells)}) or per state ({n_states}), "
            f"got {len(expressions)}"
        )
    return expressions


def density_response(
    shells: Sequence[str | int],
    *,
    occupations: Sequence[Any] | None = None,
    levels: Sequence[Any] | None = None,
    gap: Any = None,
    weight: Weight = "difference",
    intralevel: Sequence[Any] | None = None,
    kind: Literal["real", "complex"] = "real",
) -> DensityResponse:
    """Density response of shells of one radial part, exact in its angular part.

    Parameters
    ----------
    shells
        Letters or l, for example ("s", "p", "d"); the states of each follow with m = -l ... l.
    occupations
        One per shell or one per state, numbers or sympy expressions; symbols f_s, f_p, ... if None.
    levels
        The same for energies; symbols e_s, e_p, ... if None. Not with `gap`.
    gap
        One gap Δ for all transitions, as in the paper.
    weight
        With one gap: "difference", |f_i - f_j|, or "transition",
        f_i (1 - f_j) + f_j (1 - f_i). With levels both give (f_i - f_j)/(e_j - e_i).
    intralevel
        -f'(e) of each shell or state: the limit of the kernel between states of one level, for a
        smearing. None: 0, levels that are full, empty or equally occupied at zero smearing.
    kind
        "real" or "complex" harmonics for states and potential.

    Returns
    -------
    response
        P[L, L'], energies, density and LaTeX.

    Raises
    ------
    ValueError
        If the numbers of values do not fit, a shell or weight is unknown, levels and a gap are both
        given, or states of one level hold different occupations.
    """
    import sympy as sp

    numbers = [shell_number(shell) for shell in shells]
    if not numbers:
        raise ValueError("name at least one shell, for example 'd'")
    for given, known in ((kind, ("real", "complex")), (weight, ("difference", "transition"))):
        if given not in known:
            raise ValueError(f"unknown choice {given!r}: use {' or '.join(known)}")
    if gap is not None and levels is not None:
        raise ValueError("give either levels or one gap, not both")
    states = [(l, m) for l in numbers for m in range(-l, l + 1)]
    f = _spread(occupations, numbers, "f", len(states))
    e = _spread(levels, numbers, "e", len(states))
    if gap is not None:
        # With one gap a level is a shell: it only serves to group states.
        e = _spread(range(len(numbers)), numbers, "e", len(states))
    none = [0] * len(numbers)
    slope = _spread(none if intralevel is None else intralevel, numbers, "D", len(states))
    groups: dict[_Group, list[Channel]] = defaultdict(list)
    for state, *key in zip(states, f, e, slope, strict=True):
        groups[key[0], key[1], key[2]].append(state)
    elements: dict[tuple[Channel, Channel], sympy.Expr] = defaultdict(lambda: sp.Integer(0))
    for (first, members), (second, others) in combinations_with_replacement(groups.items(), 2):
        kernel = _kernel(first, second, gap, weight)
        if kernel == 0:
            continue
        # With one gap only different states make a transition; a level's -f' includes i = j.
        skip = gap is not None and first == second
        for channels, value in _pair_sums(members, others, kind, first != second, skip).items():
            elements[channels] += kernel * value
    found = {key: elements[key] for key in sorted(elements) if sp.factor(elements[key]) != 0}
    every = [(l, m) for l in range(2 * max(numbers) + 1) for m in range(-l, l + 1)]
    return DensityResponse(tuple(states), tuple(f), kind, tuple(every), found)


def _pair_sums(
    members: Sequence[Channel],
    others: Sequence[Channel],
    kind: str,
    different: bool,
    skip_self: bool,
) -> dict[tuple[Channel, Channel], sympy.Expr]:
    """Sum C*_{jLi} C_{jL'i} over the pairs of two groups, or within one, every pair once."""
    import sympy as sp

    total: dict[tuple[Channel, Channel], sympy.Expr] = defaultdict(lambda: sp.Integer(0))
    orders = ((members, others), (others, members)) if different else ((members, members),)
    for a, b in orders:
        for key, value in coupling_products(a, b, kind, skip_self=skip_self).items():
            total[key] += value / 2
    return total


def _kernel(first: _Group, second: _Group, gap: Any, weight: Weight) -> Any:
    """Return W between two groups of states, each (occupation, level, -f')."""
    import sympy as sp

    (fi, ei, slope), (fj, ej, other) = first, second
    if gap is None:
        if sp.simplify(ej - ei) != 0:
            return (fi - fj) / (ej - ei)
        if sp.simplify(fi - fj) != 0 or slope != other:
            raise ValueError(
                "states of one level hold different occupations: their response is not linear; "
                "split the level, or use one gap"
            )
        return slope
    if weight == "difference":
        return sp.Abs(fi - fj) / gap
    # States of one group differ from each other too: with this weight they respond.
    return (fi * (1 - fj) + fj * (1 - fi)) / gap
