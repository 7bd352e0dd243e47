"""`dosml theory`: exact results in text and JSON; bad input is one named error."""

from __future__ import annotations

import json
import math

import pytest
from typer.testing import CliRunner

from dosml.cli.theory import app
from dosml.errors import InputError


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_gaunt() -> None:
    assert "gaunt(2, 0, 2, 0, 4, 0) = 3/(7*sqrt(pi)) = 0.2417955358" in run(
        "gaunt", "2", "0", "2", "0", "4", "0"
    )


def test_gaunt_json() -> None:
    answer = json.loads(run("gaunt", "2", "0", "2", "0", "4", "0", "--json"))
    assert answer == {"exact": "3/(7*sqrt(pi))", "value": 3 / 7 / math.sqrt(math.pi)}


@pytest.mark.parametrize("options", [["--json"], ["--json", "--kind", "complex"]])
def test_negative_numbers_are_arguments(options: list[str]) -> None:
    for arguments in (
        [*options, "2", "-1", "2", "1", "2", "0"],
        ["2", "-1", "2", "1", "2", "0", *options],
        [*options, "--", "2", "-1", "2", "1", "2", "0"],
    ):
        answer = json.loads(run("gaunt", *arguments))
        assert answer["exact"] == "-sqrt(5)/(14*sqrt(pi))"


def test_other_conventions() -> None:
    real = json.loads(run("gaunt", "1", "-1", "2", "-2", "1", "1", "--kind", "real", "--json"))
    assert real["exact"] == "sqrt(15)/(10*sqrt(pi))"
    conjugated = run("gaunt", "1", "1", "1", "1", "0", "0", "--kind", "coupling", "--json")
    assert json.loads(conjugated)["exact"] == "1/(2*sqrt(pi))"
    slater = json.loads(run("gaunt", "2", "1", "-1", "1", "1", "--kind", "ck", "--json"))
    assert slater["exact"] == "-sqrt(6)/5"


def test_table() -> None:
    rows = json.loads(run("table", "--l-max", "1", "--harmonics", "real", "--json"))
    assert len(rows) == 10
    assert {"l1", "m1", "l2", "m2", "l3", "m3", "exact", "value"} == set(rows[0])
    assert all(row["exact"] == "1/(2*sqrt(pi))" for row in rows)
    assert "non-zero coefficients" in run("table", "--l-max", "1")


def test_response_of_s_p_d() -> None:
    text = run("response", "--shells", "s,p,d", "--fill", "5")
    assert "125/(882*pi)" in text
    assert "Only d-d transitions reach l = 4" in text
    assert "DOES NOT HOLD" not in text
    answer = json.loads(run("response", "--shells", "s,p,d", "--fill", "5", "--json"))
    assert answer["response"]["4"] == "0"
    assert all(statement["holds"] for statement in answer["statements"])
    by_pair = {(r["pair"], r["orbitals"], r["l"]): r["exact"] for r in answer["averaged"]}
    assert by_pair["d-d", "real", 4] == "125/(882*pi)"
    assert by_pair["d-d", "complex", 4] == "100/(567*pi)"
    assert by_pair["s-d", "any", 2] == "1/(4*pi)"


def test_response_options() -> None:
    full = json.loads(run("response", "--shells", "s,d", "--fill", "3", "--full", "s", "--json"))
    by_pair = {(r["pair"], r["l"]): r["value"] for r in full["averaged"] if r["orbitals"] == "any"}
    assert by_pair["s-d", 2] == pytest.approx(7 / 10 / (2 * math.pi))
    assert "\\begin{align}" in run("response", "--shells", "s,p", "--latex")
    assert "only T2g answers at l = 2" in run("response", "--shells", "d", "--field", "cubic")


def test_smearing() -> None:
    text = run("smearing", "--scheme", "methfessel-paxton", "--order", "1")
    assert "erfc(x)/2" in text
    assert "methfessel-paxton-1" in text
    answer = json.loads(run("smearing", "--scheme", "cold", "--width", "0.2", "--json"))
    assert answer["leading_power"] == 3
    assert answer["occupation"]["at_zero"] == pytest.approx(0.400625978451)
    widths = {row["scheme"]: row for row in answer["widths"]}
    assert widths["fermi-dirac"]["ismear"] == -1
    assert widths["cold"]["ismear"] is None
    assert "not interchangeable" in " ".join(run("smearing", "--width", "0.2").split())


def test_every_scheme_prints() -> None:
    for scheme in ("fermi-dirac", "gaussian", "methfessel-paxton-3", "cold"):
        answer = json.loads(run("smearing", "--scheme", scheme, "--json"))
        assert answer["scheme"] == scheme


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gaunt", "2", "0", "2"], "needs 6 integers"),
        (["gaunt", "2", "0", "2", "0", "4", "0", "--kind", "ck"], "needs 5 integers"),
        (["gaunt", "2", "3", "2", "0", "4", "0"], "must not exceed l"),
        (["table", "--l-max", "21"], "l_max = 0 to 20"),
        (["response", "--shells", "s,q"], "unknown shell 'q'"),
        (["response", "--shells", ""], "at least one shell"),
        (["response", "--shells", "d", "--fill", "11"], "0 to 10 electrons"),
        (["response", "--shells", "d", "--fill", "nan"], "takes one number"),
        (["response", "--shells", "s,d", "--full", "d"], "not among the shells before"),
        (["smearing", "--scheme", "hot"], "unknown smearing scheme"),
        (["smearing", "--scheme", "cold", "--order", "1"], "belongs to methfessel-paxton"),
        (["smearing", "--width", "-0.1"], "positive number"),
    ],
)
def test_bad_input_is_an_input_error(arguments: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_a_mistyped_option_is_refused() -> None:
    result = CliRunner().invoke(app, ["gaunt", "2", "0", "2", "0", "4", "0", "--jsn"])
    assert result.exit_code == 2
