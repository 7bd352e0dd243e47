"""Versions of packages for the record."""

from __future__ import annotations

from email.message import Message

import numpy as np

from dosml import version
from dosml.version import __version__, docs_page, package_versions, part_versions, run_versions


def test_versions_of_what_is_installed() -> None:
    found = package_versions(["numpy", "no-such-package-here"])
    assert found == {"numpy": np.__version__}


def test_the_record_of_a_run_names_dosml_python_and_packages() -> None:
    found = run_versions()
    assert found["dosml"] == __version__
    assert found["numpy"] == np.__version__
    assert {"python", "torch", "ase"} <= set(found)


def test_a_page_is_in_a_clone_until_the_project_has_a_public_site(monkeypatch) -> None:
    assert docs_page("engines") == "docs/engines.md in a clone of dosml"
    named = Message()
    named["Project-URL"] = "Paper, https://doi.org/10.1038/s41524-024-01264-z"
    named["Project-URL"] = "Documentation, https://dosml.example.org/"
    monkeypatch.setattr(version, "metadata", lambda _name: named)
    assert docs_page("engines") == "https://dosml.example.org/engines.html"


def test_parts_are_what_dosml_itself_uses() -> None:
    found = part_versions()
    assert found["numpy"] == np.__version__
    assert {"tblite", "typer"} <= set(found)
    assert not {"pytest", "ruff", "sphinx"} & set(found)
