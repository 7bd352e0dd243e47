"""`dosml theory`: exact results of the theory room on the command line."""

# l is the notation of the field.
# ruff: noqa: E741

from __future__ import annotations

import json
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dosml.cli.quantities import Numbers, numbers, one_integer, one_number
from dosml.errors import InputError
from dosml.terminal import make_console, new_table, print_document, print_line, show

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dosml.theory.surd import Surd

app = typer.Typer(
    name="theory",
    help="Exact results: Gaunt coefficients, density response of shells, smearing schemes.",
    no_args_is_help=True,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_FORMULAS = {
    "complex": "∫ Y_{l1m1} Y_{l2m2} Y_{l3m3} dΩ",
    "real": "∫ R_{l1m1} R_{l2m2} R_{l3m3} dΩ, R real: m > 0 cosine, m < 0 sine",
    "coupling": "∫ Y*_{l1m1} Y_{l2m2} Y_{l3m3} dΩ",
    "ck": "c^k(lm, l'm') = sqrt(4π/(2k+1)) ∫ Y*_{lm} Y_{k,m-m'} Y_{l'm'} dΩ",
}


@contextmanager
def _input_errors() -> Iterator[None]:
    """Turn the theory room's ValueError into the error that the command line prints."""
    try:
        yield
    except ValueError as error:
        raise InputError(str(error)) from error


def _print_json(data: object) -> None:
    print_document(json.dumps(data, indent=1))


def _print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    table = new_table(title or None)
    table.title_justify = "left"
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    show(make_console(), table)


def _exact(number: Surd) -> dict[str, Any]:
    return {"exact": str(number.sympy()), "value": float(number)}


@app.command(context_settings={"ignore_unknown_options": True})
def gaunt(
    numbers: Annotated[
        list[int],
        typer.Argument(
            metavar="L1 M1 L2 M2 L3 M3", help="Six quantum numbers; K L M L' M' with --kind ck."
        ),
    ],
    *,
    kind: Annotated[
        Literal["complex", "real", "coupling", "ck"],
        typer.Option(
            help="complex: plain integral; real: real harmonics; coupling: first one conjugated; "
            "ck: Condon and Shortley's."
        ),
    ] = "complex",
    as_json: AsJson = False,
) -> None:
    """Print one Gaunt coefficient, exact and as a float."""
    from dosml.theory.gaunt import exact, exact_ck

    expected = 5 if kind == "ck" else 6
    if len(numbers) != expected:
        names = "K L M L' M'" if kind == "ck" else "L1 M1 L2 M2 L3 M3"
        raise InputError(f"--kind {kind} needs {expected} integers {names}, got {len(numbers)}")
    with _input_errors():
        number = exact_ck(*numbers) if kind == "ck" else exact(*numbers, kind=kind)
    result = _exact(number)
    if as_json:
        _print_json(result)
        return
    print_line(_FORMULAS[kind])
    name = {"complex": "gaunt", "real": "real_gaunt"}.get(kind, kind)
    arguments = ", ".join(str(n) for n in numbers)
    print_line(f"{name}({arguments}) = {result['exact']} = {result['value']!r}")


@app.command()
def table(
    *,
    l_max: Annotated[str, numbers("Largest l of all three.")] = "2",
    harmonics: Annotated[
        Literal["complex", "real"], typer.Option(help="Complex or real harmonics.")
    ] = "complex",
    as_json: AsJson = False,
) -> None:
    """Print all non-zero Gaunt coefficients up to an l."""
    from dosml.theory.gaunt import exact
    from dosml.theory.gaunt_tables import gaunt_table

    with _input_errors():
        coefficients = gaunt_table(one_integer("--l-max", l_max), harmonics)
    names = ("l1", "m1", "l2", "m2", "l3", "m3")
    rows = [
        (row, exact(*row, kind=harmonics), value)
        for row, value in zip(
            coefficients.indices.tolist(), coefficients.values.tolist(), strict=True
        )
    ]
    if as_json:
        _print_json(
            [
                {**dict(zip(names, row, strict=True)), "exact": str(number.sympy()), "value": value}
                for row, number, value in rows
            ]
        )
        return
    _print_table(
        f"{len(rows)} non-zero coefficients {_FORMULAS[harmonics]}",
        (*names, "exact", "value"),
        [(*row, number.sympy(), repr(value)) for row, number, value in rows],
    )


@app.command()
def response(
    *,
    shells: Annotated[
        str, typer.Option(help="Shells with one radial part, separated by commas.")
    ] = "s,p,d",
    fill: Annotated[
        Numbers,
        numbers("Electrons in the last shell, averaged over all fillings."),
    ] = None,
    full: Annotated[
        str, typer.Option(help="Which of the other shells are full; the rest are empty.")
    ] = "",
    field: Annotated[
        Literal["cubic", "hexagonal"] | None,
        typer.Option(help="Also how this crystal field distributes the d-d response."),
    ] = None,
    latex: Annotated[bool, typer.Option("--latex", help="Print P[L, L'] as LaTeX.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print how shells answer a potential V = Σ V_L Y_L, by l, exactly."""
    from dosml.theory.crystal_fields import crystal_field
    from dosml.theory.response import density_response
    from dosml.theory.statements import equal_occupations, full_shell, reach

    names = [name.strip() for name in shells.split(",") if name.strip()]
    electrons = one_number("--fill", fill)
    with _input_errors():
        answer = density_response(names)
        statements = [reach(names), full_shell(names[-1]), equal_occupations()]
        if field is not None:
            statements.append(crystal_field(field))
        averaged = _averaged(names, electrons, [n.strip() for n in full.split(",") if n.strip()])
    if latex:
        print_document(answer.latex())
        return
    top = max(l for l, _ in answer.channels)
    strengths = {l: answer.strength(l) for l in range(top + 1)}
    if as_json:
        _print_json(
            {
                "shells": names,
                "response": {str(l): str(value) for l, value in strengths.items()},
                "electrons": electrons,
                "averaged": averaged,
                "statements": [
                    {
                        "claim": s.claim,
                        "evidence": {
                            k: v if isinstance(v, int | list) else str(v)
                            for k, v in s.evidence.items()
                        },
                        "holds": s.holds,
                    }
                    for s in statements
                ],
            }
        )
        return
    print_line("n1(r) = -|φ|² Σ Y_L V_L' P[L,L'] + c.c.; every pair of states counted once")
    _print_table(
        "Closed shells of occupation f at levels e: P[L, L'] = δ_LL' P_l",
        ("l", "P_l"),
        list(strengths.items()),
    )
    if averaged:
        _print_table(
            f"{electrons:g} electrons in {names[-1]} averaged over all fillings, both spins, one "
            "gap Δ: mean of P[L, L] over M",
            ("pair", "orbitals filled", "l", "P_l Δ", "value"),
            [(r["pair"], r["orbitals"], r["l"], r["exact"], f"{r['value']:.9g}") for r in averaged],
        )
    for statement in statements:
        print_line(str(statement))


def _averaged(
    names: Sequence[str], electrons: float | None, full: Sequence[str]
) -> list[dict[str, Any]]:
    """List the responses of the open (last) shell, with itself and with the other shells."""
    import sympy as sp

    from dosml.theory.filling import averaged_shell_response, partner_response

    unknown = set(full) - set(names[:-1])
    if unknown:
        raise InputError(
            f"--full names {', '.join(sorted(unknown))}, not among the shells before the last one "
            f"({', '.join(names[:-1]) or 'none'})"
        )
    if electrons is None:
        return []
    number = sp.Rational(str(electrons))
    shell = names[-1]
    rows: list[tuple[str, str, dict[int, Any]]] = []
    for kind in ("real", "complex"):
        own = averaged_shell_response(shell, number, 1, kind)
        rows.append((f"{shell}-{shell}", kind, own))
    for partner in names[:-1]:
        other = partner_response(shell, partner, number, 1, full=partner in full)
        rows.append((f"{partner}-{shell}", "any", other))
    return [
        {"pair": pair, "orbitals": kind, "l": l, "exact": str(value), "value": float(value)}
        for pair, kind, values in rows
        for l, value in values.items()
    ]


@app.command()
def smearing(
    *,
    scheme: Annotated[
        str, typer.Option(help="fermi-dirac, gaussian, methfessel-paxton or cold.")
    ] = "methfessel-paxton",
    order: Annotated[
        int | None, typer.Option(help="Order of Methfessel-Paxton smearing. [default: 1]")
    ] = None,
    width: Annotated[
        float | None, typer.Option(help="σ in eV: also print VASP's tags and other schemes.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print a smearing scheme in closed form, with x = (e - μ)/σ and F = E - σ Σ s."""
    from dosml.theory.smearing import Smearing, delta, entropy, occupation
    from dosml.theory.smearing_symbolic import symbolic_smearing
    from dosml.theory.smearing_widths import (
        full_width_at_half_maximum,
        leading_power,
        second_moment,
    )

    with _input_errors():
        if order is not None:
            if scheme != "methfessel-paxton":
                raise InputError(f"--order belongs to methfessel-paxton, not to {scheme}")
            scheme = "gaussian" if order == 0 else f"{scheme}-{order}"
        name = Smearing(scheme, 1.0).scheme
        symbolic = symbolic_smearing(name)
        widths = [] if width is None else _widths(Smearing(name, width))
    exact = {
        "occupation": symbolic.occupation,
        "delta": symbolic.delta,
        "entropy": symbolic.entropy,
    }
    functions = {"occupation": occupation, "delta": delta, "entropy": entropy}
    facts = {
        "full_width_at_half_maximum": full_width_at_half_maximum(name),
        "second_moment": second_moment(name),
        "leading_power": leading_power(name),
    }
    points = [x / 2 for x in range(-6, 7)]
    values = {key: function(points, name).tolist() for key, function in functions.items()}
    if as_json:
        _print_json(
            {
                "scheme": name,
                **{
                    key: {"exact": str(expression), "at_zero": float(functions[key](0.0, name))}
                    for key, expression in exact.items()
                },
                **facts,
                "x": points,
                "values": values,
                "widths": widths,
            }
        )
        return
    print_line(f"{name}: x = (e - μ)/σ, F = E - σ Σ s")
    symbols = {"occupation": "f(x)", "delta": "δ(x) = -df/dx", "entropy": "s(x)"}
    for key, expression in exact.items():
        print_line(f"  {symbols[key]} = {expression}")
    print_line(f"  full width of δ at half maximum: {facts['full_width_at_half_maximum']:.6g} σ")
    print_line(f"  second moment of δ: {facts['second_moment']:.6g} σ²")
    print_line(f"  F(σ) = E_0 + O(σ^{facts['leading_power']})")
    _print_table(
        "",
        ("x", "f", "δ", "s"),
        [
            (f"{x:g}", *(f"{values[key][i]:.12f}" for key in functions))
            for i, x in enumerate(points)
        ],
    )
    if widths:
        _print_table(
            f"{name} {width:g} eV and other schemes. Equal spread by one measure is not equal "
            "results: widths are not interchangeable",
            ("scheme", "σ, same half maximum", "σ, same second moment", "ISMEAR"),
            [
                (
                    r["scheme"],
                    f"{r['fwhm']:.5g}",
                    "none" if r["second_moment"] is None else f"{r['second_moment']:.5g}",
                    "none" if r["ismear"] is None else r["ismear"],
                )
                for r in widths
            ],
        )


def _widths(smearing: Any) -> list[dict[str, Any]]:
    """Translate a smearing to every family of schemes."""
    from dosml.theory.smearing_widths import SmearingWidthWarning, equivalent_width, to_vasp

    rows = []
    for scheme in dict.fromkeys(
        [smearing.scheme, "fermi-dirac", "gaussian", "methfessel-paxton-1", "cold"]
    ):
        with warnings.catch_warnings():
            # The table's title says it.
            warnings.simplefilter("ignore", SmearingWidthWarning)
            other = equivalent_width(smearing, scheme)
            try:
                moment = equivalent_width(smearing, scheme, measure="second-moment").width
            except ValueError:
                moment = None
        try:
            ismear = to_vasp(other)["ISMEAR"]
        except ValueError:
            ismear = None
        rows.append(
            {"scheme": scheme, "fwhm": other.width, "second_moment": moment, "ismear": ismear}
        )
    return rows
