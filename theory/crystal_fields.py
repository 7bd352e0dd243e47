"""How a crystal field hands out the d-d response among levels and symmetries.

A cubic field splits d into e_g and t_2g, a hexagonal one (axis along z) into a (m = 0), e1
(|m| = 1) and e2 (|m| = 2). A pair of levels answers only some symmetries of the potential; the
shares are exact, and independent of how far the levels are apart.
"""

# l is the notation of the field.
# ruff: noqa: E741

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any, Literal

from dosml.theory.coupling_products import Channel, coupling_products
from dosml.theory.statements import Statement, basis_free_strength

if TYPE_CHECKING:
    import sympy

    from dosml.theory.response import DensityResponse

Field = Literal["cubic", "hexagonal"]

#: Real d orbitals (m) of every level.
D_LEVELS: dict[str, dict[str, tuple[int, ...]]] = {
    "cubic": {"eg": (0, 2), "t2g": (-2, -1, 1)},
    "hexagonal": {"a": (0,), "e1": (-1, 1), "e2": (-2, 2)},
}


def _symmetries(field: Field) -> dict[tuple[int, str], list[tuple[int, dict[Channel, Any]]]]:
    """Return the symmetries of l = 0, 2, 4 as (degeneracy, real harmonic) of one member each.

    Cubic harmonics of l = 4: von der Lage and Bethe, Phys. Rev. 71, 612 (1947).
    """
    import sympy as sp

    if field == "cubic":
        invariant = {(4, 0): sp.sqrt(sp.Rational(7, 12)), (4, 4): sp.sqrt(sp.Rational(5, 12))}
        return {
            (0, "A1g"): [(1, {(0, 0): 1})],
            (2, "Eg"): [(2, {(2, 0): 1})],
            (2, "T2g"): [(3, {(2, -2): 1})],
            (4, "A1g"): [(1, invariant)],
            (4, "Eg"): [(2, {(4, 2): 1})],
            (4, "T1g"): [(3, {(4, -4): 1})],
            (4, "T2g"): [(3, {(4, -2): 1})],
        }
    return {
        (l, f"|M|={m}"): [(1, {(l, m): 1}), (1, {(l, -m): 1})] if m else [(1, {(l, 0): 1})]
        for l in (0, 2, 4)
        for m in range(l + 1)
    }


def _check(field: str) -> None:
    if field not in D_LEVELS:
        raise ValueError(f"unknown crystal field {field!r}: use {' or '.join(D_LEVELS)}")


def crystal_field_shares(field: Field) -> dict[tuple[int, str], dict[tuple[str, str], sympy.Expr]]:
    """Shares of the d-d coupling strength by symmetry of the potential and pair of levels.

    Parameters
    ----------
    field
        "cubic" or "hexagonal".

    Returns
    -------
    shares
        For (l, symmetry), the share of every pair of levels in Σ_M Σ_ij C_{iLMj}^2 of that l; the
        shares of one l add up to 1. Symmetries are cubic representations, or |M| about the
        hexagonal axis.

    Raises
    ------
    ValueError
        If the field is unknown.
    """
    import sympy as sp

    _check(field)
    levels = D_LEVELS[field]
    shares: dict[tuple[int, str], dict[tuple[str, str], sympy.Expr]] = {}
    for a, b in combinations_with_replacement(levels, 2):
        products = coupling_products([(2, m) for m in levels[a]], [(2, m) for m in levels[b]])
        orders = 1 if a == b else 2
        for (l, name), members in _symmetries(field).items():
            trace = sum(
                count * x * y * products.get((p, q), 0)
                for count, harmonic in members
                for p, x in harmonic.items()
                for q, y in harmonic.items()
            )
            share = sp.simplify(orders * trace / ((2 * l + 1) * basis_free_strength(2, 2, l)))
            if share:
                shares.setdefault((l, name), {})[a, b] = share
    return dict(sorted(shares.items()))


def crystal_field_response(
    field: Field,
    *,
    occupations: dict[str, Any] | None = None,
    levels: dict[str, Any] | None = None,
    intralevel: dict[str, Any] | None = None,
) -> DensityResponse:
    """Density response of a d shell split by a crystal field.

    Parameters
    ----------
    field
        "cubic" or "hexagonal".
    occupations, levels
        By level name ("eg", "t2g" or "a", "e1", "e2"); symbols f_eg, e_eg, ... if None.
    intralevel
        -f'(e) of every level for a smearing; 0 if None.

    Returns
    -------
    response
        P[L, L'] in real harmonics.

    Raises
    ------
    ValueError
        If the field is unknown, or the names do not match its levels.
    """
    import sympy as sp

    from dosml.theory.response import density_response

    _check(field)
    names = {m: name for name, members in D_LEVELS[field].items() for m in members}

    def spread(values: dict[str, Any] | None, prefix: str) -> list[Any]:
        if values is None:
            values = {name: sp.Symbol(f"{prefix}_{name}", real=True) for name in D_LEVELS[field]}
        if set(values) != set(D_LEVELS[field]):
            raise ValueError(
                f"a {field} field has the levels {', '.join(D_LEVELS[field])}, "
                f"got {', '.join(values)}"
            )
        return [values[names[m]] for m in range(-2, 3)]

    return density_response(
        "d",
        occupations=spread(occupations, "f"),
        levels=spread(levels, "e"),
        intralevel=None if intralevel is None else spread(intralevel, "D"),
    )


def crystal_field(field: Field) -> Statement:
    """State how a crystal field distributes the l = 2 and l = 4 response of a d shell.

    Parameters
    ----------
    field
        "cubic" or "hexagonal".

    Raises
    ------
    ValueError
        If the field is unknown.
    """
    shares = crystal_field_shares(field)
    evidence: dict[str, Any] = {}
    totals = dict.fromkeys((0, 2, 4), 0)
    between = {2: 0, 4: 0}
    for (l, name), pairs in shares.items():
        for (a, b), share in pairs.items():
            totals[l] += share
            if l:
                evidence[f"share of l={l}, {name}, from {a}-{b}"] = share
                between[l] += share if a != b else 0
    for l, share in between.items():
        evidence[f"share of l={l} between different levels"] = share
    if field == "cubic":
        claim = (
            "With e_g and t_2g split and each full or empty, only T2g answers at l = 2 and only "
            "T1g and T2g at l = 4; A1g and Eg potentials need partly filled levels."
        )
        answering = {key for key, pairs in shares.items() if ("eg", "t2g") in pairs}
        holds = answering == {(2, "T2g"), (4, "T1g"), (4, "T2g")}
    else:
        claim = (
            "With the three hexagonal levels split and each full or empty, the l = 4 response has "
            "|M| = 1, 2, 3; |M| = 0 and 4 need partly filled levels."
        )
        answering = {key for key, pairs in shares.items() if any(a != b for a, b in pairs)}
        holds = {key for key in answering if key[0] == 4} == {(4, f"|M|={m}") for m in (1, 2, 3)}
    return Statement(claim, evidence, holds and set(totals.values()) == {1})
