"""`dosml.theory` as people import it."""

from __future__ import annotations

import subprocess
import sys

import pytest

import dosml.theory


def python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    ).stdout.strip()


@pytest.mark.parametrize(
    "imports",
    [
        "from dosml.theory import gaunt, response_index",
        (
            "from dosml.theory.gaunt import gaunt; from dosml.theory.response_index import "
            "response_index"
        ),
        (
            "import dosml.theory.gaunt, dosml.theory.response_index; "
            "from dosml.theory import gaunt, response_index"
        ),
        (
            "from dosml.theory import real_gaunt, pair_integrals; from dosml.theory import gaunt, "
            "response_index"
        ),
    ],
)
def test_functions_win_over_modules_of_the_same_name(imports: str) -> None:
    assert python(f"{imports}; print(callable(gaunt), callable(response_index))") == "True True"


def test_import_is_light() -> None:
    loaded = python("import sys, dosml.theory; print([m for m in sys.modules])")
    for heavy in ("sympy", "scipy", "torch", "pymatgen", "matplotlib"):
        assert f"'{heavy}'" not in loaded


def test_every_public_name_is_there() -> None:
    for name in dosml.theory.__all__:
        assert getattr(dosml.theory, name) is not None
    assert set(dosml.theory.__all__) == set(dir(dosml.theory))
    promised = {"gaunt", "real_gaunt", "coupling", "ck", "gaunt_table", "Smearing"}
    assert promised <= set(dosml.theory.__all__)


def test_public_names_are_declared_once() -> None:
    declared = [name for names in dosml.theory._HOMES.values() for name in names]
    assert len(declared) == len(set(declared))
    assert {*declared, "gaunt", "response_index", "rigid_band"} == set(dosml.theory.__all__)


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'gount'"):
        _ = dosml.theory.gount
